"""Dashboards and the data of their panels."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.endpoints.answering import (
    DEFAULT_ROWS,
    MOST_ROWS,
    Body,
    Door,
    Statement,
    admit,
    answered,
    body_of,
    computed,
    given,
    kept,
    most,
    note,
)
from api.endpoints.branded import branding_of
from api.endpoints.context import Asked, asked, enter, permission, wanted_format
from api.endpoints.lists import listed
from api.endpoints.shapes import DashboardShape, DashboardSummary, Data, ListOf, ManyData
from api.serving.answer import Cancel
from api.serving.formats import MEDIA
from api.serving.problems import FieldError, Problem
from engine.dashboards import Dashboard, Parameter, ParameterError, bind, resolved_default

router = APIRouter(prefix="/v1/dashboards", tags=["data"], dependencies=[Depends(enter)])
Format = Annotated[str | None, Query(description="else by Accept", json_schema_extra={"enum": [*MEDIA, None]})]
_OPTIONS = 1_000


def _dashboards(found: Asked) -> dict[str, Dashboard]:
    """Those that the caller may see, by slug."""
    grant = found.principal.grant
    wanted = None if grant is None else grant.resources
    return {slug: d for slug, d in found.dashboards.items() if wanted is None or slug in wanted}


def _dashboard(found: Asked, slug: str) -> Dashboard:
    dashboard = _dashboards(found).get(slug)
    if dashboard is None:
        raise Problem("not_found")
    return dashboard


def _fixed(found: Asked) -> dict[str, Any]:
    """The parameters that are locked for the caller."""
    return {} if found.principal.grant is None else found.principal.grant.fixed


def _bound(found: Asked, dashboard: Dashboard, values: dict[str, Any]) -> dict[str, Any]:
    try:
        return bind(dashboard, values, found.as_of, found.ref.timezone, _fixed(found))
    except ParameterError as error:
        raise Problem(error.code, error.detail, [FieldError(f"/parameters/{error.name}", error.code, error.detail)]) from None


@router.get("", **permission("dashboard:view", ListOf[DashboardSummary]))
def list_dashboards(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=100, description="How many at most")] = 25,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
) -> Response:
    """What this tenant has, in the order of the files."""
    found = asked(request)
    mine = _dashboards(found)
    slugs = list(mine)
    if cursor is not None and cursor not in slugs:
        raise Problem("validation", "That cursor was not given by this list.", [FieldError("/cursor", "invalid", "no such cursor")])
    first = 0 if cursor is None else slugs.index(cursor) + 1
    shown = [mine[slug] for slug in slugs[first : first + limit]]
    data = [{"id": d.slug, "slug": d.slug, "title": d.title, "description": d.description} for d in shown]
    body = msgspec.json.encode(listed(data, more=first + limit < len(slugs)))
    return found.respond(request, body, "application/json", found.etag("dashboards", body))


@router.get("/{slug}", **permission("dashboard:view", DashboardShape))
async def get_dashboard(request: Request, slug: str) -> Response:
    """Layout, parameters with their options, panels, branding; never SQL unless the caller may edit."""
    found = asked(request)
    dashboard = _dashboard(found, slug)
    may_edit = "dashboard:edit" in found.principal.permissions
    panels = {
        n: {"title": p.title, "description": p.description, "chart": p.chart.model_dump(), "format": p.format}
        | ({"sql": p.sql} if may_edit else {})
        for n, p in dashboard.panels.items()
    }
    bound = _bound(found, dashboard, {})
    facts = {
        "id": dashboard.slug,
        "slug": dashboard.slug,
        "title": dashboard.title,
        "description": dashboard.description,
        **found.meta(),
        "parameters": {n: await _shown(request, found, n, p, bound) for n, p in dashboard.parameters.items()},
        "panels": panels,
        "tiles": [t.model_dump(exclude_none=True) for t in dashboard.tiles],
        "branding": branding_of(found.context, found.workspace, found.tenant),
    }
    body = msgspec.json.encode(facts)
    return found.respond(request, body, "application/json", found.etag("dashboard", body))


async def _shown(request: Request, found: Asked, name: str, parameter: Parameter, bound: dict[str, Any]) -> dict[str, Any]:
    """A parameter, its default and its options resolved for this tenant; one that is locked for the caller has that value and no options."""
    fixed = _fixed(found)
    options = [{"value": o, "label": o} for o in parameter.options or () if name not in fixed]
    if parameter.options_sql and name not in fixed:
        body = await body_of(request, found, Statement(parameter.options_sql, bound | given(found), _OPTIONS))
        options = [{"value": str(r[0]), "label": str(r[-1])} for r in msgspec.json.decode(body.content)["rows"]]
    return {
        "type": parameter.type,
        "title": parameter.title or name,
        "default": fixed[name] if name in fixed else resolved_default(parameter, found.as_of, found.ref.timezone),
        "multiple": parameter.multiple,
        "locked": parameter.locked or name in fixed,
        "options": options,
    }


@router.get("/{slug}/panels/{panel}", **permission("query:panel", Data))
async def get_panel(
    request: Request,
    slug: str,
    panel: str,
    limit: Annotated[
        int, Query(ge=1, le=MOST_ROWS, description="JSON is cut there, and says so; other formats are refused beyond it")
    ] = DEFAULT_ROWS,
    format: Format = None,
) -> Response:
    """One panel's data. The dashboard's parameters are `p.name=value`, repeated for several values."""
    found = asked(request)
    format_ = wanted_format(request, found)
    dashboard = _dashboard(found, slug)
    if panel not in dashboard.panels:
        raise Problem("not_found")
    values = {k[2:]: request.query_params.getlist(k) for k in request.query_params if k.startswith("p.")}
    return await answered(
        request,
        found,
        Statement(dashboard.panels[panel].sql, _bound(found, dashboard, values), most(found, limit), format_, Door("panel", slug, panel)),
    )


class DataRequest(BaseModel):
    """Parameters, and the panels that are asked (all where none is named)."""

    model_config = ConfigDict(extra="forbid")
    parameters: dict[str, Any] = {}
    panels: Annotated[list[str], Field(max_length=1_000)] | None = None


@router.post("/{slug}/data", **permission("query:panel", ManyData))
async def post_data(request: Request, slug: str, body: DataRequest) -> Response:
    """Many panels in one answer; a panel that fails says so in its place."""
    found = asked(request)
    dashboard = _dashboard(found, slug)
    bound = _bound(found, dashboard, body.parameters)
    names = list(dict.fromkeys(body.panels if body.panels is not None else dashboard.panels))
    if any(n not in dashboard.panels for n in names):
        raise Problem("not_found")
    statements = {n: Statement(dashboard.panels[n].sql, bound, most(found), door=Door("data", slug, n)) for n in names}
    admit(request, found, "queries", "rows", "bytes", "cpu_ms")
    bodies: dict[str, Body | Problem | None] = {n: kept(found, s) for n, s in statements.items()}
    missing = {n: s for n, s in statements.items() if bodies[n] is None}
    if missing:
        bodies |= await found.context.run(request, lambda cancel: _each(found, missing, cancel))
    for name, answer in bodies.items():
        if isinstance(answer, Body):
            note(request, found, statements[name].door, answer)
    shown = {n: msgspec.Raw(b.content) if isinstance(b, Body) else {"problem": _told(request, b)} for n, b in bodies.items()}
    etags = [b.etag if isinstance(b, Body) else None for b in bodies.values()]
    etag = None if None in etags else found.etag("panels", names, etags)
    return found.respond(request, msgspec.json.encode({"panels": shown}), "application/json", etag)


def _each(found: Asked, statements: dict[str, Statement], cancel: Cancel) -> dict[str, Body | Problem | None]:
    """The answers one after the other; once nobody waits, the rest is left undone."""
    bodies: dict[str, Body | Problem | None] = {}
    for name, statement in statements.items():
        if cancel.reason == "disconnected":
            break
        try:
            bodies[name] = computed(found, statement, cancel)
        except Problem as problem:
            bodies[name] = problem
    return bodies


def _told(request: Request, problem: Problem | None) -> dict[str, object]:
    return (problem or Problem("statement_failed")).body(request.state.request_id)
