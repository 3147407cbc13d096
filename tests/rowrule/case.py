"""A case of the row rule: tables with rows, edges, and what the workspace file would say of them.

A row has no name of its own: it is its index in `Table.rows`. NULL is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ColumnType = Literal["int", "bigint", "text"]
Value = object  # int for int and bigint, str for text, None for NULL


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

    def values(self, row: int, columns: tuple[str, ...]) -> tuple[Value, ...]:
        """The values of several columns in a row, in the order asked for."""
        return tuple(self.value(row, column) for column in columns)


@dataclass(frozen=True, slots=True)
class Edge:
    """A relationship: `columns` of the child point at `parent_columns` of the parent, pairwise."""

    child: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.child}.{'+'.join(self.columns)}->{self.parent}.{'+'.join(self.parent_columns)}"


@dataclass(frozen=True, slots=True)
class Case:
    """Everything the row rule needs: the landed rows, the accepted edges and the configuration.

    `through`: member table to "joining_table" or "joining_table.column". `via`: table to the only edges that decide.
    `soft_delete`: table to a column; a row says that it is deleted where the column is not NULL.
    `unassigned_shared`: tables whose rows without a tenant are everybody's.
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
    unassigned_shared: frozenset[str] = frozenset()

    def table(self, name: str) -> Table:
        """The table of that name; raises KeyError where there is none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)

    def edges_of(self, child: str) -> list[Edge]:
        """All edges that leave a table, in the case's order."""
        return [edge for edge in self.edges if edge.child == child]
