"""What a drawing is made of: boxes, lines, headings. Lengths are in pixels; y grows downwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.graph import Edge
from engine.routing import Route
from engine.schema import TableName

WIDTH, HEIGHT, GAP, BETWEEN, MARGIN = 186, 36, 10, 54, 24
TOP, HEAD, SECTION = 118, 34, 46
Role = Literal["owner", "joining", "reference"]
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
    """One edge from the table that it places (`start`) to the one that places it; `bus` runs along the rail of its column.

    `passes` are the columns that it passes on its way: their left end, and the y at which it does so.
    """

    edge: Edge
    role: Role
    way: Way
    start: tuple[float, float]
    end: tuple[float, float]
    passes: tuple[tuple[float, float], ...] = ()


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
