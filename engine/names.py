"""Names: what a name in the workspace file means, and what a table or column is called inside a slice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from engine.schema import Schema, Table, TableName
from engine.workspace.positions import suggestion
from engine.workspace.syntax import ColumnsRef

K = TypeVar("K")
RESERVED_SCHEMAS = frozenset({"pg_catalog", "information_schema", "_slice", "panel", "temp", "system"})


@dataclass(frozen=True, slots=True)
class SliceName:
    """A table inside a slice; the schema `main` is not shown."""

    schema: str
    table: str

    def __str__(self) -> str:
        return self.table if self.schema == "main" else f"{self.schema}.{self.table}"


def resolve_table(schema: Schema, parts: Sequence[str]) -> TableName:
    """The table that a dotted name means, read from the right. Raises LookupError with a text for the user."""
    exact = [t.name for t in schema if _matches(t.name, parts, str)]
    found = exact or [t.name for t in schema if _matches(t.name, parts, str.lower)]
    written = ".".join(parts)
    if len(found) == 1:
        return found[0]
    if found:
        raise LookupError(f"{written} may be {' or '.join(str(n) for n in found)}; write more of the name")
    known = [t.name.table for t in schema] + [f"{t.name.schema}.{t.name.table}" for t in schema]
    raise LookupError(f"there is no table {written}{suggestion(written, known)}")


def _matches(name: TableName, parts: Sequence[str], same: Callable[[str], str]) -> bool:
    whole = (name.source, name.schema, name.table)
    if not 0 < len(parts) <= 3:
        return False
    if len(parts) == 2 and (same(name.source), same(name.table)) == (same(parts[0]), same(parts[1])):
        return True
    return tuple(same(p) for p in whole[-len(parts) :]) == tuple(same(p) for p in parts)


def resolve_columns(schema: Schema, ref: ColumnsRef) -> tuple[TableName, tuple[str, ...]]:
    """The table and columns that a reference means, the columns as the source spells them. Raises LookupError."""
    name = resolve_table(schema, ref.table)
    table = schema[name]
    return name, tuple(resolve_column(table, column) for column in ref.columns)


def resolve_column(table: Table, column: str) -> str:
    """The column's own spelling; raises LookupError."""
    names = [c.name for c in table.columns]
    if column in names:
        return column
    folded = [n for n in names if n.lower() == column.lower()]
    if len(folded) == 1:
        return folded[0]
    raise LookupError(f"{table.name.table} has no column {column}{suggestion(column, names)}")


def slice_names(schema: Schema, tenant: TableName, listed: Sequence[str] | None = None) -> dict[TableName, SliceName]:
    """What each table is called in a slice.

    The first listed schema of the tenant table's source (the tenant table's own, where none is listed) is `main`; other schemas keep their
    names; other sources are `<source>` or `<source>_<schema>`. Names equal but for case, and reserved ones, get `_2`.
    """
    first = (tenant.source, listed[0] if listed else tenant.schema)
    raw: dict[tuple[str, str], str] = {}
    for table in schema:
        place = (table.name.source, table.name.schema)
        raw[place] = _schema_name(schema, place, first)
    schemas = distinct({place: raw[place] for place in sorted(raw)}, reserved=RESERVED_SCHEMAS)
    found: dict[TableName, SliceName] = {}
    for place, shown in schemas.items():
        tables = {t.name: t.name.table for t in schema if (t.name.source, t.name.schema) == place}
        found.update({name: SliceName(shown, unique) for name, unique in distinct(tables).items()})
    return found


def _schema_name(schema: Schema, place: tuple[str, str], first: tuple[str, str]) -> str:
    if place == first:
        return "main"
    if place[0] == first[0]:
        return place[1]
    alone = {t.name.schema for t in schema if t.name.source == place[0]} == {place[1]}
    return place[0] if alone else f"{place[0]}_{place[1]}"


def distinct(names: Mapping[K, str], reserved: Iterable[str] = ()) -> dict[K, str]:
    """The names, made distinct without regard to case: the second of two gets `_2`, and so on."""
    taken = {name.lower() for name in reserved}
    exact = {name.lower() for name in names.values()}
    found: dict[K, str] = {}
    for key, name in names.items():
        chosen, number = name, 2
        while chosen.lower() in taken or (chosen != name and chosen.lower() in exact):
            chosen, number = f"{name}_{number}", number + 1
        taken.add(chosen.lower())
        found[key] = chosen
    return found


def column_names(columns: Iterable[str]) -> dict[str, str]:
    """What each column of a table is called in a slice, in order."""
    return distinct({name: name for name in columns})
