"""The dashboards' panels as table macros in the schema `panel` of every slice, so that an offline number equals the dashboard's.

A panel `mrr` of the dashboard `overview` is `panel.overview_mrr`; its parameters are the macro's, with `p_` before them as in a URL
(`p.plan` there, `p_plan` here) and the dashboard's defaults. Statements are rewritten as trees, by DuckDB's own parser: a
parameter becomes the macro's, cast to the type that the API binds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from engine import duck
from engine.clock import rfc3339
from engine.dashboards import Dashboard, Panel, Parameter
from engine.dashboards.models import bound_names
from engine.dashboards.parameters import bind
from engine.sql import text_list
from slices.building import sql, trees
from slices.building.task import TaskPanel, TaskTable, TaskView


def task_panels(
    dashboards: Iterable[Dashboard], tables: Sequence[TaskTable], views: Sequence[TaskView], as_of: datetime, timezone: str
) -> tuple[list[TaskPanel], list[str]]:
    """The panels that work on a slice with these tables, by name, and a sentence for each that does not.

    A panel is tried on tables without rows: one that names a column which is not in the slices is left out.
    """
    found: list[TaskPanel] = []
    notes: list[str] = []
    with trees.empty_slice(tables) as connection:
        connection.execute(sql.create_schema("panel", "memory"))
        for view in views:
            connection.execute(sql.create_schema(view.schema_, "memory"))
            connection.execute(sql.create_view_in(view.schema_, view.name, view.body, "memory"))
        for dashboard in dashboards:
            for slug, panel in dashboard.panels.items():
                name = f"{dashboard.slug}_{slug}".replace("-", "_")
                try:
                    made = _panel(connection, name, dashboard, panel, as_of, timezone)
                    connection.execute(sql.create_panel(made.name, made.parameters, made.body, "memory"))
                    connection.execute(sql.try_panel(made.name))
                    found.append(made)
                except (duck.Error, ValueError) as error:
                    notes.append(f"{dashboard.slug}.{slug} is not in the slices as panel.{name}: {trees.first_line(error)}")
    return sorted(found, key=lambda p: p.name), notes


def panel_facts(dashboards: Iterable[Dashboard]) -> list[Any]:
    """What decides the panels of a slice, for its fingerprint: texts and parameters, not the day's values of their defaults."""
    return [
        [d.slug, {n: p.model_dump(mode="json") for n, p in d.parameters.items()}, {s: p.sql for s, p in d.panels.items()}]
        for d in dashboards
    ]


def _panel(connection: duck.Connection, name: str, dashboard: Dashboard, panel: Panel, as_of: datetime, timezone: str) -> TaskPanel:
    tree = trees.parsed(connection, panel.sql)
    taken = set(_names(tree))
    values = bind(dashboard, {}, as_of, timezone)
    types = bound_types(dashboard.parameters)
    used = [n for n in types if n in set(_parameters(tree))]
    called = {n: _free(f"p_{n}", taken) for n in used}
    casts = {n: _cast(connection, called[n], types[n]) for n in used}
    body = trees.written(connection, trees.replaced(tree, lambda node: _instead(node, casts)))
    return TaskPanel(name=name, parameters=[(called[n], _default(values[n], types[n])) for n in used], body=body)


def bound_types(parameters: Mapping[str, Parameter]) -> dict[str, str]:
    """The DuckDB type of every name that is bound: the parameters', `as_of`, `timezone`."""
    found = {"as_of": "TIMESTAMP WITH TIME ZONE", "timezone": "VARCHAR"}
    for name, parameter in parameters.items():
        kind = {"date_range": "DATE", "number": "DOUBLE"}.get(parameter.type, "VARCHAR[]" if parameter.multiple else "VARCHAR")
        found |= dict.fromkeys(bound_names(name, parameter), kind)
    return found


def _cast(connection: duck.Connection, column: str, type_: str) -> Any:
    """The tree of `CAST(column AS type)`."""
    tree = trees.parsed(connection, sql.cast_of(column, type_))
    return tree["statements"][0]["node"]["select_list"][0]


def _instead(node: Mapping[str, Any], casts: Mapping[str, Any]) -> dict[str, Any] | None:
    if node.get("class") != "PARAMETER":
        return None
    found: dict[str, Any] = casts[node["identifier"]] | {"alias": node.get("alias", "")}
    return found


def _parameters(tree: Any) -> list[str]:
    return [n["identifier"] for n in trees.nodes(tree) if n.get("class") == "PARAMETER"]


def _names(tree: Any) -> list[str]:
    """Every name that a macro's parameter could be taken for: a macro's parameter hides a column of its name."""
    return [str(part).lower() for n in trees.nodes(tree) if n.get("class") == "COLUMN_REF" for part in n["column_names"]]


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _default(value: Any, type_: str) -> str:
    """A bound value as an expression: a list of texts is a list's literal, which DuckDB casts from its text."""
    if isinstance(value, list):
        return text_list(value)
    return sql.typed_literal(rfc3339(value) if isinstance(value, datetime) else None if value is None else str(value), type_)
