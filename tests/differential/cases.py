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

SERVING: dict[str, str | bool | int | float | list[str]] = {"TimeZone": "UTC", "autoinstall_known_extensions": "false"}
"""Without the second, DuckDB 2.0.0 tries to fetch icu for the first, although it is built in, and fails."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question in two dialects: on a tenant's slice, and on all rows with `%(tenant)s` as the tenant's key.

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


def read_owned(database: str) -> dict[str, str]:
    """For each table of the database that is not shared, the condition of one tenant's rows: owned.yaml."""
    found: dict[str, str] = YAML(typ="safe").load(HERE / "owned.yaml")[database]
    return found


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
    """A database to ask: how it is loaded (into a fresh database, with a folder for files), and the tenants to ask."""

    load: Callable[[Connection, Path], None]
    tenants: tuple[object, ...]


def build_slice(conn: Connection, file: Path, owned: Mapping[str, str], tenant: object) -> None:
    """Writes the tenant's rows of every table of the schema public into a new DuckDB file, without Slicehouse.

    `owned` has the condition of a tenant's rows for each table that is not shared.
    """
    with duckdb.connect(file) as slice_:
        for (table,) in conn.execute(TABLES).fetchall():
            landed, columns = _read_table(conn, table, owned.get(table), tenant)
            slice_.register("landed", landed)
            create = sql.SQL("create table {} as select {} from landed")
            slice_.execute(create.format(sql.Identifier(table), sql.SQL(", ").join(columns)).as_string())


def _read_table(conn: Connection, table: str, condition: str | None, tenant: object) -> tuple[pa.Table, list[sql.Composable]]:
    """The rows that `condition` leaves, and the DuckDB expression that makes each column what it was in the source."""
    described = conn.execute(sql.SQL("select * from {} limit 0").format(sql.Identifier(table))).description or []
    kinds = [_kind(conn, column) for column in described]
    columns = sql.SQL(", ").join(_as_read(column.name, kind) for column, kind in zip(described, kinds, strict=True))
    read = sql.SQL("select {} from {} where {}").format(columns, sql.Identifier(table), sql.SQL(condition or "true"))
    rows = conn.execute(read, {"tenant": tenant}).fetchall()
    arrays = {
        column.name: pa.array([row[number] for row in rows], kind if isinstance(kind, pa.DataType) else pa.string())
        for number, (column, kind) in enumerate(zip(described, kinds, strict=True))
    }
    return pa.table(arrays), [_as_built(column.name, kind) for column, kind in zip(described, kinds, strict=True)]


def _as_read(column: str, kind: pa.DataType | str) -> sql.Composable:
    name = sql.Identifier(column)
    return name if isinstance(kind, pa.DataType) else sql.SQL("{}::text as {}").format(name, name)


def _as_built(column: str, kind: pa.DataType | str) -> sql.Composable:
    name = sql.Identifier(column)
    return name if isinstance(kind, pa.DataType) else sql.SQL("cast({} as {}) as {}").format(name, sql.SQL(kind), name)


def _kind(conn: Connection, column: psycopg.Column) -> pa.DataType | str:
    """The Arrow type of a column, or the name of the DuckDB type that its text is cast to. An enum becomes text."""
    found = conn.adapters.types.get(column.type_code)
    if not found:
        return "VARCHAR"
    if found.name == "numeric":
        return pa.decimal128(column.precision, column.scale) if column.precision else BARE_NUMERIC
    kind = _KINDS[found.name]
    return pa.list_(kind) if column.type_code == found.array_oid else kind


TABLES = """
    select relname from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
    order by 1
"""

BARE_NUMERIC = pa.decimal128(38, 10)

_KINDS: dict[str, pa.DataType | str] = {
    "bool": pa.bool_(),
    "bpchar": pa.string(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "float8": pa.float64(),
    "inet": "VARCHAR",
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "interval": "INTERVAL",
    "jsonb": "JSON",
    "text": pa.string(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "uuid": "UUID",
    "varchar": pa.string(),
}
