"""The hard cases of the relationship graph as cases of the row rule: `translate(load(path))`.

A hard case makes its tables by SQL, has rows named by `rid`, and may have steps: the same tables after a change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from tests.rowrule.case import Case, Column, ColumnType, Condition, Edge, Polymorphic, Table
from tests.rowrule.oracle import Outcome

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "graph" / "hard"
TYPES: dict[str, ColumnType] = {
    "SMALLINT": "int",
    "INTEGER": "int",
    "BIGINT": "bigint",
    "VARCHAR": "text",
    "UUID": "uuid",
    "BOOLEAN": "bool",
}
WORDS = {
    "paths", "member_of", "shared", "shared_referenced", "excluded", "null_is_shared", "soft_delete", "actor_edges", "polymorphic",
    "rollup", "normalise", "views", "partitions",
}  # fmt: skip
CONDITION = re.compile(
    r"\s*(?P<column>\w+)\s*(?:(?P<null>is (?:not )?null)|(?P<test>=|<>|>)\s*(?:'(?P<text>[^']*)'|(?P<number>-?\d+)))\s*", re.I
)
Rows = dict[str, list[int]]


class NotTranslatable(Exception):
    """A hard case uses what `Case` cannot say; the text names the feature."""


@dataclass(frozen=True, slots=True)
class State:
    """One extraction of a hard case: the case, the rid of every row, and what must come of it (rids, nothing empty)."""

    case: Case
    rids: dict[str, list[int]]
    slices: dict[str, Rows]
    quarantine: Rows


def load(path: Path) -> dict[str, Any]:
    """The JSON of a hard case."""
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def translate(hard: dict[str, Any]) -> list[State]:
    """The states of a hard case, the start first and one per step; raises NotTranslatable."""
    missing = sorted(set(hard["config"]) - WORDS)
    if missing:
        raise NotTranslatable(", ".join(missing))
    with duckdb.connect() as connection:
        states = []
        for step in [hard, *hard["steps"]]:
            connection.execute(step["sql"])
            states.append(_state(hard, step, connection))
        return states


def seen(state: State, found: Outcome) -> tuple[dict[str, Rows], Rows]:
    """An outcome as the hard cases say it: slices and quarantine by rid, all rows of excluded tables in quarantine."""
    quarantine = found.quarantine | {t: list(range(len(state.rids[t]))) for t in found.excluded}
    return {tenant: _by_rid(state, rows) for tenant, rows in found.slices.items()}, _by_rid(state, quarantine)


def _by_rid(state: State, rows: Rows) -> Rows:
    return {t: sorted(state.rids[t][i] for i in found) for t, found in rows.items() if found}


def _state(hard: dict[str, Any], step: dict[str, Any], connection: duckdb.DuckDBPyConnection) -> State:
    edges = tuple(_edge(key) for key in hard["foreign_keys"])
    key = _tenant_key(hard, connection)
    used = {(e.child, c) for e in edges for c in e.columns} | {(e.parent, c) for e in edges for c in e.parent_columns}
    tables, rids = _tables(connection, used | {(hard["tenant_table"], key)}, _partitions(hard))
    return State(_case(hard, tables, edges, key), rids, _expected(hard, step, rids), step.get("quarantine", {}))


def _partitions(hard: dict[str, Any]) -> set[str]:
    """The tables that are parts of others."""
    return {part for parts in hard["config"].get("partitions", {}).values() for part in parts}


def _edge(key: dict[str, Any]) -> Edge:
    return Edge(key["table"], tuple(key["columns"]), key["ref_table"], tuple(key["ref_columns"]))


def _tenant_key(hard: dict[str, Any], connection: duckdb.DuckDBPyConnection) -> str:
    """`id` where the tenant table has one, otherwise the column that the first edge to it names."""
    columns = [name for name, _ in _columns(connection, hard["tenant_table"])]
    named = [key["ref_columns"][0] for key in hard["foreign_keys"] if key["ref_table"] == hard["tenant_table"]]
    key: str = next(column for column in ["id", *named] if column in columns)
    return key


def _case(hard: dict[str, Any], tables: tuple[Table, ...], edges: tuple[Edge, ...], key: str) -> Case:
    config = hard["config"]
    deleted = config.get("soft_delete")
    by_name = {str(edge): edge for edge in edges}
    pairs = tuple(_polymorphic(table, said) for table, said in config.get("polymorphic", {}).items())
    up = [e.columns[0] for e in edges if e.child == e.parent == hard["tenant_table"]]
    referenced = frozenset(config.get("shared_referenced", []))
    return Case(
        tables=tables,
        edges=(*edges, *(e for pair in pairs for e in pair.edges)),
        tenant_table=hard["tenant_table"],
        tenant_key=key,
        through=config.get("member_of", {}),
        via={table: tuple(by_name[hop] for hop in hops) for table, hops in config.get("paths", {}).items()},
        shared=frozenset(config.get("shared", [])) | referenced,
        excluded=frozenset(config.get("excluded", [])),
        soft_delete={t.name: deleted for t in tables if deleted in [c.name for c in t.columns]},
        unassigned_shared=_unassigned(config.get("null_is_shared", [])),
        actors=frozenset(by_name[hop] for hop in config.get("actor_edges", [])),
        polymorphic=pairs,
        referenced=referenced,
        rollup=up[0] if config.get("rollup") else None,
        normalise=_normalise(config.get("normalise", {}), edges),
    )


def _polymorphic(table: str, said: dict[str, Any]) -> Polymorphic:
    return Polymorphic(table, said["type"], said["id"], tuple((name, to and (to, "id")) for name, to in said["map"].items()))


def _unassigned(said: list[str] | Mapping[str, str]) -> dict[str, Condition | None]:
    return {table: _condition(said[table]) if isinstance(said, Mapping) else None for table in said}


def _condition(text: str) -> Condition:
    """A comparison of one column with a literal, or with NULL; raises NotTranslatable for any other."""
    match = CONDITION.fullmatch(text)
    if match is None:
        raise NotTranslatable(f"the condition {text}")
    test: Any = (match["null"] or match["test"]).lower()
    return Condition(match["column"], test, int(match["number"]) if match["number"] else match["text"])


def _normalise(said: Mapping[str, Any], edges: tuple[Edge, ...]) -> dict[tuple[str, str], Any]:
    """By column, and by the other end of an edge of a column that is named."""
    found = {(name.rpartition(".")[0], name.rpartition(".")[2]): how for name, how in said.items()}
    ends = [((e.child, c), (e.parent, p)) for e in edges for c, p in zip(e.columns, e.parent_columns, strict=True)]
    for one, other in [*ends, *((b, a) for a, b in ends)]:
        if other in found:
            found.setdefault(one, found[other])
    return found


def _expected(hard: dict[str, Any], step: dict[str, Any], rids: dict[str, list[int]]) -> dict[str, Rows]:
    expect, shared = step["expect"], step.get("shared", hard["shared"])
    whole = {t: sorted(rids[t]) for t in shared}
    return {
        tenant: whole | {t: sorted(rows[tenant]) for t, rows in expect.items() if tenant in rows} for tenant in expect[hard["tenant_table"]]
    }


def _tables(
    connection: duckdb.DuckDBPyConnection, used: set[tuple[str, str]], parts: set[str]
) -> tuple[tuple[Table, ...], dict[str, list[int]]]:
    """Base tables with all columns but rid, and the rids; a column that no key uses is text whatever its type."""
    names = connection.execute("select table_name from duckdb_tables() order by table_oid").fetchall()
    tables, rids = [], {}
    for (name,) in names:
        if name in parts:
            continue
        columns = _columns(connection, name)
        rows = connection.execute("from query_table(?) order by rid", [name]).fetchall()
        place = [column for column, _ in columns].index("rid")
        rids[name] = [row[place] for row in rows]
        kept = [(i, column, _type(name, column, kind, used)) for i, (column, kind) in enumerate(columns) if i != place]
        cells = tuple(tuple(_cell(kind)(row[i]) for i, _, kind in kept) for row in rows)
        tables.append(Table(name, tuple(Column(column, kind) for _, column, kind in kept), cells))
    return tuple(tables), rids


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    """Names and types of a table's columns, in their order."""
    sql = "select column_name, data_type from duckdb_columns() where table_name = ? order by column_index"
    return [(name, kind) for name, kind in connection.execute(sql, [table]).fetchall()]


def _type(table: str, column: str, kind: str, used: set[tuple[str, str]]) -> ColumnType:
    if kind not in TYPES and (table, column) in used:
        raise NotTranslatable(f"a key of type {kind.lower()}")
    return TYPES.get(kind, "text")


def _cell(kind: ColumnType) -> Callable[[object], object]:
    return (lambda value: None if value is None else str(value)) if kind in ("text", "uuid") else (lambda value: value)
