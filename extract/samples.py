"""What bounded samples of a source say of relationships: some rows of the child, and a lookup of their values in the parent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from engine.columns import ColumnPlan
from engine.errors import SlicehouseError
from engine.graph import Edge
from engine.infer.evidence import ColumnFacts, Inclusion, weighed
from engine.schema import Schema, Table, TableName
from extract.source import ReadRequest, SourceSnapshot

ROWS = 1_000
SMALL = 100_000  # rows that a bounded lookup may scan, where no key of the source serves it

_Read = dict[str, list[str | None]]


class SampledTables:
    """Facts of samples, read when they are asked for: at most `rows` rows of a table, all columns that are wanted of it at once, and
    one lookup an edge.

    With `bounded` nothing scans a table of more than `SMALL` rows: values are looked up, and ends taken, where a key of the source serves them.
    """

    def __init__(self, snapshots: Mapping[str, SourceSnapshot], schema: Schema, rows: int = ROWS, *, bounded: bool = False) -> None:
        self._snapshots, self._schema, self._rows, self._bounded = snapshots, schema, rows, bounded
        self._wanted: dict[TableName, set[str]] = {}
        self._reads: dict[TableName, list[_Read]] = {}
        self._ends: dict[tuple[TableName, str], tuple[int, int] | None] = {}
        self._there: dict[tuple[object, ...], set[str]] = {}

    def want(self, table: TableName, columns: Iterable[str]) -> None:
        """Has the next read of the table read these columns too: one request for all."""
        self._wanted.setdefault(table, set()).update(columns)

    def weigh(self, edges: Iterable[Edge]) -> list[Edge]:
        """The edges with what samples say of them; an edge whose tables cannot be read stays as it is."""
        edges = list(edges)
        self._want_ends(edges)
        return [self._weighed(e) for e in edges]

    def values(self, table: TableName, column: str) -> list[str]:
        """The distinct values of a sample, sorted."""
        return sorted({v for v in self._sample(table, column) if v is not None})

    def rows(self, table: TableName, columns: Sequence[str]) -> list[tuple[str | None, ...]]:
        """A sample's rows, of these columns, as text."""
        read = next((r for r in self._reads.get(table, ()) if r.keys() >= set(columns)), None)
        read = self._read(table, {*columns, *self._wanted.pop(table, ())}) if read is None else read
        return list(zip(*(read[c] for c in columns), strict=True))

    def there(self, edge: Edge) -> set[str] | None:
        """Of the values of a sample, those that the parent has; None where nobody looks (see `inclusion`)."""
        if not self._looks_up(edge):
            return None
        if edge.ends not in self._there:
            values = self.values(edge.child, edge.columns[0])
            source = self._snapshots[edge.parent.source]
            self._there[edge.ends] = source.present(self._schema[edge.parent], edge.parent_columns[0], values) if values else set()
        return self._there[edge.ends]

    def suggested(self, hints: Iterable[Edge]) -> list[Edge]:
        """Of faint hints, those whose samples are exactly the keys of a small table."""
        able = [e for e in hints if 3 <= (self._schema[e.parent].rows or 0) <= self._rows]
        self._want_ends(able)
        found = []
        for edge in able:
            inclusion = self.inclusion(edge)
            if inclusion is not None and not inclusion.orphans and inclusion.found >= max(3, self._schema[edge.parent].rows or 0):
                why = f"{edge.evidence}; a sample's {inclusion.found} values are exactly its keys"
                found.append(replace(edge, confidence=0.93, evidence=why))
        return found

    def _want_ends(self, edges: Iterable[Edge]) -> None:
        for edge in edges:
            if self._looks_up(edge):
                self.want(edge.child, edge.columns)

    def _weighed(self, edge: Edge) -> Edge:
        try:
            return weighed(edge, self)
        except SlicehouseError:
            return edge

    def facts(self, table: TableName, column: str) -> ColumnFacts | None:
        """Rows as the source estimates them; ends of integers exactly where the column is a key, else of a sample; distinct values as many
        as rows where it is a key."""
        found = self._schema[table]
        kind = found.column(column)
        if kind is None:
            return None
        rows = found.rows or 0
        low, high = self._bounds(table, column) if kind.key_class == "integer" else (None, None)
        return ColumnFacts(rows, rows, rows if _is_key(found, column) else min(rows, self._rows), low, high)

    def _bounds(self, table: TableName, column: str) -> tuple[int | None, int | None]:
        key = (table, column)
        if key not in self._ends:
            exact = _is_key(self._schema[table], column) and self._is_quick(table, column)
            self._ends[key] = self._exact_ends(table, column) if exact else self._sampled_ends(table, column)
        return self._ends[key] or (None, None)

    def _exact_ends(self, table: TableName, column: str) -> tuple[int, int] | None:
        return self._snapshots[table.source].ends(self._schema[table], column)

    def _sampled_ends(self, table: TableName, column: str) -> tuple[int, int] | None:
        numbers = [int(v) for v in self._sample(table, column) if v is not None]
        return (min(numbers), max(numbers)) if numbers else None

    def is_unique(self, table: TableName, columns: tuple[str, ...]) -> bool | None:
        """What the source declares; a sample cannot tell."""
        return True if any(k.columns == columns for k in self._schema[table].unique_keys) else None

    def inclusion(self, edge: Edge) -> Inclusion | None:
        """Of an edge of one column within one source; of a bounded sample, only where a key of the parent serves it, or it is small."""
        there = self.there(edge)
        if there is None:
            return None
        values = [v for v in self._sample(edge.child, edge.columns[0]) if v is not None]
        return Inclusion(len(set(values)), len(there), len(values), sum(v not in there for v in values), sampled=True)

    def _looks_up(self, edge: Edge) -> bool:
        child, parent = self._schema[edge.child], self._schema[edge.parent]
        able = len(edge.columns) == 1 and not edge.when and child.readable and parent.readable
        return able and edge.child.source == edge.parent.source and self._is_quick(edge.parent, edge.parent_columns[0])

    def _is_quick(self, table: TableName, column: str) -> bool:
        """Whether asking for values of a column is as bounded as the sample is."""
        found = self._schema[table]
        return not self._bounded or _is_key(found, column) or (found.rows is not None and found.rows <= SMALL)

    def _sample(self, table: TableName, column: str) -> list[str | None]:
        read = next((r for r in self._reads.get(table, ()) if column in r), None)
        if read is None:
            read = self._read(table, {column, *self._wanted.pop(table, ())})
        return read[column]

    def _read(self, table: TableName, columns: set[str]) -> _Read:
        """Some rows, as text. What was wanted and could not be read with others is read alone when it is asked for."""
        plans = tuple(self._column(table, c) for c in sorted(columns))
        read: _Read = {p.name: [] for p in plans}
        for batch in self._snapshots[table.source].read(ReadRequest(self._schema[table], plans, limit=self._rows)):
            for i, plan in enumerate(plans):
                read[plan.name] += [None if v is None else str(v) for v in pa.RecordBatch.column(batch, i).to_pylist()]
        self._reads.setdefault(table, []).append(read)
        return read

    def _column(self, table: TableName, column: str) -> ColumnPlan:
        found = self._schema[table].column(column)
        assert found is not None
        as_text = found.type in ("UUID", "DECIMAL")  # of a bare DECIMAL nobody has decided the scale
        return ColumnPlan(column, column, found.source_type, "VARCHAR" if as_text else found.type, found.key_class)


def _is_key(table: Table, column: str) -> bool:
    """Whether the column alone is a key that the source declares, and so has an index."""
    return any(k.columns == (column,) for k in table.unique_keys)
