"""A case of the row rule, put through the product: its planner, its landing, both of its judges, and the files that it builds.

>>> both_verdicts(landed(case, folder), folder)[0].slices["17"]["orders"]
[0, 3, 4]
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import polars as pl
import pyarrow as pa

from engine import duck
from engine import sql as quoting
from engine.catalog import runs
from engine.errors import ReviewRequired
from engine.lock import routing_of
from engine.names import SliceName
from engine.plan import plan_routing
from engine.routing import Routing
from engine.schema import Column as SourceColumn
from engine.schema import ForeignKey, Schema, TableName, UniqueKey
from engine.schema import Table as SourceTable
from engine.types import key_class
from engine.used import landed_columns
from engine.workspace import Workspace
from extract.memory import ArrowSource, arrow_columns, offer
from extract.snapshot import Landing, land
from extract.source import ReadRequest
from slices.building import builders
from slices.building.task import Built
from slices.proving.derived import Derived
from slices.proving.rederive import Rederivation
from slices.refresh import Options, refresh
from slices.reviewing import routings
from slices.rule.judge import Judge, LandedFiles
from slices.rule.partition import Partition
from slices.rule.sql import State
from tests.integration.driving import Answering, accept, answering, installation_in, workspace_of
from tests.rowrule.case import CHAR, SCALE, Case, ColumnType, Edge, Polymorphic, Table
from tests.rowrule.moves import later
from tests.rowrule.oracle import outcome

ARROW = {
    "int": pa.int32(),
    "bigint": pa.int64(),
    "text": pa.string(),
    "uuid": pa.string(),
    "decimal": pa.decimal128(38, SCALE),
    "char": pa.string(),
    "bool": pa.bool_(),
}
ROW = "rid"  # an extra column of every table: the row's index in the case
Rows = dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a judge says, in the words of the oracle's Outcome."""

    slices: dict[str, Rows]
    quarantine: Rows
    excluded: set[str]


def table_name(table: str) -> TableName:
    schema, _, name = table.rpartition(".")
    return TableName("app", schema or "public", name)


def named(table: TableName) -> str:
    """The table's name in a case."""
    return table.table if table.schema == "public" else f"{table.schema}.{table.table}"


def is_declared(case: Case, edge: Edge) -> bool:
    """Whether an edge is a foreign key of the source; every second one of plain names is a line of the file instead."""
    words = (*edge.child.split("."), *edge.columns, *edge.parent.split("."), *edge.parent_columns)
    if edge.when is not None:
        return False
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
    return SourceTable(table_name(table.name), _source_columns(table, rows), keys, foreign), rows


def _source_columns(table: Table, rows: pa.Table) -> tuple[SourceColumn, ...]:
    """As PostgreSQL would describe them: Arrow has no uuid and no char."""
    types = {c.name: c.type for c in table.columns}
    said = {"uuid": ("uuid", "UUID"), "char": (f"character({CHAR})", "VARCHAR")}
    return tuple(
        replace(c, source_type=said[kind][0], type=said[kind][1], key_class=key_class(said[kind][1], said[kind][0]))
        if (kind := types.get(c.name, "int")) in said
        else c
        for c in arrow_columns(rows)
    )


def _array(kind: ColumnType, values: list[object]) -> pa.Array:
    """A column; an int that holds more than 32 bits (a case may say so of a key of nobody) is a bigint."""
    wide = kind == "int" and any(isinstance(v, int) and not -(2**31) <= v < 2**31 for v in values)
    if kind == "char":
        values = [v.ljust(CHAR) if isinstance(v, str) else v for v in values]
    return pa.array(values, ARROW["bigint" if wide else kind])


def workspace(case: Case, folder: Path, url: str = "nowhere", kind: str = "arrow", declared: Collection[Edge] | None = None) -> Workspace:
    """The workspace file that says of the case what the case says of itself; no guard stops it for its quarantine.

    `declared`: the edges that are foreign keys of the source, where those are not the ones that are in memory.
    """
    lines = [_line(e) for e in case.edges if e.when is None and (not is_declared(case, e) if declared is None else e not in declared)]
    lines += [_pair(pair) for pair in case.polymorphic]
    tenants: dict[str, object] = {"table": _quoted(case.tenant_table), "key": case.tenant_key}
    if case.rollup is not None:
        tenants["parent"] = {"column": case.rollup, "data": "rollup"}
    return workspace_of(
        folder,
        kind,
        url,
        tenants=tenants,
        relationships=lines,
        actors=[_end(e.child, e.columns) for e in sorted(case.actors, key=str)],
        tables={_quoted(t.name): _said(case, t.name) | {"quarantine": "100%"} for t in case.tables},
        columns={_end(t, (c,)): {"normalise": how} for (t, c), how in case.normalise.items()}
        | {_end(t, (c,)): {"mask": "sha256"} for t, c in masked_columns(case)},
    )


def masked_columns(case: Case) -> list[tuple[str, str]]:
    """Key columns that this case masks: with every column that an edge compares them with, about one set in three, always the same."""
    sets: list[set[tuple[str, str]]] = []
    for edge in case.edges:
        for child, parent in zip(edge.columns, edge.parent_columns, strict=True):
            new = {(edge.child, child), (edge.parent, parent)}
            near = [s for s in sets if s & new]
            sets = [s for s in sets if not s & new] + [new.union(*near)]
    random_ = Random(repr(case))
    chosen = [s for s in sorted(sets, key=sorted) if random_.random() < 0.35 and _may_be_masked(case, s)]
    return sorted(c for s in chosen for c in s)


def _may_be_masked(case: Case, columns: set[tuple[str, str]]) -> bool:
    """Not the tenant's key, nothing that is read as a value, and one type."""
    read = {(case.tenant_table, case.tenant_key), (case.tenant_table, case.rollup), *case.normalise}
    read |= {(t, c) for t, c in case.soft_delete.items()} | {(t, c) for t, listed in case.hides.items() for c in listed}
    read |= {(t, w.column) for t, w in case.where.items()} | {(t, w.column) for t, w in case.unassigned_shared.items() if w is not None}
    read |= {(pair.child, pair.type) for pair in case.polymorphic}
    kinds = {case.table(t).type_of(c) for t, c in columns}
    return not columns & read and kinds in ({"int"}, {"bigint"}, {"text"}, {"uuid"})


def _line(edge: Edge) -> str:
    return f"{_end(edge.child, edge.columns)} -> {_end(edge.parent, edge.parent_columns)}"


def _pair(pair: Polymorphic) -> str:
    types = ", ".join(f'"{name}": {_end(to[0], (to[1],)) if to else "none"}' for name, to in pair.types)
    return f"{_end(pair.child, (pair.type, pair.id))} -> {{{types}}}"


def _end(table: str, columns: Sequence[str]) -> str:
    name = table if "." in table else f"public.{table}"
    return f"{name}.{columns[0]}" if len(columns) == 1 else f"{name}.({', '.join(columns)})"


def _quoted(name: str) -> str:
    """A table of the case; with its schema, for another may have one of the same name."""
    schema, _, table = name.rpartition(".")
    return f"{schema or 'public'}." + (table if re.fullmatch("[a-z_0-9]+", table) else '"' + table.replace('"', '""') + '"')


def _said(case: Case, table: str) -> dict[str, object]:
    said: dict[str, object] = {}
    if table in case.shared:
        said["shared"] = "referenced" if table in case.referenced else True
    if table in case.excluded:
        said["route"] = "excluded"
    if table in case.through:
        said["through"] = case.through[table] if "." in case.joining(table)[0] else f"public.{case.through[table]}"
    if table in case.via:
        said["via"] = [_label(edge) for edge in case.via[table]]
    if table in case.soft_delete:
        said["soft_delete"] = case.soft_delete[table]
    if table in case.where:
        said["where"] = case.where[table].sql
    if table in case.hides:
        said["hides"] = list(case.hides[table])
    if table in case.unassigned_shared:
        condition = case.unassigned_shared[table]
        said["unassigned"] = "shared" if condition is None else {"shared": condition.sql}
    return said


def _label(edge: Edge) -> str:
    """An edge as via names it: tables without their schemas."""
    bare = replace(edge, child=edge.child.rpartition(".")[2], parent=edge.parent.rpartition(".")[2])
    return str(bare)


@dataclass(frozen=True, slots=True)
class Landed:
    """A case that was planned and landed."""

    case: Case
    routing: Routing
    files: dict[TableName, LandedFiles]
    as_of: datetime

    @property
    def written(self) -> list[str]:
        return [named(r.table) for r in self.routing.written]

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


def both_verdicts(made: Landed, folder: Path) -> tuple[Verdicts, Verdicts]:
    """What DuckDB says before anything is built, and what the proof says with polars, given the conditions that only DuckDB reads."""
    with _judged(made, folder) as (connection, judge):
        partition = Partition(connection, made.routing, judge)
        rows = {
            named(t): connection.execute(
                f"select l.{item.landed.table.column(ROW).landed}, state, t, filtered from o{item.number} p join l{item.number} l using (ord)"
            ).fetchall()
            for t, item in judge.tables.items()
            if named(t) in made.written
        }
        tenants = partition.tenants
        derived = Rederivation(made.routing, made.files, partition.export_where(folder), partition.export_everybody(folder)).tables
        proven = {t: _proven_rows(made, t, derived[table_name(t)]) for t in made.written}
    own = derived[table_name(made.case.tenant_table)].rows.filter(~pl.col("filtered"))
    live = sorted(own["t"].to_list())
    return (
        made.verdicts([t.key for t in tenants], [t.number for t in tenants if not t.filtered], rows),
        made.verdicts(_tenant_keys(made), live, proven),
    )


def _proven_rows(made: Landed, table: str, derived: Derived) -> list[tuple[int, int, int | None, bool]]:
    """Row, state, tenant's number, filtered of every place in a slice, of everybody's rows (no tenant) and of those in quarantine."""
    bad = derived.rows.filter(pl.col("state") == State.QUARANTINED).select("ord")
    parts = [
        derived.in_slices.select("ord", pl.lit(State.OWNED, pl.Int8).alias("state"), pl.col("t").cast(pl.Int32)),
        derived.in_every_slice.select("ord", pl.lit(State.EVERYBODY, pl.Int8).alias("state"), pl.lit(None, pl.Int32).alias("t")),
        bad.select("ord", pl.lit(State.QUARANTINED, pl.Int8).alias("state"), pl.lit(None, pl.Int32).alias("t")),
    ]
    return _numbered(made, table).join(pl.concat(parts), on="ord").select(ROW, "state", "t", pl.lit(False).alias("filtered")).rows()


@contextmanager
def _judged(made: Landed, folder: Path) -> Iterator[tuple[duck.Connection, Judge]]:
    with duck.work(folder / "judge.duckdb", threads=1, memory_limit="1GB", timezone="UTC") as connection:
        judge = Judge(connection, made.routing, made.files, made.as_of)
        judge.run()
        yield connection, judge


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
    shown: dict[str, set[object]]  # of the hidden columns of a shared table, every value in a slice


@dataclass(frozen=True, slots=True)
class Counts:
    """The verdicts of one table that are no slice's."""

    quarantined: int
    filtered: int
    unreferenced: int = 0


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
    names = {named(r.table): routing.names[r.table] for r in routing.written}
    with installation.catalog.read() as session:
        verdicts = runs.verdicts_of(session, result.run)
    answers = {key: tenant for key, tenant in answering(installation, file).items() if tenant.path is not None}
    return Published(
        {key: _rows_of(tenant, names) for key, tenant in answers.items()},
        {
            named(TableName(*name.split(".", 2))): Counts(found["quarantined"], found["filtered"], found["unreferenced"])
            for name, found in verdicts.items()
        },
        {t: _shown(answers, names[t], case.hides[t]) for t in case.hides if t in names},
    )


def _rows_of(tenant: Answering, names: Mapping[str, SliceName]) -> Rows:
    return {
        t: [row for (row,) in tenant.rows(f"select {ROW} from {quoting.names(n.schema, n.table)} order by 1")] for t, n in names.items()
    }


def _shown(answers: Mapping[str, Answering], name: SliceName, columns: Sequence[str]) -> set[object]:
    listed = ", ".join(quoting.name(c) for c in columns)
    query = f"select {listed} from {quoting.names(name.schema, name.table)}"
    return {value for tenant in answers.values() for row in tenant.rows(query) for value in row}


def foreseen(case: Case, gone: Collection[str] = ()) -> Published:
    """What the oracle says of the same; `gone` are tenants that have no slice though they are there."""
    found = outcome(case)
    slices = {key: rows for key, rows in found.slices.items() if key not in gone}
    counts = {t: Counts(len(rows), len(found.filtered[t]), len(found.unreferenced.get(t, []))) for t, rows in found.quarantine.items()}
    rows = {t for slice_ in slices.values() for t, there in slice_.items() if there}
    return Published(slices, counts, {t: {None} if t in rows else set() for t in case.hides if t in found.quarantine})


def refreshes(case: Case, home: Path) -> Iterator[tuple[Case, Published, Published]]:
    """Three refreshes while rows move: the case as it is, what was published, what the oracle says.

    Where more rows than before are everybody's a refresh stops, and is accepted anew. A tenant that was there and was filtered is gone, and
    stays so when its row returns (rules.md 4): nobody takes it back here.
    """
    random_, known, gone = Random(repr(case)), set[str](), set[str]()
    for step in range(3):
        try:
            there = published(case, home, first=step == 0)
        except ReviewRequired:
            there = published(case, home, first=True)
        alive = set(outcome(case).slices)
        gone |= known - alive
        known |= alive
        yield case, there, foreseen(case, gone)
        case = later(case, random_)


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
