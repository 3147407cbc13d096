"""Data of a tenant: what panels and free SQL answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from slicehouse_client import arrow, shapes
from slicehouse_client.connection import Resource, decoded, part, text_of
from slicehouse_client.errors import ApiError, problem_error
from slicehouse_client.values import decoder

if TYPE_CHECKING:
    import pyarrow


class Column(NamedTuple):
    """A column. `type` is DuckDB's name, `encoding` how its values are written in JSON."""

    name: str
    type: str
    encoding: str


@dataclass(frozen=True)
class Data:
    """The rows of an answer. `raw` is what came: columns, rows, meta."""

    raw: Mapping[str, Any] = field(repr=False)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Columns, in order."""
        return tuple(Column(c["name"], c["type"], c["encoding"]) for c in self.raw["columns"])

    @cached_property
    def rows(self) -> list[tuple[Any, ...]]:
        """Rows with exact values: int, Decimal, date, datetime and so on, by the columns' types."""
        read = [decoder(c.type) for c in self.columns]
        return [tuple(d(v) for d, v in zip(read, row, strict=True)) for row in self.raw["rows"]]

    def dicts(self) -> list[dict[str, Any]]:
        """Rows as dicts by the columns' names; of two columns of one name the last counts."""
        names = [c.name for c in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def to_arrow(self) -> pyarrow.Table:
        """A table of these rows. Raises MissingExtra; ValueError for an infinite date and its like, which `panel_arrow` can hold."""
        return arrow.table([(c.name, c.type) for c in self.columns], self.raw["rows"])

    @property
    def slice_version(self) -> str:
        """The version of the slice that answered."""
        return str(self.raw["meta"]["slice_version"])

    @property
    def as_of(self) -> datetime:
        """The snapshot that the answer is true for."""
        return datetime.fromisoformat(self.raw["meta"]["as_of"])

    @property
    def truncated(self) -> bool:
        """Whether rows were cut off at the limit."""
        return bool(self.raw["meta"]["truncated"])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.raw["rows"])


class Dashboards(Resource):
    """Dashboards of a tenant and their data. Parameters: texts, numbers, dates, a list for several values, a pair of dates for a span."""

    def list(self) -> Iterator[shapes.DashboardSummary]:
        """What the tenant has."""
        return self._at.pages("/v1/dashboards")

    def get(self, dashboard: str) -> shapes.Dashboard:
        """Layout, parameters with their options, panels."""
        return self._at.get(shapes.Dashboard, f"/v1/dashboards/{part(dashboard)}")

    def panel(
        self, dashboard: str, panel: str, /, parameters: Mapping[str, Any] | None = None, *, limit: int | None = None, **named: Any
    ) -> Data:
        """A panel's rows; those past `limit` (10,000) are cut off, and `truncated` says so.

        >>> client.dashboards.panel("sales", "revenue", region=["EMEA", "APAC"], period=(date(2026, 1, 1), date(2026, 2, 1))).rows
        """
        path, params = _asked(dashboard, panel, parameters, named, limit)
        asked = (self._at.tenant, path, repr(sorted(params.items())))
        known = self._at.answers.get(asked)
        response = self._at.request("GET", path, params=params, headers={"If-None-Match": known[0]} if known else {})
        if known is not None and response.status_code == 304:
            kept: Data = known[1]
            return kept
        data = Data(decoded(dict, response))
        self._at.answers.put(asked, response.headers.get("etag"), data)
        return data

    def panel_arrow(
        self, dashboard: str, panel: str, /, parameters: Mapping[str, Any] | None = None, *, limit: int | None = None, **named: Any
    ) -> pyarrow.Table:
        """A panel's rows as the server writes them in Arrow; more than `limit` are refused."""
        path, params = _asked(dashboard, panel, parameters, named, limit)
        return arrow.read_stream(self._at.request("GET", path, params=params, headers={"Accept": arrow.STREAM}).content)

    def save_panel(
        self,
        dashboard: str,
        panel: str,
        file: str | Path,
        /,
        parameters: Mapping[str, Any] | None = None,
        *,
        format: Literal["csv", "parquet", "arrow"] = "csv",
        limit: int | None = None,
        **named: Any,
    ) -> Path:
        """A panel's rows as a file."""
        path, params = _asked(dashboard, panel, parameters, named, limit)
        return self._at.save(path, file, params | {"format": format})

    def data(
        self, dashboard: str, parameters: Mapping[str, Any] | None = None, panels: Iterable[str] | None = None
    ) -> dict[str, Data | ApiError]:
        """Many panels in one answer; one that failed is the error in its place, which is not raised."""
        body: dict[str, Any] = {"parameters": {k: _json(v) for k, v in (parameters or {}).items() if v is not None}}
        body |= {} if panels is None else {"panels": [*panels]}
        response = self._at.request("POST", f"/v1/dashboards/{part(dashboard)}/data", json=body, repeatable=True)
        found: dict[str, Any] = decoded(dict, response)["panels"]
        return {name: problem_error(p["problem"]) if "problem" in p else Data(p) for name, p in found.items()}


class Query(Resource):
    """Free SQL on a tenant's slice, where the workspace allows it: one SELECT."""

    def __call__(self, sql: str, parameters: Mapping[str, Any] | None = None, *, limit: int | None = None) -> Data:
        """Its rows. `$name` in the statement is a parameter."""
        return Data(decoded(dict, self._at.request("POST", "/v1/query", json=_statement(sql, parameters, limit), repeatable=True)))

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None, *, limit: int | None = None) -> pyarrow.Table:
        """Its rows as the server writes them in Arrow."""
        body, accept = _statement(sql, parameters, limit), {"Accept": arrow.STREAM}
        return arrow.read_stream(self._at.request("POST", "/v1/query", json=body, headers=accept, repeatable=True).content)


def _statement(sql: str, parameters: Mapping[str, Any] | None, limit: int | None) -> dict[str, Any]:
    return {"sql": sql, "parameters": dict(parameters or {})} | ({} if limit is None else {"limit": limit})


def _asked(
    dashboard: str, panel: str, parameters: Mapping[str, Any] | None, named: Mapping[str, Any], limit: int | None
) -> tuple[str, dict[str, Any]]:
    values = {f"p.{k}": v for k, v in (dict(parameters or {}) | dict(named)).items()}
    return f"/v1/dashboards/{part(dashboard)}/panels/{part(panel)}", values | {"limit": limit}


def _json(value: Any) -> Any:
    return text_of(value) if isinstance(value, tuple) else value
