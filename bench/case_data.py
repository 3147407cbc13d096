"""The rows of cases whose data lies beside the repository (../shared/data), or comes from tpchgen-cli, as views of an in-memory DuckDB."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from bench.schemas import Case
from engine.schema import TableName
from engine.sql import name, read_parquet, text

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SCALE = "0.01"


@contextmanager
def rows_of(case: Case, folder: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, dict[TableName, str]] | None]:
    """A connection and what each table of the case is called in it; None where the case has no data here."""
    connection = duckdb.connect()
    try:
        if (DATA / f"{case.name}.sqlite").is_file():
            yield connection, _sqlite(connection, case, DATA / f"{case.name}.sqlite")
        elif case.name == "sakila" and (DATA / "sakila").is_dir():
            yield connection, _csv(connection, case, DATA / "sakila")
        elif case.name == "tpch":
            yield connection, _tpch(case, folder)
        else:
            yield None
    finally:
        connection.close()


def _sqlite(connection: duckdb.DuckDBPyConnection, case: Case, file: Path) -> dict[TableName, str]:
    found: dict[TableName, str] = {}
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as source:
        there = {row[0].lower(): row[0] for row in source.execute("select name from sqlite_master where type = 'table'")}
        for table, shown in case.names.items():
            if shown.lower() not in there:
                continue
            cursor = source.execute(f"select * from {name(there[shown.lower()])}")
            columns = [c[0] for c in cursor.description]
            rows = cursor.fetchall()
            arrays = {c: _array([row[i] for row in rows]) for i, c in enumerate(columns)}
            connection.register(f"r_{len(found)}", pa.table(arrays))
            found[table] = name(f"r_{len(found)}")
    return found


def _array(values: list[object]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if v is None else str(v) for v in values], pa.string())


def _csv(connection: duckdb.DuckDBPyConnection, case: Case, folder: Path) -> dict[TableName, str]:
    found = {}
    for table, shown in case.names.items():
        files = sorted(folder.glob(f"{shown}.csv")) or sorted(folder.glob(f"{shown}_p*.csv"))
        if files:
            listed = ", ".join(text(str(f)) for f in files)
            connection.execute(f"create table {name(shown)} as select * from read_csv([{listed}], union_by_name = true)")
            found[table] = name(shown)
    return found


def _tpch(case: Case, folder: Path) -> dict[TableName, str]:
    tool = Path(sys.executable).with_name("tpchgen-cli")
    command = [str(tool), "parquet", "-s", SCALE, "-o", str(folder), "--overwrite", "-q"]
    subprocess.run(command, check=True, capture_output=True)
    return {table: read_parquet([folder / f"{shown}.parquet"]) for table, shown in case.names.items()}
