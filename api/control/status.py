"""How a workspace is: runs, stages, tenants by state."""

from __future__ import annotations

from typing import Any

from engine.catalog import runs, versions, workspaces
from engine.catalog.tables import RunRow, StageRow
from engine.clock import rfc3339
from engine.workspace import Workspace
from slices.installation import Installation
from slices.reviewing.routings import workspace_row


def workspace_status(installation: Installation, workspace: Workspace) -> dict[str, Any]:
    """Routing, tenants by state, as of when, and the last ten runs with their stages."""
    row = workspace_row(installation, workspace)
    with installation.catalog.read() as session:
        routing = workspaces.accepted_routing(session, row.id)
        publication = versions.newest_publication(session, row.id)
        states: dict[str, int] = {}
        for tenant in versions.tenants_of(session, row.id):
            states[tenant.state] = states.get(tenant.state, 0) + 1
        found = [run_facts(r, runs.stages_of(session, r.id)) for r in runs.runs_of(session, row.id, limit=10)]
    return {
        "workspace": row.slug,
        "id": row.id,
        "routing": routing.number if routing else None,
        "as_of": rfc3339(publication.as_of) if publication else None,
        "publication": publication.number if publication else None,
        "tenants": states,
        "runs": found,
    }


def run_facts(run: RunRow, stages: list[StageRow]) -> dict[str, Any]:
    """A run as people and programs see it."""
    return {
        "run": run.id,
        "state": run.state,
        "trigger": run.trigger,
        "requested_at": rfc3339(run.requested_at),
        "started_at": rfc3339(run.started_at) if run.started_at else None,
        "finished_at": rfc3339(run.finished_at) if run.finished_at else None,
        "seconds": round(sum(s.seconds for s in stages), 2),
        "error": run.error_code,
        "message": run.error,
        "totals": run.totals,
        "stages": [
            {"name": s.name, "seconds": round(s.seconds, 3), "cpu_seconds": round(s.cpu_seconds, 3), "rows": s.rows, "peak_mb": s.peak_mb}
            for s in stages
        ],
    }
