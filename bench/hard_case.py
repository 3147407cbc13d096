"""A hard case as it lies in its file: DuckDB makes its tables, so that they can be asked for columns, rows and rids.

A table is named as the case names it: `orders` in DuckDB's main schema (PostgreSQL's public), `sales.orders` elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from engine import sql as quoting

ROW = "rid"
Rids = dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Column:
    """`type` is DuckDB's."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A base table, and the keys that its own SQL declares: the primary one first."""

    name: str
    schema: str
    table: str
    columns: tuple[Column, ...]
    primary: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Key:
    """A foreign key of the case."""

    table: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


class HardCase:
    """One case while it is measured: `tables` and `views` are those of the state that was `applied` last."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = facts
        self.id: str = facts["id"]
        self.config: Mapping[str, Any] = facts.get("config", {})
        self.steps: list[Mapping[str, Any]] = [facts, *facts.get("steps", [])]
        self.tables: dict[str, Table] = {}
        self.views: dict[str, str] = {}
        self._db = duckdb.connect()

    def close(self) -> None:
        """Frees the database."""
        self._db.close()

    def apply(self, step: Mapping[str, Any]) -> None:
        """Makes the tables of the start, or changes them by a step."""
        for statement in self._db.extract_statements(step.get("sql", "")):
            self._db.execute(statement)
            view = re.match(r"\s*create\s+(?:or\s+replace\s+)?view\s+(\S+?)\s*(?:\(|\s)", statement.query, re.I)
            if view:
                self.views[view[1]] = statement.query
        self.tables = {t.name: t for t in self._read_tables()}

    def _read_tables(self) -> Iterator[Table]:
        names = self._db.execute("select schema_name, table_name from duckdb_tables() where not internal order by table_oid").fetchall()
        for schema, table in names:
            kept = "from duckdb_constraints() where (schema_name, table_name) = (?, ?) and constraint_type = ?"
            columns = self._db.execute(
                "select column_name, data_type, not is_nullable from duckdb_columns() where (schema_name, table_name) = (?, ?) order by column_index",
                [schema, table],
            ).fetchall()
            primary, unique = (
                [tuple(row[0]) for row in self._db.execute(f"select constraint_column_names {kept}", [schema, table, kind]).fetchall()]
                for kind in ("PRIMARY KEY", "UNIQUE")
            )
            name = table if schema == "main" else f"{schema}.{table}"
            yield Table(name, schema, table, tuple(Column(*c) for c in columns), primary[0] if primary else (), tuple(unique))

    # ── what the case says ────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def tenant_table(self) -> str:
        """The tenant table's name."""
        return self.named(self.facts["tenant_table"])

    @property
    def tenant_key(self) -> str:
        """`id` where there is one, else the primary key, else what the first foreign key to it names, else the first column but rid."""
        table = self.tables[self.tenant_table]
        columns = [c.name for c in table.columns]
        by_keys = [k.parent_columns[0] for k in self.keys if k.parent == table.name]
        ids = [c for c in columns if c.lower() == "id"]
        rest = [c for c in columns if c != ROW]
        return next(iter([*ids, *table.primary, *by_keys, *rest]))

    @property
    def keys(self) -> list[Key]:
        """The foreign keys between tables that there are."""
        named = [
            (self.named(k["table"]), k["columns"], self.named(k["ref_table"]), k["ref_columns"]) for k in self.facts.get("foreign_keys", [])
        ]
        return [
            Key(child, self.spelled(child, columns), parent, self.spelled(parent, parent_columns))
            for child, columns, parent, parent_columns in named
            if {child, parent} <= set(self.tables)
        ]

    def spelled(self, table: str, columns: Sequence[str]) -> tuple[str, ...]:
        """Column names as the table spells them (DuckDB does not look at case, PostgreSQL does)."""
        own = {c.name.lower(): c.name for c in self.tables[table].columns}
        exact = {c.name for c in self.tables[table].columns}
        return tuple(c if c in exact else own.get(c.lower(), c) for c in columns)

    @property
    def partitions(self) -> dict[str, list[str]]:
        """Partitioned table → its partitions."""
        return {self.named(t): [self.named(p) for p in parts] for t, parts in self.config.get("partitions", {}).items()}

    @property
    def base_tables(self) -> list[Table]:
        """The tables that are no partitions of others."""
        parts = {p for found in self.partitions.values() for p in found}
        return [t for t in self.tables.values() if t.name not in parts]

    def named(self, written: str) -> str:
        """The table's name for any way to write it: with or without its schema, in any case where only one fits."""
        bare = written.removeprefix("main.").removeprefix("public.")
        same = [t.name for t in self.tables.values() if bare in (t.name, t.table)]
        folded = [t.name for t in self.tables.values() if bare.lower() in (t.name.lower(), t.table.lower())]
        return bare if bare in self.tables or not (same or folded) else (same or folded)[0]

    # ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def rows(self, table: Table, expressions: Sequence[str]) -> list[tuple[Any, ...]]:
        """A tuple a row of these expressions over the table."""
        source = quoting.names(table.schema, table.table)
        return self._db.execute(f"select {', '.join(expressions)} from {source} order by rowid").fetchall()

    def rids(self, table: str) -> list[int]:
        """The rids of a table, sorted."""
        return sorted(row[0] for row in self.rows(self.tables[table], [quoting.name(ROW)]))


def read_cases(folder: Path) -> list[HardCase]:
    """The cases of a folder by name of file. Raises FileNotFoundError where there is none."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise FileNotFoundError(f"There is no case in {folder}.")
    return [HardCase(json.loads(file.read_text(encoding="utf-8"))) for file in files]
