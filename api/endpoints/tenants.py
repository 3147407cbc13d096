"""Tenants of a workspace, for a key of the workspace."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from sqlalchemy import select

from api.control.access import tenant_of
from api.control.tenants import tenant_facts
from api.endpoints.context import enter, entered, permission
from api.endpoints.lists import Paged, listed
from api.endpoints.shapes import ListOf, TenantShape
from engine.catalog import versions
from engine.catalog.tables import TenantRow

router = APIRouter(prefix="/v1/workspaces/{ws}", tags=["tenants"], dependencies=[Depends(enter)])
State = Literal["expected", "building", "active", "withheld", "suspended", "gone", "archived", "erased"]


@router.get("/tenants", **permission("tenants:view", ListOf[TenantShape]))
def list_tenants(request: Request, ws: str, page: Paged, state: State | None = None) -> dict[str, Any]:
    """Tenants, newest first."""
    found = entered(request, ws, "tenants:view")
    query = select(TenantRow).where(TenantRow.workspace_id == found.workspace.id)
    query = query if state is None else query.where(TenantRow.state == state)
    with found.context.installation.catalog.read() as session:
        rows, more = page.rows(session, query, TenantRow.id, "tn")
        data = [tenant_facts(t, versions.version_of(session, t.version_id) if t.version_id else None) for t in rows]
    return listed(data, more)


@router.get("/tenants/{t:path}", **permission("tenants:view", TenantShape))
def get_tenant(request: Request, ws: str, t: str) -> dict[str, Any]:
    """One tenant, by id or key."""
    found = entered(request, ws, "tenants:view")
    tenant = tenant_of(found.context.installation, found.principal, found.workspace, t)
    with found.context.installation.catalog.read() as session:
        return tenant_facts(tenant, versions.version_of(session, tenant.version_id) if tenant.version_id else None)
