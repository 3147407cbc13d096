"""The routing under review: what the file and the sources give now, and what it does with the rows of a landed snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine import lock as locks
from engine.catalog.audit import Actor
from engine.catalog.tables import RoutingRow, WorkspaceRow
from engine.differences import differences as changes
from engine.drift import drift
from engine.errors import ConfigurationError, ReviewRequired
from engine.names import resolve_table
from engine.partial import with_tables
from engine.routing import Route, Routing
from engine.schema import Schema, TableName
from engine.workspace import Workspace
from engine.workspace.syntax import split_name
from slices.installation import Installation
from slices.landing import OpenSources, fresh_landed, land_workspace, plan_fresh
from slices.locking import exclusive
from slices.progress import Progress, Silent, Stages
from slices.reviewing import routings
from slices.reviewing.judging import judging
from slices.reviewing.record import keep
from slices.rule.pairs import Pairs, pairs_of
from slices.rule.partition import Verdicts


@dataclass(frozen=True, slots=True)
class Review:
    """A routing, the schema it was made from, its verdicts on a landed snapshot, and what its owner edges say two by two.

    `accepted` is the routing that counts so far, or None.
    """

    workspace: WorkspaceRow
    schema: Schema
    routing: Routing
    verdicts: dict[TableName, Verdicts]
    pairs: dict[TableName, Pairs]
    accepted: Routing | None = None

    def ordered(self) -> list[Route]:
        """The routes, open decisions first, excluded tables last."""
        return sorted(
            self.routing.routes.values(), key=lambda r: (r.review is None, r.kind == "excluded", str(self.routing.names[r.table]))
        )

    def rows(self) -> list[dict[str, Any]]:
        """A row per table, in that order; all counts but copies add up to rows."""
        return [self._row(r.table) for r in self.ordered()]

    def _row(self, table: TableName) -> dict[str, Any]:
        route = self.routing.routes[table]
        estimate = self.schema[table].rows or 0
        found = self.verdicts.get(table) or Verdicts(estimate, excluded=estimate)
        counts = {k: v for k, v in asdict(found).items() if k != "reasons"}
        return {
            "table": str(self.routing.names[table]),
            "route": route.kind,
            "path": " → ".join(route.path),
            "evidence": route.review or _evidence(route),
            "confidence": min((e.confidence for e in (*route.edges, *route.joins)), default=1.0),
            "decision": "review" if route.review else "excluded" if route.kind == "excluded" else "accepted",
            **counts,
            "reasons": dict(found.reasons),
        }


def _evidence(route: Route) -> str:
    """Why the table has its route: where its edges are known from, and for an inferred one what speaks for it."""
    found = [e.evidence for e in (*route.edges, *route.joins) if e.origin == "inferred"]
    return "; ".join([route.reason, *found])


def review(installation: Installation, workspace: Workspace, progress: Progress | None = None) -> Review:
    """Plans the routing and judges the newest landed snapshot by it; lands one where none under an hour old fits. What was found is
    kept in the catalog, for whoever shows it.

    Raises Busy where a refresh is at work: it would sweep what is landed here.
    """
    told: Progress = progress or Silent()
    stages = Stages(told)
    row = routings.workspace_row(installation, workspace)
    routings.require_open(row)
    with exclusive(installation.home.workspace(row.id).lock):
        before = accepted_routing(installation, workspace, row)
        told.stage("look")
        with OpenSources(installation, workspace) as sources:
            schema, routing = plan_fresh(sources, workspace, before, look=True)
            routing = _taken(routing)
            snapshots = fresh_landed(installation, row, workspace, routing)
            if snapshots is None:
                with stages.stage("extract"):
                    snapshots = land_workspace(installation, row, sources, schema, routing, told.step)
                    stages.rows = sum(t.rows for s in snapshots for t in s.tables)
        with stages.stage("judge"):
            with judging(installation, row.id, routing, snapshots, lambda table: told.step(table, 0, None)) as work:
                verdicts = work.partition.verdicts()
                pairs = pairs_of(work.connection, routing, work.judge, lambda table: told.step(f"pairs of {table}", 0, None))
            stages.rows = sum(v.rows for v in verdicts.values())
        found = Review(row, schema, routing, verdicts, pairs, before)
        keep(installation, workspace.workspace, found)
    return found


def accepted_routing(installation: Installation, workspace: Workspace, row: WorkspaceRow) -> Routing | None:
    """The catalog's accepted routing: a lock file that differs is what `--accept` settles."""
    from engine.catalog import workspaces

    with installation.catalog.read() as session:
        found = workspaces.accepted_routing(session, row.id)
    if found is not None:
        return locks.routing_of(locks.load(found.lock, "the catalog's lock"))
    in_file = routings.read_lock_file(workspace)
    return locks.routing_of(in_file) if in_file is not None else None


def _taken(routing: Routing) -> Routing:
    """New columns are shown as what accepting them would make of them: kept, or dropped where they look like a secret."""
    from dataclasses import replace

    def column(plan: Any) -> Any:
        if plan.treatment != "new":
            return plan
        return replace(plan, treatment="drop" if "secret" in plan.reason else "keep")

    routes = {n: replace(r, columns=tuple(column(c) for c in r.columns)) for n, r in routing.routes.items()}
    return replace(routing, routes=routes)


def accept_review(installation: Installation, workspace: Workspace, found: Review, by: str, actor: Actor | None = None) -> RoutingRow:
    """Makes the reviewed routing count."""
    return routings.accept(installation, workspace, found.workspace, found.routing, found.verdicts, by, actor=actor)


def accept_tables(
    installation: Installation, workspace: Workspace, found: Review, tables: Sequence[str], by: str, actor: Actor | None = None
) -> RoutingRow:
    """Makes the reviewed routes and columns of these tables count; the others keep what was accepted before, their shares too.

    Raises ConfigurationError where a name is no table's, ReviewRequired where nothing was accepted before, where the lock file and the
    catalog differ, or where a table cannot be accepted alone (`engine.partial`).
    """
    named = [_named(found, table) for table in tables]
    accepted = routings.accepted(installation, workspace, found.workspace)
    if accepted is None:
        raise ReviewRequired(
            "No routing has been accepted yet, so no table can be accepted alone.", hint="slicehouse routes --accept", code="accept_partial"
        )
    row, lock = accepted
    routing = with_tables(locks.routing_of(lock), found.routing, named)
    verdicts = {t: v for t, v in found.verdicts.items() if t in named}
    return routings.accept(installation, workspace, found.workspace, routing, verdicts, by, kept=(row, lock), actor=actor)


def find_table(found: Review, name: str) -> Route:
    """The route of the table that a name means. Raises ConfigurationError."""
    return found.routing.routes[_named(found, name)]


def _named(found: Review, name: str) -> TableName:
    shown = {str(n): t for t, n in found.routing.names.items()}
    if name in shown:
        return shown[name]
    try:
        return resolve_table(found.schema, split_name(name))
    except (LookupError, ValueError) as error:
        raise ConfigurationError(f"{error}.", hint="slicehouse routes lists the tables.") from None


def differences(found: Review) -> list[str]:
    """What accepting would change: drift of the source, and routes, edges, rules and columns that come out otherwise now."""
    if found.accepted is None:
        return ["No routing has been accepted yet."]
    drifted = [f"{c.effect}: {c}" for c in drift(found.accepted, found.schema)]
    return [*drifted, *changes(found.accepted, found.routing)]
