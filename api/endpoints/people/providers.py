"""Identity providers of a workspace and its tenants, and logging in at one of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import Field
from sqlalchemy import select

from api.control.idempotency import Reply, once
from api.control.people.oidc import LASTS, begin, end
from api.control.people.providers import (
    CALLBACK,
    GroupRoles,
    ProviderWanted,
    change_provider,
    make_provider,
    provider_facts,
    providers_within,
    remove_provider,
    require_provider,
)
from api.control.tenants.inputs import Input, Line, Name
from api.endpoints.bodies import created
from api.endpoints.context import context_of, enter, permission
from api.endpoints.entering import Entered, within
from api.endpoints.lists import Paged, listed
from api.endpoints.people.sessions import nobody, set_cookie
from api.endpoints.people.shapes import LogIns, ProviderShape
from api.endpoints.shapes import ListOf
from api.serving.problems import Problem
from engine.catalog import workspaces
from engine.catalog.tables import IdentityProviderRow

router = APIRouter(prefix="/v1", tags=["people"])
_entered = [Depends(enter)]
STATE = "__Host-slicehouse-login"
Url = Annotated[str, Field(min_length=1, max_length=500)]
Claim = Annotated[str, Field(min_length=1, max_length=200)]


class GroupInput(Input):
    """What a group means: roles in the whole workspace, or in these tenants; of a tenant's provider, in that tenant."""

    roles: Annotated[list[Line], Field(min_length=1, max_length=20)]
    tenants: Annotated[list[Annotated[str, Field(min_length=1, max_length=1_000)]], Field(max_length=1_000)] | None = None


Groups = Annotated[dict[Claim, GroupInput], Field(max_length=500, description='group to roles; "*" is everybody')]
Facts = Annotated[dict[Name, Claim], Field(max_length=50, description="attribute that policies ask, to the claim that it is")]
Scopes = Annotated[list[Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,100}$")]], Field(max_length=20)]


class ProviderInput(Input):
    """An OpenID provider."""

    label: Line
    issuer: Url
    client_id: Claim
    client_secret: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    tenant: Annotated[str, Field(min_length=1, max_length=1_000)] | None = Field(
        default=None, description="id or key; null: of the workspace"
    )
    scopes: Scopes = Field(default_factory=lambda: ["openid", "email", "profile"])
    groups_claim: Claim = "groups"
    groups: Groups = Field(default_factory=dict)
    attributes: Facts = Field(default_factory=dict)


class ProviderPatch(Input):
    """A merge patch; another issuer is another provider."""

    label: Line | None = None
    client_id: Claim | None = None
    client_secret: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    scopes: Scopes | None = None
    groups_claim: Claim | None = None
    groups: Groups | None = None
    attributes: Facts | None = None
    disabled: bool | None = None


def _groups(given: dict[str, GroupInput] | None) -> dict[str, GroupRoles]:
    return {n: GroupRoles(tuple(g.roles), None if g.tenants is None else tuple(g.tenants)) for n, g in (given or {}).items()}


def _shown(request: Request, found: Entered, facts: dict[str, Any]) -> dict[str, Any]:
    base = base_of(request)
    return facts | {"redirect_uri": base + CALLBACK, "login_url": f"{base}/v1/login/{facts['id']}"}


def base_of(request: Request) -> str:
    """Where people reach us: the setting, or where this request went."""
    return (context_of(request).installation.settings.public_url or str(request.base_url)).rstrip("/")


@router.get("/workspaces/{ws}/identity-providers", dependencies=_entered, **permission("users:write", ListOf[ProviderShape]))
def list_identity_providers(request: Request, ws: str, page: Paged) -> dict[str, Any]:
    """Identity providers within the scope, newest first."""
    found = within(request, ws)
    with found.installation.catalog.read() as session:
        rows, more = page.rows(session, providers_within(found.principal, found.workspace.id), IdentityProviderRow.id, "ip")
    return listed([_shown(request, found, provider_facts(row)) for row in rows], more)


@router.post("/workspaces/{ws}/identity-providers", status_code=201, dependencies=_entered, **permission("users:write", ProviderShape, 201))
def create_identity_provider(
    request: Request, ws: str, body: ProviderInput, idempotency_key: Annotated[str | None, Header()] = None
) -> Response:
    """Registers an OpenID provider; `redirect_uri` of the answer is what is registered there."""
    found = within(request, ws)

    def work() -> Reply:
        given = body.model_dump(exclude={"groups", "scopes"})
        wanted = ProviderWanted(**given, scopes=tuple(body.scopes), groups=_groups(body.groups))
        custom = found.context.definition(found.workspace.id).roles
        facts = make_provider(found.installation, found.principal, found.actor, found.workspace.id, wanted, custom)
        return Reply(201, f"{found.path}/identity-providers/{facts['id']}", _shown(request, found, facts))

    asked = ["identity-providers", found.workspace.id, body.model_dump(mode="json")]
    return created(once(found.installation, found.principal, idempotency_key, asked, work))


@router.get("/workspaces/{ws}/identity-providers/{provider}", dependencies=_entered, **permission("users:write", ProviderShape))
def get_identity_provider(request: Request, ws: str, provider: str) -> dict[str, Any]:
    """One identity provider, without its secret."""
    found = within(request, ws)
    with found.installation.catalog.read() as session:
        return _shown(request, found, provider_facts(require_provider(session, found.principal, found.workspace.id, provider)))


@router.patch("/workspaces/{ws}/identity-providers/{provider}", dependencies=_entered, **permission("users:write", ProviderShape))
def patch_identity_provider(request: Request, ws: str, provider: str, body: ProviderPatch) -> JSONResponse:
    """Changes what is named; `disabled` logs its people out."""
    found = within(request, ws)
    fields = {k: v for k, v in body.given().items() if v is not None}
    if body.groups is not None:
        fields["groups"] = _groups(body.groups)
    custom = found.context.definition(found.workspace.id).roles
    facts = change_provider(found.installation, found.principal, found.actor, found.workspace.id, provider, fields, custom)
    return JSONResponse(_shown(request, found, facts))


@router.delete("/workspaces/{ws}/identity-providers/{provider}", status_code=204, dependencies=_entered, **permission("users:write"))
def delete_identity_provider(request: Request, ws: str, provider: str) -> Response:
    """Takes it away: its people have no way in any more."""
    found = within(request, ws)
    remove_provider(found.installation, found.principal, found.actor, found.workspace.id, provider)
    return Response(status_code=204)


@router.get("/login", **permission("public", LogIns))
def list_login_providers(request: Request, workspace: Annotated[str, Query(max_length=100, description="slug or id")]) -> dict[str, Any]:
    """The ways to log in to a workspace beside a password, for its log-in page; nothing for one that is not there."""
    installation, base = context_of(request).installation, base_of(request)
    with installation.catalog.read() as session:
        row = workspaces.find_workspace(session, workspace)
        query = select(IdentityProviderRow).where(IdentityProviderRow.workspace_id == (row.id if row is not None else ""))
        query = query.where(IdentityProviderRow.tenant_id.is_(None), IdentityProviderRow.disabled_at.is_(None)).order_by(
            IdentityProviderRow.id
        )
        return {"data": [{"label": p.label, "login_url": f"{base}/v1/login/{p.id}"} for p in session.scalars(query)]}


@router.get("/login/callback", status_code=303, **permission("public", None, 303))
def end_login(
    request: Request,
    state: Annotated[str, Query(max_length=500)] = "",
    code: Annotated[str, Query(max_length=4_000)] = "",
    iss: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Where the provider sends the browser back to: begins the session, and goes to the pages."""
    if not code or not state or request.cookies.get(STATE) != state:
        raise Problem("credential_invalid", "This log-in did not begin in this browser, or was refused there. Begin it again.")
    installation = context_of(request).installation
    started = end(installation, state, code, iss, base_of(request), nobody(request))
    response = RedirectResponse("/", 303, headers={"Cache-Control": "no-store"})
    set_cookie(installation, response, started.text)
    response.delete_cookie(STATE, path="/", secure=True, httponly=True, samesite="lax")
    return response


@router.get("/login/{provider}", status_code=303, **permission("public", None, 303))
def begin_login(request: Request, provider: str) -> Response:
    """Sends the browser to the provider."""
    begun = begin(context_of(request).installation, provider, base_of(request))
    response = RedirectResponse(begun.url, 303, headers={"Cache-Control": "no-store"})
    # Lax: the return comes from the provider's site, and a strict cookie would not come along.
    response.set_cookie(STATE, begun.state, max_age=int(LASTS.total_seconds()), path="/", secure=True, httponly=True, samesite="lax")
    return response
