"""A case of the row rule: tables with rows, edges, and what the workspace file would say of them.

A row has no name of its own: it is its index in `Table.rows`. NULL is None. A table of another schema than `public` is named with it:
`sales.orders`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

ColumnType = Literal["int", "bigint", "text", "uuid", "decimal", "char", "bool"]
Fold = Literal["lower", "rtrim", "lower_rtrim"]
Value = object  # int, str for text, uuid (as PostgreSQL writes it) and char (without the blanks at its end), Decimal, bool; None for NULL
CHAR = 40
"""The length of every char column."""
SCALE = 2
"""The digits after the point of every decimal column."""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Table:
    """Rows hold a value per column, in the columns' order; `unique`: the keys claimed, the primary key first."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()

    def value(self, row: int, column: str) -> Value:
        """The value of a column in a row, by the column's name."""
        return self.rows[row][[c.name for c in self.columns].index(column)]

    def type_of(self, column: str) -> ColumnType:
        """The type of a column."""
        return next(c.type for c in self.columns if c.name == column)

    def values(self, row: int, columns: tuple[str, ...]) -> tuple[Value, ...]:
        """The values of several columns in a row, in the order asked for."""
        return tuple(self.value(row, column) for column in columns)


@dataclass(frozen=True, slots=True)
class When:
    """Of an edge that holds for some rows only: those whose `column` is exactly `value`."""

    column: str
    value: str


@dataclass(frozen=True, slots=True)
class Edge:
    """A relationship: `columns` of the child point at `parent_columns` of the parent, pairwise."""

    child: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    when: When | None = None

    def __str__(self) -> str:
        return f"{self.child}.{'+'.join(self.columns)}->{self.parent}.{'+'.join(self.parent_columns)}"


@dataclass(frozen=True, slots=True)
class Polymorphic:
    """A pair of columns: `type` says which table `id` points at. `types` maps to (table, column), or to None: it points nowhere."""

    child: str
    type: str
    id: str
    types: tuple[tuple[str, tuple[str, str] | None], ...]

    @property
    def edges(self) -> tuple[Edge, ...]:
        """An edge per type that points somewhere."""
        return tuple(Edge(self.child, (self.id,), to[0], (to[1],), When(self.type, name)) for name, to in self.types if to is not None)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on one column of a row; with NULL only `is null` holds."""

    column: str
    test: Literal["=", "<>", ">", "is null", "is not null"]
    value: Value = None

    def holds(self, value: Value) -> bool:
        """Whether it is true of the column's value."""
        if self.test.startswith("is"):
            return (value is None) == (self.test == "is null")
        if value is None:
            return False
        return {"=": value == self.value, "<>": value != self.value, ">": value > self.value}[self.test]  # type: ignore[operator]

    @property
    def sql(self) -> str:
        """The same for DuckDB."""
        quoted = '"' + self.column.replace('"', '""') + '"'
        if self.test.startswith("is"):
            return f"{quoted} {self.test}"
        text = "'" + self.value.replace("'", "''") + "'" if isinstance(self.value, str) else str(self.value)
        return f"{quoted} {self.test} {text}"


@dataclass(frozen=True, slots=True)
class Case:
    """Everything the row rule needs: the landed rows, the accepted edges and the configuration.

    `edges` are all of them, those of `polymorphic` pairs too; `actors` those of them that say who did it.
    `through`: member table to "joining_table" or "joining_table.column". `via`: table to the only edges that decide.
    `soft_delete`: table to a column; a row says that it is deleted where the column is not NULL, or true where it is a bool.
    `where`: table to the condition that rows hold that are not filtered.
    `unassigned_shared`: table to the condition under which its rows without a tenant are everybody's (None: all of them).
    `hides`: shared table to the columns that are blanked. `referenced`: the shared tables of which a slice has the rows that its rows
    point at. `rollup`: the column of the tenant table that names the key of the parent tenant.
    `normalise`: (table, column) to what is done to its values before they are compared as keys.
    """

    tables: tuple[Table, ...]
    edges: tuple[Edge, ...]
    tenant_table: str
    tenant_key: str
    through: Mapping[str, str] = field(default_factory=dict)
    via: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    soft_delete: Mapping[str, str] = field(default_factory=dict)
    unassigned_shared: Mapping[str, Condition | None] = field(default_factory=dict)
    where: Mapping[str, Condition] = field(default_factory=dict)
    hides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    actors: frozenset[Edge] = frozenset()
    polymorphic: tuple[Polymorphic, ...] = ()
    referenced: frozenset[str] = frozenset()
    rollup: str | None = None
    normalise: Mapping[tuple[str, str], Fold] = field(default_factory=dict)

    def table(self, name: str) -> Table:
        """The table of that name; raises KeyError where there is none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)

    def joining(self, member: str) -> tuple[str, str | None]:
        """The joining table of a member, and the column that through names, if it does."""
        said = self.through[member]
        if said in [t.name for t in self.tables]:
            return said, None
        table, _, column = said.rpartition(".")
        return table, column

    def edges_of(self, child: str) -> list[Edge]:
        """All edges that leave a table, in the case's order."""
        return [edge for edge in self.edges if edge.child == child]

    def key(self, table: str, row: int, columns: tuple[str, ...]) -> tuple[Value, ...]:
        """The values of a row's key as they are compared: char(n) without its trailing blanks, normalised where the case says so."""
        found = self.table(table)
        values = ((c, found.value(row, c)) for c in columns)
        plain = ((c, v.rstrip(" ") if isinstance(v, str) and found.type_of(c) == "char" else v) for c, v in values)
        return tuple(folded(v, self.normalise.get((table, c))) for c, v in plain)


def folded(value: Value, how: Fold | None) -> Value:
    """A text normalised; any other value as it is."""
    if not isinstance(value, str) or how is None:
        return value
    lowered = value.lower() if "lower" in how else value
    return lowered.rstrip(" ") if "rtrim" in how else lowered


def canonical(value: Decimal) -> str:
    """A decimal in canonical text: no zeros at the end, no point without digits behind it."""
    return f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
