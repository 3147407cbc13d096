"""PostgreSQL: one exported repeatable-read snapshot shared between connections, read by COPY as the server's own text.

COPY … (FORMAT csv) is as exact as the server's own output and about twice as fast as ADBC, which turns infinite dates into
dates silently (docs/why.md). Keys come from pg_catalog; row security raises instead of removing rows.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from engine.errors import SourceError
from engine.schema import Column, ForeignKey, Table, TableName, UniqueKey, View
from engine.settings import Settings
from engine.types import key_class
from engine.workspace import SourceConfig
from engine.workspace.read import resolve_secrets
from extract.pgerrors import translated
from extract.pgtext import TextReader, duckdb_name
from extract.reachable import checked_url
from extract.source import Batches, ReadRequest, SourceSnapshot, register, wanted

_SESSION = (
    "row_security=off",
    "timezone=UTC",
    "datestyle=ISO",
    "intervalstyle=iso_8601",
    "lc_monetary=C",
    "extra_float_digits=3",
    "bytea_output=hex",
    "statement_timeout=0",
    "idle_in_transaction_session_timeout=0",
    "default_transaction_read_only=on",
)
_BEGIN = "begin isolation level repeatable read read only"


class PostgresSource:
    """One PostgreSQL database. `url` is any libpq URI or conninfo, a socket folder as host included."""

    def __init__(self, name: str, config: SourceConfig, folder: Path, settings: Settings) -> None:
        self.name, self._config, self._folder, self._settings = name, config, folder, settings

    @contextmanager
    def snapshot(self) -> Iterator[SourceSnapshot]:
        """Exports a snapshot and joins `readers` connections to it; they are closed at the end, whatever happens."""
        connections: list[psycopg.Connection[Any]] = []
        try:
            first = self._connect()
            connections.append(first)
            with translated(self.name):
                first.execute(_BEGIN)
                row = first.execute("select pg_export_snapshot(), clock_timestamp()").fetchone()
                assert row is not None
                for _ in range(self._settings.readers - 1):
                    other = self._connect()
                    connections.append(other)
                    other.execute(_BEGIN)
                    other.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(row[0])))
            yield _PostgresSnapshot(self.name, self._config, self._settings, connections, row[1])
        finally:
            for connection in connections:
                connection.close()

    def _connect(self) -> psycopg.Connection[Any]:
        url = resolve_secrets(self._config.url, self._folder)
        if self._config.public_only:
            url = checked_url("postgres", url, self._settings.network_allow)
        options = {"connect_timeout": self._settings.connect_timeout, "client_encoding": "utf8", "application_name": "slicehouse"}
        with translated(self.name):
            connection = psycopg.connect(url, autocommit=True, keepalives_idle=30, keepalives_interval=10, keepalives_count=3, **options)  # type: ignore[arg-type]
            for setting in _SESSION:
                key, value = setting.split("=")
                connection.execute(sql.SQL("set {} to {}").format(sql.SQL(key), sql.Literal(value)))
        return connection


_RELATIONS: dict[str, Literal["table", "partitioned", "view"]] = {"r": "table", "p": "partitioned", "v": "view", "m": "view"}
_HOLDS = {
    "integer": re.compile(r"-?\d{1,18}"),
    "decimal": re.compile(r"-?\d+(\.\d+)?"),
    "uuid": re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
}
_LISTS = {"integer": sql.SQL("bigint[]"), "decimal": sql.SQL("numeric[]"), "uuid": sql.SQL("uuid[]")}


class _PostgresSnapshot:
    """Connections that all see the same cut; `read` borrows one of them."""

    def __init__(
        self, name: str, config: SourceConfig, settings: Settings, connections: list[psycopg.Connection[Any]], as_of: datetime
    ) -> None:
        self.as_of = as_of
        self._name, self._config, self._settings = name, config, settings
        self._idle: queue.SimpleQueue[psycopg.Connection[Any]] = queue.SimpleQueue()
        for connection in connections:
            self._idle.put(connection)

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        connection = self._idle.get()
        try:
            yield connection
        finally:
            self._idle.put(connection)

    def describe(self) -> list[Table]:
        """Tables by rules.md 8, sorted by name."""
        with self._connection() as connection, translated(self._name):
            relations = [r for r in _rows(connection, "tables", schemas=self._config.schemas) if wanted(self._table_name(r), self._config)]
            oids = [r.oid for r in relations]
            columns = _by_oid(_rows(connection, "columns", oids=oids))
            keys = _by_oid(_rows(connection, "keys", oids=oids))
        return [self._table(r, columns.get(r.oid, []), keys.get(r.oid, [])) for r in relations]

    def views(self) -> list[View]:
        """Views and materialised views, by their statements as the server writes them."""
        with self._connection() as connection, translated(self._name):
            relations = [r for r in _rows(connection, "tables", schemas=self._config.schemas) if r.statement is not None]
        return [View(self._table_name(r), r.statement.strip().rstrip(";")) for r in relations if wanted(self._table_name(r), self._config)]

    def _table_name(self, row: Any) -> TableName:
        return TableName(self._name, row.schema, row.table)

    def _table(self, relation: Any, columns: list[Any], keys: list[Any]) -> Table:
        return Table(
            self._table_name(relation),
            tuple(_column(c) for c in columns),
            tuple(UniqueKey(tuple(k.columns), k.kind == "p") for k in keys if k.kind != "f"),
            tuple(
                ForeignKey(tuple(k.columns), TableName(self._name, k.parent_schema, k.parent_table), tuple(k.parent_columns), k.name)
                for k in keys
                if k.kind == "f"
            ),
            relation.comment,
            _RELATIONS[relation.kind],
            relation.rows,
            relation.readable,
            relation.row_security,
        )

    def settle_types(self, table: Table) -> Table:
        """Bare numeric: DECIMAL(38, largest scale seen), text where it holds NaN or needs more than 38 digits; arrays of more
        than one dimension or another lower bound: text."""
        open_columns = [c for c in table.columns if c.type in ("DECIMAL", "DECIMAL[]") or c.type.endswith("[]")]
        if not open_columns:
            return table
        facts = sql.SQL(", ").join(_facts(c) for c in open_columns)
        query = sql.SQL("select {} from {}").format(facts, _relation(table))
        with self._connection() as connection, translated(self._name, str(table.name.table)):
            row = connection.execute(query).fetchone()
        assert row is not None
        settled = {c.name: _settled(c, *row[i * 4 : i * 4 + 4]) for i, c in enumerate(open_columns)}
        return replace(table, columns=tuple(settled.get(c.name, c) for c in table.columns))

    def read(self, request: ReadRequest) -> Batches:
        """COPY of the table's columns; a batch of about `batch_bytes` of text at a time. Returns the rows of the command tag."""
        names = sql.SQL(", ").join(sql.Identifier(c.name) for c in request.columns)
        limit = sql.SQL("") if request.limit is None else sql.SQL(" limit {}").format(sql.Literal(request.limit))
        query = sql.SQL("copy (select {} from {}{}) to stdout (format csv)").format(names, _relation(request.table), limit)
        reader = TextReader(request.table.name, request.columns)
        with self._connection() as connection, translated(self._name, request.table.name.table), connection.cursor() as cursor:
            silence = _Silence(connection, self._settings.idle_timeout)
            with silence, cursor.copy(query) as copy:
                text = bytearray()
                for row in copy:
                    text += row
                    if len(text) >= self._settings.batch_bytes:
                        silence.heard()
                        yield reader.batch(text)
                        text = bytearray()
                        silence.heard()
                if text:
                    yield reader.batch(text)
            return cursor.rowcount if cursor.rowcount >= 0 else None

    def present(self, table: Table, column: str, values: Sequence[str]) -> set[str]:
        """An index serves it where the column has one; a value that the column's type cannot hold is in no row."""
        found = next(c for c in table.columns if c.name == column)
        query = sql.SQL("select distinct {0}::text from {1} where {0} = any(%s::text[]::{2})").format(
            sql.Identifier(column), _relation(table), _LISTS.get(found.key_class, sql.SQL("text[]"))
        )
        with self._connection() as connection, translated(self._name, table.name.table):
            holds = _HOLDS.get(found.key_class)
            listed = [v for v in values if holds is None or holds.fullmatch(v)]
            with connection.transaction():  # a lookup that fails leaves the snapshot as it was
                return {row[0] for row in connection.execute(query, [listed]).fetchall()}

    def ends(self, table: Table, column: str) -> tuple[int, int] | None:
        """By an index where there is one."""
        query = sql.SQL("select min({0}), max({0}) from {1}").format(sql.Identifier(column), _relation(table))
        with self._connection() as connection, translated(self._name, table.name.table):
            with connection.transaction():
                row = connection.execute(query).fetchone()
        return None if row is None or row[0] is None else (int(row[0]), int(row[1]))


class _Silence:
    """Ends a connection whose server has said nothing for `seconds`: a paused server must not hold a refresh for ever."""

    def __init__(self, connection: psycopg.Connection[Any], seconds: float) -> None:
        self._connection, self._seconds = connection, seconds
        self._heard, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def heard(self) -> None:
        """Something arrived, or is being worked on."""
        self._heard.set()

    def _watch(self) -> None:
        while not self._done.is_set():
            if not self._heard.wait(self._seconds) and not self._done.is_set():
                _shut(self._connection)
                return
            self._heard.clear()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._heard.set()
        self._thread.join()


def _shut(connection: psycopg.Connection[Any]) -> None:
    """Shuts the socket below the connection, so that the thread that waits on it gets an error."""
    import socket

    try:
        with socket.socket(fileno=connection.fileno()) as shared:
            shared.shutdown(socket.SHUT_RDWR)
            shared.detach()
    except (OSError, psycopg.Error):
        return


def _rows(connection: psycopg.Connection[Any], name: str, **parameters: Any) -> list[Any]:
    text = files("extract").joinpath("sql", f"postgres_{name}.sql").read_text(encoding="utf-8")
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(text.encode(), parameters).fetchall()


def _by_oid(rows: list[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.oid, []).append(row)
    return found


def _column(row: Any) -> Column:
    type_, as_text = duckdb_name(row.type, row.typtype, row.typmod, row.element, row.element_typtype)
    folds = row.folds or row.type == "citext"
    return Column(row.name, row.source_type, type_, key_class(type_, row.source_type), row.nullable, as_text, folds, row.comment)


def _relation(table: Table) -> sql.Composed:
    """ONLY leaves out the children of an inheritance parent: they are tables of their own."""
    only = sql.SQL("") if table.kind == "partitioned" else sql.SQL("only ")
    return only + sql.Identifier(table.name.schema, table.name.table)


def _facts(column: Column) -> sql.Composed:
    """Four facts of a column: a value without decimal equal, the largest scale, the most digits before the point, odd arrays."""
    name = sql.Identifier(column.name)
    if column.type == "DECIMAL":
        text = """bool_or({0} in ('NaN', 'Infinity', '-Infinity')), max(scale({0})),
                  max(case when {0} not in ('NaN', 'Infinity', '-Infinity') then length(trunc(abs({0}))::text) end), null"""
    elif column.type == "DECIMAL[]":
        text = """bool_or({0} && array['NaN', 'Infinity', '-Infinity']::numeric[]), max((select max(scale(x)) from unnest({0}) x)),
                  max((select max(length(trunc(abs(x))::text)) from unnest({0}) x)), bool_or(array_ndims({0}) > 1 or array_lower({0}, 1) <> 1)"""
    else:
        text = "null, null, null, bool_or(array_ndims({0}) > 1 or array_lower({0}, 1) <> 1)"
    return sql.SQL(text).format(name)


_SCALE_WHERE_NOTHING_WAS_SEEN = 9


def _settled(column: Column, special: bool | None, scale: int | None, digits: int | None, odd: bool | None) -> Column:
    places = _SCALE_WHERE_NOTHING_WAS_SEEN if scale is None else scale
    too_wide = places + (digits or 0) > 38
    if odd or special or (column.type.startswith("DECIMAL") and "(" not in column.type and too_wide):
        return replace(column, type="VARCHAR", key_class="text", as_text=True)
    if column.type in ("DECIMAL", "DECIMAL[]"):
        type_ = column.type.replace("DECIMAL", f"DECIMAL(38,{places})")
        return replace(column, type=type_, key_class=key_class(type_))
    return column


def open_postgres(name: str, config: SourceConfig, folder: Path, settings: Settings) -> PostgresSource:
    """The source; nothing is connected yet."""
    if not config.url:
        raise SourceError(f"sources.{name} has no url.", hint="url: ${NAME}, a libpq URI taken from the environment.")
    return PostgresSource(name, config, folder, settings)


register("postgres", open_postgres)
