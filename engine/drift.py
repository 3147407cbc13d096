"""What changed since the routing was accepted: what goes on, what stops with exit 3, what is only reported."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Literal

from engine.graph import Edge
from engine.routing import Route, Routing
from engine.schema import Schema, Table, TableName
from engine.types import is_wider
from engine.used import key_columns

Effect = Literal["stops", "reported"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between the accepted routing and a source."""

    effect: Effect
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


def drift(accepted: Routing, schema: Schema, taken: Container[tuple[TableName, str]] = ()) -> list[Change]:
    """Every difference, those that stop first, then by place; `taken` are new columns that need no accept."""
    changes = [c for route in accepted.routes.values() for c in _of_table(route, accepted, schema.get(route.table), taken)]
    changes += [
        Change("reported", t.name.table, "is new, and excluded until it is accepted") for t in schema if t.name not in accepted.routes
    ]
    return sorted(changes, key=lambda c: (c.effect != "stops", c.where, c.text))


def _of_table(route: Route, accepted: Routing, table: Table | None, taken: Container[tuple[TableName, str]]) -> Iterable[Change]:
    in_use = route.is_written or route.bridge
    where = route.table.table
    if table is None:
        yield Change("stops" if in_use else "reported", where, "is gone from the source")
        return
    if not in_use:
        return
    if not table.readable:
        yield Change("stops", where, "may no longer be read")
    keys = key_columns(route.table, accepted.routes.values())
    known = {c.name: c for c in route.columns}
    for column in table.columns:
        before = known.pop(column.name, None)
        if (route.table, column.name) in taken:
            yield Change("reported", f"{where}.{column.name}", "is new, and taken: columns_default: include")
        elif before is None or before.treatment == "new":
            yield Change("reported", f"{where}.{column.name}", "is new, and left out until it is accepted")
        elif before.source_type != column.source_type and before.is_written:
            yield _retyped(f"{where}.{column.name}", before.type, before.source_type, column.type, column.source_type, column.name in keys)
    for name, before in known.items():
        if before.treatment != "new":
            yield Change("stops" if before.is_written else "reported", f"{where}.{name}", "is gone from the source")
    declared = {(k.columns, k.parent, k.parent_columns) for k in table.foreign_keys}
    for edge in (e for e in (*route.edges, *_joins_of(route, accepted)) if e.origin == "declared" and e.child == route.table):
        if (edge.columns, edge.parent, edge.parent_columns) not in declared:
            yield Change("stops", where, f"the foreign key {edge.label}, which a route uses, is no longer declared")


def _joins_of(route: Route, accepted: Routing) -> Iterable[Edge]:
    return [e for other in accepted.routes.values() for e in other.joins if e.child == route.table]


def _retyped(where: str, old: str, old_source: str, new: str, new_source: str, is_key: bool) -> Change:
    if old == new or (is_wider(old, new) and not is_key):
        return Change("reported", where, f"was {old_source} and is {new_source} now")
    return Change("stops", where, f"was {old_source} and is {new_source} now")


def narrowed(before: Routing, after: Routing) -> bool:
    """Whether a slice built by `before` may hold what `after` keeps out: a table, a column, an unmasked value, or rows by another rule."""
    return any(_is_narrower(route, after.routes.get(route.table)) for route in before.routes.values() if route.is_written)


def _is_narrower(before: Route, after: Route | None) -> bool:
    if after is None or not after.is_written:
        return True
    rule = [(r.kind, r.edges, r.joins, r.where, r.soft_delete, r.unassigned) for r in (before, after)]
    kept = {c.name: c.treatment for c in after.columns}
    return rule[0] != rule[1] or any(c.is_written and kept.get(c.name) != c.treatment for c in before.columns)
