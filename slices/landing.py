"""Lands snapshots of a workspace's sources by a routing, and finds the ones that lie there already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from engine.catalog.runs import add_snapshot, newest_snapshots
from engine.catalog.tables import WorkspaceRow
from engine.errors import SourceError
from engine.graph import Edge
from engine.infer.find import hints
from engine.names import resolve_table
from engine.plan import Weigh, plan_routing
from engine.routing import Routing
from engine.schema import Schema, Table, TableName
from engine.used import landed_columns
from engine.workspace import Workspace
from engine.workspace.syntax import split_name
from extract.samples import SampledTables
from extract.snapshot import Landing, Snapshot, land, read_snapshot
from extract.source import ReadRequest, SourceSnapshot, open_source
from slices.installation import Installation
from slices.rule.judge import LandedFiles
from slices.vault import lend

Show = Callable[[str, int, int | None], None]
FRESH = timedelta(hours=1)


class OpenSources:
    """All sources of a workspace, each held at one snapshot while the block runs."""

    def __init__(self, installation: Installation, workspace: Workspace) -> None:
        self._installation, self._workspace = installation, workspace
        self._stack = ExitStack()
        self.snapshots: dict[str, SourceSnapshot] = {}

    def __enter__(self) -> OpenSources:
        lend(self._installation, self._workspace)
        try:
            for name, config in self._workspace.sources.items():
                source = open_source(name, config, self._workspace.folder_of(name), self._installation.settings)
                self.snapshots[name] = self._stack.enter_context(source.snapshot())
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def schema(self) -> Schema:
        """All wanted tables of all sources, and the views that `tables:` names; types that only data can decide are still open."""
        found = [t for s in self.snapshots.values() for t in s.describe()]
        whole = Schema.of(found)
        named = {n for text in self._workspace.tables if (n := _view_named(whole, text)) is not None}
        return Schema.of([t for t in found if t.kind != "view" or t.name in named])

    def settled(self, schema: Schema, names: Sequence[TableName]) -> Schema:
        """The schema with the open types of these tables decided."""
        settled = [self.snapshots[t.name.source].settle_types(t) if t.name in names else t for t in schema]
        return Schema.of(settled)


def _view_named(schema: Schema, text: str) -> TableName | None:
    try:
        return resolve_table(schema, split_name(text))
    except (LookupError, ValueError):
        return None


def plan_fresh(sources: OpenSources, workspace: Workspace, accepted: Routing | None, *, look: bool = False) -> tuple[Schema, Routing]:
    """Schema and routing of the sources as they are; open types are taken from the accepted routing, or decided on the data.

    With `look`, inferred relationships are weighed by samples of the sources.
    """
    schema = _with_accepted_types(sources.schema(), accepted)
    weigh = _looked(SampledTables(sources.snapshots, schema), schema) if look else None
    routing = plan_routing(workspace, schema, accepted, weigh)
    wanted = [r.table for r in routing.routes.values() if r.is_written or r.bridge]
    unreadable = [str(n.table) for n in wanted if not schema[n].readable]
    if unreadable:
        raise SourceError(
            f"No right to read {', '.join(unreadable)}, which the routing needs.",
            hint="GRANT SELECT, or exclude the table under tables:.",
            code="source_privilege",
        )
    settled = sources.settled(schema, wanted)
    return settled, plan_routing(workspace, settled, accepted, weigh)


def _looked(samples: SampledTables, schema: Schema) -> Weigh:
    """Weighs edges by samples, and adds what samples of columns with faint names suggest."""

    def weigh(known: list[Edge], found: list[Edge]) -> list[Edge]:
        kept = samples.weigh(found)
        return [*kept, *samples.suggested(hints(schema, [*known, *kept]))]

    return weigh


def _with_accepted_types(schema: Schema, accepted: Routing | None) -> Schema:
    if accepted is None:
        return schema
    return Schema.of([_table_with_accepted_types(t, accepted) for t in schema])


def _table_with_accepted_types(table: Table, accepted: Routing) -> Table:
    route = accepted.routes.get(table.name)
    known = {c.name: c for c in route.columns} if route else {}
    columns = []
    for column in table.columns:
        plan = known.get(column.name)
        open_type = column.type in ("DECIMAL", "DECIMAL[]") or column.type.endswith("[]")
        same = plan is not None and plan.source_type == column.source_type and plan.treatment in ("keep", "drop", "blank", "new")
        columns.append(
            replace(column, type=plan.type, key_class=plan.key_class, as_text=plan.as_text) if plan and same and open_type else column
        )
    return replace(table, columns=tuple(columns))


def land_workspace(
    installation: Installation, row: WorkspaceRow, sources: OpenSources, schema: Schema, routing: Routing, show: Show = lambda *_: None
) -> list[Snapshot]:
    """Lands one snapshot a source, of the tables and columns that the routing reads, and notes them in the catalog."""
    folder = installation.home.workspace(row.id)
    requests = _requests(schema, routing)
    total = sum(r.table.rows or 0 for rs in requests.values() for r in rs) or None
    seen: dict[str, int] = {}

    def landed(table: str, rows: int) -> None:
        seen[table] = rows
        show(table, sum(seen.values()), total)

    found = []
    for name, snapshot in sources.snapshots.items():
        landing = Landing(folder.snapshots, installation.derived_key(f"mask:{row.id}"), installation.settings.readers, landed)
        cut = land(name, snapshot, requests.get(name, []), landing)
        with installation.catalog.write() as session:
            size = sum(f.bytes for t in cut.tables for f in t.files)
            add_snapshot(
                session,
                row.id,
                cut.id,
                name,
                as_of=cut.as_of,
                landed_at=installation.clock(),
                rows=sum(t.rows for t in cut.tables),
                size=size,
            )
        found.append(cut)
    return found


def _requests(schema: Schema, routing: Routing) -> dict[str, list[ReadRequest]]:
    found: dict[str, list[ReadRequest]] = {}
    for route in routing.routes.values():
        if route.is_written or route.bridge:
            columns = landed_columns(route, routing)
            if columns and route.table in schema:
                found.setdefault(route.table.source, []).append(ReadRequest(schema[route.table], columns))
    return found


def fresh_landed(
    installation: Installation, row: WorkspaceRow, workspace: Workspace, routing: Routing, *, used: bool = False
) -> list[Snapshot] | None:
    """Snapshots that `routes` landed under an hour ago and no refresh has used, if they hold what the routing reads."""
    since = installation.clock() - FRESH
    state = None if used else "landed"
    with installation.catalog.read() as session:
        rows = newest_snapshots(session, row.id, list(workspace.sources), state=state, since=since)
    if rows is None:
        return None
    snapshots = load_snapshots(installation, row.id, [r.id for r in rows])
    return snapshots if snapshots and _holds(snapshots, routing) else None


def load_snapshots(installation: Installation, workspace_id: str, ids: Sequence[str]) -> list[Snapshot] | None:
    """These snapshots, or None where one is not there any more."""
    folder = installation.home.workspace(workspace_id).snapshots
    try:
        return [read_snapshot(folder, i) for i in ids]
    except FileNotFoundError:
        return None


def _holds(snapshots: Sequence[Snapshot], routing: Routing) -> bool:
    """Whether the snapshots have every column that the routing reads, with the same type and treatment, and no other: what has been
    left out or masked since would lie there in clear."""
    read = [r for r in routing.routes.values() if r.is_written or r.bridge]
    wanted = {r.table: {c.name: (c.type, c.treatment) for c in landed_columns(r, routing)} for r in read}
    there = {t.name: {c.name: (c.type, c.treatment) for c in t.columns} for s in snapshots for t in s.tables}
    return there == {table: columns for table, columns in wanted.items() if columns}


def files_of(installation: Installation, workspace_id: str, snapshots: Sequence[Snapshot]) -> dict[TableName, LandedFiles]:
    """Every landed table and its files."""
    folder = installation.home.workspace(workspace_id).snapshots
    return {t.name: LandedFiles(t, _paths(folder, [f.path for f in t.files])) for s in snapshots for t in s.tables}


def _paths(folder: Path, names: Sequence[str]) -> tuple[Path, ...]:
    return tuple(folder / name for name in names)


def oldest(snapshots: Sequence[Snapshot]) -> datetime:
    """The time that all of them are true for: the oldest."""
    return min(s.as_of for s in snapshots)
