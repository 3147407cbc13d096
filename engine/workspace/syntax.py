"""The small languages inside a workspace file: names, relationships, shares, durations.

orders.customer_id -> customers.id
order_lines.(order_id, region) -> orders.(id, region)
comments.(subject_type, subject_id) -> {Post: posts.id, Wiki: none}
not events.user_id -> users.id
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

_PART = r'(?:"(?:[^"]|"")+"|[^\s."(){}:,]+)'
_NAME = re.compile(rf"{_PART}(?:\.{_PART})*")
_END = re.compile(rf"^\s*(?P<table>{_PART}(?:\.{_PART})*?)\.(?:\((?P<many>[^)]*)\)|(?P<one>{_PART}))\s*$")


@dataclass(frozen=True, slots=True)
class ColumnsRef:
    """Columns of one table: the table's name parts as written, and the columns' names."""

    table: tuple[str, ...]
    columns: tuple[str, ...]

    def __str__(self) -> str:
        table = ".".join(self.table)
        return f"{table}.{self.columns[0]}" if len(self.columns) == 1 else f"{table}.({', '.join(self.columns)})"


@dataclass(frozen=True, slots=True)
class Relationship:
    """One line of `relationships:`. `parent` is None where `types` maps a type's value to its parent."""

    child: ColumnsRef
    parent: ColumnsRef | None
    types: Mapping[str, ColumnsRef | None] | None = None
    denied: bool = False


def split_name(text: str) -> tuple[str, ...]:
    """The parts of a dotted name; a part in double quotes keeps dots and blanks, `""` is one quote.

    Raises ValueError where the text is no name.
    """
    parts = re.findall(_PART, text.strip())
    if not parts or ".".join(parts) != text.strip():
        return _loose_name(text)
    return tuple(_unquote(p) for p in parts)


def _loose_name(text: str) -> tuple[str, ...]:
    """A name with blanks but without quotes: `Order Details`, as YAML users write it."""
    stripped = text.strip()
    if not stripped or '"' in stripped or any(not p.strip() for p in stripped.split(".")):
        raise ValueError(f"{text!r} is no name")
    return tuple(p.strip() for p in stripped.split("."))


def split_column(text: str) -> ColumnsRef:
    """`table.column` or `table.(a, b)`; raises ValueError."""
    match = _END.match(text)
    if match is None:
        parts = split_name(text)
        if len(parts) < 2:
            raise ValueError(f"{text!r} names no column; write table.column")
        return ColumnsRef(parts[:-1], (parts[-1],))
    names = match["many"].split(",") if match["many"] is not None else [match["one"]]
    return ColumnsRef(split_name(match["table"]), tuple(_unquote(n.strip()) for n in names))


def parse_relationship(text: str) -> Relationship:
    """One relationship; raises ValueError that says what was expected."""
    denied = text.strip().startswith("not ")
    body = text.strip().removeprefix("not ")
    left, arrow, right = body.partition("->")
    if not arrow:
        raise ValueError(f"{text!r}: a relationship is written child.column -> parent.column")
    child = split_column(left)
    if right.strip().startswith("{"):
        return Relationship(child, None, _types(right.strip()), denied)
    parent = split_column(right)
    if len(parent.columns) != len(child.columns):
        raise ValueError(f"{text!r}: {len(child.columns)} columns point at {len(parent.columns)}")
    return Relationship(child, parent, None, denied)


_TYPE = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^\s:,"][^:,]*?(?:::[^:,]+?)*))\s*:(?!:)\s*((?:"(?:[^"]|"")*"|[^,:"])+?)\s*(?:,|$)')


def _types(text: str) -> dict[str, ColumnsRef | None]:
    """`{Post: posts.id, "Crm::Deal": deals.id, Wiki: none}`: a type in double quotes may hold anything."""
    if not text.endswith("}"):
        raise ValueError(f"{text!r}: the closing brace is missing")
    found: dict[str, ColumnsRef | None] = {}
    body, at = text[1:-1].strip(), 0
    while at < len(body):
        match = _TYPE.match(body, at)
        if match is None:
            raise ValueError(f"{body[at:].strip()!r}: write Type: table.column, or Type: none")
        name = match[1].replace('""', '"') if match[1] is not None else match[2]
        found[name] = None if match[3] == "none" else split_column(match[3])
        at = match.end()
    if not found:
        raise ValueError(f"{text!r} names no type; write {{Type: table.column}}")
    return found


def _unquote(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') and part.endswith('"') and len(part) > 1 else part


def parse_share(value: object) -> int:
    """Whole percent: `12%` or 12; raises ValueError."""
    match = re.fullmatch(r"\s*(\d{1,3})\s*%?\s*", str(value))
    if match is None or int(match[1]) > 100:
        raise ValueError(f"{value!r} is no share; write whole percent, such as 12%")
    return int(match[1])


def parse_duration(text: str) -> timedelta:
    """`90s`, `10m`, `6h`, `7d`; raises ValueError."""
    match = re.fullmatch(r"\s*(\d+)\s*([smhd])\s*", text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is no time; write a number and s, m, h or d: 10m")
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[match[2]]
    return timedelta(**{unit: int(match[1])})
