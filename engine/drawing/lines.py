"""The lines of a drawing: from table to table, and along the rails that lead to the tenant table.

A line that passes columns goes between their boxes, so that it can be followed; lines of one gap lie in three lanes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.drawing.pieces import BETWEEN, GAP, HEAD, HEIGHT, TOP, WIDTH, Box, Line, Role
from engine.graph import Edge
from engine.routing import Routing
from engine.schema import TableName


def lines_between(routing: Routing, boxes: Mapping[TableName, Box], columns: Sequence[Sequence[Box]]) -> list[Line]:
    """A line for every edge in use. `columns` are the boxes column by column, from the left, each from the top."""
    owner: list[_End] = [(e, "owner", e.child, e.parent) for r in routing.routes.values() for e in r.edges]
    joining: list[_End] = [(e, "joining", e.parent, e.child) for r in routing.routes.values() for e in r.joins]
    reference: list[_End] = [(e, "reference", e.child, e.parent) for r in routing.routes.values() for e in r.refs]
    every = sorted([*owner, *joining, *reference])
    ports = _Ports([(boxes[start], boxes[end]) for _, _, start, end in every if end != routing.tenant.table])
    lanes = _Lanes(columns)
    return [_line(edge, role, boxes[start], boxes[end], routing.tenant.table, ports, lanes) for edge, role, start, end in every]


_End = tuple[Edge, Role, TableName, TableName]


class _Ports:
    """Spreads the ends of lines over the sides of boxes, in the order of what lies at the other end."""

    def __init__(self, lines: Iterable[tuple[Box, Box]]) -> None:
        self._of: dict[tuple[TableName, bool], list[float]] = {}
        for start, end in lines:
            self._of.setdefault((start.route.table, True), []).append(end.middle)
            self._of.setdefault((end.route.table, False), []).append(start.middle)
        for others in self._of.values():
            others.sort()

    def y(self, box: Box, other: Box, *, leaves: bool) -> float:
        """The y at which a line to `other` meets the box; lines to the same table meet at one place."""
        others = self._of[box.route.table, leaves]
        return box.y + HEIGHT * (others.index(other.middle) + 1) / (len(others) + 1)


class _Lanes:
    """Where lines pass columns: between two boxes, or below them all."""

    def __init__(self, columns: Sequence[Sequence[Box]]) -> None:
        self._columns = [(boxes[0].x, len(boxes)) for boxes in columns]
        self._used: dict[tuple[float, int], int] = {}

    def passes(self, start: tuple[float, float], end: tuple[float, float]) -> tuple[tuple[float, float], ...]:
        """The columns between the ends, from right to left, each with the y nearest to the straight way."""
        (x0, y0), (x1, y1) = start, end
        found = []
        for x, boxes in (c for c in reversed(self._columns) if x1 < c[0] < x0 - WIDTH):
            found.append((x, self._y(x, boxes, y0 + (y1 - y0) * (x0 - x - WIDTH / 2) / (x0 - x1))))
        return tuple(found)

    def _y(self, x: float, boxes: int, wanted: float) -> float:
        gap = min(boxes, max(0, round((wanted - TOP - HEAD + GAP / 2) / (HEIGHT + GAP))))
        middle = TOP + HEAD + gap * (HEIGHT + GAP) - GAP / 2
        if gap == boxes and wanted > middle:
            return wanted
        lane = self._used.get((x, gap), 0)
        self._used[x, gap] = lane + 1
        return middle + (lane % 3 - 1) * GAP / 4


def _line(edge: Edge, role: Role, start: Box, end: Box, tenant: TableName, ports: _Ports, lanes: _Lanes) -> Line:
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
    ends = (start.x, y0), (end.x + WIDTH, y1)
    return Line(edge, role, "curve", *ends, lanes.passes(*ends))


def rails_beside(columns: Sequence[Sequence[Box]], lines: Sequence[Line]) -> list[list[tuple[float, float]]]:
    """From the tenant table along the top, and down beside each column as far as something is joined to it."""
    ends: dict[float, float] = {}
    for line in (li for li in lines if li.way == "bus"):
        ends[line.end[0]] = max(ends.get(line.end[0], 0), line.end[1])
    if not ends:
        return []
    tenant = columns[0][0]
    top = TOP + HEAD - 12.0
    trunk = [(tenant.x + WIDTH, tenant.middle), (tenant.x + WIDTH + BETWEEN / 4, tenant.middle)]
    trunk += [(tenant.x + WIDTH + BETWEEN / 4, top), (max(ends), top)]
    return [trunk, *([(x, top), (x, y)] for x, y in sorted(ends.items()))]
