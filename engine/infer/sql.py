"""The statements that look at data for inference, composed from quoted names."""

from __future__ import annotations

from collections.abc import Sequence

from engine.sql import name

SKETCH = 64  # smallest hashes kept of a column: enough to refuse what is not included


def column_facts(relation: str, columns: Sequence[tuple[str, bool]]) -> str:
    """One row about a table: its rows, then per column (name, is integer): values, distinct ones (about), low, high, smallest hashes."""
    parts = ["count(*)"]
    for column, is_integer in columns:
        c = name(column)
        ends = f"min({c})::HUGEINT, max({c})::HUGEINT" if is_integer else "NULL, NULL"
        parts.append(f"count({c}), approx_count_distinct({c}), {ends}, min(hash({c}::VARCHAR), {SKETCH})")
    return f"SELECT {', '.join(parts)} FROM {relation}"


def exact_distinct(relation: str, columns: Sequence[str]) -> str:
    """How many distinct values the columns have together, NULLs left out."""
    listed = ", ".join(name(c) for c in columns)
    there = " AND ".join(f"{name(c)} IS NOT NULL" for c in columns)
    return f"SELECT count(*) FROM (SELECT DISTINCT {listed} FROM {relation} WHERE {there})"


def inclusion(child: str, columns: Sequence[str], parent: str, parent_columns: Sequence[str]) -> str:
    """One row: distinct values of the child, how many of them the parent has, rows with a value, rows with one that is not there."""
    keys = ", ".join(f"{name(c)}::VARCHAR AS k{i}" for i, c in enumerate(columns))
    there = " AND ".join(f"{name(c)} IS NOT NULL" for c in columns)
    parents = ", ".join(f"{name(c)}::VARCHAR AS k{i}" for i, c in enumerate(parent_columns))
    on = " AND ".join(f"p.k{i} = c.k{i}" for i in range(len(columns)))
    group = ", ".join(f"k{i}" for i in range(len(columns)))
    return (
        f"SELECT count(*), count(*) FILTER (found), coalesce(sum(n), 0), coalesce(sum(n) FILTER (NOT found), 0) FROM ("
        f"SELECT c.n, p.k0 IS NOT NULL AS found FROM (SELECT {keys}, count(*) AS n FROM {child} WHERE {there} GROUP BY {group}) c "
        f"LEFT JOIN (SELECT DISTINCT {parents} FROM {parent}) p ON {on})"
    )
