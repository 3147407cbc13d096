"""Accepting some tables of a new routing alone: the others keep what was accepted before.

The outcome is the accepted routing with the new route and columns of the named tables. It must hold by itself: every edge in use
leads to a table that is judged in it, by columns that both sides have in it. Where it does not, nothing is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from engine.columns import ColumnPlan
from engine.errors import ReviewRequired
from engine.graph import Edge
from engine.routing import Route, Routing
from engine.schema import TableName
from engine.types import comparable
from engine.used import used_edges


def with_tables(accepted: Routing, new: Routing, tables: Iterable[TableName]) -> Routing:
    """The accepted routing with these tables as `new` has them. Raises ReviewRequired with everything that stands against it."""
    tables = sorted(set(tables))
    routes = dict(accepted.routes) | {t: new.routes[t] for t in tables}
    names = dict(accepted.names) | {t: new.names[t] for t in tables}
    merged = replace(accepted, routes=routes, names=names)
    problems = [*_of_tables(accepted, new, tables), *_loose_ends(merged)]
    if problems:
        raise ReviewRequired(
            "These tables cannot be accepted alone: " + "; ".join(dict.fromkeys(problems)) + ".",
            hint="Accept the others with them, or all: slicehouse routes --accept.",
            code="accept_partial",
        )
    return merged


def _of_tables(accepted: Routing, new: Routing, tables: Iterable[TableName]) -> Iterator[str]:
    if (replace(new.tenant, name=None), new.whole) != (replace(accepted.tenant, name=None), accepted.whole):
        yield "who a tenant is has changed, which concerns all tables"
    taken = {n: t for t, n in accepted.names.items()}
    for table in tables:
        route = new.routes[table]
        if route.review is not None:
            yield f"{table.table} has an open decision: {route.review}"
        other = taken.get(new.names[table], table)
        if other != table:
            yield f"{table.table} would be called {new.names[table]} in slices, as {other} is"


def _loose_ends(routing: Routing) -> Iterator[str]:
    """What does not fit within a routing: edges to tables that are not judged in it, or by columns that are not there."""
    for edge in used_edges(routing.routes.values()):
        for end in (edge.parent, edge.child):
            route = routing.routes.get(end)
            if route is None or not route.is_judged:
                yield f"{edge.label} leads over {end.table}, which is {'not accepted' if route is None else route.kind} there"
        yield from _columns_of(edge, routing)
    for route in (r for r in routing.routes.values() if r.is_referenced):
        for edge in route.refs:
            child = routing.routes.get(edge.child)
            if child is None or not child.is_written:
                yield f"{edge.label} leads from {edge.child.table}, which is in no slice there"
            yield from _columns_of(edge, routing)
    yield from _hidden(routing)


def _columns_of(edge: Edge, routing: Routing) -> Iterator[str]:
    for child, parent in zip(edge.columns, edge.parent_columns, strict=True):
        left, right = _column(routing, edge.child, child), _column(routing, edge.parent, parent)
        for plan, where in ((left, f"{edge.child.table}.{child}"), (right, f"{edge.parent.table}.{parent}")):
            if plan is None or plan.treatment not in ("keep", "sha256"):
                yield f"{edge.label} needs {where}, which is {'not accepted' if plan is None else plan.treatment} there"
        if left and right and not _comparable(left, right):
            yield f"{edge.label} compares {left.type} ({left.treatment}) with {right.type} ({right.treatment}) there"


def _comparable(left: ColumnPlan, right: ColumnPlan) -> bool:
    masked = (left.treatment == "sha256", right.treatment == "sha256")
    return masked[0] == masked[1] and comparable(left.key_class, right.key_class)


def _column(routing: Routing, table: TableName, column: str) -> ColumnPlan | None:
    route: Route | None = routing.routes.get(table)
    return next((c for c in route.columns if c.name == column), None) if route else None


def _hidden(routing: Routing) -> Iterator[str]:
    """A table that is shared as a whole while it is judged by others' edges would be in two minds."""
    judged_by = {e.parent for e in used_edges(routing.routes.values())}
    for route in routing.routes.values():
        if route.is_shared and route.table in judged_by:
            yield f"{route.table.table} is shared there, and others are judged by it"
