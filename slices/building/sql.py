"""The statements that write a slice, and those that ask an open one what it has; composed from quoted names (`engine.sql`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.sql import name, names, text


def attach_new(path: Path, storage_version: str, block_size: int, row_group: int | None) -> str:
    """Attaches a new slice file as `s`."""
    group = f", ROW_GROUP_SIZE {int(row_group)}" if row_group else ""
    return f"ATTACH {text(str(path))} AS s (STORAGE_VERSION {text(storage_version)}, BLOCK_SIZE {int(block_size)}{group})"


def detach() -> str:
    """Detaches the slice: what is checkpointed is on disk."""
    return "DETACH s"


def create_schema(schema: str, database: str = "s") -> str:
    """A schema inside the slice."""
    return f"CREATE SCHEMA IF NOT EXISTS {names(database, schema)}"


def use(database: str) -> str:
    """Where names without a database are looked up: a macro's tables are found there when it is made."""
    return f"USE {name(database)}"


def create_empty(schema: str, table: str, columns: Sequence[tuple[str, str]]) -> str:
    """A table without rows; `columns` are name and type."""
    return f"CREATE TABLE {names(schema, table)} ({', '.join(f'{name(c)} {type_}' for c, type_ in columns)})"


def create_table(schema: str, table: str, columns: Sequence[tuple[str, str]], parts: Sequence[str]) -> str:
    """A table of the slice from registered readers (tenant's rows, then everybody's); `columns` are expression and shown name."""
    chosen = ", ".join(f"{expression} AS {name(shown)}" for expression, shown in columns)
    body = " UNION ALL ".join(f"SELECT {chosen} FROM {name(part)}" for part in parts)
    return f"CREATE TABLE s.{name(schema)}.{name(table)} AS {body}"


def comment_on(schema: str, table: str, column: str | None, comment: str) -> str:
    """COMMENT ON TABLE or COLUMN."""
    target = f"s.{name(schema)}.{name(table)}"
    return f"COMMENT ON {'TABLE' if column is None else 'COLUMN'} {target}{'' if column is None else '.' + name(column)} IS {text(comment)}"


def create_facts(table: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A small text table in the schema _slice."""
    shown = ", ".join(f"{name(c)} VARCHAR" for c in columns)
    if not rows:
        return f"CREATE TABLE s._slice.{name(table)} ({shown})"
    values = ", ".join("(" + ", ".join(text(v) for v in row) + ")" for row in rows)
    return f"CREATE TABLE s._slice.{name(table)} AS SELECT * FROM (VALUES {values}) t({', '.join(name(c) for c in columns)})"


def create_view_in(schema: str, view: str, body: str, database: str = "s") -> str:
    """A view of the slice."""
    return f"CREATE VIEW {names(database, schema, view)} AS {body}"


def try_view(schema: str, view: str) -> str:
    """Binds a view and runs it."""
    return f"SELECT * FROM {names(schema, view)} LIMIT 0"


def create_panel(panel: str, parameters: Sequence[tuple[str, str]], body: str, database: str = "s") -> str:
    """A dashboard's panel as a table macro in the schema panel; `parameters` are name and default expression."""
    shown = ", ".join(f"{name(n)} := {default}" for n, default in parameters)
    return f"CREATE MACRO {names(database, 'panel', panel)}({shown}) AS TABLE {body}"


def try_panel(panel: str) -> str:
    """Binds and runs a panel with its defaults."""
    return f"SELECT * FROM {names('panel', panel)}() LIMIT 0"


def typed_literal(value: str | None, type_: str) -> str:
    """A value as a literal of that type."""
    return f"CAST({'NULL' if value is None else text(value)} AS {type_})"


def cast_of(column: str, type_: str) -> str:
    """`SELECT CAST(column AS type)`."""
    return f"SELECT CAST({name(column)} AS {type_})"


def count_rows(schema: str, table: str) -> str:
    """How many rows a slice's table has."""
    return f"SELECT count(*) FROM {name(schema)}.{name(table)}"


def slice_views() -> str:
    """Schema, name and statement of the views of the open slice, in the order in which they were made."""
    return "SELECT schema_name, view_name, statement FROM _slice.views ORDER BY rowid"


def slice_tables() -> str:
    """Schema and name of every table of the open slice."""
    return "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary ORDER BY 1, 2"
