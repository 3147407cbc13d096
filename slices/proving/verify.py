"""Proves slices before they are published, with another engine: what is in the files against tenancy re-derived from the landed keys.

Per tenant and table the multiset of rows in the file must equal the one derived: a stranger's row, a missing row, a changed value and
a duplicate all show. So do a table or a column too many, a landed value that its mask has not touched, and a file that goes to another
tenant's key than that of its row of the tenant table.

A landed row is hashed once, however many slices it is in. Memory: 8 bytes a landed row, and the hashes of one table of a chunk of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from engine import duck
from engine.routing import Routing
from engine.schema import TableName
from engine.sql import attach
from engine.types import key_class
from extract.snapshot import LandedColumn
from slices.proving import sql
from slices.proving.clear import mask_findings
from slices.proving.hashing import row_hash
from slices.proving.proof import Proof
from slices.proving.rederive import Rederivation
from slices.rule.judge import LandedFiles

__all__ = ["Proof", "SliceFile", "prove"]

_CHUNK_FILES = 32
_CHUNK_ROWS = 1_000_000
_BATCH = 250_000


@dataclass(frozen=True, slots=True)
class SliceFile:
    """A file to prove: the tenant's number in this run, its id, where the file is, and the key under which it will answer."""

    number: int
    tenant: str
    path: Path
    key: str | None = None

    @property
    def attached(self) -> str:
        """What the file is called while it is attached."""
        return f"s{self.number}"


@dataclass(frozen=True, slots=True)
class _Table:
    """A table in slices: where it is in them, its columns as they are shown and landed, and the hashes of the rows that must be there.

    `own` are the hashes of owned rows in the order of their tenants, `ranges` where each tenant's lie; `free` those of every slice.
    """

    shown: str
    schema: str
    name: str
    columns: Sequence[LandedColumn]
    names: Sequence[str]
    own: pl.Series
    ranges: Mapping[int, tuple[int, int]]
    free: pl.Series
    only: int | None = None

    def own_rows(self, number: int) -> int:
        """How many rows of its own a tenant must have."""
        return self.ranges.get(number, (0, 0))[1]

    def expected(self, number: int) -> pl.Series:
        """The hashes that a tenant's file must hold."""
        own = self.own.slice(*self.ranges.get(number, (0, 0)))
        return self.free if not len(own) else own if not len(self.free) else pl.concat([own, self.free])


def prove(
    routing: Routing,
    landed: Mapping[TableName, LandedFiles],
    derived: Rederivation,
    files: Sequence[SliceFile],
    timezone: str = "UTC",
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Proof]:
    """A proof per tenant id of `files`. Where a mask does not hold, no proof does: nothing of such a snapshot is published."""
    masks = mask_findings(routing, landed)
    wanted = pl.DataFrame({"t": [f.number for f in files]}, schema={"t": pl.Int32})
    tables = [_table(routing, r.table, landed[r.table], derived, wanted) for r in routing.written]
    proofs: dict[str, Proof] = {}
    for chunk in _chunks(files, tables):
        proofs |= _prove(tables, chunk, timezone)
        progress(len(proofs))
    keys = _keys(routing, landed, derived)
    for file in files:
        proof = proofs[file.tenant]
        proof.masks = masks
        if file.key is not None and keys.get(file.number, file.key) != file.key:
            proof.problem = "it would answer under another tenant's key"
    return proofs


def _keys(routing: Routing, landed: Mapping[TableName, LandedFiles], derived: Rederivation) -> dict[int, str]:
    """The tenants' keys by their numbers, as far as polars can write them."""
    if routing.whole:
        return dict(enumerate(routing.whole))
    column = landed[routing.tenant.table].table.column(routing.tenant.key)
    key = pl.col(column.landed).cast(pl.String)
    key = key.str.strip_chars_end(" ") if key_class(column.type, column.source_type) == "char" else key
    rows = pl.scan_parquet(list(landed[routing.tenant.table].paths)).select("ord", key=key).collect()
    return dict(rows.drop_nulls().join(derived.tables[routing.tenant.table].rows, on="ord").select("t", "key").iter_rows())


def _chunks(files: Sequence[SliceFile], tables: Sequence[_Table]) -> Iterator[list[SliceFile]]:
    """Files that are read together: few enough to be open at once, with few enough rows."""
    free = sum(len(t.free) for t in tables)
    chunk: list[SliceFile] = []
    rows = 0
    for file in files:
        more = free + sum(t.own_rows(file.number) for t in tables)
        if chunk and (len(chunk) == _CHUNK_FILES or rows + more > _CHUNK_ROWS):
            yield chunk
            chunk, rows = [], 0
        chunk.append(file)
        rows += more
    if chunk:
        yield chunk


# ── what must be there ────────────────────────────────────────────────────────────────────────────────────────────────


def _table(routing: Routing, name: TableName, landed: LandedFiles, derived: Rederivation, wanted: pl.DataFrame) -> _Table:
    """The table with the hashes of what must be in these tenants' files."""
    plans = [c for c in routing.routes[name].columns if c.is_written]
    columns = [landed.table.column(c.name) for c in plans]
    table = derived.tables[name]
    owned = table.in_slices.join(wanted, on="t", how="semi").select("ord", "t")
    free = table.in_every_slice.select("ord")
    hashed = _hash_landed(landed, columns, pl.concat([owned.select("ord"), free]).unique())
    placed = owned.join(hashed, on="ord").select("t", "h").sort("t")
    ranges: dict[int, tuple[int, int]] = {}
    start = 0
    for t, rows in placed.group_by("t", maintain_order=True).len().iter_rows():
        ranges[t] = (start, rows)
        start += rows
    place = routing.names[name]
    everywhere = hashed.join(free, on="ord", how="semi")["h"]
    return _Table(
        str(place), place.schema, place.table, columns, [c.shown for c in plans], placed["h"], ranges, everywhere, routing.tenant_of(name)
    )


def _hash_landed(landed: LandedFiles, columns: Sequence[LandedColumn], only: pl.DataFrame) -> pl.DataFrame:
    """ord, h of these landed rows."""
    rows = pl.scan_parquet(list(landed.paths))
    if only.height < landed.table.rows:
        rows = rows.join(only.lazy(), on="ord", how="semi")
    return rows.select("ord", h=row_hash([c.landed for c in columns], columns, landed=True)).collect(engine="streaming")


# ── what is there ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _prove(tables: Sequence[_Table], files: Sequence[SliceFile], timezone: str) -> dict[str, Proof]:
    """Proofs of files that are read together; where the engine refuses one of them, each is read by itself."""
    try:
        with duck.proof(timezone) as connection:
            for file in files:
                connection.execute(attach(file.path, file.attached))
            return _compare_files(connection, tables, files)
    except duck.Error:
        if len(files) == 1:
            return {files[0].tenant: Proof(files[0].tenant, files[0].path.stem, problem="the file cannot be read")}
    return {tenant: proof for file in files for tenant, proof in _prove(tables, [file], timezone).items()}


def _compare_files(connection: duck.Connection, tables: Sequence[_Table], files: Sequence[SliceFile]) -> dict[str, Proof]:
    found = _columns_of(connection)
    proofs = {f.tenant: Proof(f.tenant, f.path.stem, problem=_shape_problem(_of(tables, f), found.get(f.attached, {}))) for f in files}
    for number, fact, value in connection.execute(sql.facts_of_slices([(f.attached, f.number) for f in files])).fetchall():
        file = next(f for f in files if f.number == number)
        if value != {"tenant_key": file.key or value, "version": file.path.stem}[fact]:
            proofs[file.tenant].problem = f"its _slice.manifest has another {fact}"
    sound = [f for f in files if proofs[f.tenant].problem is None]
    for table in tables:
        having = [f for f in sound if table.only in (None, f.number)]
        rows = _read(connection, table, having)
        for file in having:
            _compare(table, file.number, rows.get(file.number, pl.Series(dtype=pl.UInt64)), proofs[file.tenant])
    return proofs


def _of(tables: Sequence[_Table], file: SliceFile) -> list[_Table]:
    """The tables that a tenant's file has."""
    return [t for t in tables if t.only in (None, file.number)]


_Shape = dict[tuple[str, str], list[tuple[str, str]]]


def _columns_of(connection: duck.Connection) -> dict[str, _Shape]:
    """Per attached file: schema and name of its tables and views → names and types of their columns."""
    found: dict[str, _Shape] = {}
    for database, schema, table, column, type_ in connection.execute(sql.attached_columns()).fetchall():
        if schema not in ("_slice", "panel"):
            found.setdefault(database, {}).setdefault((schema, table), []).append((column, type_))
    return found


def _shape_problem(tables: Sequence[_Table], there: _Shape) -> str | None:
    """What is wrong with the tables and columns of a file, or None."""
    wanted = {(t.schema, t.name): list(zip(t.names, [c.type for c in t.columns], strict=True)) for t in tables}
    if there.keys() != wanted.keys():
        return f"{len(there.keys() - wanted.keys())} tables too many, {len(wanted.keys() - there.keys())} missing"
    other = sorted(".".join(place) for place, columns in wanted.items() if there[place] != columns)
    return f"other columns than accepted: {', '.join(other)}" if other else None


def _read(connection: duck.Connection, table: _Table, files: Sequence[SliceFile]) -> dict[int, pl.Series]:
    """Hashes of the rows that the files hold of a table, by tenant number."""
    if not files:
        return {}
    columns = list(zip(table.names, [c.type for c in table.columns], strict=True))
    query = sql.rows_of_slices([(f.attached, f.number) for f in files], table.schema, table.name, columns)
    hashed = row_hash([f"c{i}" for i in range(len(columns))], table.columns, landed=False)
    parts = [rows.select("t", h=hashed) for rows in _frames(connection.sql(query).to_arrow_reader(_BATCH))]
    if not parts:
        return {}
    by_tenant = pl.concat(parts).partition_by("t", as_dict=True, include_key=False)
    return {int(t): frame["h"] for (t,), frame in by_tenant.items()}


def _frames(batches: pa.RecordBatchReader) -> Iterator[pl.DataFrame]:
    """Small batches together, for each expression costs more than a few rows do."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= _BATCH:
            yield _frame(waiting)
            waiting, rows = [], 0
    if waiting:
        yield _frame(waiting)


def _frame(batches: list[pa.RecordBatch]) -> pl.DataFrame:
    frame = pl.from_arrow(pa.Table.from_batches(batches))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _compare(table: _Table, number: int, there: pl.Series, proof: Proof) -> None:
    """Counts the rows that only one side has."""
    wanted = table.expected(number)
    proof.tables[table.shown] = len(there)
    proof.own[table.shown] = table.own_rows(number)
    if len(there) == len(wanted) and there.sort().equals(wanted.sort(), check_names=False):
        return
    sides = [s.alias("h").to_frame().group_by("h").agg(pl.len().cast(pl.Int64).alias(n)) for s, n in ((wanted, "wanted"), (there, "there"))]
    both = sides[0].join(sides[1], on="h", how="full", coalesce=True).with_columns(pl.col("wanted", "there").fill_null(0))
    more = both["there"] - both["wanted"]
    strange, missing = int(more.filter(more > 0).sum()), -int(more.filter(more < 0).sum())
    if strange:
        proof.strange[table.shown] = strange
    if missing:
        proof.missing[table.shown] = missing
