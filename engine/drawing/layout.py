"""Where tables and edges lie in the drawing of a routing: columns by hops from the tenant table, the tenant table at the left.

Within one hop, a table stands right of those it points at, so a hop may take several columns. Tables of a column are ordered by the
mean place of their neighbours (barycenter; Sugiyama, Tagawa, Toda 1981). Open decisions, shared and excluded tables stand apart, below.
Lengths are in pixels; y grows downwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.graph import Edge, groups
from engine.routing import Route, Routing
from engine.schema import TableName

WIDTH, HEIGHT, GAP, BETWEEN, MARGIN = 186, 36, 8, 54, 24
TOP, HEAD, SECTION = 118, 34, 46
_SWEEPS = 12

Way = Literal["bus", "curve", "side", "loop", "down"]


@dataclass(frozen=True, slots=True)
class Box:
    """One table: its route and its upper left corner."""

    route: Route
    x: float
    y: float

    @property
    def middle(self) -> float:
        """The y of its middle."""
        return self.y + HEIGHT / 2


@dataclass(frozen=True, slots=True)
class Line:
    """One edge from the table that it places (`start`) to the one that places it; `bus` runs along the rail of its column."""

    edge: Edge
    role: Literal["owner", "joining", "reference"]
    way: Way
    start: tuple[float, float]
    end: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Heading:
    """A title over columns from `x` to `right`, or over a section."""

    text: str
    x: float
    right: float
    y: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole drawing. `rails` are the lines that lead to the tenant table: points of an open polygon each."""

    width: float
    height: float
    boxes: Mapping[TableName, Box]
    lines: Sequence[Line]
    headings: Sequence[Heading]
    rails: Sequence[Sequence[tuple[float, float]]]


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
    lines = _lines(routing, boxes)
    return Layout(right + MARGIN, bottom + MARGIN, boxes, lines, headings, _rails(columns, boxes, lines))


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


# ── lines ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lines(routing: Routing, boxes: Mapping[TableName, Box]) -> list[Line]:
    owner = [(e, "owner", e.child, e.parent) for r in routing.routes.values() for e in r.edges]
    joining = [(e, "joining", e.parent, e.child) for r in routing.routes.values() for e in r.joins]
    reference = [(e, "reference", e.child, e.parent) for r in routing.routes.values() for e in r.refs]
    every = [*owner, *joining, *reference]
    ports = _Ports([(start, end, boxes) for _, _, start, end in every if end != routing.tenant.table])
    return [_line(edge, role, boxes[start], boxes[end], routing.tenant.table, ports) for edge, role, start, end in sorted(every)]  # type: ignore[arg-type]


class _Ports:
    """Spreads the ends of lines over the sides of boxes, in the order of what lies at the other end."""

    def __init__(self, lines: Iterable[tuple[TableName, TableName, Mapping[TableName, Box]]]) -> None:
        self._of: dict[tuple[TableName, bool], list[float]] = {}
        for start, end, boxes in lines:
            self._of.setdefault((start, True), []).append(boxes[end].middle)
            self._of.setdefault((end, False), []).append(boxes[start].middle)
        for others in self._of.values():
            others.sort()

    def y(self, box: Box, other: Box, *, leaves: bool) -> float:
        """The y at which a line to `other` meets the box; lines to the same table meet at one place."""
        others = self._of[box.route.table, leaves]
        return box.y + HEIGHT * (others.index(other.middle) + 1) / (len(others) + 1)


def _line(edge: Edge, role: Literal["owner", "joining", "reference"], start: Box, end: Box, tenant: TableName, ports: _Ports) -> Line:
    if start is end:
        return Line(edge, role, "loop", (start.x + WIDTH, start.y + 9), (start.x + WIDTH, start.y + HEIGHT - 9))
    if end.route.table == tenant:
        same = [e for e in start.route.edges if e.parent == tenant]
        y = start.y + HEIGHT * (same.index(edge) + 1) / (len(same) + 1)
        return Line(edge, role, "bus", (start.x, y), (start.x - BETWEEN / 4, y))
    y0, y1 = ports.y(start, end, leaves=True), ports.y(end, start, leaves=False)
    if role == "reference":
        return Line(edge, role, "down", (start.x + WIDTH, y0), (end.x + WIDTH / 2, end.y))
    if end.x == start.x:
        return Line(edge, role, "side", (start.x + WIDTH, y0), (end.x + WIDTH, y1))
    return Line(edge, role, "curve", (start.x, y0), (end.x + WIDTH, y1))


def _rails(columns: Sequence[_Column], boxes: Mapping[TableName, Box], lines: Sequence[Line]) -> list[list[tuple[float, float]]]:
    """From the tenant table along the top, and down beside each column as far as something is joined to it."""
    ends: dict[float, float] = {}
    for line in (li for li in lines if li.way == "bus"):
        ends[line.end[0]] = max(ends.get(line.end[0], 0), line.end[1])
    if not ends:
        return []
    tenant = boxes[columns[0].tables[0]]
    top = TOP + HEAD - 12.0
    trunk = [(tenant.x + WIDTH, tenant.middle), (tenant.x + WIDTH + BETWEEN / 4, tenant.middle)]
    trunk += [(tenant.x + WIDTH + BETWEEN / 4, top), (max(ends), top)]
    return [trunk, *([(x, top), (x, y)] for x, y in sorted(ends.items()))]
