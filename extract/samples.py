"""What bounded samples of a source say of relationships: some rows of the child, and a lookup of their values in the parent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pyarrow as pa

from engine.columns import ColumnPlan
from engine.errors import SlicehouseError
from engine.graph import Edge
from engine.infer.evidence import ColumnFacts, Inclusion, weighed
from engine.schema import Schema, TableName
from extract.source import ReadRequest, SourceSnapshot

ROWS = 1_000


class SampledTables:
    """Facts of samples, read when they are asked for: at most `rows` rows of a table, once, and one lookup an edge."""

    def __init__(self, snapshots: Mapping[str, SourceSnapshot], schema: Schema, rows: int = ROWS) -> None:
        self._snapshots, self._schema, self._rows = snapshots, schema, rows
        self._samples: dict[tuple[TableName, str], list[str]] = {}
        self._ends: dict[tuple[TableName, str], tuple[int, int] | None] = {}
        self._inclusions: dict[tuple[object, ...], Inclusion] = {}

    def weigh(self, edges: Iterable[Edge]) -> list[Edge]:
        """The edges with what samples say of them; an edge whose tables cannot be read stays as it is."""
        return [self._weighed(e) for e in edges]

    def values(self, table: TableName, column: str) -> list[str]:
        """The distinct values of a sample, sorted."""
        return sorted(set(self._sample(table, column)))

    def suggested(self, hints: Iterable[Edge]) -> list[Edge]:
        """Of faint hints, those whose samples are exactly the keys of a small table."""
        found = []
        for edge in hints:
            rows = self._schema[edge.parent].rows or 0
            inclusion = self.inclusion(edge) if 3 <= rows <= self._rows else None
            if inclusion is not None and not inclusion.orphans and inclusion.found >= max(3, rows):
                why = f"{edge.evidence}; a sample's {inclusion.found} values are exactly its keys"
                found.append(replace(edge, confidence=0.93, evidence=why))
        return found

    def _weighed(self, edge: Edge) -> Edge:
        try:
            return weighed(edge, self)
        except SlicehouseError:
            return edge

    def facts(self, table: TableName, column: str) -> ColumnFacts | None:
        """Rows as the source estimates them; ends of integers exactly; distinct values as many as rows where the column is a key."""
        found = self._schema[table]
        kind = found.column(column)
        if kind is None:
            return None
        rows = found.rows or 0
        low, high = self._bounds(table, column) if kind.key_class == "integer" else (None, None)
        return ColumnFacts(rows, rows, rows if any(k.columns == (column,) for k in found.unique_keys) else min(rows, self._rows), low, high)

    def _bounds(self, table: TableName, column: str) -> tuple[int | None, int | None]:
        key = (table, column)
        if key not in self._ends:
            self._ends[key] = self._snapshots[table.source].ends(self._schema[table], column)
        return self._ends[key] or (None, None)

    def is_unique(self, table: TableName, columns: tuple[str, ...]) -> bool | None:
        """What the source declares; a sample cannot tell."""
        return True if any(k.columns == columns for k in self._schema[table].unique_keys) else None

    def inclusion(self, edge: Edge) -> Inclusion | None:
        """Of an edge of one column within one source."""
        child, parent = self._schema[edge.child], self._schema[edge.parent]
        if len(edge.columns) != 1 or edge.when or not (child.readable and parent.readable) or edge.child.source != edge.parent.source:
            return None
        if edge.ends not in self._inclusions:
            values = self._sample(edge.child, edge.columns[0])
            distinct = sorted(set(values))
            there = self._snapshots[edge.parent.source].present(parent, edge.parent_columns[0], distinct) if distinct else set()
            self._inclusions[edge.ends] = Inclusion(
                len(distinct), len(there), len(values), sum(v not in there for v in values), sampled=True
            )
        return self._inclusions[edge.ends]

    def _sample(self, table: TableName, column: str) -> list[str]:
        if (table, column) not in self._samples:
            found = self._schema[table].column(column)
            assert found is not None
            plan = ColumnPlan(column, column, found.source_type, "VARCHAR" if found.type == "UUID" else found.type, found.key_class)
            batches = self._snapshots[table.source].read(ReadRequest(self._schema[table], (plan,), limit=self._rows))
            rows = [v for batch in batches for v in pa.RecordBatch.column(batch, 0).to_pylist() if v is not None]
            self._samples[table, column] = [str(v) for v in rows]
        return self._samples[table, column]
