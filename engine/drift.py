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
    """One difference between the accepted routing and a source. `is_refused`: the source lets it be seen, but not read."""

    effect: Effect
    where: str
    text: str
    is_refused: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


def drift(accepted: Routing, schema: Schema, taken: Container[tuple[TableName, str]] = (), planned: Routing | None = None) -> list[Change]:
    """Every difference, those that stop first, then by place; `taken` are new columns that need no accept.

    `planned` is the routing that would come out now: a declared key of known tables that has a say only there is reported.
    """
    changes = [c for route in accepted.routes.values() for c in _of_table(route, accepted, schema.get(route.table), taken)]
    changes += [
        Change("reported", t.name.table, "is new, and excluded until it is accepted") for t in schema if t.name not in accepted.routes
    ]
    changes += _new_keys(accepted, planned) if planned is not None else []
    return sorted(changes, key=lambda c: (c.effect != "stops", c.where, c.text))


def advice(changes: Iterable[Change]) -> str:
    """What to do about changes that stop: a right that is gone is given back, not accepted."""
    stopping = [c for c in changes if c.effect == "stops"]
    refused = ", ".join(c.where for c in stopping if c.is_refused)
    parts = [f"GRANT SELECT on {refused} to the role that reads, or exclude it under tables:."] if refused else []
    if not all(c.is_refused for c in stopping):
        parts.append("slicehouse routes --diff shows it; slicehouse routes --accept takes it.")
    return " ".join(parts)


def _new_keys(accepted: Routing, planned: Routing) -> Iterable[Change]:
    """Declared keys that would have a say now and have none in the accepted routes.

    Plans are made without a look at data: a way by an inferred relationship that the data spoke against may be in `planned` again. So a
    key counts only where what it hangs on (the parent; of joining and referring rows the child) is in use as accepted.
    """
    in_use = {t for t, r in accepted.routes.items() if r.is_written or r.bridge}
    used = {e.ends for route in accepted.routes.values() for e in (*route.edges, *route.joins, *route.refs)}
    found: set[Edge] = set()
    for route in (r for t, r in planned.routes.items() if t in accepted.routes and accepted.routes[t].review is None):
        found |= {e for e in route.edges if e.parent in in_use}
        found |= {e for e in (*route.joins, *route.refs) if e.child in in_use}
    for edge in sorted(found):
        if edge.origin == "declared" and edge.ends not in used:
            yield Change("reported", edge.child.table, f"the foreign key {edge.label} is new: routes --diff shows what it would change")


def _of_table(route: Route, accepted: Routing, table: Table | None, taken: Container[tuple[TableName, str]]) -> Iterable[Change]:
    in_use = route.is_written or route.bridge
    where = route.table.table
    if table is None:
        yield Change("stops" if in_use else "reported", where, "is gone from the source")
        return
    if not in_use:
        return
    if not table.readable:
        yield Change("stops", where, "may no longer be read", is_refused=True)
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
