"""The dashboard file as typed models (pydantic)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from engine.workspace.models import Slug

GIVEN = ("as_of", "timezone")
ParameterName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Parameter(_Model):
    """One parameter. A date_range `period` binds `$period_start` (included) and `$period_end` (excluded).

    A select with `multiple` binds a list of texts, or NULL where nothing is chosen; number binds a DOUBLE, text a VARCHAR.
    """

    type: Literal["date_range", "select", "number", "text"]
    title: str | None = None
    default: Any = None
    options: list[str] | None = None
    options_sql: str | None = None
    multiple: bool = False
    locked: bool = False

    @field_validator("default", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return value if value is None or isinstance(value, (int, float, list)) else str(value)

    @model_validator(mode="after")
    def _consistent(self) -> Parameter:
        if self.type != "select" and (self.options or self.options_sql or self.multiple):
            raise ValueError("options, options_sql and multiple are for type: select")
        if self.type == "date_range" and self.default is not None:
            period = r"\d{4}-\d{2}-\d{2}/\d{4}-\d{2}-\d{2}|P(\d+Y)?(\d+M)?(\d+W)?(\d+D)?"
            if re.fullmatch(period, str(self.default)) is None or self.default == "P":
                raise ValueError("a date range is 2026-01-01/2026-02-01 (the end is not included), or an ISO 8601 duration such as P90D")
        return self


class Chart(_Model):
    """How a panel is drawn: `x` and `y` name columns; `series` splits by a column's values."""

    type: Literal["number", "line", "area", "bar", "pie", "table"] = "table"
    x: str | None = None
    y: list[str] = []
    series: str | None = None
    stacked: bool = False

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"type": value}
        if isinstance(value, dict) and isinstance(value.get("y"), str):
            return {**value, "y": [value["y"]]}
        return value


class Panel(_Model):
    """A query with a chart. `sql` is one SELECT for the slice, in DuckDB's dialect."""

    title: str
    description: str | None = None
    sql: str
    chart: Chart = Chart()
    format: dict[str, str] = {}


class Tile(_Model):
    """A panel's (or a text's) place in a grid of 12 columns."""

    panel: str | None = None
    markdown: str | None = None
    x: int = Field(ge=0, le=11)
    y: int = Field(ge=0)
    w: int = Field(ge=1, le=12)
    h: int = Field(ge=1, le=100)

    @model_validator(mode="after")
    def _one(self) -> Tile:
        if (self.panel is None) == (self.markdown is None):
            raise ValueError("a tile holds one panel, or one markdown text")
        if self.x + self.w > 12:
            raise ValueError("the grid has 12 columns: x + w is more")
        return self


class Dashboard(_Model):
    """A dashboard template, written once per workspace."""

    version: Literal[1]
    slug: Slug
    title: str
    description: str | None = None
    parameters: dict[ParameterName, Parameter] = {}
    panels: dict[Slug, Panel] = Field(min_length=1)
    tiles: list[Tile] = []

    @model_validator(mode="after")
    def _whole(self) -> Dashboard:
        unknown = [t.panel for t in self.tiles if t.panel is not None and t.panel not in self.panels]
        if unknown:
            raise ValueError(f"tiles name panels that are not there: {', '.join(unknown)}")
        names = [n for p, parameter in self.parameters.items() for n in bound_names(p, parameter)]
        if len(set(names) | set(GIVEN)) != len(names) + len(GIVEN):
            raise ValueError("two parameters bind the same name; $as_of and $timezone are given")
        return self


def bound_names(name: str, parameter: Parameter) -> list[str]:
    """The `$names` that a parameter binds in SQL."""
    return [f"{name}_start", f"{name}_end"] if parameter.type == "date_range" else [name]
