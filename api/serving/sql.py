"""The statement that stands for a table under rules."""

from __future__ import annotations

from collections.abc import Sequence

from engine.sql import name


def seen_of(schema: str, table: str, dropped: Sequence[str], blank: Sequence[str], conditions: Sequence[str]) -> str:
    """The rows of a table that meet all conditions, without the dropped columns, with the blank ones as NULL of their own type."""
    star = "*" + (f" EXCLUDE ({', '.join(name(c) for c in dropped)})" if dropped else "")
    if blank:
        star += f" REPLACE ({', '.join(f'CASE WHEN false THEN {name(c)} END AS {name(c)}' for c in blank)})"
    where = " WHERE " + " AND ".join(f"({c}\n)" for c in conditions) if conditions else ""
    return f"SELECT {star} FROM {name(schema)}.{name(table)}{where}"


def alone(condition: str) -> str:
    """A statement that has nothing but a condition, to see that it is one."""
    return f"SELECT 1 WHERE ({condition}\n)"
