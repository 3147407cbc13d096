"""What every slice of a workspace has beside its rows: names, comments, `_slice.readme`, relationships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from engine.catalog.tables import WorkspaceRow
from engine.clock import rfc3339
from engine.routing import Route, Routing
from engine.schema import TableName
from engine.settings import Settings
from engine.used import used_edges
from engine.workspace import Workspace
from slices.building.task import SliceStyle, TaskColumn, TaskPanel, TaskTable, TaskView
from slices.rule.partition import Partition


def task_tables(routing: Routing, partition: Partition, shared: Mapping[int, Path]) -> list[TaskTable]:
    """The tables of every slice, in the order of their names."""
    found = []
    for item in partition.tables:
        shown = {c.name: c for c in item.route.columns}
        columns = [
            TaskColumn(landed=c.landed, shown=shown[c.name].shown, type=c.type, comment=shown[c.name].comment)
            for c in item.landed.table.columns
            if c.name in shown and shown[c.name].is_written
        ]
        name = routing.names[item.route.table]
        found.append(
            TaskTable(
                number=item.number,
                schema_=name.schema,
                name=name.table,
                columns=columns,
                comment=item.landed.table.comment,
                shared=shared.get(item.number),
                only=routing.tenant_of(item.route.table),
            )
        )
    return found


def slice_style(
    routing: Routing, workspace: Workspace, partition: Partition, settings: Settings, views: Sequence[TaskView], panels: Sequence[TaskPanel]
) -> SliceStyle:
    """How the slices of this refresh are written."""
    return SliceStyle(
        timezone=routing.timezone,
        storage_version=workspace.storage_version,
        compression=settings.compression,
        relationships=_relationships(routing, partition),
        readme=_readme(routing, workspace, panels),
        views=list(views),
        panels=list(panels),
    )


def slice_facts(
    row: WorkspaceRow, key: str, name: str, version: str, run: str, as_of: datetime, routing: Routing, digest: str, fingerprint: str
) -> list[tuple[str, str]]:
    """`_slice.manifest`: what the file says of itself."""
    return [
        ("workspace", row.slug),
        ("tenant_key", key),
        ("tenant_name", name),
        ("version", version),
        ("run", run),
        ("as_of", rfc3339(as_of)),
        ("timezone", routing.timezone),
        ("routing", digest),
        ("fingerprint", fingerprint),
    ]


def _relationships(routing: Routing, partition: Partition) -> list[tuple[str, str, str, str, str]]:
    """Declared and configured relationships between tables of a slice: metadata, for a reference may dangle."""
    written = {item.route.table for item in partition.tables}
    found: dict[tuple[str, str, str, str], str] = {}
    for item in partition.tables:
        for key in item.landed.table.foreign_keys:
            parent = TableName(*key.parent)
            if parent in written:
                found[_line(routing, item.route.table, key.columns, parent, key.parent_columns)] = "declared"
    for edge in used_edges(routing.routes.values()):
        if edge.child in written and edge.parent in written:
            found[_line(routing, edge.child, edge.columns, edge.parent, edge.parent_columns)] = edge.origin
    return [(*line, kind) for line, kind in sorted(found.items())]


def _line(
    routing: Routing, child: TableName, columns: tuple[str, ...] | list[str], parent: TableName, parent_columns: tuple[str, ...] | list[str]
) -> tuple[str, str, str, str]:
    return str(routing.names[child]), ", ".join(columns), str(routing.names[parent]), ", ".join(parent_columns)


def _readme(routing: Routing, workspace: Workspace, panels: Sequence[TaskPanel]) -> list[str]:
    lines = [
        f"A slice of {workspace.title}: the rows of one tenant, and nobody else's.",
        "Written by Slicehouse. _slice.manifest says whose it is and as of when; _slice.relationships how the tables belong together.",
        "A reference to a row of another tenant dangles on purpose: relationships are metadata here, not constraints.",
        f"Times with a zone are instants; this workspace shows them in {routing.timezone}.",
    ]
    if panels:
        lines.append(f"The dashboards' panels are macros: FROM panel.{panels[0].name}(); USE the slice first where it is attached.")
    for route in routing.written:
        lines += _notes(route, str(routing.names[route.table]))
    return lines


def _notes(route: Route, shown: str) -> list[str]:
    notes = [] if shown == route.table.table else [f"{shown} is {route.table.table} in the source."]
    for column in route.columns:
        if not column.is_written:
            continue
        if column.shown != column.name:
            notes.append(f"{shown}.{column.shown} is {column.name} in the source.")
        if column.as_text:
            notes.append(f"{shown}.{column.shown} is text here: {column.source_type} has no equal.")
        if column.treatment != "keep":
            notes.append(f"{shown}.{column.shown} is masked: {column.treatment}.")
    return notes
