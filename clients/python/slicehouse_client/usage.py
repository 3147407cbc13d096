"""Usage of tenants: as a report, as a file, as events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

from slicehouse_client import shapes
from slicehouse_client.connection import Resource

AT = "/v1/workspaces/{ws}/usage"
Moment = datetime | str


class Span(TypedDict, total=False):
    """Which usage: from `start` to before `end`, or whole months, YYYY-MM; by which groups of tenant, user, dashboard, panel, host, door."""

    start: Moment
    end: Moment
    from_period: str
    to_period: str
    granularity: Literal["hour", "day", "month"]
    group_by: list[str]
    time_zone: str


class Usage(Resource):
    """Usage within the scope."""

    def report(self, **span: Unpack[Span]) -> shapes.Usage:
        """Of the workspace's tenants, by day and tenant for thirty days where nothing else is said."""
        return self._at.get(shapes.Usage, AT, _asked(span))

    def own(self, **span: Unpack[Span]) -> shapes.Usage:
        """The caller's own."""
        return self._at.get(shapes.Usage, "/v1/usage", _asked(span))

    def save(self, file: str | Path, format: Literal["csv", "parquet"] = "csv", **span: Unpack[Span]) -> Path:
        """The report as a file."""
        return self._at.save(AT, file, _asked(span) | {"format": format})

    def events(self, start: Moment | None = None, end: Moment | None = None) -> Iterator[dict[str, Any]]:
        """Usage events as CloudEvents, in the order in which they happened."""
        return self._at.lines(f"{AT}/events", {"from": start, "to": end})


def _asked(span: Span) -> dict[str, Any]:
    found: dict[str, Any] = {**span}
    found |= {"from": found.pop("start", None), "to": found.pop("end", None)}
    return found | ({"group_by": ",".join(span["group_by"])} if "group_by" in span else {})
