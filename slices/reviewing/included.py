"""`columns_default: include`: columns that appeared after the accept are taken at once, unless they look like a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.columns import ColumnPlan
from engine.names import column_names
from engine.routing import Routing
from engine.schema import TableName
from engine.types import key_class
from engine.workspace import Workspace
from slices.rule.judge import LandedFiles


def with_included(accepted: Routing, fresh: Routing, workspace: Workspace) -> Routing:
    """The accepted routing and, where the workspace includes them, the new columns of its tables that `fresh` keeps."""
    if workspace.columns_default != "include":
        return accepted
    routes = dict(accepted.routes)
    for name, route in accepted.routes.items():
        known = {c.name for c in route.columns}
        new = [c for c in fresh.routes[name].columns if c.name not in known and c.is_written] if name in fresh.routes else []
        if route.is_written and new:
            routes[name] = replace(route, columns=_named((*route.columns, *new)))
    return replace(accepted, routes=routes)


def with_landed(accepted: Routing, landed: Mapping[TableName, LandedFiles], workspace: Workspace) -> Routing:
    """The same, told by what was landed: for a routing whose source is not asked."""
    if workspace.columns_default != "include":
        return accepted
    routes = dict(accepted.routes)
    for name, files in landed.items():
        route = accepted.routes.get(name)
        known = {c.name for c in route.columns} if route else set()
        new = [
            ColumnPlan(c.name, c.name, c.source_type, c.type, key_class(c.type, c.source_type), c.treatment)
            for c in files.table.columns
            if c.name not in known
        ]
        if route is not None and route.is_written and new:
            routes[name] = replace(route, columns=_named((*route.columns, *new)))
    return replace(accepted, routes=routes)


def included(accepted: Routing, now: Routing) -> set[tuple[TableName, str]]:
    """The columns that are taken without an accept."""
    return {
        (name, c.name) for name, route in now.routes.items() for c in route.columns[len(accepted.routes[name].columns) :] if c.is_written
    }


def _named(columns: tuple[ColumnPlan, ...]) -> tuple[ColumnPlan, ...]:
    shown = column_names(c.name for c in columns)
    return tuple(replace(c, shown=shown[c.name]) if c.shown == c.name else c for c in columns)
