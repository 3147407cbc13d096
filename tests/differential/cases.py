"""The queries of the differential tests, and the slices that are built by hand for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
from psycopg import sql
from ruamel.yaml import YAML

from .loaders import HERE, Connection

SERVING = {"TimeZone": "UTC", "autoinstall_known_extensions": "false"}
"""Without the second, DuckDB 2.0.0 tries to fetch icu for the first, although it has it built in, and then refuses."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question in two dialects: on a tenant's slice, and on all tenants' rows with `%(tenant)s` as the tenant's key.

    `ordered`: the order of the rows counts. `approx`: a float may differ by 1e-9 of itself. `why`: what differs between
    the two texts, and why it must.
    """

    name: str
    slice: str
    postgres: str
    ordered: bool = False
    approx: bool = False
    why: str = ""


def read_queries(database: str) -> list[Query]:
    """The queries of queries/<database>.yaml, in their order; none where there is no such file."""
    file = HERE / "queries" / f"{database}.yaml"
    return [Query(**entry) for entry in YAML(typ="safe").load(file)] if file.exists() else []


def ask_postgres(conn: Connection, query: Query, tenant: object) -> list[tuple[Any, ...]]:
    return list(conn.execute(query.postgres, {"tenant": tenant}).fetchall())


def ask_slice(file: Path, query: Query) -> list[tuple[Any, ...]]:
    """The rows of the query on the DuckDB file, as Python values that came through Arrow."""
    with duckdb.connect(file, read_only=True, config=SERVING) as slice_:
        answer = slice_.sql(query.slice).to_arrow_table()
    return list(zip(*(column.to_pylist() for column in answer.columns), strict=True))


# Slices by hand


@dataclass(frozen=True, slots=True)
class Sample:
    """A database to ask: how it is loaded, which tenants are asked, and the rows that are a tenant's own.

    `owned` names, for each table that is not shared, the condition of one tenant's rows as a person would write it.
    """

    load: Callable[[Connection, Path], None]
    tenants: tuple[object, ...]
    owned: Mapping[str, str]


def build_slice(conn: Connection, file: Path, sample: Sample, tenant: object) -> None:
    """Writes the tenant's rows of every table of the schema public into a new DuckDB file, without Slicehouse."""
    with duckdb.connect(file) as slice_:
        for (table,) in conn.execute(
            "select tablename from pg_tables where schemaname = 'public' order by 1"
        ).fetchall():
            rows = _read_table(conn, table, sample.owned.get(table), tenant)
            slice_.register("landed", rows)
            target = sql.Identifier(table)
            slice_.execute(sql.SQL("create table {} as from landed").format(target).as_string())


def _read_table(conn: Connection, table: str, condition: str | None, tenant: object) -> pa.Table:
    read = sql.SQL("select * from {} where {}").format(sql.Identifier(table), sql.SQL(condition or "true"))
    cursor = conn.execute(read, {"tenant": tenant})
    assert cursor.description
    rows = cursor.fetchall()
    columns = {
        column.name: pa.array([row[number] for row in rows], _arrow_type(conn, column))
        for number, column in enumerate(cursor.description)
    }
    return pa.table(columns)


def _arrow_type(conn: Connection, column: psycopg.Column) -> pa.DataType:
    found = conn.adapters.types.get(column.type_code)
    name = found.name if found else "text"
    if name == "numeric":
        return pa.decimal128(column.precision, column.scale)
    return _ARROW_TYPES[name]


_ARROW_TYPES: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "bpchar": pa.string(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "float8": pa.float64(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "text": pa.string(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "varchar": pa.string(),
}
