"""The routing as a Mermaid flowchart, for documents that draw it themselves: the tenant table at the left, dashed where inferred."""

from __future__ import annotations

from collections.abc import Iterable

from engine.drawing.layout import hops
from engine.drawing.words import look_of, plain
from engine.graph import Edge
from engine.routing import Route, Routing
from engine.schema import TableName

_CODES = {'"': "quot", "<": "lt", ">": "gt", "&": "amp"}
_CLASSES = {
    "tenant": "fill:#dbe6ff,stroke:#1b4fc4,color:#161b24,stroke-width:2px",
    "direct": "fill:#f0f5ff,stroke:#2f6fde,color:#161b24",
    "indirect": "fill:#e9f7f5,stroke:#0b7d72,color:#161b24",
    "membership": "fill:#f5eefd,stroke:#7c3fc4,color:#161b24",
    "shared": "fill:#eff8ea,stroke:#3c7d22,color:#161b24",
    "referenced": "fill:#f7f8e4,stroke:#6d7416,color:#161b24",
    "whole": "fill:#fdf0ea,stroke:#a34a1f,color:#161b24",
    "open": "fill:#fff4dc,stroke:#a56100,color:#161b24",
    "excluded": "fill:#f4f5f7,stroke:#69738a,color:#161b24",
}


def mermaid(routing: Routing, title: str = "Routes") -> str:
    """The flowchart's text: a node a table, a link an edge, groups for the hops and for what stands apart."""
    far = hops(routing)
    order = sorted(routing.routes.values(), key=lambda r: (far.get(r.table, 10**6), str(routing.names[r.table])))
    ids = {route.table: f"t{i}" for i, route in enumerate(order)}
    lines = [f"%% {plain(title)}", "flowchart RL"]
    groups: dict[str, list[Route]] = {}
    for route in order:
        groups.setdefault(_group(route, far), []).append(route)
    for i, (text, routes) in enumerate(groups.items()):
        lines.append(f'  subgraph g{i}["{_escaped(text)}"]')
        lines += [f'    {ids[r.table]}["{_escaped(str(routing.names[r.table]))}"]:::{look_of(r)}' for r in routes]
        lines.append("  end")
    lines += [f"  {link}" for route in order for link in _links(route, ids)]
    used = {look_of(r) for r in order}
    lines += [f"  classDef {name} {look}" for name, look in _CLASSES.items() if name in used]
    return "\n".join(lines) + "\n"


def _group(route: Route, far: dict[TableName, int]) -> str:
    if route.table in far:
        hop = far[route.table]
        return "tenant table" if hop == 0 else f"{hop} {'hop' if hop == 1 else 'hops'}"
    if route.review is not None:
        return "open decisions"
    return route.kind if route.kind in ("excluded", "whole") else "shared"


def _links(route: Route, ids: dict[TableName, str]) -> Iterable[str]:
    for edge in route.edges:
        yield _link(edge, ids[edge.child], ids[edge.parent])
    for edge in route.joins:
        yield _link(edge, ids[edge.parent], ids[edge.child])
    for edge in route.refs:
        yield _link(edge, ids[edge.child], ids[edge.parent])


def _link(edge: Edge, start: str, end: str) -> str:
    label = _escaped("+".join(edge.columns) + (f" [{edge.when[1]}]" if edge.when else ""))
    return f'{start} -. "{label}" .-> {end}' if edge.origin == "inferred" else f'{start} -- "{label}" --> {end}'


def _escaped(text: str) -> str:
    """Within double quotes: letters, digits and a few signs stay, all else becomes its entity code."""
    return "".join(c if c.isalnum() or c in " _.-:+[]" else f"#{_CODES.get(c, ord(c))};" for c in plain(text))
