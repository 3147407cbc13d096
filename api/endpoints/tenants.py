"""Tenants of a workspace: found in the source, or upserted before it has them; enriched, suspended, archived."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from api.control.access.principal import tenant_of
from api.control.access.reach import reached
from api.control.idempotency import Reply, once
from api.control.tenants.changing import Changed, Line, change, etag_of, upsert, upsert_many
from api.control.tenants.inputs import TenantInput, TenantLine, TenantPatch
from api.control.tenants.reading import tenant_facts
from api.endpoints.context import enter, permission
from api.endpoints.entering import Entered, entered_tenant, key_named, wanted_by, within
from api.endpoints.lists import Paged, listed
from api.endpoints.shapes import ListOf, TenantShape
from api.serving.problems import FieldError, Problem
from engine.catalog import versions
from engine.catalog.tables import ENDED, TenantRow, VersionRow

router = APIRouter(prefix="/v1/workspaces/{ws}", tags=["tenants"], dependencies=[Depends(enter)])
State = Literal["expected", "building", "active", "withheld", "suspended", "gone", "archived", "erased"]
_MOST_LINES = 5_000


@router.get("/tenants", **permission("tenants:view", ListOf[TenantShape]))
def list_tenants(
    request: Request,
    ws: str,
    page: Paged,
    state: State | None = None,
    parent: Annotated[str | None, Query(description="the id or key of the tenant above")] = None,
) -> dict[str, Any]:
    """Tenants within the scope, newest first."""
    found = within(request, ws)
    query = reached(found.principal, found.workspace.id)
    if state == "suspended":
        query = query.where(TenantRow.suspended_at.is_not(None), TenantRow.state.not_in(ENDED))
    elif state is not None:
        query = query.where(TenantRow.state == state)
        query = query if state in ENDED else query.where(TenantRow.suspended_at.is_(None))
    if parent is not None:
        query = query.where(TenantRow.parent_id == tenant_of(found.installation, found.principal, found.workspace, parent).id)
    with found.installation.catalog.read() as session:
        rows, more = page.rows(session, query, TenantRow.id, "tn")
        ids = [t.version_id for t in rows if t.version_id is not None]
        current = {v.id: v for v in session.scalars(select(VersionRow).where(VersionRow.id.in_(ids)))}
    return listed([tenant_facts(t, current.get(t.version_id or "")) for t in rows], more)


@router.get("/tenants/{t}", **permission("tenants:view", TenantShape))
def get_tenant(request: Request, ws: str, t: str) -> Response:
    """One tenant, by id or key."""
    found = entered_tenant(request, ws, t)
    return _shown(found, Changed(found.tenant))


@router.put("/tenants/{t}", **permission("tenants:write", TenantShape, 200, 201))
def put_tenant(request: Request, ws: str, t: str, body: TenantInput) -> Response:
    """Makes the tenant of `key:{key}`, or replaces what was set of it. Sign-up may come before the source has it: its state is `expected`."""
    found = within(request, ws)
    done = upsert(found.installation, found.principal, found.actor, found.workspace.id, key_named(t), body.given(), wanted_by(request))
    return _shown(found, done)


@router.patch("/tenants/{t}", **permission("tenants:write", TenantShape))
def patch_tenant(request: Request, ws: str, t: str, body: TenantPatch) -> Response:
    """Changes what is named (RFC 7396): suspends, resumes, places it below another, enriches it."""
    found = entered_tenant(request, ws, t)
    return _shown(found, change(found.installation, found.principal, found.actor, found.tenant.id, body.given(), wanted_by(request)))


@router.delete("/tenants/{t}", status_code=204, **permission("tenants:write"))
def delete_tenant(request: Request, ws: str, t: str) -> Response:
    """Archives it: it answers nothing, and refreshes leave it out; `state: active` takes it back."""
    found = entered_tenant(request, ws, t)
    change(found.installation, found.principal, found.actor, found.tenant.id, {"state": "archived"}, wanted_by(request))
    return Response(status_code=204)


@router.post("/tenants:batch", **permission("tenants:write", ndjson=True))
async def post_tenants_batch(request: Request, ws: str, idempotency_key: Annotated[str | None, Header()] = None) -> Response:
    """Upserts as NDJSON, `{"key": "42", …}` a line; a result a line: `{"line", "status", "id", "key"}`, or the problem. In one transaction."""
    content = await request.body()
    return await run_in_threadpool(_batch, request, ws, content, idempotency_key)


def _batch(request: Request, ws: str, content: bytes, idempotency_key: str | None) -> Response:
    found = within(request, ws)
    texts = [line for line in content.split(b"\n") if line.strip()]
    if len(texts) > _MOST_LINES:
        raise Problem("request_too_large", f"A batch has at most {_MOST_LINES:,} lines.")

    def work() -> Reply:
        lines = upsert_many(found.installation, found.principal, found.actor, found.workspace.id, [_line(text) for text in texts])
        return Reply(200, None, {"lines": [_told(request, n, line) for n, line in enumerate(lines, 1)]})

    asked = ["tenants:batch", found.workspace.id, content.decode(errors="replace")]
    reply = once(found.installation, found.principal, idempotency_key, asked, work)
    return Response(b"".join(json.dumps(line).encode() + b"\n" for line in reply.body["lines"]), media_type="application/x-ndjson")


def _line(text: bytes) -> tuple[str, dict[str, Any]] | Problem:
    """The key and the fields of a line, or what is wrong with it."""
    try:
        line = TenantLine.model_validate_json(text)
    except ValidationError as error:
        fields = [FieldError("/" + "/".join(map(str, e["loc"])), e["type"], e["msg"]) for e in error.errors(include_url=False)]
        return Problem("syntax", "The line is no JSON.") if fields[0].code == "json_invalid" else Problem("validation", errors=fields)
    given = line.given()
    return given.pop("key"), given


def _told(request: Request, number: int, line: Line) -> dict[str, Any]:
    if line.problem is not None:
        return {"line": number, "status": line.problem.status, "problem": line.problem.body(request.state.request_id)}
    assert line.tenant is not None
    return {"line": number, "status": 201 if line.created else 200, "id": line.tenant.id, "key": line.tenant.key}


def _shown(found: Entered, done: Changed) -> Response:
    """A tenant with its ETag; 201 and where it is for a new one."""
    tenant = done.tenant
    with found.installation.catalog.read() as session:
        facts = tenant_facts(tenant, versions.version_of(session, tenant.version_id) if tenant.version_id else None)
    headers = {"ETag": etag_of(tenant)} | ({"Location": f"{found.path}/tenants/{tenant.id}"} if done.created else {})
    return JSONResponse(facts, 201 if done.created else 200, headers)
