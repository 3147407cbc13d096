"""A source in memory: Arrow tables with the keys that the caller says they have. Used by tests, and as the smallest Source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from engine.errors import ConfigurationError
from engine.schema import Column, Table, View
from engine.settings import Settings
from engine.types import key_class
from engine.workspace import SourceConfig
from extract.source import Batches, ReadRequest, SourceSnapshot, register, wanted
from extract.types import duckdb_type, landed_type

_SOURCES: dict[str, ArrowSource] = {}


class ArrowSource:
    """Tables with their rows; `as_of` may be set by the caller."""

    def __init__(self, name: str, tables: Mapping[Table, pa.Table], as_of: datetime | None = None) -> None:
        self.name = name
        self._tables = {table.name: (table, rows) for table, rows in tables.items()}
        self._as_of = as_of

    @contextmanager
    def snapshot(self) -> Iterator[SourceSnapshot]:
        """The tables as they are now."""
        yield _ArrowSnapshot([t for t, _ in self._tables.values()], {n: rows for n, (_, rows) in self._tables.items()}, self._as_of)

    def limited(self, config: SourceConfig) -> ArrowSource:
        """The same source with `schemas:` and `exclude:` applied."""
        return ArrowSource(self.name, {t: rows for t, rows in self._tables.values() if wanted(t.name, config)}, self._as_of)


class _ArrowSnapshot:
    def __init__(self, tables: list[Table], rows: Mapping[object, pa.Table], as_of: datetime | None) -> None:
        self.as_of = as_of or datetime.now(UTC)
        self._tables, self._rows = tables, rows

    def describe(self) -> list[Table]:
        """The tables as given, sorted by name."""
        return sorted(self._tables, key=lambda t: t.name)

    def views(self) -> list[View]:
        """None."""
        return []

    def settle_types(self, table: Table) -> Table:
        """Arrow's types are settled."""
        return table

    def read(self, request: ReadRequest) -> Batches:
        """The rows in batches, cast to the landed types; returns how many there are."""
        rows = self._rows[request.table.name].select([c.name for c in request.columns])
        types = [landed_type(c.type) for c in request.columns]
        schema = pa.schema([(f"c{i}", t) for i, t in enumerate(types)])
        cast = pa.Table.from_arrays([c.cast(t) for c, t in zip(rows.columns, types, strict=True)], schema=schema)
        asked = cast if request.limit is None else cast.slice(0, request.limit)
        yield from asked.to_batches(max_chunksize=65_536)
        return int(asked.num_rows)

    def present(self, table: Table, column: str, values: Sequence[str]) -> set[str]:
        """Looked up in the rows."""
        there = {str(v) for v in self._rows[table.name].column(column).to_pylist() if v is not None}
        return there & set(values)

    def ends(self, table: Table, column: str) -> tuple[int, int] | None:
        """Of the rows."""
        there = [int(v) for v in self._rows[table.name].column(column).to_pylist() if v is not None]
        return (min(there), max(there)) if there else None


def arrow_columns(rows: pa.Table) -> tuple[Column, ...]:
    """The columns of an Arrow table as a source describes them."""
    return tuple(Column(f.name, str(f.type), duckdb_type(f.type), key_class(duckdb_type(f.type)), f.nullable) for f in rows.schema)


def offer(url: str, source: ArrowSource) -> None:
    """Makes a source known under a url, for workspace files with `kind: arrow` in the same process."""
    _SOURCES[url] = source


def open_memory(name: str, config: SourceConfig, folder: Path, settings: Settings) -> ArrowSource:
    """The offered source of that url."""
    if config.url not in _SOURCES:
        raise ConfigurationError(f"sources.{name}: nothing was offered in memory as {config.url}.", code="source_unknown")
    return _SOURCES[config.url].limited(config)


register("arrow", open_memory)
