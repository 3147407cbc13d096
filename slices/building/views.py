"""The views of the sources, recomputed inside every slice: a total then counts one tenant's rows and nobody else's.

A statement is taken as the source writes it, its tables' names replaced by those of the slice, and tried on a slice without rows:
what DuckDB does not read the same way, or what looks at a table that is in no slice, is left out and said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine import duck
from engine.names import SliceName
from engine.routing import Routing
from engine.schema import TableName
from extract.snapshot import Snapshot
from slices.building import sql, trees
from slices.building.task import TaskTable, TaskView

_NO_TABLE = ("information_schema", "pg_catalog")


def task_views(snapshots: Sequence[Snapshot], routing: Routing, tables: Sequence[TaskTable]) -> tuple[list[TaskView], list[str]]:
    """The views that work on a slice with these tables, in the order in which they are made, and a sentence for each that does not."""
    waiting = {TableName(s.source, v.schema_, v.view): v.sql for s in snapshots for v in s.views}
    waiting = {n: text for n, text in waiting.items() if n not in routing.routes}
    names = {n: shown for n, shown in routing.names.items() if routing.routes[n].is_written}
    taken = {(str(t.schema_).lower(), t.name.lower()) for t in tables}
    found: list[TaskView] = []
    why: dict[TableName, str] = {}
    with trees.empty_slice(tables) as connection:
        while True:
            made = []
            for name, text in waiting.items():
                shown = _shown(name, routing)
                try:
                    if (shown.schema.lower(), shown.table.lower()) in taken:
                        raise ValueError("a table of the slice has its name")
                    view = _view(connection, name, shown, text, names)
                    connection.execute(sql.create_schema(view.schema_, "memory"))
                    connection.execute(sql.create_view_in(view.schema_, view.name, view.body, "memory"))
                    connection.execute(sql.try_view(view.schema_, view.name))
                    found.append(view)
                    names[name] = shown
                    made.append(name)
                except (duck.Error, ValueError) as error:
                    why[name] = trees.first_line(error)
            waiting = {n: t for n, t in waiting.items() if n not in made}
            if not made or not waiting:
                break
    return found, [f"the view {n.table} is not in the slices: {why[n]}" for n in sorted(waiting)]


def view_facts(snapshots: Sequence[Snapshot]) -> list[list[str]]:
    """What decides the views of a slice, for its fingerprint."""
    return sorted([s.source, v.schema_, v.view, v.sql] for s in snapshots for v in s.views)


def _shown(view: TableName, routing: Routing) -> SliceName:
    """What a view is called in a slice: its schema as that of its neighbours."""
    beside = next((s.schema for n, s in routing.names.items() if (n.source, n.schema) == (view.source, view.schema)), view.schema)
    return SliceName(beside, view.table)


def _view(connection: duck.Connection, view: TableName, shown: SliceName, text: str, names: Mapping[TableName, SliceName]) -> TaskView:
    tree = trees.parsed(connection, text)
    queries = {str(e["key"]).lower() for n in trees.nodes(tree) for e in (n.get("cte_map") or {}).get("map", ())}

    def renamed(node: dict[str, Any]) -> dict[str, Any] | None:
        if node.get("type") != "BASE_TABLE" or (not node.get("schema_name") and str(node.get("table_name", "")).lower() in queries):
            return None
        schema = node.get("schema_name") or ("public" if any(n.schema == "public" for n in names) else view.schema)
        place = names.get(TableName(view.source, schema, node["table_name"]))
        if place is None:
            raise ValueError(f"it reads {node['table_name']}, which is in no slice")
        return node | {"schema_name": place.schema, "table_name": place.table, "alias": node.get("alias") or node["table_name"]}

    return TaskView(schema_=shown.schema, name=shown.table, body=trees.written(connection, trees.replaced(tree, renamed)))
