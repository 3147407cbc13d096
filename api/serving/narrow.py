"""Rules inside a tenant: a statement is rewritten so that it meets them, in the tree of DuckDB's own parser.

Each table of the slice becomes a query of its own that leaves out the rows and blanks the columns that the caller may not see:

    select sum(o.total) from orders o      →      select sum(o.total) from (select * from main.orders where (rep_id = $policy_user_rep_id)) as o

Views are replaced by their own statements first, so a rule on a table holds through them. What cannot be narrowed is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from api.serving.gate import LONGEST, Tables, check, tree_of
from api.serving.problems import Problem
from api.serving.sql import alone, seen_of
from engine import duck

Treatment = Literal["blank", "drop"]
PREFIX = "policy_user_"
"""Of the parameters that hold facts of the user; nobody else's have it."""
# A fact of the user outside of texts and quoted names.
_FACT = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|:user\.([A-Za-z_]\w*)""")
_OWN_SCHEMAS = frozenset({"_slice", "panel"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What a principal may see of a slice: conditions on tables' rows, treatments of columns (`[schema.]table`, column), and `user`, the
    facts that conditions ask, an object as JSON."""

    rows: tuple[tuple[str, str], ...] = ()
    columns: tuple[tuple[str, str, Treatment], ...] = ()
    user: str = "{}"

    def values(self) -> dict[str, Any]:
        """The parameters that narrowed statements may name."""
        return {PREFIX + name: value for name, value in json.loads(self.user).items()}


def rules_of(policies: Iterable[Any], roles: Iterable[str], user: str) -> Rules | None:
    """The rules that somebody with these roles is under: those of all policies that name one of them; None where there are none."""
    own = [p for p in policies if set(p.roles) & set(roles)]
    rows = [(table, condition) for p in own for table, condition in p.rows.items()]
    columns = [(*name.rpartition(".")[::2], treatment) for p in own for name, treatment in p.columns.items()]
    return Rules(tuple(rows), tuple((t, c, x) for t, c, x in columns), user) if rows or columns else None


def narrowed(sql: str, tables: Tables, views: Mapping[tuple[str, str], str], rules: Rules) -> str:
    """The statement as the principal may run it. Raises Problem: as the gate does, `partial_scope` for what cannot be narrowed."""
    check(sql, tables)
    _require_known(rules, tables)
    whole = {"error": False, "statements": [{"node": _Narrowing(tables, views, rules).tree(sql), "named_param_map": []}]}
    with duck.blank() as connection:
        row = connection.execute("SELECT json_deserialize_sql($tree::JSON)", {"tree": json.dumps(whole)}).fetchone()
    if row is None or len(row[0].encode()) > LONGEST:
        raise Problem("partial_scope", "This statement cannot be narrowed to what you may see.")
    return str(row[0])


def _require_known(rules: Rules, tables: Tables) -> None:
    """Fail closed: a rule on a table that is not there is a slip of the pen, and nobody knows what it was to hide."""
    for table in (*(t for t, _ in rules.rows), *(t for t, _, _ in rules.columns)):
        if not any(_is_of(table, one) for one in tables):
            raise Problem("workspace_unreadable", "A policy names a table that the slice does not have.")


def _is_of(name: str, table: tuple[str, str]) -> bool:
    """Whether a name of the workspace file is a table of the slice, whose main schema has another name in its source."""
    schema, _, last = name.lower().rpartition(".")
    return last == table[1] and (not schema or schema.rpartition(".")[2] == table[0] or table[0] == "main")


@dataclass(frozen=True, slots=True)
class _Narrowing:
    """One statement's rewriting."""

    tables: Tables
    views: Mapping[tuple[str, str], str]
    rules: Rules

    def tree(self, sql: str, depth: int = 0) -> Any:
        """The narrowed tree of a statement."""
        if depth > 8:
            raise Problem("partial_scope", "Views on views go too deep here.")
        return self._part(tree_of(sql), depth)

    def _part(self, value: Any, depth: int) -> Any:
        if isinstance(value, list):
            return [self._part(v, depth) for v in value]
        if not isinstance(value, dict):
            return value
        self._refuse_hidden_names(value)
        if value.get("type") == "BASE_TABLE" and "table_name" in value and "class" not in value:
            return self._relation(value, depth)
        return {k: self._part(v, depth) for k, v in value.items()}

    def _refuse_hidden_names(self, value: Mapping[str, Any]) -> None:
        """A query in WITH that is called as a table of the slice would make it unclear which is meant."""
        names = [e.get("key") for e in (value.get("cte_map") or {}).get("map", ())] + [value.get("cte_name")]
        if any(str(name).lower() == table for name in names if name for _, table in self.tables):
            raise Problem("partial_scope", "A query in WITH has the name of a table; give it another.")

    def _relation(self, node: dict[str, Any], depth: int) -> Any:
        schema, table = str(node.get("schema_name") or "main").lower(), str(node["table_name"]).lower()
        if (schema, table) not in self.tables:
            return node  # a query in WITH: the gate let nothing else through
        if schema in _OWN_SCHEMAS:
            raise Problem("partial_scope", "This is of the whole slice.")
        if (schema, table) in self.views:
            inner = self.tree(self.views[schema, table], depth + 1)
        elif any(_is_of(t, (schema, table)) for t in self._ruled()):
            inner = tree_of(self._query(schema, table))
        else:
            return node
        kept = {k: node.get(k) for k in ("sample", "query_location", "query_location_length", "column_name_alias")}
        query = {"node": inner, "named_param_map": []}
        return {"type": "SUBQUERY", "alias": node.get("alias") or node["table_name"], **kept, "subquery": query}

    def _ruled(self) -> list[str]:
        return [*(t for t, _ in self.rules.rows), *(t for t, _, _ in self.rules.columns)]

    def _query(self, schema: str, table: str) -> str:
        """What somebody may see of one table, as SQL."""
        own = [(c, x) for t, c, x in self.rules.columns if _is_of(t, (schema, table))]
        dropped = list(dict.fromkeys(c for c, x in own if x == "drop"))
        blank = list(dict.fromkeys(c for c, x in own if x == "blank" and c not in dropped))
        return seen_of(schema, table, dropped, blank, [self._condition(c) for t, c in self.rules.rows if _is_of(t, (schema, table))])

    def _condition(self, text: str) -> str:
        """A condition with parameters for the user's facts; one whose fact is missing holds for nothing. Raises Problem where it is none."""
        known, missing = self.rules.values(), False

        def fact(match: re.Match[str]) -> str:
            nonlocal missing
            if match[1] is not None:
                return match[1]
            missing |= known.get(PREFIX + match[2]) is None
            return f"${PREFIX}{match[2]}"

        sql = _FACT.sub(fact, text)
        probe = tree_of(alone(sql))
        if not isinstance(probe.get("where_clause"), dict) or probe.get("modifiers") or probe.get("from_table", {}).get("type") != "EMPTY":
            raise Problem("workspace_unreadable", "A policy's condition cannot be read.")
        return "false" if missing else sql
