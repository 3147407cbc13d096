"""Proves slices before they are published, with another engine: what is in the files against tenancy re-derived from the landed keys.

Per table the multiset of (tenant, row) in the files must equal the one derived: a stranger's row, a missing row, a changed value and
a duplicate all show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from engine import duck
from engine.routing import Routing
from engine.schema import TableName
from extract.snapshot import LandedColumn
from slices import sql
from slices.judge import LandedFiles
from slices.rederive import Rederivation


@dataclass(frozen=True, slots=True)
class SliceFile:
    """A file to prove: the tenant's number in this run, its id, and where the file is."""

    number: int
    tenant: str
    path: Path


@dataclass(slots=True)
class Proof:
    """What was found in one tenant's file; it holds only where nothing is strange, missing or unexpected."""

    tenant: str
    rows: int = 0
    strange: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    problem: str | None = None

    @property
    def holds(self) -> bool:
        """Whether the slice is exactly what it must be."""
        return not self.strange and not self.missing and self.problem is None

    def __str__(self) -> str:
        parts = [f"{n} rows of {t} that are not its own" for t, n in self.strange.items()]
        parts += [f"{n} rows of {t} missing" for t, n in self.missing.items()]
        return "; ".join([*parts, *([self.problem] if self.problem else [])]) or f"{self.rows} rows, all its own"


def prove(
    routing: Routing,
    landed: Mapping[TableName, LandedFiles],
    derived: Rederivation,
    files: Sequence[SliceFile],
    timezone: str = "UTC",
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Proof]:
    """A proof per tenant id of `files`."""
    proofs = {f.tenant: Proof(f.tenant) for f in files}
    tables = {r.table: [landed[r.table].table.column(c.name) for c in r.columns if c.is_written] for r in routing.written}
    found: dict[TableName, list[pl.DataFrame]] = {name: [] for name in tables}
    with duck.proof(timezone) as connection:
        for done, file in enumerate(files):
            _read_file(connection, routing, tables, file, found, proofs[file.tenant])
            progress(done + 1)
    by_number = {f.number: f.tenant for f in files}
    for name, columns in tables.items():
        _compare(
            name,
            _expected(derived, landed[name], columns, name, by_number),
            _together(found[name]),
            by_number,
            proofs,
            str(routing.names[name]),
        )
    return proofs


def _read_file(
    connection: duck.Connection,
    routing: Routing,
    tables: Mapping[TableName, list[LandedColumn]],
    file: SliceFile,
    found: dict[TableName, list[pl.DataFrame]],
    proof: Proof,
) -> None:
    """Hashes of every row in the file, per table; a table too many or too few is a problem."""
    try:
        with duck.attached(connection, file.path):
            there = {(s, t) for s, t in connection.execute(sql.attached_tables()).fetchall() if s not in ("_slice", "panel")}
            wanted = {(routing.names[n].schema, routing.names[n].table) for n in tables}
            if there != wanted:
                proof.problem = f"{len(there - wanted)} tables too many, {len(wanted - there)} missing"
                return
            for name, columns in tables.items():
                names = {c.name: c.shown for c in routing.routes[name].columns}
                place = routing.names[name]
                query = sql.select_landed(place.schema, place.table, [(names[c.name], c.type) for c in columns])
                rows = pl.from_arrow(connection.sql(query).to_arrow_table())
                assert isinstance(rows, pl.DataFrame)
                proof.rows += rows.height
                hashed = rows.select(h=_row_hash([f"c{i}" for i in range(len(columns))], columns, landed=False))
                found[name].append(hashed.with_columns(t=pl.lit(file.number, pl.Int32)))
    except duck.Error:
        proof.problem = "the file cannot be read"


def _expected(
    derived: Rederivation, landed: LandedFiles, columns: Sequence[LandedColumn], name: TableName, numbers: Mapping[int, str]
) -> pl.DataFrame:
    """h, t of every row that must be in one of these tenants' files."""
    table = derived.tables[name]
    wanted = pl.DataFrame({"t": list(numbers)}, schema={"t": pl.Int32})
    owned = table.in_slices.join(wanted, on="t", how="semi")
    free = table.in_every_slice.join(wanted, how="cross")
    places = pl.concat([owned.select("ord", "t"), free.select("ord", "t")])
    hashed = pl.scan_parquet(list(landed.paths)).select("ord", h=_row_hash([c.landed for c in columns], columns, landed=True))
    if places.height < 1_000_000:
        hashed = hashed.join(places.select("ord").unique().lazy(), on="ord", how="semi")
    return hashed.collect(engine="streaming").join(places, on="ord").select("h", "t")


def _row_hash(names: Sequence[str], columns: Sequence[LandedColumn], *, landed: bool) -> pl.Expr:
    """A 64-bit hash of a row in the landed types; intervals are brought to `months days microseconds` first."""
    parts = [_plain(pl.col(n), c.type, landed=landed).alias(f"h{i}") for i, (n, c) in enumerate(zip(names, columns, strict=True))]
    return pl.struct(parts).hash(seed=20) if parts else pl.lit(0, pl.UInt64)


def _plain(column: pl.Expr, type_: str, *, landed: bool) -> pl.Expr:
    if type_.endswith("[]"):
        quoted = pl.concat_str(pl.lit("<"), _element(type_[:-2], landed=landed).fill_null("\0"), pl.lit(">"))
        return pl.when(column.is_null()).then(None).otherwise(column.list.eval(quoted).list.join(","))
    if type_ == "INTERVAL" and landed:
        return _interval(column)
    return column


def _element(type_: str, *, landed: bool) -> pl.Expr:
    """A list's element as text; times as their number, for polars cannot print an infinite one."""
    if type_ == "BLOB":
        return pl.element().bin.encode("hex")
    if type_ in ("DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
        return pl.element().to_physical().cast(pl.String)
    return _plain(pl.element(), type_, landed=landed).cast(pl.String)


def _interval(column: pl.Expr) -> pl.Expr:
    """ISO 8601 as PostgreSQL writes it, to `months days microseconds`."""

    def part(pattern: str) -> pl.Expr:
        return column.str.extract(pattern, 1).cast(pl.Int64).fill_null(0)

    def seconds() -> pl.Expr:
        text = column.str.extract(r"T[^T]*?(-?[0-9]+(?:\.[0-9]+)?)S", 1).fill_null("0")
        sign = pl.when(text.str.starts_with("-")).then(-1).otherwise(1)
        whole = text.str.extract(r"^-?([0-9]+)", 1).cast(pl.Int64)
        rest = (text.str.extract(r"\.([0-9]+)", 1).fill_null("") + "000000").str.slice(0, 6).cast(pl.Int64)
        return sign * (whole * 1_000_000 + rest)

    months = part(r"^P[^T]*?(-?[0-9]+)Y") * 12 + part(r"^P[^T]*?(-?[0-9]+)M")
    micros = part(r"T[^T]*?(-?[0-9]+)H") * 3_600_000_000 + part(r"T[^T]*?(-?[0-9]+)M") * 60_000_000 + seconds()
    shown = pl.concat_str(months, pl.lit(" "), part(r"^P[^T]*?(-?[0-9]+)D"), pl.lit(" "), micros)
    return pl.when(column.is_null()).then(None).otherwise(shown)


def _together(parts: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(parts) if parts else pl.DataFrame(schema={"h": pl.UInt64, "t": pl.Int32})


def _compare(
    name: TableName, expected: pl.DataFrame, actual: pl.DataFrame, numbers: Mapping[int, str], proofs: Mapping[str, Proof], shown: str
) -> None:
    """Counts, per tenant, the rows that only one side has."""
    left = expected.group_by("t", "h").agg(wanted=pl.len().cast(pl.Int64))
    right = actual.group_by("t", "h").agg(there=pl.len().cast(pl.Int64))
    both = left.join(right, on=["t", "h"], how="full", coalesce=True).with_columns(pl.col("wanted", "there").fill_null(0))
    off = both.filter(pl.col("wanted") != pl.col("there")).with_columns(more=pl.col("there") - pl.col("wanted"))
    told = off.group_by("t").agg(
        strange=pl.col("more").filter(pl.col("more") > 0).sum(), missing=-pl.col("more").filter(pl.col("more") < 0).sum()
    )
    for t, strange, missing in told.iter_rows():
        proof = proofs[numbers[t]]
        if strange:
            proof.strange[shown] = strange
        if missing:
            proof.missing[shown] = missing
