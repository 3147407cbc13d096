"""Values of parameters, from texts of a URL or JSON of a body to what is bound."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from engine.dashboards.models import Dashboard, Parameter

_RANGE = re.compile(r"^(\d{4}-\d{2}-\d{2})/(\d{4}-\d{2}-\d{2})$")
_DURATION = re.compile(r"^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?$")
_MOST_VALUES = 1_000
_LONGEST = 10_000


class ParameterError(Exception):
    """A value that does not fit its parameter. `code` is param_unknown, param_locked or param_invalid."""

    def __init__(self, code: str, name: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.name, self.detail = code, name, detail


def bind(dashboard: Dashboard, given: Mapping[str, Any], as_of: datetime, timezone: str, fixed: Mapping[str, Any] = {}) -> dict[str, Any]:
    """What is bound: every `$name` of the dashboard's parameters, `$as_of` and `$timezone`.

    `given` maps a parameter to a text, a list of texts, or a JSON value; `fixed` are values that the caller cannot set. Raises ParameterError
    for an unknown or a locked parameter, for a value that does not fit, and where a fixed one is none of the dashboard's: what it was to
    narrow would be whole.
    """
    for name in fixed:
        if name not in dashboard.parameters:
            raise ParameterError("partial_scope", name, f"{name} is fixed for you, and this dashboard has no such parameter")
    for name in given:
        if name not in dashboard.parameters:
            raise ParameterError("param_unknown", name, f"this dashboard has no parameter {name}")
        if dashboard.parameters[name].locked or name in fixed:
            raise ParameterError("param_locked", name, f"{name} is fixed for you")
    found: dict[str, Any] = {"as_of": as_of, "timezone": timezone}
    for name, parameter in dashboard.parameters.items():
        value = given[name] if name in given else fixed[name] if name in fixed else resolved_default(parameter, as_of, timezone)
        found.update(_bound(name, parameter, value))
    return found


def resolved_default(parameter: Parameter, as_of: datetime, timezone: str) -> Any:
    """The default, a duration turned into the dates that it means: it ends on the day after `as_of`, in the workspace's zone."""
    if parameter.type != "date_range":
        return parameter.default
    text = str(parameter.default or "P30D")
    match = _DURATION.match(text)
    if match is None:
        return text
    end = as_of.astimezone(ZoneInfo(timezone)).date() + timedelta(days=1)
    years, months, weeks, days = (int(g or 0) for g in match.groups())
    start = _months_before(end, years * 12 + months) - timedelta(days=weeks * 7 + days)
    return f"{start.isoformat()}/{end.isoformat()}"


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, last)
        except ValueError:
            continue
    return date(year, month + 1, 28)


def _bound(name: str, parameter: Parameter, value: Any) -> dict[str, Any]:
    if parameter.type == "date_range":
        start, end = _range(name, _single(name, value))
        return {f"{name}_start": start, f"{name}_end": end}
    if parameter.type == "select" and parameter.multiple:
        return {name: _many(name, value)}
    one = None if value is None else _single(name, value)
    if one is None or one == "":
        return {name: None}
    if parameter.type == "number":
        return {name: _number(name, one)}
    text = str(one)
    if parameter.type == "select" and parameter.options is not None and text not in parameter.options:
        raise ParameterError("param_invalid", name, f"{name} is one of {', '.join(parameter.options)}")
    return {name: _short(name, text)}


def _single(name: str, value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != 1:
            raise ParameterError("param_invalid", name, f"{name} takes one value")
        return value[0]
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return value
    raise ParameterError("param_invalid", name, f"{name} takes one value")


def _range(name: str, value: Any) -> tuple[date, date]:
    match = _RANGE.match(str(value))
    try:
        if match is None:
            raise ValueError
        start, end = date.fromisoformat(match[1]), date.fromisoformat(match[2])
    except ValueError:
        raise ParameterError("param_invalid", name, f"{name} is two dates, 2026-01-01/2026-02-01; the end is not included") from None
    if start > end:
        raise ParameterError("param_invalid", name, f"{name} begins after its end")
    return start, end


def _many(name: str, value: Any) -> list[str] | None:
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    texts = [str(v) for v in values if v is not None and v != ""]
    if len(texts) > _MOST_VALUES or any(isinstance(v, (dict, list)) for v in values):
        raise ParameterError("param_invalid", name, f"{name} takes at most {_MOST_VALUES} texts")
    return [_short(name, t) for t in texts] or None


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ParameterError("param_invalid", name, f"{name} is a number")
    return number


def _short(name: str, text: str) -> str:
    if len(text) > _LONGEST or "\0" in text:
        raise ParameterError("param_invalid", name, f"{name} is too long")
    return text
