"""What a person can do about a table whose route is an open decision: lines for the workspace file, each with what it would mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from engine.graph import Edge
from engine.routing import Choice, Route, Routing
from engine.schema import TableName


@dataclass(frozen=True, slots=True)
class Option:
    """One line, and in words what it does and what speaks for it. `under` is the key of the workspace file below which it stands."""

    line: str
    means: str
    under: Literal["tables", "relationships"] = "tables"


def options(route: Route, routing: Routing) -> list[Option]:
    """The ways to settle an open decision, the likeliest first; leaving the table out is always one."""
    if route.review is None:
        return []
    name = written_name(route.table, routing.routes)
    found = [_option(name, choice, route, routing.tenant.table) for choice in route.choices]
    return [*found, Option(f"{name}: excluded", "in no slice, and not asked again")]


def _option(name: str, choice: Choice, route: Route, tenant: TableName) -> Option:
    if choice.under == "relationships":
        means = "under relationships:, with the types that rows have and each one's table; none for a type that says nothing"
        return Option(choice.value, means, "relationships")
    return Option(f"{name}: {choice.value}", _means(route, choice, tenant))


def written_name(table: TableName, known: Iterable[TableName]) -> str:
    """The table as a key under `tables:`, with as much of its name as tells it from others; quoted for YAML where needed."""
    others = Counter(t.table.lower() for t in known), Counter((t.schema.lower(), t.table.lower()) for t in known)
    parts = [table.source, table.schema, table.table]
    if others[0][table.table.lower()] == 1:
        parts = parts[2:]
    elif others[1][table.schema.lower(), table.table.lower()] == 1:
        parts = parts[1:]
    written = ".".join(p if p.isidentifier() else '"' + p.replace('"', '""') + '"' for p in parts)
    return written if written.replace(".", "").isidentifier() else "'" + written.replace("'", "''") + "'"


def _means(route: Route, choice: Choice, tenant: TableName) -> str:
    edge = choice.edge
    if edge is None:
        return "in every slice, those columns blanked"
    if choice.also:
        return _means_together((edge, *choice.also))
    if choice.value == "shared":
        return f"whole in every slice, if its rows are everybody's; {edge.label} may point at it ({known_from(edge)})"
    if edge.parent == route.table:
        return f"in each tenant that has a row of {edge.child.table} for it ({known_from(edge)})"
    columns = "+".join(edge.columns)
    where = (
        f"the tenant that {columns} names" if edge.parent == tenant else f"where the row of {edge.parent.table} lies that {columns} names"
    )
    free = "; rows that name none are everybody's" if "unassigned" in choice.value else ""
    who = "; its name says who acted, not whose it is" if edge.actor else ""
    return f"{where}{free} ({known_from(edge)}{who})"


def _means_together(edges: tuple[Edge, ...]) -> str:
    """What several ways say: a row may have any of them, and those that it has must agree."""
    columns = ", ".join("+".join(e.columns) for e in edges)
    least = min(e.confidence for e in edges)
    return f"the tenant that {columns} name, whichever of them a row has, where they agree (inferred, confidence {least:.2f} or more)"


def known_from(edge: Edge) -> str:
    """Where an edge is known from; for an inferred one how surely, and why."""
    if edge.origin != "inferred":
        return edge.origin
    return f"inferred, confidence {edge.confidence:.2f}{': ' + edge.evidence if edge.evidence else ''}"
