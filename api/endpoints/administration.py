"""Tenants and refreshes of a workspace, read and started by a workspace key."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from api.control.access import Principal, tenant_of, workspace_of
from api.control.status import run_facts
from api.control.tenants import tenant_facts
from api.endpoints.context import Context, context_of, permission, principal_of
from api.serving.problems import Problem
from engine.catalog import runs, versions
from engine.catalog.tables import WorkspaceRow

router = APIRouter(prefix="/v1/workspaces/{ws}")


def _entered(request: Request, ws: str, needed: str) -> tuple[Context, Principal, WorkspaceRow]:
    context, principal = context_of(request), principal_of(request)
    row = workspace_of(context.installation, principal, ws)
    principal.require(needed)
    if principal.scope not in ("workspace", "installation"):
        raise Problem("forbidden", "This needs a key of the workspace.")
    return context, principal, row


def _page(limit: int) -> int:
    if not 0 < limit <= 100:
        raise Problem("validation", "limit is from 1 to 100.")
    return limit


@router.get("/tenants", tags=["tenants"], openapi_extra=permission("tenants:view"))
def list_tenants(request: Request, ws: str, limit: int = 25, cursor: str | None = None) -> dict[str, Any]:
    """Tenants in the order of their ids."""
    context, _, row = _entered(request, ws, "tenants:view")
    size = _page(limit)
    with context.installation.catalog.read() as session:
        found = versions.tenants_of(session, row.id, limit=size + 1, after=cursor)
        data = [tenant_facts(t, versions.version_of(session, t.version_id) if t.version_id else None) for t in found[:size]]
    more = len(found) > size
    return {"data": data, "has_more": more, "next_cursor": data[-1]["id"] if more else None}


@router.get("/tenants/{t:path}", tags=["tenants"], openapi_extra=permission("tenants:view"))
def get_tenant(request: Request, ws: str, t: str) -> dict[str, Any]:
    """One tenant, by id or key."""
    context, principal, row = _entered(request, ws, "tenants:view")
    tenant = tenant_of(context.installation, principal, row, t)
    with context.installation.catalog.read() as session:
        return tenant_facts(tenant, versions.version_of(session, tenant.version_id) if tenant.version_id else None)


class RefreshRequest(BaseModel):
    """Which tenants (all where none is named), and whether unchanged ones are built too."""

    model_config = ConfigDict(extra="forbid")
    tenants: list[str] = []
    full: bool = False


@router.post("/refreshes", status_code=202, tags=["refreshes"], openapi_extra=permission("refresh:run"))
def start_refresh(request: Request, response: Response, ws: str, body: RefreshRequest | None = None) -> dict[str, Any]:
    """Queues a refresh; one that waits already with the same wish is returned instead."""
    context, _, row = _entered(request, ws, "refresh:run")
    asked = body or RefreshRequest()
    options = {k: v for k, v in asked.model_dump().items() if v}
    with context.installation.catalog.write() as session:
        run = runs.request_run(session, row.id, "api", options, context.installation.clock())
    response.headers["Location"] = f"/v1/workspaces/{row.id}/refreshes/{run.id}"
    return run_facts(run, [])


@router.get("/refreshes", tags=["refreshes"], openapi_extra=permission("routes:view"))
def list_refreshes(request: Request, ws: str, limit: int = 25, cursor: str | None = None) -> dict[str, Any]:
    """Runs, newest first."""
    context, _, row = _entered(request, ws, "routes:view")
    size = _page(limit)
    with context.installation.catalog.read() as session:
        found = runs.runs_of(session, row.id, size + 1, cursor)
        data = [run_facts(r, runs.stages_of(session, r.id)) for r in found[:size]]
    more = len(found) > size
    return {"data": data, "has_more": more, "next_cursor": data[-1]["run"] if more else None}


@router.get("/refreshes/{run}", tags=["refreshes"], openapi_extra=permission("routes:view"))
def get_refresh(request: Request, ws: str, run: str) -> dict[str, Any]:
    """One run with its stages."""
    context, _, row = _entered(request, ws, "routes:view")
    with context.installation.catalog.read() as session:
        found = runs.run_of(session, row.id, run)
        if found is None:
            raise Problem("not_found")
        return run_facts(found, runs.stages_of(session, found.id))
