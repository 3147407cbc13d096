"""Workspaces of the installation: those of files are shown, those of programs are made, changed and archived; and their sources."""

from __future__ import annotations

import hmac
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from sqlalchemy import select

from api.control.access.principal import Principal, workspace_of
from api.control.idempotency import Reply, once
from api.control.tenants.inputs import Input, Line
from api.control.workspaces import making, sources
from api.control.workspaces.making import facts_of
from api.control.workspaces.shown import etag_of, file_definition, workspace_facts
from api.endpoints.bodies import created
from api.endpoints.context import context_of, enter, permission, permitted
from api.endpoints.entering import Entered, actor_of, entered, wanted_by
from api.endpoints.lists import Paged, listed
from api.endpoints.shapes import ListOf, SourceShape, WorkspaceShape, WorkspaceSummary
from api.middleware import SLASH
from api.serving.problems import FieldError, Problem
from engine.catalog.tables import WorkspaceRow
from engine.workspace.models import Slug
from slices.installation import Installation

router = APIRouter(prefix="/v1/workspaces", tags=["workspaces"], dependencies=[Depends(enter)])
Definition = Annotated[dict[str, Any], Body(description="the fields of the workspace file, as JSON")]


@router.post("", status_code=201, **permission("installation:admin", WorkspaceShape, 201))
def create_workspace(request: Request, body: Definition, idempotency_key: Annotated[str | None, Header()] = None) -> Response:
    """Makes a workspace: `{"workspace": slug, "tenants": {…}, …}`, the fields of the workspace file. Its sources may be set later.

    A source's URL is kept sealed and never shown again; private addresses need `network.allow`.
    """
    principal = _operator(request)
    installation, actor = context_of(request).installation, actor_of(request, principal)

    def work() -> Reply:
        facts = making.create_workspace(installation, actor, body)
        return Reply(201, f"/v1/workspaces/{facts['id']}", facts)

    asked = ["workspaces", hmac.new(installation.derived_key("asked"), repr(body).encode(errors="replace"), sha256).hexdigest()]
    return created(once(installation, principal, idempotency_key, asked, work))


@router.get("", **permission("any", ListOf[WorkspaceSummary]))
def list_workspaces(
    request: Request,
    page: Paged,
    state: Annotated[Literal["active", "archived"], Query(description="archived: for keys of the installation")] = "active",
) -> dict[str, Any]:
    """All workspaces, for a key of the installation with installation:admin; the own one, for a key of a workspace."""
    principal, installation = permitted(request), context_of(request).installation
    query = select(WorkspaceRow)
    if principal.scope == "workspace":
        query = query.where(WorkspaceRow.id == principal.workspace_id)
    else:
        _operator(request)
    is_archived = WorkspaceRow.archived_at.is_not(None)
    with installation.catalog.read() as session:
        rows, more = page.rows(session, query.where(is_archived if state == "archived" else ~is_archived), WorkspaceRow.id, "ws")
    return listed([workspace_facts(row) for row in rows], more)


@router.get("/{ws}", **permission("any", WorkspaceShape))
def get_workspace(request: Request, ws: str) -> Response:
    """One workspace; with workspace:write its definition too, without passwords."""
    found = entered(request, ws)
    facts = _facts(found)
    shown = facts if "workspace:write" in found.principal.permissions else facts | {"definition": None}
    return JSONResponse(shown, headers={"ETag": etag_of(found.installation, _tagged(found.workspace, facts))})


@router.patch("/{ws}", **permission("workspace:write", WorkspaceShape))
def patch_workspace(request: Request, ws: str, body: Definition) -> Response:
    """A merge patch of the definition of a workspace that was made by program: name, timezone, tables, …; its slug and its sources stay.

    A workspace of a file is changed in the file (409). `{"state": "active"}` takes an archived one back, with a key of the installation.
    """
    found = _entered(request, ws, archived="state" in body)
    facts = making.change_workspace(found.installation, found.principal, found.actor, found.workspace, body, wanted_by(request))
    shown = facts if "definition" in facts else facts | {"definition": None}
    return JSONResponse(shown, headers={"ETag": etag_of(found.installation, facts)})


@router.delete("/{ws}", status_code=204, **permission("installation:admin"))
def delete_workspace(request: Request, ws: str) -> Response:
    """Archives it: nothing of it answers from the next request on, its keys included. Its files stay."""
    _operator(request)
    found = entered(request, ws)
    making.archive_workspace(found.installation, found.actor, found.workspace, wanted_by(request))
    return Response(status_code=204)


class SourceInput(Input):
    """A source. Its URL has host, user, password and database; it may be left out where the source is there already: it stays."""

    kind: Literal["postgres"] = "postgres"
    url: Annotated[str, Field(max_length=4_000)] | None = Field(default=None, description="never shown again with its password")
    schemas: Annotated[list[Line], Field(max_length=1_000)] | None = None
    exclude: Annotated[list[Line], Field(max_length=10_000)] = Field(default_factory=list)
    schedule: Line | None = Field(default=None, description='a cron line of five fields, or "every 10m"')
    incremental: dict[Line, dict[Line, Line]] = Field(default_factory=dict)


@router.get("/{ws}/sources", **permission("workspace:write", ListOf[SourceShape]))
def list_sources(
    request: Request,
    ws: str,
    limit: Annotated[int, Query(ge=1, le=100, description="How many at most")] = 25,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
) -> dict[str, Any]:
    """The sources of a workspace by name, without passwords."""
    found = _sources(entered(request, ws))
    names = [s["name"] for s in found]
    if cursor is not None and cursor not in names:
        raise Problem("validation", "That cursor was not given by this list.", [FieldError("/cursor", "invalid", "no such cursor")])
    first = 0 if cursor is None else names.index(cursor) + 1
    return listed(found[first : first + limit], first + limit < len(found))


@router.get("/{ws}/sources/{source}", **permission("workspace:write", SourceShape))
def get_source(request: Request, ws: str, source: str) -> Response:
    """One source."""
    found = entered(request, ws)
    facts = sources.found_source(_sources(found), source)
    return JSONResponse(facts, headers={"ETag": sources.source_etag(found.installation, found.workspace, facts)})


@router.put("/{ws}/sources/{source}", **permission("workspace:write", SourceShape, 200, 201))
def put_source(request: Request, ws: str, source: Slug, body: SourceInput) -> Response:
    """Sets a source. Its host is looked up now, and again when it is opened: private addresses need `network.allow`."""
    found = entered(request, ws)
    done = sources.put_source(found.installation, found.actor, found.workspace, source, body.model_dump(), wanted_by(request))
    headers = {"ETag": done.etag} | ({"Location": f"{found.path}/sources/{source}"} if done.created else {})
    return JSONResponse(done.facts, 201 if done.created else 200, headers)


@router.delete("/{ws}/sources/{source}", status_code=204, **permission("workspace:write"))
def delete_source(request: Request, ws: str, source: str) -> Response:
    """Takes it out; its URL is forgotten. What was built of it stays until the next refresh."""
    found = entered(request, ws)
    sources.delete_source(found.installation, found.actor, found.workspace, source, wanted_by(request))
    return Response(status_code=204)


def _operator(request: Request) -> Principal:
    """Who runs the installation. Raises Problem `forbidden`."""
    principal = permitted(request)
    if principal.scope != "installation":
        raise Problem("forbidden", "This needs a key of the installation.")
    principal.require("installation:admin")
    return principal


def _entered(request: Request, ws: str, *, archived: bool) -> Entered:
    """`entered`, also into an archived one."""
    principal, context = permitted(request), context_of(request)
    if not archived or principal.scope != "installation":
        return entered(request, ws)
    row = workspace_of(context.installation, principal, ws.replace(SLASH, "/"), archived=True)
    return Entered(context, principal, row, actor_of(request, principal))


def _facts(found: Entered) -> dict[str, Any]:
    """With its definition; none where its file cannot be read now."""
    row, installation = found.workspace, found.installation
    if row.is_managed:
        with installation.catalog.read() as session:
            return facts_of(session, installation, row)
    try:
        definition = file_definition(found.context.definitions.workspace(Path(row.path)))
    except Problem:
        definition = None
    return workspace_facts(row) | {"definition": definition}


def _tagged(row: WorkspaceRow, facts: dict[str, Any]) -> dict[str, Any]:
    """What the ETag is of: of a workspace of a file what the catalog has."""
    return facts if row.is_managed else workspace_facts(row)


def _sources(found: Entered) -> list[dict[str, Any]]:
    row = found.workspace
    installation: Installation = found.installation
    return sources.sources_of(installation, row, None if row.is_managed else found.context.definitions.workspace(Path(row.path)))
