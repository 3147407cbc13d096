"""Public sample databases, loaded into PostgreSQL, with the workspace settings that slice them.

Chinook and Northwind are read from the SQLite files in `SAMPLES`, Sakila from its CSV files there; TPC-H is made by
tpchgen-cli. Each loader fills one schema in one transaction (a savepoint where the caller has one open), and analyses it.
"""

import io
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pyarrow as pa
import pyarrow.csv as arrow_csv
from psycopg import sql
from pyarrow import parquet

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parents[2] / "shared" / "data"
"""The folder of chinook.sqlite, northwind.sqlite and sakila/*.csv, beside the repository."""

SAKILA = SAMPLES.parent / "graph" / "schemas" / "sakila.json"
"""Sakila's tables with their keys, declared relationships among them."""

DEMO = HERE.parents[1] / "api" / "demo"
"""The folder of the demo's numbered SQL files."""

Connection: TypeAlias = psycopg.Connection[Any]

CHINOOK: dict[str, Any] = {
    "timezone": "UTC",
    "tenants": {"table": "Customer", "key": "CustomerId", "name": "LastName"},
    "tables": {
        "Album": "shared",
        "Artist": "shared",
        "Employee": "shared",
        "Genre": "shared",
        "MediaType": "shared",
        "Playlist": "shared",
        "PlaylistTrack": "shared",
        "Track": "shared",
    },
}
"""Invoice is direct and InvoiceLine indirect; InvoiceLine.TrackId leads to a shared table and has no say."""

NORTHWIND: dict[str, Any] = {
    "timezone": "UTC",
    "tenants": {"table": "Customers", "key": "CustomerID", "name": "CompanyName"},
    "tables": {
        "Categories": "shared",
        "CustomerDemographics": "shared",
        "Employees": "shared",
        "EmployeeTerritories": "shared",
        "Products": "shared",
        "Regions": "shared",
        "Shippers": "shared",
        "Suppliers": "shared",
        "Territories": "shared",
    },
}
"""Orders and CustomerCustomerDemo are direct, "Order Details" indirect. One tenant's key is "Val2 ", with a blank at
its end; four tenants have no order."""

TPCH: dict[str, Any] = {
    "timezone": "UTC",
    "tenants": {"table": "tenants", "key": "id", "name": "name"},
    "tables": {
        "nation": "shared",
        "part": "shared",
        "partsupp": "shared",
        "region": "shared",
        "supplier": "shared",
    },
}
"""customer is direct, orders and lineitem indirect; lineitem's edge to partsupp, a shared table, has no say."""

TPCH_TABLES = ("region", "nation", "supplier", "part", "partsupp", "customer", "orders", "lineitem")


def create_database(uri: str, name: str) -> str:
    """Creates the database `name` on the server of `uri`, and returns its own URI."""
    with psycopg.connect(uri, autocommit=True) as conn:
        conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return psycopg.conninfo.make_conninfo(uri, dbname=name)


def load_chinook(conn: Connection, schema: str = "public") -> None:
    """Loads the music shop (11 tables, 15,607 rows) into `schema`, which is created where it is missing."""
    _load_sqlite(conn, SAMPLES / "chinook.sqlite", schema, {})


def load_northwind(conn: Connection, schema: str = "public") -> None:
    """Loads the trading house (13 tables, 3,310 rows) into `schema`, which is created where it is missing."""
    _load_sqlite(conn, SAMPLES / "northwind.sqlite", schema, {("Products", "Discontinued"): "boolean"})


def load_sakila(conn: Connection, schema: str = "public") -> None:
    """Loads the film rental (16 tables, 46,283 rows, film_text empty) into `schema`, which is created where it is missing.

    A column that the schema has and the files have not (payment.last_update) may be NULL.
    """
    tables: dict[str, Any] = json.loads(SAKILA.read_text())["tables"]
    with conn.transaction():
        _enter_schema(conn, schema)
        for name, facts in tables.items():
            files = sorted((SAMPLES / "sakila").glob(f"{name}.csv")) or sorted((SAMPLES / "sakila").glob(f"{name}_p*.csv"))
            rows = [_read_texts(file, facts["columns"]) for file in files]
            there = set(rows[0].schema.names) if rows else set(facts["columns"])
            required = set(facts["primary_key"]) | (set(facts["not_null"]) & there)
            columns = tuple(
                (c, _SAKILA_TYPES.get(f"{name}.{c}") or _SAKILA_TYPES.get(kind, kind), c in required)
                for c, kind in facts["columns"].items()
            )
            conn.execute(_create_table(_Table(name, columns, tuple(facts["primary_key"]), ())))
            for table in rows:
                _copy_arrow(conn, name, iter(table.to_batches()), table.schema.names)
        for name, facts in tables.items():
            for key in facts["foreign_keys"]:
                conn.execute(_add_foreign_key(name, _Key(tuple(key["columns"]), key["ref_table"], tuple(key["ref_columns"]))))
    _analyze(conn, schema, list(tables))


def load_tpch(conn: Connection, scale: float, tenants: int, folder: Path, schema: str = "public") -> None:
    """Loads TPC-H at `scale` into `schema`, and deals its customers: customer c belongs to tenant c % tenants + 1.

    `folder` keeps the Parquet files that are made on the way. Customers whose key is a multiple of 3 have no orders:
    where `tenants` is a multiple of 3, a third of the tenants has none.
    """
    make_tpch(scale, folder)
    with conn.transaction():
        _enter_schema(conn, schema)
        conn.execute((HERE / "sql" / "tpch_tables.sql").read_bytes())
        _copy_arrow(conn, "tenants", iter([_tenants(tenants)]))
        for table in TPCH_TABLES:
            batches = _read_parquet(folder / f"{table}.parquet")
            _copy_arrow(conn, table, (_with_tenant(b, tenants) for b in batches) if table == "customer" else batches)
        conn.execute((HERE / "sql" / "tpch_keys.sql").read_bytes())
    _analyze(conn, schema, ["tenants", *TPCH_TABLES])


def load_demo(conn: Connection) -> None:
    """Runs the demo's own SQL files, which fill the schema public of a fresh database; `conn` is in autocommit."""
    for file in sorted(DEMO.glob("0*.sql")):
        for stage in re.split(r"(?m)^(?=-- stage: )", file.read_text()):
            conn.execute(stage.encode())


def make_tpch(scale: float, folder: Path) -> None:
    """Writes the tables of TPC-H into `folder` as Parquet. Raises CalledProcessError where the generator fails."""
    program = shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent)) or "tpchgen-cli"
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([program, "parquet", "-s", str(scale), "-o", str(folder), "--overwrite", "-q"], check=True)


# SQLite to PostgreSQL


@dataclass(frozen=True, slots=True)
class _Key:
    """A foreign key as SQLite declares it."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """A table as SQLite declares it: columns as (name, PostgreSQL type, NOT NULL)."""

    name: str
    columns: tuple[tuple[str, str, bool], ...]
    primary_key: tuple[str, ...]
    foreign_keys: tuple[_Key, ...]


def _load_sqlite(conn: Connection, file: Path, schema: str, types: dict[tuple[str, str], str]) -> None:
    """Copies every table of `file`; `types` names the columns that get another type than their declared one."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as source, conn.transaction():
        _enter_schema(conn, schema)
        tables = [_describe(source, name, types) for name in _table_names(source)]
        for table in tables:
            conn.execute(_create_table(table))
            _copy_rows(conn, source, table)
        for table in tables:
            for key in table.foreign_keys:
                conn.execute(_add_foreign_key(table.name, key))
    _analyze(conn, schema, [table.name for table in tables])


def _table_names(source: sqlite3.Connection) -> list[str]:
    found = source.execute("select name from sqlite_master where type = 'table' order by name")
    return [str(name) for (name,) in found if not name.startswith("sqlite_")]


def _describe(source: sqlite3.Connection, table: str, types: dict[tuple[str, str], str]) -> _Table:
    info = source.execute('select name, type, "notnull", pk from pragma_table_info(?) order by cid', [table]).fetchall()
    columns = tuple(
        (name, types.get((table, name)) or _postgres_type(declared), bool(required or pk)) for name, declared, required, pk in info
    )
    primary_key = tuple(name for name, _, _, pk in sorted(info, key=lambda column: column[3]) if pk)
    return _Table(table, columns, primary_key, _foreign_keys(source, table))


def _foreign_keys(source: sqlite3.Connection, table: str) -> tuple[_Key, ...]:
    keys: dict[int, list[tuple[str, str, str]]] = {}
    found = source.execute('select id, "table", "from", "to" from pragma_foreign_key_list(?) order by id, seq', [table])
    for number, parent, column, parent_column in found:
        keys.setdefault(number, []).append((parent, column, parent_column))
    return tuple(_Key(tuple(column for _, column, _ in pairs), pairs[0][0], tuple(to for _, _, to in pairs)) for pairs in keys.values())


def _postgres_type(declared: str) -> str:
    """The exact PostgreSQL type for SQLite's loose one: each bare NUMERIC here is money, each REAL a discount."""
    if sized := re.fullmatch(r"NVARCHAR\((\d+)\)|NUMERIC\((\d+),(\d+)\)", declared):
        length, precision, scale = sized.groups()
        return f"varchar({length})" if length else f"numeric({precision},{scale})"
    return {
        "INTEGER": "integer",
        "TEXT": "text",
        "NUMERIC": "numeric(10,2)",
        "REAL": "numeric(4,2)",
        "DATE": "date",
        "DATETIME": "timestamp",
        "BLOB": "bytea",
    }[declared]


def _create_table(table: _Table) -> sql.Composed:
    columns = [
        sql.SQL("{} {} {}").format(sql.Identifier(name), sql.SQL(kind), sql.SQL("not null" if required else "null"))
        for name, kind, required in table.columns
    ]
    return sql.SQL("create table {} ({}, primary key ({}))").format(
        sql.Identifier(table.name), sql.SQL(", ").join(columns), _names(table.primary_key)
    )


def _add_foreign_key(table: str, key: _Key) -> sql.Composed:
    return sql.SQL("alter table {} add foreign key ({}) references {} ({})").format(
        sql.Identifier(table), _names(key.columns), sql.Identifier(key.parent), _names(key.parent_columns)
    )


def _names(columns: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _copy_rows(conn: Connection, source: sqlite3.Connection, table: _Table) -> None:
    columns = _names(tuple(name for name, _, _ in table.columns))
    read = sql.SQL("select {} from {}").format(columns, sql.Identifier(table.name)).as_string()
    write = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(table.name), columns)
    with conn.cursor() as cursor, cursor.copy(write) as copy:
        for row in source.execute(read):
            copy.write_row(row)


# CSV to Arrow

_SAKILA_TYPES = {"BLOB SUB_TYPE TEXT": "text", "BLOB": "bytea", "staff.active": "boolean"}
"""PostgreSQL's type for a type, or a column, of the schema; others are PostgreSQL's already."""


def _read_texts(file: Path, wanted: Iterable[str]) -> pa.Table:
    """The wanted columns that a file has, as texts; an empty field is NULL where it is not quoted."""
    with file.open() as lines:
        there = next(lines).rstrip("\n").split(",")
    columns = [c for c in there if c in set(wanted)]
    options = arrow_csv.ConvertOptions(
        include_columns=columns,
        column_types=dict.fromkeys(columns, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    return arrow_csv.read_csv(file, parse_options=arrow_csv.ParseOptions(newlines_in_values=True), convert_options=options)


# Arrow to PostgreSQL


def _tenants(count: int) -> pa.RecordBatch:
    ids = list(range(1, count + 1))
    return pa.record_batch({"id": pa.array(ids, pa.int32()), "name": [f"Tenant {number}" for number in ids]})


def _read_parquet(file: Path) -> Iterator[pa.RecordBatch]:
    with parquet.ParquetFile(file) as source:
        yield from source.iter_batches(batch_size=65_536)


def _with_tenant(customers: pa.RecordBatch, tenants: int) -> pa.RecordBatch:
    keys = customers.column("c_custkey").to_pylist()
    return customers.append_column("tenant_id", pa.array([key % tenants + 1 for key in keys], pa.int32()))


def _copy_arrow(conn: Connection, table: str, batches: Iterator[pa.RecordBatch], columns: Sequence[str] = ()) -> None:
    """Copies batches into `table`, created in this transaction; they have these columns, or the table's in its order."""
    listed = sql.SQL("({})").format(_names(tuple(columns))) if columns else sql.SQL("")
    command = sql.SQL("copy {} {} from stdin (format csv, freeze)").format(sql.Identifier(table), listed)
    options = arrow_csv.WriteOptions(include_header=False)
    with conn.cursor() as cursor, cursor.copy(command) as copy:
        for batch in batches:
            buffer = io.BytesIO()
            arrow_csv.write_csv(_plain_strings(batch), buffer, options)
            copy.write(buffer.getbuffer())


def _plain_strings(batch: pa.RecordBatch) -> pa.RecordBatch:
    """String views become strings, which pyarrow's CSV writer knows."""
    fields = [pa.field(f.name, pa.string() if f.type == pa.string_view() else f.type) for f in batch.schema]
    return batch.cast(pa.schema(fields))


# Schemas


def _enter_schema(conn: Connection, schema: str) -> None:
    """Creates `schema` where it is missing; unqualified names mean it until the transaction ends."""
    conn.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
    conn.execute(sql.SQL("set local search_path to {}").format(sql.Identifier(schema)))


def _analyze(conn: Connection, schema: str, tables: list[str]) -> None:
    for table in tables:
        conn.execute(sql.SQL("analyze {}").format(sql.Identifier(schema, table)))
