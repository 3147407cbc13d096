"""The routing under review: what the file and the sources give now, and what it does with the rows of a landed snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from engine import lock as locks
from engine.catalog.tables import RoutingRow, WorkspaceRow
from engine.drift import drift
from engine.routing import Route, Routing
from engine.schema import Schema, TableName
from engine.workspace import Workspace
from slices import routings
from slices.installation import Installation
from slices.judging import judged
from slices.landing import OpenSources, fresh_landed, land_workspace, plan_fresh
from slices.locking import exclusive
from slices.partition import Verdicts


@dataclass(frozen=True, slots=True)
class Review:
    """A routing, the schema it was made from, and its verdicts on a landed snapshot."""

    workspace: WorkspaceRow
    schema: Schema
    routing: Routing
    verdicts: dict[TableName, Verdicts]

    def rows(self) -> list[dict[str, Any]]:
        """A row per table, open decisions first; all counts but copies add up to rows."""
        ordered = sorted(
            self.routing.routes.values(), key=lambda r: (r.review is None, r.kind == "excluded", str(self.routing.names[r.table]))
        )
        return [self._row(r.table) for r in ordered]

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


def review(installation: Installation, workspace: Workspace, say: Callable[[str], None] = lambda text: None) -> Review:
    """Plans the routing and judges the newest landed snapshot by it; lands one where none under an hour old fits.

    Raises Busy where a refresh is at work: it would sweep what is landed here.
    """
    row = routings.workspace_row(installation, workspace)
    with exclusive(installation.home.workspace(row.id).lock):
        before = _accepted_routing(installation, workspace, row)
        with OpenSources(installation, workspace) as sources:
            schema, routing = plan_fresh(sources, workspace, before, look=True)
            routing = _taken(routing)
            snapshots = fresh_landed(installation, row, workspace, routing)
            if snapshots is None:
                say("landing a snapshot …")
                snapshots = land_workspace(installation, row, sources, schema, routing)
        with judged(installation, row.id, routing, snapshots) as (partition, _):
            verdicts = partition.verdicts()
    return Review(row, schema, routing, verdicts)


def _accepted_routing(installation: Installation, workspace: Workspace, row: WorkspaceRow) -> Routing | None:
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


def accept_review(installation: Installation, workspace: Workspace, found: Review, by: str) -> RoutingRow:
    """Makes the reviewed routing count."""
    return routings.accept(installation, workspace, found.workspace, found.routing, found.verdicts, by)


def differences(installation: Installation, workspace: Workspace, found: Review) -> list[str]:
    """What accepting would change: drift of the source, and routes or columns that the workspace file now gives otherwise."""
    before = _accepted_routing(installation, workspace, found.workspace)
    if before is None:
        return ["No routing has been accepted yet."]
    lines = [f"{c.effect}: {c}" for c in drift(before, found.schema)]
    for name, route in found.routing.routes.items():
        old = before.routes.get(name)
        if old is not None and (old.kind, old.edges, old.joins) != (route.kind, route.edges, route.joins):
            lines.append(f"route: {name.table}: {old.kind} → {route.kind}")
        known = {c.name: c.treatment for c in old.columns} if old else {}
        lines += [
            f"column: {name.table}.{c.name}: {known[c.name]} → {c.treatment}"
            for c in route.columns
            if c.name in known and known[c.name] != c.treatment
        ]
    return lines
