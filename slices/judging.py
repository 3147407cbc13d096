"""Judges landed snapshots outside a refresh: for the review of a routing, and to prove published slices again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine import duck
from engine.ids import new_id
from engine.routing import Routing
from extract.snapshot import Snapshot
from slices.installation import Installation
from slices.judge import Judge
from slices.landing import files_of, oldest
from slices.partition import Partition


@contextmanager
def judged(
    installation: Installation, workspace_id: str, routing: Routing, snapshots: Sequence[Snapshot]
) -> Iterator[tuple[Partition, Path]]:
    """The judged rows, and a work folder that is removed at the end. Hold the workspace's lock: a refresh sweeps work folders."""
    folder = installation.home.workspace(workspace_id).run(new_id("rn"))
    folder.mkdir(parents=True)
    settings = installation.settings
    try:
        with duck.work(
            folder / "work.duckdb", threads=settings.threads, memory_limit=settings.memory_limit, timezone=routing.timezone
        ) as connection:
            judge = Judge(connection, routing, files_of(installation, workspace_id, snapshots), oldest(snapshots))
            judge.run()
            yield Partition(connection, routing, judge), folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
