"""Where tables and edges lie in the drawing of a routing: columns by hops from the tenant table, the tenant table at the left.

Within one hop, a table stands right of those it points at, so a hop may take several columns. Tables of a column are ordered by the
mean place of their neighbours (barycenter; Sugiyama, Tagawa, Toda 1981). Open decisions, shared and excluded tables stand apart, below.
Lengths are in pixels; y grows downwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.drawing.lines import lines_between, rails_beside
from engine.drawing.pieces import BETWEEN, GAP, HEAD, HEIGHT, MARGIN, SECTION, TOP, WIDTH, Box, Heading, Layout
from engine.graph import groups
from engine.routing import Routing
from engine.schema import TableName

_SWEEPS = 12


def hops(routing: Routing) -> dict[TableName, int]:
    """How many edges every routed table is from the tenant table; what no accepted edge leads from is not there.

    Nothing is there where tenants are no rows (each source is one, or the workspace).
    """
    if routing.tenant.table not in routing.routes:
        return {}
    ways: dict[TableName, list[TableName]] = {}
    for child, parent in _placed(routing):
        ways.setdefault(parent, []).append(child)
    found, level = {routing.tenant.table: 0}, [routing.tenant.table]
    while level:
        level = sorted({c for parent in level for c in ways.get(parent, ()) if c not in found})
        found.update(dict.fromkeys(level, max(found.values()) + 1))
    return found


def _placed(routing: Routing) -> Iterable[tuple[TableName, TableName]]:
    """(placed table, table that places it) for owner edges and joining edges."""
    for route in routing.routes.values():
        yield from ((e.child, e.parent) for e in route.edges)
        yield from ((e.parent, e.child) for e in route.joins)


def lay_out(routing: Routing) -> Layout:
    """The layout of a routing: every table once, every edge in use once."""
    far = hops(routing)
    columns = _columns(routing, far)
    _order([c.tables for c in columns], routing)
    for column in columns:
        column.tables += column.loose
    boxes, headings, right = _stand(columns, routing)
    bottom = max((b.y + HEIGHT for b in boxes.values()), default=TOP - SECTION)
    right = max(right, MARGIN + 4 * (WIDTH + GAP * 2))
    bottom = _stand_apart(routing, boxes, headings, right, bottom)
    standing = [[boxes[t] for t in c.tables] for c in columns]
    lines = lines_between(routing, boxes, standing)
    return Layout(right + MARGIN, bottom + MARGIN, boxes, lines, headings, rails_beside(standing, lines))


# ── columns ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Column:
    """Tables of one column from top to bottom; `loose` are those that only the tenant table is joined to."""

    hop: int
    tables: list[TableName] = field(default_factory=list)
    loose: list[TableName] = field(default_factory=list)


def _columns(routing: Routing, far: Mapping[TableName, int]) -> list[_Column]:
    ways = list(_placed(routing))
    found: list[_Column] = []
    for hop in range(max(far.values(), default=-1) + 1):
        band = sorted(t for t, h in far.items() if h == hop)
        inside = {t: sorted({p for c, p in ways if c == t and p != t and far.get(p) == hop}) for t in band}
        levels = _levels(band, inside)
        columns = [_Column(hop) for _ in range(max(levels.values()) + 1)]
        tied = {t for c, p in ways if c != p and routing.tenant.table not in (c, p) for t in (c, p)}
        for table in band:
            if hop == 0 or table in tied:
                columns[levels[table]].tables.append(table)
        for table in (t for t in band if hop and t not in tied):
            min(columns, key=lambda c: len(c.tables) + len(c.loose)).loose.append(table)
        found += columns
    return found


def _levels(band: Sequence[TableName], inside: Mapping[TableName, Sequence[TableName]]) -> dict[TableName, int]:
    """The longest way within a hop, so that lines lead to the left; tables in a cycle stand in one column.

    The shortest way needs fewer columns, but one of them had 57 of 138 real tables, with 68 lines beside it.
    """
    levels: dict[TableName, int] = {}
    for group in groups(band, inside):
        below = [levels[p] for t in group for p in inside[t] if p not in group]
        levels.update(dict.fromkeys(group, max(below, default=-1) + 1))
    return levels


def _order(columns: list[list[TableName]], routing: Routing) -> None:
    """Orders the tables of each column by the mean place of what they are joined to, columns to the right, then to the left, and again."""
    near: dict[TableName, list[TableName]] = {}
    for child, parent in _placed(routing):
        if parent != routing.tenant.table and child != parent:
            near.setdefault(child, []).append(parent)
            near.setdefault(parent, []).append(child)
    for column in columns:
        column.sort(key=lambda t: (-len(near.get(t, ())), t))
    at = {t: float(i) for column in columns for i, t in enumerate(column)}
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            column.sort(key=lambda t: (sum(at[n] for n in near[t]) / len(near[t]) if near.get(t) else at[t], t))
            at.update({t: float(i) for i, t in enumerate(column)})


# ── places ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _stand(columns: Sequence[_Column], routing: Routing) -> tuple[dict[TableName, Box], list[Heading], float]:
    """The boxes column by column, the headings of the hops, and the right end."""
    boxes: dict[TableName, Box] = {}
    headings: list[Heading] = []
    x = float(MARGIN)
    for column in columns:
        for i, table in enumerate(column.tables):
            boxes[table] = Box(routing.routes[table], x, TOP + HEAD + i * (HEIGHT + GAP))
        text = "tenant table" if column.hop == 0 else "1 hop" if column.hop == 1 else f"{column.hop} hops"
        if headings and headings[-1].text == text:
            headings[-1] = Heading(text, headings[-1].x, x + WIDTH, TOP)
        else:
            headings.append(Heading(text, x, x + WIDTH, TOP))
        x += WIDTH + BETWEEN
    return boxes, headings, x - BETWEEN


def _stand_apart(routing: Routing, boxes: dict[TableName, Box], headings: list[Heading], right: float, bottom: float) -> float:
    """Adds the tables that no edge places, section by section in rows; returns the new lower end."""
    rest = [r for r in sorted(routing.routes.values(), key=lambda r: r.table) if r.table not in boxes]
    sections = (
        ("open decisions: in no slice until somebody decides", [r for r in rest if r.review is not None]),
        ("whole: in the slice of their source's tenant", [r for r in rest if r.review is None and r.kind == "whole"]),
        ("shared: in every slice", [r for r in rest if r.review is None and r.kind not in ("excluded", "whole")]),
        ("excluded: in no slice", [r for r in rest if r.review is None and r.kind == "excluded"]),
    )
    across = max(1, int((right - MARGIN + GAP) // (WIDTH + GAP)))
    for text, routes in sections:
        if routes:
            headings.append(Heading(text, MARGIN, right, bottom + SECTION - 6))
            top = bottom + SECTION + 12
            for i, route in enumerate(routes):
                boxes[route.table] = Box(route, MARGIN + i % across * (WIDTH + GAP), top + i // across * (HEIGHT + GAP))
            bottom = top + (len(routes) - 1) // across * (HEIGHT + GAP) + HEIGHT
    return bottom
