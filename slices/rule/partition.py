"""A verdict for every row, in tenant order: accounting, fingerprints, and the buckets of rows that builders take.

Tenants have numbers inside one run (row i of the tenant table is tenant i); outside it only ids and keys count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from engine import sql as quoting
from engine.duck import Connection
from engine.errors import WorkFailed
from engine.graph import Edge
from engine.infer import sql as evidence
from engine.infer.evidence import Inclusion
from engine.routing import Routing
from engine.schema import TableName
from engine.types import key_class
from extract.snapshot import LandedColumn
from slices.rule import sql
from slices.rule.buckets import BucketWriter
from slices.rule.judge import Judge, Numbered
from slices.rule.sql import Reason
from slices.rule.tenants import check_normalised, check_tenant_keys

_BATCH = 250_000


@dataclass(frozen=True, slots=True)
class TenantRow:
    """One row of the tenant table: its number in this run, its key in canonical text, its display name.

    `parent` is the key of the tenant above it; None where there is none, where that one is filtered or missing, and for tenants in a loop.
    """

    number: int
    key: str
    name: str
    filtered: bool
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of the rows of one table; all but `copies` and `reasons` add up to `rows`."""

    rows: int
    owned: int = 0
    shared: int = 0
    unreferenced: int = 0
    filtered: int = 0
    quarantined: int = 0
    excluded: int = 0
    copies: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def adds_up(self) -> bool:
        """Whether every row has exactly one verdict."""
        return self.rows == self.owned + self.shared + self.unreferenced + self.filtered + self.quarantined + self.excluded


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Rows, and the sum of row hashes modulo 2^128 (`duckdb.hash`, 64 bits a row: not stable across engine versions)."""

    rows: int = 0
    total: int = 0

    @property
    def text(self) -> str:
        """`rows:hash` in hexadecimal."""
        return f"{self.rows}:{self.total & ((1 << 128) - 1):032x}"


class Partition:
    """The judged rows of one run, in the work database."""

    def __init__(self, connection: Connection, routing: Routing, judge: Judge) -> None:
        self._db, self.routing, self._judge = connection, routing, judge
        self.tables: list[Numbered] = [judge.tables[r.table] for r in routing.written]
        self.tenants = self._read_tenants()

    # ── tenants ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read_tenants(self) -> list[TenantRow]:
        """The tenants in the order of their numbers. Raises ReviewRequired for an empty table, NULL or duplicate keys."""
        if self.routing.whole:
            return [TenantRow(i, key, key, False, None) for i, key in enumerate(self.routing.whole)]
        tenant = self.routing.tenant
        table = self._judge.tables[tenant.table]
        columns = {c.name: c for c in table.landed.table.columns}
        own = columns[tenant.key]
        key = quoting.key(own.landed, key_class(own.type, own.source_type), "text")  # char(n) without the blanks at its end
        shown = columns[tenant.name].landed if tenant.name in columns else key
        rows = self._db.execute(sql.tenant_rows(table.number, key, shown)).fetchall()
        check_tenant_keys(tenant.table.table, tenant.key, [row[1] for row in rows])
        for form in self._judge.tenant_key_forms():
            same = self._db.execute(sql.equal_keys(table.number, key, form)).fetchall()
            check_normalised(tenant.table.table, tenant.key, [row[0] for row in same])
        keys = {t: key for t, key, _, _ in rows}
        above = {t: keys[parent] for t, parent in self._db.execute(sql.tenant_parents()).fetchall()}
        return [TenantRow(t, key, name or key, filtered, above.get(t)) for t, key, name, filtered in rows]

    # ── accounting ────────────────────────────────────────────────────────────────────────────────────────────────────

    def verdicts(self) -> dict[TableName, Verdicts]:
        """The verdicts of each table in slices; excluded tables are not here."""
        return {item.route.table: self._verdicts(item) for item in self.tables}

    def _verdicts(self, item: Numbered) -> Verdicts:
        found = self._referenced(item) if item.route.is_referenced else self._judged(item)
        if not found.adds_up or found.rows != item.landed.table.rows:
            raise WorkFailed(
                f"The verdicts of {item.route.table.table} do not add up to its {item.landed.table.rows} landed rows.",
                hint="Nothing was published, the last good slices answer. This is a defect of Slicehouse: please report it.",
                code="verdicts",
            )
        return found

    def _judged(self, item: Numbered) -> Verdicts:
        counts = self._db.execute(sql.verdict_counts(item.number)).fetchone()
        assert counts is not None
        rows, owned, shared, filtered, quarantined = (int(c) for c in counts)
        reasons = {Reason(r).name.lower(): int(n) for r, n in self._db.execute(sql.reason_counts(item.number)).fetchall()}
        return Verdicts(rows, owned, shared, 0, filtered, quarantined, reasons=reasons)

    def _referenced(self, item: Numbered) -> Verdicts:
        seen = self._db.execute(sql.reference_counts(item.number)).fetchone()
        assert seen is not None
        return Verdicts(int(seen[0]), shared=int(seen[1]), unreferenced=int(seen[2]), filtered=int(seen[3]))

    def inclusion(self, edge: Edge) -> Inclusion:
        """How much of the child's values the parent has, counted over all landed rows."""
        child, parent = self._judge.tables[edge.child], self._judge.tables[edge.parent]
        columns = [child.landed.table.column(c).landed for c in edge.columns]
        parent_columns = [parent.landed.table.column(c).landed for c in edge.parent_columns]
        row = self._db.execute(evidence.inclusion(f"l{child.number}", columns, f"l{parent.number}", parent_columns)).fetchone()
        assert row is not None
        distinct, found, rows, orphans = (int(v) for v in row)
        return Inclusion(distinct, found, rows, orphans)

    # ── fingerprints ──────────────────────────────────────────────────────────────────────────────────────────────────

    def fingerprints(self, progress: Callable[[str], None] = lambda table: None) -> Fingerprints:
        """Per table: each tenant's fingerprint, and that of everybody's rows."""
        of_tenants: dict[TableName, dict[int, Fingerprint]] = {}
        of_shared: dict[TableName, Fingerprint] = {}
        for item in self.tables:
            progress(item.route.table.table)
            row_hash = quoting.row_hash([(f"{c.landed}", c.type) for c in written_columns(item)])
            if not item.route.is_shared:
                rows = self._db.execute(sql.tenant_fingerprints(item.number, row_hash)).fetchall()
                of_tenants[item.route.table] = {int(t): Fingerprint(int(n), int(total)) for t, n, total in rows}
            if item.route.has_everybodys:
                row = self._db.execute(sql.shared_fingerprint(item.number, row_hash)).fetchone()
                assert row is not None
                of_shared[item.route.table] = Fingerprint(int(row[0]), int(row[1]))
        return Fingerprints(of_tenants, of_shared)

    # ── buckets ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def choose(self, numbers: Sequence[int]) -> None:
        """Makes these tenants the ones that `cut` and `write_held` are about."""
        for statement in sql.choose_tenants(numbers):
            self._db.execute(statement)

    def cut(
        self, buckets: Sequence[Sequence[int]], folder: Path, progress: Callable[[str], None] = lambda table: None
    ) -> list[dict[int, Path]]:
        """Writes the chosen tenants' rows, sorted once a table, into one Arrow stream a bucket and table.

        `buckets` are ascending, disjoint runs of tenant numbers. Returns, per bucket, table number → file; a file has the column
        `t` and the landed columns. Memory is bounded: DuckDB spills, rows pass as batches.
        """
        files: list[dict[int, Path]] = [{} for _ in buckets]
        for item in self.tables:
            if not item.route.is_shared:
                progress(item.route.table.table)
                self._cut_table(item, [b[-1] for b in buckets], folder, files)
        return files

    def _cut_table(self, item: Numbered, ends: Sequence[int], folder: Path, files: list[dict[int, Path]]) -> None:
        columns = written_columns(item)
        query = sql.tenant_rows_in_order(item.number, [c.landed for c in columns], sort_columns(item))
        reader = self._db.sql(query).to_arrow_reader(_BATCH)
        with BucketWriter(folder, item.number, reader.schema, ends, files) as writer:
            for batch in reader:
                writer.write(batch)

    def write_shared(self, folder: Path) -> dict[int, Path]:
        """Everybody's rows, one Arrow file a table that has any: table number → file."""
        found: dict[int, Path] = {}
        for item in self.tables:
            if item.route.has_everybodys:
                path = folder / f"shared-{item.number}.arrow"
                query = sql.shared_rows_in_order(item.number, [c.landed for c in written_columns(item)], sort_columns(item))
                reader = self._db.sql(query).to_arrow_reader(_BATCH)
                with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, reader.schema) as writer:
                    for batch in reader:
                        writer.write_batch(batch)
                found[item.number] = path
        return found

    # ── what versions hold ────────────────────────────────────────────────────────────────────────────────────────────

    def write_held(self, folder: Path) -> dict[str, HeldTable]:
        """Hashes of the row keys of the chosen tenants' rows, a file a table: table → its file and whether rows have no key."""
        folder.mkdir(parents=True, exist_ok=True)
        found = {}
        for item in self.tables:
            if not item.route.is_shared and not item.route.is_referenced:
                path = folder / f"{item.number}.parquet"
                self._db.execute(sql.held_rows(item.number, _key_hash(item), path))
                found[str(item.route.table)] = HeldTable(path.name, not _key_columns(item))
        return found

    def moved(self, table: str, held: Path, whole: bool, renumbered: Sequence[tuple[int, int]]) -> set[int] | None:
        """Old tenant numbers whose held rows are no longer their own; None where the table is in no slice any more."""
        item = next((i for i in self.tables if str(i.route.table) == table), None)
        if item is None:
            return None
        for statement in sql.renumbered(renumbered):
            self._db.execute(statement)
        if whole != (not _key_columns(item)):
            return {old for old, _ in renumbered}
        rows = self._db.execute(sql.moved_rows(item.number, _key_hash(item), held, whole)).fetchall()
        return {int(row[0]) for row in rows}

    def export_where(self, folder: Path) -> dict[TableName, Path]:
        """The stored results of `where`, for verify: table → a Parquet file of the ordinals it filters."""
        found = {}
        for item in self._judge.tables.values():
            if item.route.where is not None:
                path = folder / f"where-{item.number}.parquet"
                self._db.execute(sql.export_where(item.number, path))
                found[item.route.table] = path
        return found

    def export_everybody(self, folder: Path) -> dict[TableName, Path]:
        """The stored results of `unassigned: {shared: "<condition>"}`, for verify: table → a Parquet file of ordinals."""
        found = {}
        for item in self._judge.tables.values():
            if item.route.unassigned not in (None, "true") and self._judge.has_table(f"everybody_{item.number}"):
                path = folder / f"everybody-{item.number}.parquet"
                self._db.execute(sql.export_everybody(item.number, path))
                found[item.route.table] = path
        return found


@dataclass(frozen=True, slots=True)
class HeldTable:
    """A file of key hashes; `whole` where the table has no key, so that a hash is of the whole row."""

    file: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """Fingerprints of one run: per table and tenant number, and of everybody's rows per table."""

    tenants: Mapping[TableName, Mapping[int, Fingerprint]]
    shared: Mapping[TableName, Fingerprint]

    def rows_of(self, number: int) -> int:
        """How many rows of its own a tenant has."""
        return sum(prints[number].rows for prints in self.tenants.values() if number in prints)

    def of(self, number: int) -> dict[TableName, str]:
        """Per table in slices, what a slice of that tenant holds, as text."""
        found = {table: prints.get(number, Fingerprint()).text for table, prints in self.tenants.items()}
        for table, print_ in self.shared.items():
            found[table] = f"{found[table]}+{print_.text}" if table in found else print_.text
        return found


def written_columns(item: Numbered) -> list[LandedColumn]:
    """The landed columns that are in slices, in the order of the routing."""
    return [item.landed.table.column(c.name) for c in item.route.columns if c.is_written]


def _key_columns(item: Numbered) -> list[str]:
    """The landed primary key, or [] where it is not landed whole."""
    landed = {c.name: c.landed for c in item.landed.table.columns if c.treatment in ("keep", "sha256")}
    key = item.landed.table.primary_key
    return [landed[c] for c in key] if key and all(c in landed for c in key) else []


def sort_columns(item: Numbered) -> list[str]:
    """What rows of one tenant are sorted by: the landed primary key."""
    return _key_columns(item)


def _key_hash(item: Numbered) -> str:
    key = _key_columns(item)
    return quoting.row_hash([(c, "") for c in key] if key else [(c.landed, c.type) for c in written_columns(item)])
