"""Drives the product as its commands do, without them: accept, refresh, look at what answers."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from psycopg import conninfo

from engine import duck
from engine.catalog import versions
from engine.schema import ForeignKey, Table, TableName, UniqueKey
from engine.settings import Settings
from engine.workspace import Workspace
from extract.memory import ArrowSource, arrow_columns, offer
from slices.installation import Installation, open_installation
from slices.landing import OpenSources, files_of, land_workspace, oldest, plan_fresh
from slices.reviewing import routings
from slices.rule.judge import Judge
from slices.rule.partition import Partition


def installation_in(home: Path, **settings: Any) -> Installation:
    return open_installation(Settings(home=home, **settings))


def postgres_url(database: str) -> str:
    """The URI of a database that a test was given."""
    facts = conninfo.conninfo_to_dict(database)
    return f"postgresql://{facts['user']}@/{facts['dbname']}?host={facts['host']}"


def workspace_of(folder: Path, kind: str, url: str, **more: Any) -> Workspace:
    facts: dict[str, Any] = {"tenants": {"table": "orgs"}} | more
    return Workspace.model_validate(
        {"version": 1, "workspace": "w", "sources": {"app": {"kind": kind, "url": url}}, "path": folder / "slicehouse.yaml"} | facts
    )


def accept(installation: Installation, workspace: Workspace) -> None:
    """Lands, judges and accepts what the source is now, all of it."""
    row = routings.workspace_row(installation, workspace)
    with OpenSources(installation, workspace) as sources:
        schema, routing = plan_fresh(sources, workspace, None)
        snapshots = land_workspace(installation, row, sources, schema, routing)
    with (
        tempfile.TemporaryDirectory() as folder,
        duck.work(Path(folder) / "judge.duckdb", threads=1, memory_limit="1GB", timezone="UTC") as connection,
    ):
        judge = Judge(connection, routing, files_of(installation, row.id, snapshots), oldest(snapshots))
        judge.run()
        verdicts = Partition(connection, routing, judge).verdicts()
    routings.accept(installation, workspace, row, routing, verdicts, "the tests")


@dataclass(frozen=True)
class Answering:
    """A tenant as the catalog has it: its state, its current version's id, and that version's file."""

    id: str
    key: str
    state: str
    version: str | None
    path: Path | None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        assert self.path is not None
        with duckdb.connect(str(self.path), read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            return connection.execute(query).fetchall()

    def bytes(self) -> bytes:
        assert self.path is not None
        return self.path.read_bytes()


def answering(installation: Installation, workspace: Workspace) -> dict[str, Answering]:
    """Tenants by key."""
    row = routings.workspace_row(installation, workspace)
    folder = installation.home.workspace(row.id)
    with installation.catalog.read() as session:
        return {
            t.key: Answering(t.id, t.key, t.state, t.version_id, folder.slice(t.id, t.version_id) if t.version_id else None)
            for t in versions.tenants_of(session, row.id)
        }


def offer_tables(url: str, tables: Mapping[str, tuple[pa.Table, Sequence[tuple[str, str]]]]) -> None:
    """Offers tables in memory: name → rows and (column, parent table) of its foreign keys; every primary key is `id`."""
    offer(url, ArrowSource("app", dict(_table(name, rows, keys) for name, (rows, keys) in tables.items())))


def _table(name: str, rows: pa.Table, keys: Sequence[tuple[str, str]]) -> tuple[Table, pa.Table]:
    foreign = tuple(ForeignKey((column,), TableName("app", "public", parent), ("id",)) for column, parent in keys)
    return Table(TableName("app", "public", name), arrow_columns(rows), (UniqueKey(("id",), True),), foreign), rows
