"""The audit of a workspace: for those who look after it, and for tenants their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Select, select

from api.control.access.reach import reached
from api.endpoints.bodies import Moment
from api.endpoints.context import enter, permission
from api.endpoints.entering import Entered, within
from api.endpoints.lists import Paged, listed
from api.endpoints.shapes import AuditShape, ListOf
from engine.catalog.audit import audit_facts
from engine.catalog.tables import AuditRow, TenantRow

router = APIRouter(prefix="/v1/workspaces/{ws}", tags=["audit"], dependencies=[Depends(enter)])


def _records(found: Entered) -> Select[AuditRow]:
    query = select(AuditRow).where(AuditRow.workspace_id == found.workspace.id)
    if found.principal.tenant_id is None:
        return query
    return query.where(AuditRow.tenant_id.in_(reached(found.principal, found.workspace.id).with_only_columns(TenantRow.id)))


@router.get("/audit", **permission("audit:view", ListOf[AuditShape]))
def list_audit(
    request: Request,
    ws: str,
    page: Paged,
    action: str | None = None,
    actor: Annotated[str | None, Query(description="the actor's id")] = None,
    target: Annotated[str | None, Query(description="the id of what it was done to")] = None,
    outcome: Literal["allowed", "denied"] | None = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    to: Moment | None = None,
) -> dict[str, Any]:
    """Who did what, newest first. Of a tenant's scope: what was done to it and to those below it."""
    found = within(request, ws)
    query = _records(found)
    for column, value in ((AuditRow.action, action), (AuditRow.actor_id, actor), (AuditRow.target, target), (AuditRow.outcome, outcome)):
        query = query if value is None else query.where(column == value)
    query = query if since is None else query.where(AuditRow.occurred_at >= since)
    query = query if to is None else query.where(AuditRow.occurred_at < to)
    with found.installation.catalog.read() as session:
        rows, more = page.rows(session, query, AuditRow.id, "au", AuditRow.number)
    return listed([audit_facts(row) for row in rows], more)


@router.get("/audit/export", response_class=StreamingResponse, **permission("audit:view"))
def export_audit(request: Request, ws: str) -> Response:
    """All records as JSON Lines, oldest first."""
    found = within(request, ws)

    def lines() -> Iterator[bytes]:
        with found.installation.catalog.read() as session:
            for row in session.scalars(_records(found).order_by(AuditRow.number).execution_options(yield_per=500)):
                yield json.dumps(audit_facts(row), ensure_ascii=False).encode() + b"\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")
