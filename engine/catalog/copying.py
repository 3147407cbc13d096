"""All rows of a catalog as JSON Lines, a file a table, and back: into SQLite or PostgreSQL, whichever they came from.

A file is described by the kinds of its columns, so that a catalog of an earlier release is filled as it was, and migrated then.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Connection, Float, Integer, LargeBinary, MetaData, String, Table, select
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from engine.catalog.tables import Base
from engine.catalog.tables.base import UtcTime
from engine.clock import rfc3339

_TYPES: dict[str, TypeEngine[Any]] = {
    "time": UtcTime(),
    "bytes": LargeBinary(),
    "json": JSON(),
    "bool": Boolean(),
    "int": BigInteger(),
    "float": Float(),
    "text": String(),
}
_WRITTEN: dict[str, Callable[[Any], Any]] = {"time": rfc3339, "bytes": lambda b: base64.b64encode(b).decode()}
_READ: dict[str, Callable[[Any], Any]] = {"time": datetime.fromisoformat, "bytes": base64.b64decode}
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Copied:
    """One table of a copy: its columns with their kinds, its rows, and its file."""

    columns: dict[str, str]
    rows: int
    path: Path


def copy_out(session: Session, folder: Path) -> dict[str, Copied]:
    """Writes `<table>.jsonl` for every table, parents before children; what the session sees, which is one state."""
    return {table.name: _table_out(session, table, folder / f"{table.name}.jsonl") for table in Base.metadata.sorted_tables}


def _table_out(session: Session, table: Table, path: Path) -> Copied:
    kinds = {column.name: _kind(column) for column in table.columns}
    rows = 0
    with path.open("w", encoding="utf-8") as file:
        for row in session.execute(select(table).order_by(*table.primary_key).execution_options(yield_per=_AT_ONCE)):
            values = {n: _as_json(kinds[n], value) for n, value in zip(kinds, row, strict=True)}
            file.write(json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n")
            rows += 1
    return Copied(kinds, rows, path)


def _kind(column: Column[Any]) -> str:
    return "int" if isinstance(column.type, Integer) else next(k for k, type_ in _TYPES.items() if isinstance(column.type, type(type_)))


def _as_json(kind: str, value: Any) -> Any:
    return value if value is None or kind not in _WRITTEN else _WRITTEN[kind](value)


def rows_in(table: Copied) -> Iterator[dict[str, Any]]:
    """The rows of a file. Raises ValueError where it is not what it is said to be."""
    with table.path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if not isinstance(row, dict) or row.keys() != table.columns.keys():
                raise ValueError("a row has other columns than its table")
            yield {
                n: value if value is None or table.columns[n] not in _READ else _READ[table.columns[n]](value) for n, value in row.items()
            }


def copy_in(connection: Connection, tables: Mapping[str, Copied]) -> None:
    """Fills empty tables. Raises ValueError, sqlalchemy's errors, where the rows do not fit."""
    for name, table in tables.items():
        target = Table(name, MetaData(), *(Column(n, _TYPES[kind]) for n, kind in table.columns.items()))
        for _, rows in groupby(rows_in(table), key=lambda row: _absent(row, table.columns)):
            part: list[dict[str, Any]] = []
            for row in rows:
                part.append({n: v for n, v in row.items() if n not in _absent(row, table.columns)})
                if len(part) == _AT_ONCE:
                    connection.execute(target.insert(), part)
                    part = []
            if part:
                connection.execute(target.insert(), part)


def _absent(row: Mapping[str, Any], kinds: Mapping[str, str]) -> frozenset[str]:
    """Columns of JSON that have no value: None would be written as JSON's null, which is one."""
    return frozenset(n for n, value in row.items() if value is None and kinds[n] == "json")
