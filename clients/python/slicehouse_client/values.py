"""Values of answers as Python has them, by a column's type in DuckDB's words.

BIGINT, HUGEINT → int; DECIMAL → Decimal; DATE, TIME, TIMESTAMP → date, time, datetime (TIMESTAMP WITH TIME ZONE: in UTC); UUID → UUID;
BLOB → bytes; FLOAT, DOUBLE → float, NaN and infinity too; lists → list, STRUCT → dict, MAP → list of pairs. What Python cannot hold stays
the text that came: infinite dates, years before 1 and past 9999, TIMESTAMP_NS, INTERVAL.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

Decode = Callable[[Any], Any]
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?")
_TIME = re.compile(r"\d\d:\d\d:\d\d(\.\d{1,6})?")


def same(value: Any) -> Any:
    """The value itself."""
    return value


def _held(form: re.Pattern[str], read: Decode) -> Decode:
    """`read` for texts of that form, the text itself where it has another or Python has no such value."""

    def decode(text: Any) -> Any:
        if form.fullmatch(text) is None:
            return text
        try:
            return read(text)
        except ValueError:
            return text

    return decode


_MOMENTS = _held(_MOMENT, datetime.fromisoformat)
SCALARS: Mapping[str, Decode] = {
    **dict.fromkeys(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"), int
    ),
    **dict.fromkeys(("FLOAT", "DOUBLE"), float),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP WITH TIME ZONE"), _MOMENTS),
    "DECIMAL": Decimal,
    "DATE": _held(_DATE, date.fromisoformat),
    "TIME": _held(_TIME, time.fromisoformat),
    "UUID": UUID,
    "BLOB": base64.b64decode,
}


def decoder(type_: str, scalars: Mapping[str, Decode] = SCALARS) -> Decode:
    """What makes a column's values of what JSON has. None stays None.

    >>> decoder("STRUCT(n BIGINT, days DATE[])")({"n": "9007199254740993", "days": ["2026-01-31"]})
    {'n': 9007199254740993, 'days': [datetime.date(2026, 1, 31)]}
    """
    head, inner = split(type_)
    if head == "LIST":
        item = decoder(inner, scalars)
        return _unless_none(lambda values: [item(v) for v in values])
    if head == "STRUCT":
        fields = {name: decoder(t, scalars) for name, t in fields_of(inner)}
        return _unless_none(lambda values: {k: fields.get(k, same)(v) for k, v in values.items()})
    if head == "MAP":
        key, item = (decoder(t, scalars) for t in _parts(inner))
        return _unless_none(lambda pairs: [(key(k), item(v)) for k, v in pairs])
    read = scalars.get(head, same)
    return same if read is same else _unless_none(read)


def _unless_none(read: Decode) -> Decode:
    return lambda value: None if value is None else read(value)


def split(type_: str) -> tuple[str, str]:
    """A type's name and what is within it: DECIMAL and `9,2`; LIST and the type of its items, whatever their number."""
    if type_.endswith("]"):
        return "LIST", type_[: type_.rindex("[")]
    head, _, rest = type_.partition("(")
    return head.strip(), rest[:-1]


def fields_of(inner: str) -> Iterator[tuple[str, str]]:
    """(name, type) of a STRUCT's fields."""
    for field in _parts(inner):
        quoted = re.match(r'"((?:[^"]|"")*)" ', field)
        name, type_ = (quoted[1].replace('""', '"'), field[quoted.end() :]) if quoted else field.split(" ", 1)
        yield name, type_


def _parts(text: str) -> list[str]:
    """What commas part, but for those within parentheses and quotes."""
    found, depth, quote = [""], 0, ""
    for c in text:
        if quote or c in "\"'":
            quote = "" if c == quote else quote or c
        else:
            depth += {"(": 1, ")": -1}.get(c, 0)
        if c == "," and depth == 0 and not quote:
            found.append("")
        else:
            found[-1] += c
    return [p.strip() for p in found]


def map_of(inner: str) -> tuple[str, str]:
    """The types of a MAP's keys and values."""
    key, value = _parts(inner)
    return key, value
