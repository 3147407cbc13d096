"""DuckDB's types as Slicehouse uses them: how a key of each type compares, and which lie as text in landed Parquet."""

from __future__ import annotations

import re

from engine.schema import KeyClass

_CLASSES: dict[str, KeyClass] = {
    "TINYINT": "integer",
    "SMALLINT": "integer",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "HUGEINT": "integer",
    "UTINYINT": "integer",
    "USMALLINT": "integer",
    "UINTEGER": "integer",
    "UBIGINT": "integer",
    "FLOAT": "float",
    "DOUBLE": "float",
    "VARCHAR": "text",
    "UUID": "uuid",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "BLOB": "binary",
}
LANDED_AS_TEXT = frozenset({"UUID", "JSON", "INTERVAL"})
_DECIMAL = re.compile(r"^DECIMAL\((\d+),(\d+)\)$")
_ALIASES = {
    "TEXT": "VARCHAR",
    "STRING": "VARCHAR",
    "INT": "INTEGER",
    "INT2": "SMALLINT",
    "INT4": "INTEGER",
    "INT8": "BIGINT",
    "FLOAT8": "DOUBLE",
    "FLOAT4": "FLOAT",
    "REAL": "FLOAT",
    "BOOL": "BOOLEAN",
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
    "BYTEA": "BLOB",
}
_WIDER = {"TINYINT": 1, "SMALLINT": 2, "INTEGER": 3, "BIGINT": 4}


def canonical_type(text: str) -> str:
    """DuckDB's own name of a type as people write it: `decimal(12, 2)` → `DECIMAL(12,2)`. Raises ValueError."""
    upper = re.sub(r"\s+", " ", text.strip().upper())
    upper = re.sub(r"\s*([(),])\s*", r"\1", upper).replace("NUMERIC", "DECIMAL")
    name = _ALIASES.get(upper, upper)
    decimal = decimal_size(name)
    if (
        (name in _CLASSES and name != "HUGEINT")
        or name in LANDED_AS_TEXT
        or (decimal and 0 < decimal[0] <= 38 and decimal[1] <= decimal[0])
    ):
        return name
    raise ValueError(f"{text!r} is no type to read a column as; text, double, bigint, decimal(38,6), date, timestamp, … are")


def decimal_size(type_: str) -> tuple[int, int] | None:
    """Precision and scale of a DECIMAL, or None."""
    match = _DECIMAL.match(type_)
    return (int(match[1]), int(match[2])) if match else None


def key_class(type_: str, source_type: str = "") -> KeyClass:
    """How keys of this type compare with keys of another: by value, byte for byte, without trailing blanks, …"""
    if type_ == "VARCHAR" and re.match(r"^(character|char|bpchar)\b(?! varying)", source_type):
        return "char"
    if decimal_size(type_):
        return "decimal"
    return _CLASSES.get(type_, "other")


_COMPARABLE = (
    frozenset[KeyClass]({"integer", "decimal", "text", "char"}),
    frozenset[KeyClass]({"uuid", "text", "char"}),
)


def comparable(left: KeyClass, right: KeyClass) -> bool:
    """Whether keys of these classes can be equal by rules.md 1."""
    return (left == right and left != "other") or any(left in group and right in group for group in _COMPARABLE)


def is_wider(old: str, new: str) -> bool:
    """Whether every value of `old` is one of `new`: smallint → bigint, decimal(10,2) → decimal(12,2)."""
    if old in _WIDER and new in _WIDER:
        return _WIDER[new] > _WIDER[old]
    before, after = decimal_size(old), decimal_size(new)
    if before and after:
        return after[1] >= before[1] and after[0] - after[1] >= before[0] - before[1] and after != before
    return (old, new) == ("FLOAT", "DOUBLE")
