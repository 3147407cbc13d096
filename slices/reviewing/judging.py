"""Judges landed snapshots outside a refresh: for the review of a routing, and to prove published slices again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine import duck
from engine.duck import Connection
from engine.ids import new_id
from engine.routing import Routing
from extract.snapshot import Snapshot
from slices.installation import Installation
from slices.landing import files_of, oldest
from slices.rule.judge import Judge
from slices.rule.partition import Partition


@dataclass(frozen=True, slots=True)
class Judging:
    """Rows that are judged: the work database, what judged them, and what became of them."""

    connection: Connection
    judge: Judge
    partition: Partition
    folder: Path


@contextmanager
def judging(
    installation: Installation,
    workspace_id: str,
    routing: Routing,
    snapshots: Sequence[Snapshot],
    progress: Callable[[str], None] = lambda table: None,
) -> Iterator[Judging]:
    """The judged rows, and a work folder that is removed at the end. Hold the workspace's lock: a refresh sweeps work folders."""
    folder = installation.home.workspace(workspace_id).run(new_id("rn"))
    folder.mkdir(parents=True)
    settings = installation.settings
    try:
        with duck.work(
            folder / "work.duckdb", threads=settings.threads, memory_limit=settings.memory_limit, timezone=routing.timezone
        ) as connection:
            judge = Judge(connection, routing, files_of(installation, workspace_id, snapshots), oldest(snapshots))
            judge.run(progress)
            yield Judging(connection, judge, Partition(connection, routing, judge), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def judged(
    installation: Installation, workspace_id: str, routing: Routing, snapshots: Sequence[Snapshot]
) -> Iterator[tuple[Partition, Path]]:
    """What became of the rows, and the work folder, as `judging` has them."""
    with judging(installation, workspace_id, routing, snapshots) as work:
        yield work.partition, work.folder
