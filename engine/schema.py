"""Tables, columns, keys and relationships of a source, as they were found. Nothing here is changed after it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

KeyClass = Literal[
    "integer", "decimal", "float", "text", "char", "uuid", "boolean", "date", "time", "timestamp", "timestamptz", "binary", "other"
]


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """Where a table is: source, schema, table, each as the source spells it."""

    source: str
    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.source}.{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `source_type` is the source's own text; `type` is DuckDB's name of what arrives in a slice.

    `landed` says how it lies in the landed Parquet: `same` (as its DuckDB type), or `text` (cast when read).
    `as_text` is true where the source's type has no equal and the value arrives as its text: shown, never silent.
    """

    name: str
    source_type: str
    type: str
    key_class: KeyClass = "other"
    nullable: bool = True
    as_text: bool = False
    fold: bool = False
    comment: str | None = None
    default_hidden: bool = False


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """A primary key or unique constraint over all rows, in the order of its columns."""

    columns: tuple[str, ...]
    primary: bool = False


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A declared relationship: `columns` of the table that has it point at `parent_columns` of `parent`."""

    columns: tuple[str, ...]
    parent: TableName
    parent_columns: tuple[str, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table as found. `rows` is the source's own estimate, or None. `kind` is table, partitioned or view."""

    name: TableName
    columns: tuple[Column, ...]
    unique_keys: tuple[UniqueKey, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    comment: str | None = None
    kind: Literal["table", "partitioned", "view"] = "table"
    rows: int | None = None
    readable: bool = True
    row_security: bool = False

    def column(self, name: str) -> Column | None:
        """The column of that name, or None."""
        return next((c for c in self.columns if c.name == name), None)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The primary key's columns; else the first unique key's over columns that are never NULL; else ()."""
        for key in self.unique_keys:
            if key.primary:
                return key.columns
        by_name = {c.name: c for c in self.columns}
        for key in self.unique_keys:
            if all(c in by_name and not by_name[c].nullable for c in key.columns):
                return key.columns
        return ()


@dataclass(frozen=True, slots=True)
class View:
    """A view of a source and its statement in the source's dialect."""

    name: TableName
    sql: str


@dataclass(frozen=True, slots=True)
class Schema:
    """All tables of all sources of a workspace, by name, in the order of their names."""

    tables: Mapping[TableName, Table] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables.values())

    def __contains__(self, name: object) -> bool:
        return name in self.tables

    def __getitem__(self, name: TableName) -> Table:
        return self.tables[name]

    def get(self, name: TableName) -> Table | None:
        """The table of that name, or None."""
        return self.tables.get(name)

    @staticmethod
    def of(tables: list[Table]) -> Schema:
        """A schema of these tables, sorted by name."""
        return Schema({t.name: t for t in sorted(tables, key=lambda t: t.name)})
