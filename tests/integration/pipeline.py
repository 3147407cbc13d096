"""A case of the row rule, put through the product: its planner, its landing, both of its judges, and the files that it builds.

>>> verdicts_by_judge(case, folder).slices["17"]["orders"]
[0, 3, 4]
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa

from engine import duck
from engine import sql as quoting
from engine.catalog import runs
from engine.lock import routing_of
from engine.names import SliceName
from engine.plan import landed_columns, plan_routing
from engine.routing import Routing
from engine.schema import ForeignKey, Schema, TableName, UniqueKey
from engine.schema import Table as SourceTable
from engine.workspace import Workspace
from extract.memory import ArrowSource, arrow_columns, offer
from extract.snapshot import Landing, land
from extract.source import ReadRequest
from slices import builders, routings
from slices.judge import Judge, LandedFiles
from slices.partition import Partition
from slices.rederive import Rederivation
from slices.refresh import Options, refresh
from slices.sql import State
from slices.task import Built
from tests.integration.driving import Answering, accept, answering, installation_in, workspace_of
from tests.rowrule.case import Case, ColumnType, Edge, Table
from tests.rowrule.oracle import outcome

ARROW = {"int": pa.int32(), "bigint": pa.int64(), "text": pa.string()}
ROW = "rid"  # an extra column of every table: the row's index in the case
Rows = dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a judge says, in the words of the oracle's Outcome."""

    slices: dict[str, Rows]
    quarantine: Rows
    excluded: set[str]


def table_name(table: str) -> TableName:
    return TableName("app", "public", table)


def is_declared(case: Case, edge: Edge) -> bool:
    """Whether an edge is a foreign key of the source; every second one of plain names is a line of the file instead."""
    words = (edge.child, *edge.columns, edge.parent, *edge.parent_columns)
    return case.edges.index(edge) % 2 == 0 or not all(re.fullmatch("[a-z_0-9]+", word) for word in words)


def source_of(case: Case) -> ArrowSource:
    return ArrowSource("app", dict(_source_table(case, table) for table in case.tables), datetime(2026, 1, 1, tzinfo=UTC))


def _source_table(case: Case, table: Table) -> tuple[SourceTable, pa.Table]:
    columns = {c.name: _array(c.type, [row[i] for row in table.rows]) for i, c in enumerate(table.columns)}
    rows = pa.table(columns | {ROW: pa.array(range(len(table.rows)), pa.int64())})
    keys = tuple(UniqueKey(key, i == 0) for i, key in enumerate(table.unique))
    foreign = tuple(
        ForeignKey(e.columns, table_name(e.parent), e.parent_columns) for e in case.edges_of(table.name) if is_declared(case, e)
    )
    return SourceTable(table_name(table.name), arrow_columns(rows), keys, foreign), rows


def _array(kind: ColumnType, values: list[object]) -> pa.Array:
    """A column; an int that holds more than 32 bits (a case may say so of a key of nobody) is a bigint."""
    wide = kind == "int" and any(isinstance(v, int) and not -(2**31) <= v < 2**31 for v in values)
    return pa.array(values, ARROW["bigint" if wide else kind])


def workspace(case: Case, folder: Path, url: str = "nowhere", kind: str = "arrow", declared: Collection[Edge] | None = None) -> Workspace:
    """The workspace file that says of the case what the case says of itself; no guard stops it for its quarantine.

    `declared`: the edges that are foreign keys of the source, where those are not the ones that are in memory.
    """
    lines = [_line(e) for e in case.edges if (not is_declared(case, e) if declared is None else e not in declared)]
    tables = {_quoted(t.name): _said(case, t.name) | {"quarantine": "100%"} for t in case.tables}
    tenants = {"table": _quoted(case.tenant_table), "key": case.tenant_key}
    return workspace_of(folder, kind, url, tenants=tenants, relationships=lines, tables=tables)


def _line(edge: Edge) -> str:
    ends = ((edge.child, edge.columns), (edge.parent, edge.parent_columns))
    return " -> ".join(f"{table}.{columns[0]}" if len(columns) == 1 else f"{table}.({', '.join(columns)})" for table, columns in ends)


def _quoted(name: str) -> str:
    return name if re.fullmatch("[a-z_0-9]+", name) else '"' + name.replace('"', '""') + '"'


def _said(case: Case, table: str) -> dict[str, object]:
    said: dict[str, object] = {}
    if table in case.shared:
        said["shared"] = True
    if table in case.excluded:
        said["route"] = "excluded"
    if table in case.through:
        said["through"] = case.through[table]
    if table in case.via:
        said["via"] = [str(edge) for edge in case.via[table]]
    if table in case.soft_delete:
        said["soft_delete"] = case.soft_delete[table]
    if table in case.unassigned_shared:
        said["unassigned"] = "shared"
    return said


@dataclass(frozen=True, slots=True)
class Landed:
    """A case that was planned and landed."""

    case: Case
    routing: Routing
    files: dict[TableName, LandedFiles]
    as_of: datetime

    @property
    def written(self) -> list[str]:
        return [r.table.table for r in self.routing.written]

    @property
    def excluded(self) -> set[str]:
        return {t.name for t in self.case.tables} - set(self.written)

    def verdicts(self, tenants: Sequence[str], live: Sequence[int], rows: dict[str, list[tuple[int, int, int | None, bool]]]) -> Verdicts:
        """From (row, state, tenant's number, filtered) of every place of every written table."""
        in_slice = {
            tenants[n]: {
                t: sorted({row for row, state, tenant, gone in found if not gone and _is_in(state, tenant, n)}) for t, found in rows.items()
            }
            for n in live
        }
        bad = {t: sorted({row for row, state, _, _ in found if state == State.QUARANTINED}) for t, found in rows.items()}
        return Verdicts(in_slice, bad, self.excluded)


def _is_in(state: int, tenant: int | None, number: int) -> bool:
    return state == State.EVERYBODY or (state == State.OWNED and tenant == number)


def landed(case: Case, folder: Path) -> Landed:
    """Plans the case and lands its rows in the folder."""
    with source_of(case).snapshot() as snapshot:
        schema = Schema.of(snapshot.describe())
        routing = plan_routing(workspace(case, folder), schema)
        wanted = [r for r in routing.routes.values() if r.is_written or r.bridge]
        cut = land("app", snapshot, [ReadRequest(schema[r.table], landed_columns(r, routing)) for r in wanted], Landing(folder, b"k"))
    return Landed(case, routing, {t.name: LandedFiles(t, tuple(folder / f.path for f in t.files)) for t in cut.tables}, cut.as_of)


def verdicts_by_judge(case: Case | Landed, folder: Path) -> Verdicts:
    """What DuckDB says, before anything is built."""
    made = landed(case, folder) if isinstance(case, Case) else case
    with _judged(made, folder) as (connection, judge):
        tenants = Partition(connection, made.routing, judge).tenants
        rows = {
            t.table: connection.execute(
                f"select l.{item.landed.table.column(ROW).landed}, state, t, filtered from p{item.number} p join l{item.number} l using (ord)"
            ).fetchall()
            for t, item in judge.tables.items()
            if t.table in made.written
        }
    return made.verdicts([t.key for t in tenants], [t.number for t in tenants if not t.filtered], rows)


@contextmanager
def _judged(made: Landed, folder: Path) -> Iterator[tuple[duck.Connection, Judge]]:
    with duck.work(folder / "judge.duckdb", threads=1, memory_limit="1GB", timezone="UTC") as connection:
        judge = Judge(connection, made.routing, made.files, made.as_of)
        judge.run()
        yield connection, judge


def verdicts_by_polars(case: Case | Landed, folder: Path) -> Verdicts:
    """What the proof says."""
    made = landed(case, folder) if isinstance(case, Case) else case
    derived = Rederivation(made.routing, made.files, {}).tables
    rows = {
        t: _numbered(made, t).join(derived[table_name(t)].placed, on="ord", how="left").select(ROW, "state", "t", "filtered").rows()
        if "t" in derived[table_name(t)].placed.columns
        else _numbered(made, t)
        .join(derived[table_name(t)].placed, on="ord", how="left")
        .select(ROW, "state", pl.lit(None, pl.Int32).alias("t"), "filtered")
        .rows()
        for t in made.written
    }
    own = case.tenant_table if isinstance(case, Case) else case.case.tenant_table
    keys = _tenant_keys(made)
    return made.verdicts(keys, sorted(t for _, _, t, gone in rows[own] if t is not None and not gone), rows)


def _tenant_keys(made: Landed) -> list[str]:
    table = made.case.table(made.case.tenant_table)
    return [str(table.value(i, made.case.tenant_key)) for i in range(len(table.rows))]


def _numbered(made: Landed, table: str) -> pl.DataFrame:
    files = made.files[table_name(table)]
    column = files.table.column(ROW).landed
    return pl.scan_parquet(list(files.paths)).select("ord", pl.col(column).alias(ROW)).collect()


@dataclass(frozen=True, slots=True)
class Published:
    """What a refresh published: the rows in the files that answer, and how many rows of each table the run put where."""

    slices: dict[str, Rows]
    counts: dict[str, Counts]


@dataclass(frozen=True, slots=True)
class Counts:
    """The verdicts of one table that are no slice's."""

    quarantined: int
    filtered: int


def published(case: Case, home: Path, *, first: bool = True, file: Workspace | None = None) -> Published:
    """Refreshes the case from memory, or from the source of the same rows that `file` names.

    `first`: accepts the routing, otherwise the one accepted before counts.
    """
    if file is None:
        offer(str(home), source_of(case))
        file = workspace(case, home / "nothing", str(home))
    installation = installation_in(home, builders=1)
    if first:
        accept(installation, file)
    result = refresh(installation, file, Options(allow_shrink=True))
    assert (result.failed, result.withheld, result.reasons) == (0, 0, {})
    accepted = routings.accepted(installation, file, routings.workspace_row(installation, file))
    assert accepted is not None
    routing = routing_of(accepted[1])
    names = {r.table.table: routing.names[r.table] for r in routing.written}
    with installation.catalog.read() as session:
        verdicts = runs.verdicts_of(session, result.run)
    return Published(
        {key: _rows_of(tenant, names) for key, tenant in answering(installation, file).items() if tenant.path is not None},
        {name.rpartition(".")[2]: Counts(found["quarantined"], found["filtered"]) for name, found in verdicts.items()},
    )


def _rows_of(tenant: Answering, names: Mapping[str, SliceName]) -> Rows:
    return {
        t: [row for (row,) in tenant.rows(f"select {ROW} from {quoting.names(n.schema, n.table)} order by 1")] for t, n in names.items()
    }


def foreseen(case: Case) -> Published:
    """What the oracle says of the same."""
    found = outcome(case)
    return Published(found.slices, {t: Counts(len(rows), len(found.filtered[t])) for t, rows in found.quarantine.items()})


@contextmanager
def one_builder() -> Iterator[None]:
    """All builds of the block by one real builder process, started and proven by its canary once; nothing else of the pipeline changes."""
    real, kept = builders._Builder, list[builders._Builder]()

    def lent(environment: Mapping[str, str] | None) -> builders._Builder:
        if not kept or kept[0]._process.poll() is not None:
            kept[:] = [real(environment)]
        return _Lent(kept[0])  # type: ignore[return-value]

    builders._Builder = lent  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        builders._Builder = real  # type: ignore[misc]
        for process in kept:
            process.close()


@dataclass(frozen=True, slots=True)
class _Lent:
    """A builder process that outlives the refresh that uses it."""

    process: builders._Builder

    def build(self, task: Path) -> list[Built]:
        return self.process.build(task)

    def close(self) -> None:
        pass
