"""Quoting, and every statement that is composed. Fixed statements lie in .sql files; nothing else writes SQL text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from engine.schema import KeyClass

KeyMode = Literal["same", "text", "value", "uuid", "lower", "rtrim", "lower_rtrim"]


def name(identifier: str) -> str:
    """An identifier in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def names(*identifiers: str) -> str:
    """A dotted name, each part quoted."""
    return ".".join(name(i) for i in identifiers)


def text(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("'", "''") + "'"


def text_list(values: Iterable[str]) -> str:
    """A list literal of strings."""
    return "[" + ", ".join(text(v) for v in values) + "]"


def integers(values: Iterable[int]) -> str:
    """Integers in parentheses, for IN."""
    return "(" + ", ".join(str(int(v)) for v in values) + ")"


# ── settings ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def set_timezone(zone: str, *, everywhere: bool = False) -> str:
    """SET TimeZone; `everywhere` reaches later cursors too."""
    return f"SET {'GLOBAL ' if everywhere else ''}TimeZone = {text(zone)}"


def set_setting(setting: str, value: str, *, everywhere: bool = False) -> str:
    """SET of one setting."""
    return f"SET {'GLOBAL ' if everywhere else ''}{name(setting)} = {text(value)}"


def current_setting(setting: str) -> str:
    """The value of a setting as a row of one text."""
    return f"SELECT current_setting({text(setting)})::VARCHAR"


def attach(path: Path, database: str = "s") -> str:
    """Attaches an existing slice under a name, read-only."""
    return f"ATTACH {text(str(path))} AS {name(database)} (READ_ONLY)"


# ── landed columns to typed ones ──────────────────────────────────────────────────────────────────────────────────────


def typed(column: str, type_: str) -> str:
    """The expression that gives a landed column its DuckDB type; UUID, JSON and INTERVAL lie as text (ISO 8601)."""
    if type_ == "INTERVAL":
        return _interval(column)
    if type_ in ("UUID", "JSON"):
        return f"CAST({column} AS {type_})"
    if type_ == "INTERVAL[]":
        return f"list_transform({column}, lambda x: {_interval('x')})"
    if type_ in ("UUID[]", "JSON[]"):
        return f"CAST({column} AS {type_})"
    return column


def _interval(column: str) -> str:
    """ISO 8601 as PostgreSQL writes it (P1Y2M3DT4H5M6.7S, -0.5S) to months, days and microseconds, none turned into another."""
    part = {
        unit: f"coalesce(try_cast(nullif(regexp_extract({column}, {text(_interval_part(unit))}, 1), '') AS BIGINT), 0)" for unit in "YMWDhm"
    }
    seconds = f"coalesce(try_cast(nullif(regexp_extract({column}, {text('T.*?(-?[0-9]+(?:[.][0-9]+)?)S')}, 1), '') AS DECIMAL(27,6)), 0)"
    return (
        f"CASE WHEN {column} IS NULL THEN NULL ELSE to_months(CAST({part['Y']} * 12 + {part['M']} AS INTEGER)) + to_days(CAST({part['D']} AS INTEGER)) + "
        f"to_microseconds(CAST(({part['h']} * 3600 + {part['m']} * 60) * 1000000 + {seconds} * 1000000 AS BIGINT)) END"
    )


def _interval_part(unit: str) -> str:
    if unit in "hm":
        return f"T[^T]*?(-?[0-9]+){unit.upper()}"
    return f"^P[^T]*?(-?[0-9]+){unit}"


def cast_column(table: str, column: str, type_: str) -> str:
    """One column of a table, cast."""
    return f"SELECT CAST({name(column)} AS {type_}) AS v FROM {name(table)}"


# ── keys: equal by rules.md 1 ─────────────────────────────────────────────────────────────────────────────────────────

_BARE_UUID = "([0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}"
_UUID = f"{_BARE_UUID}|[{{]{_BARE_UUID}[}}]"  # a brace alone is no uuid to PostgreSQL


def key_mode(left: KeyClass, right: KeyClass) -> KeyMode:
    """How keys of two classes are brought into one form: as they are, as text, by value, or as uuid."""
    both = {left, right}
    if "uuid" in both:
        return "uuid"
    if both == {"integer"} or both == {"text"}:
        return "same"
    if both <= {"text", "char"}:
        return "text"
    if both <= {"integer", "decimal", "text", "char"}:
        return "value"
    return "same"


def key(column: str, own: KeyClass, mode: KeyMode) -> str:
    """The comparable form of a key column. Decimal text without trailing zeros; char(n) without trailing blanks; normalised where said."""
    if mode == "same":
        return column
    if own == "char" or mode in ("rtrim", "lower_rtrim"):
        column = f"rtrim({column}, ' ')"
    if mode in ("lower", "lower_rtrim"):
        return f"lower({column})"
    if mode == "uuid":
        return f"CASE WHEN regexp_full_match({column}, {text(_UUID)}) THEN lower(regexp_replace({column}, '[-{{}}]', '', 'g')) ELSE {column} END"
    if mode == "value" and own == "decimal":
        return rf"regexp_replace(regexp_replace(CAST({column} AS VARCHAR), '(\.\d*?)0+$', '\1'), '\.$', '')"
    return f"CAST({column} AS VARCHAR)" if own == "integer" else column


# ── landed files ──────────────────────────────────────────────────────────────────────────────────────────────────────


def read_parquet(paths: Sequence[Path]) -> str:
    """A table function call over these files, in their order."""
    return f"read_parquet({text_list(str(p) for p in paths)})"


def create_view(view: str, paths: Sequence[Path]) -> str:
    """A view of landed files."""
    return f"CREATE OR REPLACE TEMP VIEW {name(view)} AS SELECT * FROM {read_parquet(paths)}"


def row_hash(columns: Sequence[tuple[str, str]]) -> str:
    """A 64-bit hash of a row's landed columns (name, DuckDB type); the sign of a float's zero counts."""
    parts = [name(c) for c, _ in columns]
    parts += [f"signbit({name(c)})" for c, type_ in columns if type_ in ("FLOAT", "DOUBLE")]
    return f"hash({', '.join(parts)})" if parts else "hash(0)"
