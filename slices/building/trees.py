"""Statements as trees, by DuckDB's own parser: read, walked, written back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from engine import duck
from slices.building import sql
from slices.building.task import TaskTable


def parsed(connection: duck.Connection, statement: str) -> Any:
    """The tree of a statement. Raises ValueError where it is no SELECT that DuckDB reads."""
    tree = json.loads(_one(connection, "SELECT json_serialize_sql($text)", statement))
    if tree.get("error"):
        raise ValueError(str(tree.get("error_message", "it is no SELECT")))
    return tree


def written(connection: duck.Connection, tree: Any) -> str:
    """The statement of a tree."""
    return _one(connection, "SELECT json_deserialize_sql($text)", json.dumps(tree))


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every node, from the top."""
    if isinstance(tree, dict):
        yield tree
    for item in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(item)


def replaced(tree: Any, instead: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Any:
    """The tree with every node for which `instead` gives another."""
    if isinstance(tree, list):
        return [replaced(item, instead) for item in tree]
    if not isinstance(tree, dict):
        return tree
    other = instead(tree)
    return other if other is not None else {key: replaced(value, instead) for key, value in tree.items()}


@contextmanager
def empty_slice(tables: Sequence[TaskTable]) -> Iterator[duck.Connection]:
    """A database with the tables of a slice and no row, to try statements on."""
    with duck.blank() as connection:
        for table in tables:
            connection.execute(sql.create_schema(table.schema_, "memory"))
            connection.execute(sql.create_empty(table.schema_, table.name, [(c.shown, c.type) for c in table.columns]))
        yield connection


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return str(error).strip().split("\n")[0]


def _one(connection: duck.Connection, statement: str, text: str) -> str:
    row = connection.execute(statement, {"text": text}).fetchone()
    assert row is not None
    return str(row[0])
