"""The values of an answer as *cells*, so that they compare as values, not as the text in which an engine writes them.

A side is either a JSON answer (`columns` and `rows`), whose values are read by their column's type, or rows of Python
values as psycopg and Arrow give them. Both become pairs of kind and value:

| kind | value | from JSON | from Python |
| --- | --- | --- | --- |
| null | None | null | None |
| boolean | bool | true | bool |
| number | Decimal, float | 1, "1.10", "NaN" | int, Decimal, float |
| text | str | "a" | str |
| date, time | date, time | ISO 8601 | date, time |
| timestamp | datetime | ISO 8601 | datetime without a zone |
| instant | datetime in UTC | ISO 8601 with an offset | datetime with a zone |
| interval | microseconds | ISO 8601 duration, DuckDB's text | timedelta, MonthDayNano |
| bytes | bytes | base64 or hex, by the column's encoding | bytes, memoryview |
| uuid | UUID | text | UUID |
| list | tuple of cells | array | list, tuple |
| object | sorted pairs of name and cell | object | dict |

Kinds never equal each other: a date is not midnight, and 1 is neither true nor "1".
"""

import base64
import json
import math
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import pyarrow as pa

Cell: TypeAlias = tuple[str, Hashable]
Row: TypeAlias = tuple[Cell, ...]
Side: TypeAlias = Mapping[str, Any] | Iterable[Sequence[Any]]

NULL: Cell = ("null", None)


def cells(side: Side) -> list[Row]:
    """The rows of a JSON answer, or of Python values, as cells."""
    if not isinstance(side, Mapping):
        return [tuple(_from_python(value) for value in row) for row in side]
    readers = [_reader(column["type"], column.get("encoding")) for column in side["columns"]]
    return [tuple(map(_read, readers, row)) for row in side["rows"]]


def _read(reader: Callable[[Any], Cell], value: Any) -> Cell:
    return NULL if value is None else reader(value)


# From Python


def _from_python(value: Any) -> Cell:
    """The cell of a value as psycopg or Arrow gives it. Raises TypeError for any other type."""
    if isinstance(value, datetime):
        return ("instant", value.astimezone(UTC)) if value.tzinfo else ("timestamp", value)
    for kind, accept, convert in _PYTHON:
        if isinstance(value, accept):
            return kind, convert(value)
    raise TypeError(f"no comparison for {type(value).__name__}")


def _number(value: int | float | Decimal) -> Hashable:
    """A float or a Decimal; NaN and the infinities as text, so that NaN equals itself."""
    if isinstance(value, float):
        return value if math.isfinite(value) else _special(value)
    number = Decimal(value)
    return number if number.is_finite() else _special(float(number))


def _special(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _microseconds(value: timedelta) -> int:
    return value // timedelta(microseconds=1)


def _object(value: Mapping[Any, Any]) -> Hashable:
    return tuple(sorted((str(name), _from_python(item)) for name, item in value.items()))


def _list(value: Iterable[Any]) -> Hashable:
    return tuple(_from_python(item) for item in value)


def _months(months: int, days: int, microseconds: int) -> int:
    """An interval in microseconds as psycopg counts it: a year of 365 days, a month of 30."""
    years, rest = divmod(abs(months), 12)
    days += (years * 365 + rest * 30) * (1 if months >= 0 else -1)
    return days * 86_400_000_000 + microseconds


_PYTHON: list[tuple[str, type | tuple[type, ...], Callable[[Any], Hashable]]] = [
    ("null", type(None), lambda _: None),
    ("boolean", bool, bool),
    ("number", (int, float, Decimal), _number),
    ("text", str, str),
    ("date", date, lambda value: value),
    ("time", time, lambda value: value),
    ("interval", pa.MonthDayNano, lambda value: _months(value.months, value.days, value.nanoseconds // 1000)),
    ("interval", timedelta, _microseconds),
    ("uuid", UUID, lambda value: value),
    ("bytes", (bytes, bytearray, memoryview), bytes),
    ("object", dict, _object),
    ("list", (list, tuple), _list),
]


# From JSON


def _reader(type_name: str, encoding: str | None) -> Callable[[Any], Cell]:
    """How the JSON values of a column of DuckDB's type `type_name` are read; a struct's by what JSON shows."""
    name = type_name.upper()
    if name.endswith("]"):
        return _list_reader(name[: name.rindex("[")], encoding)
    name = "TIMESTAMP WITH TIME ZONE" if name == "TIMESTAMPTZ" else re.sub(r"\(.*", "", name)
    if name.startswith("TIMESTAMP_"):
        name = "TIMESTAMP"
    if name == "BLOB":
        return lambda value: ("bytes", bytes.fromhex(value) if encoding == "hex" else base64.b64decode(value))
    return _READERS.get(name, _from_python)


def _list_reader(item_type: str, encoding: str | None) -> Callable[[Any], Cell]:
    read = _reader(item_type, encoding)
    return lambda values: ("list", tuple(_read(read, value) for value in values))


def _decimal(value: Any) -> Cell:
    return "number", _number(Decimal(value))


def _float(value: Any) -> Cell:
    return "number", _number(float(value))


def _instant(value: str) -> Cell:
    moment = datetime.fromisoformat(value)
    return "instant", moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def _json(value: Any) -> Cell:
    """A JSON column's value: its text, or the document itself."""
    return _from_python(json.loads(value) if isinstance(value, str) else value)


def _interval(value: str) -> Cell:
    parts = _iso_interval(value) if "P" in value else _text_interval(value)
    months = parts.get("years", 0) * 12 + parts.get("months", 0)
    days = parts.get("weeks", 0) * 7 + parts.get("days", 0)
    seconds = parts.get("hours", 0) * 3600 + parts.get("minutes", 0) * 60 + parts.get("seconds", 0)
    return "interval", _months(int(months), int(days), int(seconds * 1_000_000))


def _iso_interval(value: str) -> dict[str, Decimal]:
    """P1Y2M3DT4H5M6.5S, with a sign before the P, before each number, or both."""
    sign = -1 if value.startswith("-") else 1
    days, _, clock = value.partition("T")
    units = {"Y": "years", "M": "months", "W": "weeks", "D": "days"}
    found = {units[unit]: sign * Decimal(number) for number, unit in re.findall(r"(-?[\d.]+)([YMWD])", days)}
    units = {"H": "hours", "M": "minutes", "S": "seconds"}
    return found | {units[unit]: sign * Decimal(number) for number, unit in re.findall(r"(-?[\d.]+)([HMS])", clock)}


def _text_interval(value: str) -> dict[str, Decimal]:
    """DuckDB's own text: 1 year 2 months 3 days -04:05:06.5."""
    found = {f"{unit}s": Decimal(number) for number, unit in re.findall(r"(-?\d+) (year|month|day)", value)}
    if clock := re.search(r"(-?)(\d+):(\d+):([\d.]+)$", value):
        units = ("hours", "minutes", "seconds")
        found |= {unit: Decimal(clock[1] + part) for unit, part in zip(units, clock.groups()[1:], strict=True)}
    return found


_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")

_READERS: dict[str, Callable[[Any], Cell]] = {
    **dict.fromkeys(_INTEGERS, _decimal),
    **dict.fromkeys((f"U{name}" for name in _INTEGERS), _decimal),
    "DECIMAL": _decimal,
    "FLOAT": _float,
    "DOUBLE": _float,
    "DATE": lambda value: ("date", date.fromisoformat(value)),
    "TIME": lambda value: ("time", time.fromisoformat(value)),
    "TIMESTAMP": lambda value: ("timestamp", datetime.fromisoformat(value)),
    "TIMESTAMP WITH TIME ZONE": _instant,
    "INTERVAL": _interval,
    "UUID": lambda value: ("uuid", UUID(value)),
    "JSON": _json,
}
