"""Dashboards, panels, free SQL, schema, slice: the caller's own data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from api.endpoints.context import Asked, asked, enter, permission, principal_of, wanted_format
from api.serving.answer import Answer, Cancel, Limits, answer
from api.serving.formats import MEDIA, encode, json_object
from api.serving.gate import check
from api.serving.problems import FieldError, Problem
from engine.catalog import versions
from engine.dashboards import Dashboard, ParameterError, bind, read_dashboards, resolved_default
from engine.workspace import Workspace, read_workspace
from slices.store import LocalStore, check_file

router = APIRouter(prefix="/v1", dependencies=[Depends(enter)])
_MOST_ROWS = 1_000_000


def _workspace(found: Asked) -> Workspace:
    return read_workspace(Path(found.workspace.path))


def _dashboard(found: Asked, slug: str) -> Dashboard:
    for dashboard in read_dashboards(_workspace(found)):
        if dashboard.slug == slug:
            return dashboard
    raise Problem("not_found")


def _bound(found: Asked, dashboard: Dashboard, given: dict[str, Any]) -> dict[str, Any]:
    try:
        return bind(dashboard, given, found.tenant.as_of or found.version.as_of, found.ref.timezone)
    except ParameterError as error:
        raise Problem(error.code, error.detail, [FieldError(f"/parameters/{error.name}", error.code, error.detail)]) from None


def _limits(found: Asked, rows: int, *, cut: bool = True) -> Limits:
    settings = found.context.installation.settings
    return Limits(rows, settings.answer_bytes, settings.statement_seconds, cut)


async def _options(request: Request, found: Asked, sql: str) -> Answer:
    bound = {"as_of": found.tenant.as_of or found.version.as_of, "timezone": found.ref.timezone}

    def work(cancel: Cancel) -> Answer:
        return answer(found.context.slices, found.ref, sql, bound, _limits(found, 1_000), cancel)

    return await found.context.run(request, work)


@router.get("/dashboards", tags=["data"], openapi_extra=permission("dashboard:view"))
def list_dashboards(request: Request) -> dict[str, Any]:
    """What this tenant has."""
    found = asked(request, "dashboard:view")
    data = [{"id": d.slug, "slug": d.slug, "title": d.title, "description": d.description} for d in read_dashboards(_workspace(found))]
    return {"data": data, "has_more": False, "next_cursor": None}


@router.get("/dashboards/{slug}", tags=["data"], openapi_extra=permission("dashboard:view"))
async def get_dashboard(request: Request, slug: str) -> Response:
    """Layout, parameters with their options, panels; never SQL unless the caller may edit."""
    found = asked(request, "dashboard:view")
    dashboard = _dashboard(found, slug)
    as_of = found.tenant.as_of or found.version.as_of
    parameters: dict[str, Any] = {}
    for name, parameter in dashboard.parameters.items():
        options = [{"value": o, "label": o} for o in parameter.options or ()]
        if parameter.options_sql:
            result = await _options(request, found, parameter.options_sql)
            options = [{"value": str(r[0]), "label": str(r[-1])} for r in json_object(result, {})["rows"]]
        parameters[name] = {
            "type": parameter.type,
            "title": parameter.title or name,
            "default": resolved_default(parameter, as_of, found.ref.timezone),
            "multiple": parameter.multiple,
            "locked": parameter.locked,
            "options": options,
        }
    may_edit = "dashboard:edit" in found.principal.permissions
    panels = {
        n: {"title": p.title, "description": p.description, "chart": p.chart.model_dump(), "format": p.format}
        | ({"sql": p.sql} if may_edit else {})
        for n, p in dashboard.panels.items()
    }
    body = {
        "id": dashboard.slug,
        "slug": dashboard.slug,
        "title": dashboard.title,
        "description": dashboard.description,
        **found.meta(),
        "parameters": parameters,
        "panels": panels,
        "tiles": [t.model_dump(exclude_none=True) for t in dashboard.tiles],
    }
    return found.respond(request, msgspec.json.encode(body), "application/json", None)


@router.get("/dashboards/{slug}/panels/{panel}", tags=["data"], openapi_extra=permission("query:panel"))
async def get_panel(request: Request, slug: str, panel: str, limit: int = 10_000) -> Response:
    """One panel's data. Parameters are `p.name`, repeated for several values."""
    found = asked(request, "query:panel")
    format_ = wanted_format(request)
    if not 0 < limit <= _MOST_ROWS:
        raise Problem("validation", f"limit is from 1 to {_MOST_ROWS}.", [FieldError("/limit", "out_of_range", "1 to 1000000")])
    dashboard = _dashboard(found, slug)
    if panel not in dashboard.panels:
        raise Problem("not_found")
    given = {k[2:]: request.query_params.getlist(k) for k in request.query_params if k.startswith("p.")}
    bound = _bound(found, dashboard, given)
    return await _answered(request, found, dashboard.panels[panel].sql, bound, limit, format_)


async def _answered(request: Request, found: Asked, sql: str, bound: dict[str, Any], limit: int, format_: str) -> Response:
    def work(cancel: Cancel) -> tuple[Answer, bool]:
        result = answer(found.context.slices, found.ref, sql, bound, _limits(found, limit, cut=format_ == "json"), cancel)
        return result, check(sql, found.context.slices.get(found.ref).tables).changing

    result, changing = await found.context.run(request, work)
    etag = None if changing else found.etag(sql, bound, format_, limit)
    return found.respond(request, encode(result, format_, found.meta()), MEDIA[format_], etag)


class DataRequest(BaseModel):
    """Parameters, and the panels that are asked (all where none is named)."""

    model_config = ConfigDict(extra="forbid")
    parameters: dict[str, Any] = {}
    panels: list[str] | None = None


@router.post("/dashboards/{slug}/data", tags=["data"], openapi_extra=permission("query:panel"))
async def post_data(request: Request, slug: str, body: DataRequest) -> Response:
    """Many panels in one answer; a panel that fails says so in its place."""
    found = asked(request, "query:panel")
    dashboard = _dashboard(found, slug)
    bound = _bound(found, dashboard, body.parameters)
    names = list(dict.fromkeys(body.panels if body.panels is not None else dashboard.panels))
    if any(n not in dashboard.panels for n in names):
        raise Problem("not_found")

    def work(cancel: Cancel) -> dict[str, Any]:
        found_panels: dict[str, Any] = {}
        for name in names:
            try:
                result = answer(found.context.slices, found.ref, dashboard.panels[name].sql, bound, _limits(found, 10_000), cancel)
                found_panels[name] = json_object(result, found.meta())
            except Problem as problem:
                found_panels[name] = {"problem": problem.body("")}
        return found_panels

    return found.respond(request, msgspec.json.encode({"panels": await found.context.run(request, work)}), "application/json", None)


class QueryRequest(BaseModel):
    """One SELECT."""

    model_config = ConfigDict(extra="forbid")
    sql: str
    parameters: dict[str, str | int | float | bool | None] = {}
    limit: int = Field(default=10_000, ge=1, le=_MOST_ROWS)


@router.post("/query", tags=["data"], openapi_extra=permission("query:sql"))
async def post_query(request: Request, body: QueryRequest) -> Response:
    """Free SQL, where the workspace allows it."""
    found = asked(request, "query:sql")
    if not _workspace(found).caller_sql:
        raise Problem("caller_sql_off", "caller_sql is false in this workspace.")
    bound = {"as_of": found.tenant.as_of or found.version.as_of, "timezone": found.ref.timezone, **body.parameters}
    return await _answered(request, found, body.sql, bound, body.limit, wanted_format(request))


@router.get("/schema", tags=["data"], openapi_extra=permission("schema:view"))
def get_schema(request: Request) -> dict[str, Any]:
    """Tables and columns of the slice, with types and comments."""
    found = asked(request, "schema:view")
    manifest = _manifest(found)
    tables = [{"name": n, "comment": t.get("comment"), "rows": t["rows"], "columns": t["columns"]} for n, t in manifest["tables"].items()]
    return {"data": tables, **found.meta()}


@router.get("/slice", tags=["data"], openapi_extra=permission("schema:view"))
def get_slice(request: Request) -> Response:
    """The manifest of the version that answers."""
    found = asked(request, "schema:view")
    return found.respond(request, msgspec.json.encode(_manifest(found)), "application/json", found.etag("manifest"))


def _manifest(found: Asked) -> dict[str, Any]:
    store = LocalStore(found.context.installation.home.workspace(found.workspace.id))
    manifest: dict[str, Any] = msgspec.json.decode(store.manifest(found.tenant.id, found.version.id))
    return manifest


@router.get("/slice/file", tags=["data"], openapi_extra=permission("export:slice"))
def get_slice_file(request: Request) -> Response:
    """To the current version's file."""
    found = asked(request, "export:slice")
    return RedirectResponse(f"/v1/slices/{found.version.id}/{found.tenant.slug}.duckdb", 307, headers={"Cache-Control": "no-store"})


@router.api_route("/slices/{version}/{name}.duckdb", methods=["GET", "HEAD"], tags=["data"], openapi_extra=permission("export:slice"))
def get_version_file(request: Request, version: str, name: str) -> Response:
    """The file of a version that this tenant may still have: immutable, with ranges."""
    found = asked(request, "export:slice")
    installation = found.context.installation
    with installation.catalog.read() as session:
        row = versions.version_of(session, version)
    if row is None or row.tenant_id != found.tenant.id:
        raise Problem("not_found")
    if row.state not in versions.LIVE:
        raise Problem("version_withdrawn" if row.state == "withdrawn" else "not_found")
    path = LocalStore(installation.home.workspace(found.workspace.id)).path(found.tenant.id, row.id)
    check_file(path, row.bytes)
    shown = f"{found.tenant.slug}-{row.as_of:%Y%m%dT%H%M%SZ}.duckdb"
    headers = {"ETag": f'"{row.sha256}"', "Cache-Control": "private, max-age=31536000, immutable", "X-Slice-Version": row.id}
    return FileResponse(path, media_type="application/vnd.duckdb", filename=shown, headers=headers)


@router.get("/me", tags=["me"], openapi_extra=permission("any"))
def get_me(request: Request) -> dict[str, Any]:
    """Principal, scope, permissions, tenant."""
    from api.control.access import workspace_of
    from api.endpoints.context import context_of
    from engine.catalog.tables import TenantRow

    principal = principal_of(request)
    installation = context_of(request).installation
    workspace = workspace_of(installation, principal, request.headers.get("x-workspace-id")) if principal.workspace_id else None
    with installation.catalog.read() as session:
        tenant = session.get(TenantRow, principal.tenant_id) if principal.tenant_id else None
    return {
        "principal": {"id": principal.id, "type": principal.type, "label": principal.label},
        "scope": {
            "type": principal.scope,
            "workspace": {"id": workspace.id, "slug": workspace.slug, "name": workspace.name} if workspace else None,
        },
        "permissions": sorted(principal.permissions),
        "tenant": {"id": tenant.id, "key": tenant.key, "name": tenant.name} if tenant else None,
    }
