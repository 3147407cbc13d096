"""The statements by which the proof reads attached slices; composed from quoted names (`engine.sql`)."""

from __future__ import annotations

from collections.abc import Sequence

from engine.sql import name, names


def rows_of_slices(slices: Sequence[tuple[str, int]], schema: str, table: str, columns: Sequence[tuple[str, str]]) -> str:
    """The rows of a table of several attached slices in the landed types: t, c0, c1, …

    `slices` are what each is attached as and its tenant's number, `columns` shown name and DuckDB type. An interval comes as
    `months days microseconds`, for Arrow's form of it is not read by polars.
    """
    chosen = "".join(f", {_landed(name(shown), type_)} AS c{i}" for i, (shown, type_) in enumerate(columns))
    return " UNION ALL ".join(f"SELECT {int(t)}::INTEGER AS t{chosen} FROM {names(s, schema, table)}" for s, t in slices)


def _landed(column: str, type_: str) -> str:
    if type_ in ("UUID", "JSON"):
        return f"CAST({column} AS VARCHAR)"
    if type_ in ("UUID[]", "JSON[]"):
        return f"CAST({column} AS VARCHAR[])"
    if type_ == "INTERVAL":
        return _interval_text(column)
    return f"list_transform({column}, lambda x: {_interval_text('x')})" if type_ == "INTERVAL[]" else column


def _interval_text(column: str) -> str:
    months = f"date_part('year', {column}) * 12 + date_part('month', {column})"
    micros = f"date_part('hour', {column}) * 3600000000 + date_part('minute', {column}) * 60000000 + date_part('microsecond', {column})"
    return f"CASE WHEN {column} IS NULL THEN NULL ELSE concat({months}, ' ', date_part('day', {column}), ' ', {micros}) END"


def facts_of_slices(slices: Sequence[tuple[str, int]]) -> str:
    """Of several attached slices, whose and which version they say they are: tenant's number, name, value."""
    parts = [f"SELECT {int(t)} AS t, name, value FROM {names(s, '_slice', 'manifest')}" for s, t in slices]
    return " UNION ALL ".join(f"{part} WHERE name IN ('tenant_key', 'version')" for part in parts)


def attached_columns() -> str:
    """What every attached slice has: database, schema, table, column, type, in the order of the columns. Views hold no rows."""
    return (
        "SELECT database_name, schema_name, table_name, column_name, data_type FROM duckdb_columns() c SEMI JOIN duckdb_tables() t "
        "ON (c.database_oid, c.table_oid) = (t.database_oid, t.table_oid) WHERE NOT internal AND "
        "database_name NOT IN ('memory', 'temp', 'system') ORDER BY database_name, schema_name, table_name, column_index"
    )
