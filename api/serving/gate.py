"""The gate: one SELECT tree by DuckDB's own parser, its nodes, tables and functions by allow-list. Any doubt is a refusal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import duckdb

from api.serving.functions import AGGREGATE_BY_NAME, TABLE_FUNCTIONS, allowed_functions, changing_functions
from api.serving.problems import Problem
from engine import duck

LONGEST = 100_000
_DEEPEST = 300
_MOST_NODES = 50_000
_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_RELATIONS = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "PIVOT"})
_EXPRESSIONS = frozenset(
    {"COLUMN_REF", "CONSTANT", "FUNCTION", "OPERATOR", "COMPARISON", "CONJUNCTION", "CAST", "CASE", "BETWEEN", "WINDOW", "SUBQUERY", "STAR"}
    | {"PARAMETER", "COLLATE", "LAMBDA", "LAMBDA_REF", "POSITIONAL_REFERENCE", "TYPE"}
)
# Names that the engine would resolve to its own tables where the name is not in scope.
_SYSTEM = ("duckdb_", "pg_", "sqlite_", "pragma_", "information_schema")
# Words that are the time where no column has their name: the parser gives them as columns.
_CLOCK = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
Tables = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Checked:
    """A statement that passed: the parameters it names, and whether its answer may change from call to call."""

    sql: str
    parameters: frozenset[str]
    changing: bool


@dataclass(slots=True)
class _Walk:
    """What is known while walking a tree: the slice's tables, and what was met."""

    tables: Tables
    functions: set[str] = field(default_factory=set)
    changing: bool = False
    nodes: int = 0


@lru_cache(maxsize=1024)
def check(sql: str, tables: Tables) -> Checked:
    """The statement, checked against the slice's (schema, table) names in lower case. Raises Problem."""
    try:
        size = len(sql.encode())
    except UnicodeEncodeError:
        raise Problem("syntax", "The statement is no Unicode text: half a surrogate pair stands alone.") from None
    if size > LONGEST:
        raise Problem("request_too_large", "The statement is too long.")
    try:
        statements = duckdb.extract_statements(sql)
        kinds = [s.type for s in statements]
        parameters = frozenset(str(p) for s in statements for p in s.named_parameters)
    except Exception:
        raise Problem("syntax", "The statement is no SQL that this engine reads.") from None
    if len(statements) != 1 or kinds[0] != duckdb.StatementType.SELECT:
        raise Problem("statement_not_allowed", "One SELECT is allowed, and nothing else.")
    walk = _Walk(tables)
    try:
        _query(tree_of(sql), walk, frozenset(), 0)
    except RecursionError:
        raise _refuse("The statement is nested too deeply.") from None
    return Checked(sql, parameters, walk.changing or bool(walk.functions & changing_functions()))


def tree_of(sql: str) -> Any:
    """The tree of one SELECT, by DuckDB's own parser. Raises Problem."""
    with duck.blank() as connection:
        row = connection.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchone()
    parsed: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    if parsed.get("error") or len(parsed.get("statements", ())) != 1:
        raise Problem("statement_not_allowed", "This form of statement is not allowed.")
    return parsed["statements"][0]["node"]


def _refuse(text: str) -> Problem:
    return Problem("statement_not_allowed", text)


def _query(node: Mapping[str, Any], walk: _Walk, scope: frozenset[str], depth: int) -> None:
    """A query node: its CTEs in order, each seeing only those before it; a recursive one sees itself in its right side alone."""
    if node.get("type") not in _QUERIES:
        raise _refuse("This form of query is not allowed.")
    walk.changing |= bool(node.get("sample"))
    for entry in node.get("cte_map", {}).get("map", ()):
        inner = entry["value"].get("query_node") or entry["value"].get("query", {}).get("node")
        name = str(entry["key"]).lower()
        if name.startswith(_SYSTEM):
            raise _refuse("A query in WITH has the name of a system table.")
        _query(inner or {}, walk, scope, depth + 1)
        scope |= {name}
    if node["type"] == "CTE_NODE":
        _query(node["query"], walk, scope, depth + 1)
        scope |= {str(node.get("cte_name", "")).lower()}
    if node["type"] == "RECURSIVE_CTE_NODE":
        _any(node.get("left"), walk, scope, depth + 1)
        _any(node.get("right"), walk, scope | {str(node.get("cte_name", "")).lower()}, depth + 1)
    skip = {"CTE_NODE": {"cte_map", "query"}, "RECURSIVE_CTE_NODE": {"cte_map", "left", "right"}}.get(node["type"], {"cte_map"})
    _parts((v for k, v in node.items() if k not in skip), walk, scope, depth + 1)


def _parts(values: Iterable[Any], walk: _Walk, scope: frozenset[str], depth: int) -> None:
    for value in values:
        _any(value, walk, scope, depth)


def _any(value: Any, walk: _Walk, scope: frozenset[str], depth: int) -> None:
    if depth > _DEEPEST:
        raise _refuse("The statement is nested too deeply.")
    if isinstance(value, list):
        _parts(value, walk, scope, depth + 1)
    elif isinstance(value, dict):
        walk.nodes += 1
        if walk.nodes > _MOST_NODES:
            raise _refuse("The statement has too many parts.")
        _node(value, walk, scope, depth)


def _node(node: Mapping[str, Any], walk: _Walk, scope: frozenset[str], depth: int) -> None:
    kind, class_ = node.get("type"), node.get("class")
    if class_ is not None:
        _expression(node, str(class_), walk)
    elif isinstance(kind, str) and kind.endswith("_NODE"):
        _query(node, walk, scope, depth + 1)
        return
    elif "alias" in node and "sample" in node:
        _relation(node, str(kind), walk, scope)
    _parts(node.values(), walk, scope, depth + 1)


def _expression(node: Mapping[str, Any], class_: str, walk: _Walk) -> None:
    if class_ not in _EXPRESSIONS:
        raise _refuse("This form of expression is not allowed.")
    if class_ == "COLUMN_REF" and str(node.get("column_names", [""])[-1]).lower() in _CLOCK:
        walk.changing = True
    name = str(node.get("function_name", "")).lower()
    if class_ in ("FUNCTION", "WINDOW") and name:
        if not node.get("is_operator") and name not in allowed_functions() and name not in TABLE_FUNCTIONS:
            raise _refuse("A function in the statement is not allowed.")
        walk.functions.add(name)
        if name in AGGREGATE_BY_NAME:
            walk.functions.add(_named_aggregate(node))


def _named_aggregate(node: Mapping[str, Any]) -> str:
    """The function that list_aggregate(list, 'name', …) calls; it must stand there as a text, and be one that may be called."""
    arguments = node.get("arguments") or []
    literal = arguments[1].get("expression", {}).get("literal") or {} if len(arguments) > 1 else {}
    value = literal.get("text") if literal.get("kind") == "STRING" and not any(a.get("name") for a in arguments) else None
    if not isinstance(value, str) or value.lower() not in allowed_functions():
        raise _refuse("A function in the statement is not allowed.")
    return value.lower()


def _relation(node: Mapping[str, Any], kind: str, walk: _Walk, scope: frozenset[str]) -> None:
    if kind not in _RELATIONS:
        raise _refuse("This form of table is not allowed.")
    walk.changing |= bool(node.get("sample"))
    if kind == "BASE_TABLE":
        schema, table = str(node.get("schema_name") or "").lower(), str(node.get("table_name", "")).lower()
        is_cte = not schema and table in scope
        if node.get("catalog_name") or node.get("at_clause") or not (is_cte or (schema or "main", table) in walk.tables):
            raise _refuse("The statement names a table that the slice does not have.")
    if kind == "TABLE_FUNCTION":
        function = node.get("function", {})
        if str(function.get("function_name", "")).lower() not in TABLE_FUNCTIONS:
            raise _refuse("A table function in the statement is not allowed.")
