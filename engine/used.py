"""What of a routing is in use: the edges that decide about rows, the columns by which they do, the columns that are read."""

from __future__ import annotations

from collections.abc import Iterable

from engine.columns import ColumnPlan
from engine.graph import Edge
from engine.routing import Route, Routing
from engine.schema import TableName


def used_edges(routes: Iterable[Route]) -> list[Edge]:
    """Every edge that decides about rows: owner edges that have a say, and joining edges; sorted, each once."""
    return sorted({edge for route in routes if route.is_judged for edge in (*route.edges, *route.joins)})


def key_columns(table: TableName, routes: Iterable[Route]) -> set[str]:
    """The columns of a table by which rows are judged: its own end of every edge in use, and the types of polymorphic pairs."""
    routes = list(routes)
    found = {c for r in routes if r.table == table for g in r.guards for c in (g.type_column, g.id_column)}
    for edge in used_edges(routes):
        found |= {*edge.columns, *edge.when[:1]} if edge.child == table else set()
        found |= set(edge.parent_columns) if edge.parent == table else set()
    return found


def landed_columns(route: Route, routing: Routing) -> tuple[ColumnPlan, ...]:
    """The columns that are read: those of slices; of a bridge only its keys and what filters it."""
    if route.is_written:
        return tuple(c for c in route.columns if c.is_written)
    wanted = key_columns(route.table, routing.routes.values()) | {route.soft_delete}
    return tuple(c for c in route.columns if c.name in wanted and c.is_written)


def plan_of(route: Route, column: str) -> ColumnPlan:
    """The plan of a column; the table has it."""
    return next(c for c in route.columns if c.name == column)
