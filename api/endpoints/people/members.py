"""Members of a workspace and its tenants, and invitations."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from api.control.access.principal import workspace_of
from api.control.idempotency import Reply, once
from api.control.people.invitations import Invited, accept, invitations_within, invite, opened_by, revoke_invitation, shown_invitation
from api.control.people.members import Membership, Place, is_within, members_within, remove_member, set_member, shown_member
from api.control.tenants.inputs import Fact, Input, Line, Name
from api.endpoints.bodies import created
from api.endpoints.context import context_of, enter, named_by, permission, permitted
from api.endpoints.entering import Entered, actor_of, within
from api.endpoints.lists import Paged, listed
from api.endpoints.people.sessions import Email, Password, logged_in, nobody
from api.endpoints.people.shapes import InvitationShape, LoggedIn, MemberShape, NewInvitation, OpenInvitation
from api.endpoints.shapes import ListOf
from api.serving.problems import Problem
from engine.catalog.tables import InvitationRow, MemberRow, UserRow

router = APIRouter(prefix="/v1", tags=["people"])
_entered = [Depends(enter)]
Roles = Annotated[list[Line], Field(max_length=20)]


class PlaceInput(Input):
    """Roles in one tenant and in those below it, unless alone."""

    tenant: Annotated[str, Field(min_length=1, max_length=1_000, description="id or key")]
    roles: Annotated[list[Line], Field(min_length=1, max_length=20)] | None = Field(
        default=None, description="none said: those of the member"
    )
    alone: bool = Field(default=False, description="true: not in the tenants below it")


class MemberInput(Input):
    """Roles in the whole workspace; with `tenants`, roles in these tenants instead."""

    roles: Roles = Field(default_factory=list)
    tenants: Annotated[list[Annotated[str, Field(min_length=1, max_length=1_000)] | PlaceInput], Field(max_length=1_000)] | None = None
    attributes: Annotated[dict[Name, Fact | list[Fact]], Field(max_length=50)] | None = Field(
        default=None, description="facts that policies ask of them"
    )

    def membership(self) -> Membership:
        """What somebody is to be."""
        places = [p if isinstance(p, PlaceInput) else PlaceInput(tenant=p) for p in self.tenants or ()]
        own = tuple(self.roles)
        found = tuple(Place(p.tenant, tuple(p.roles) if p.roles is not None else own, p.alone) for p in places)
        return Membership(own if self.tenants is None else (), found, self.attributes)


class InvitationInput(MemberInput):
    """Who is invited, to what."""

    email: Email
    expires_in: int = Field(default=7 * 86_400, ge=60, le=30 * 86_400, description="seconds")


class Acceptance(Input):
    """The link's secret, and the password: a new one, or that of the user."""

    invitation: Annotated[str, Field(min_length=1, max_length=200)]
    name: Line | None = None
    password: Password


def _custom(found: Entered) -> dict[str, list[str]]:
    """The workspace's own roles."""
    return found.context.definition(found.workspace.id).roles


@router.get("/workspaces/{ws}/members", dependencies=_entered, **permission("users:write", ListOf[MemberShape]))
def list_members(request: Request, ws: str, page: Paged) -> dict[str, Any]:
    """Members within the scope, newest first."""
    found = within(request, ws)
    with found.installation.catalog.read() as session:
        users, more = page.rows(session, members_within(found.principal, found.workspace.id), UserRow.id, "us")
        rows = [session.get_one(MemberRow, (found.workspace.id, u.id)) for u in users]
        return listed([shown_member(session, found.principal, row) for row in rows], more)


@router.get("/workspaces/{ws}/members/{user}", dependencies=_entered, **permission("users:write", MemberShape))
def get_member(request: Request, ws: str, user: str) -> dict[str, Any]:
    """One member."""
    found = within(request, ws)
    with found.installation.catalog.read() as session:
        if not is_within(session, found.principal, found.workspace.id, user):
            raise Problem("not_found")
        return shown_member(session, found.principal, session.get_one(MemberRow, (found.workspace.id, user)))


@router.put("/workspaces/{ws}/members/{user}", dependencies=_entered, **permission("users:write", MemberShape, 200, 201))
def put_member(request: Request, ws: str, user: str, body: MemberInput) -> Response:
    """Who may enter which tenants, with which roles. Who is no member yet is invited; those who run the installation add any user."""
    found = within(request, ws)
    facts, is_new = set_member(
        found.installation, found.principal, found.actor, found.workspace.id, user, body.membership(), _custom(found)
    )
    headers = {"Location": f"{found.path}/members/{user}"} if is_new else {}
    return JSONResponse(facts, 201 if is_new else 200, headers)


@router.delete("/workspaces/{ws}/members/{user}", status_code=204, dependencies=_entered, **permission("users:write"))
def delete_member(request: Request, ws: str, user: str) -> Response:
    """Ends what somebody is here, as far as the scope reaches: felt by their next request."""
    found = within(request, ws)
    remove_member(found.installation, found.principal, found.actor, found.workspace.id, user, _custom(found))
    return Response(status_code=204)


def _here(request: Request) -> Entered:
    """Invitations are to the workspace of the scope, or to the one that `X-Workspace-ID` names."""
    context, principal = context_of(request), permitted(request)
    row = workspace_of(context.installation, principal, named_by(request, "x-workspace-id"))
    return Entered(context, principal, row, actor_of(request, principal))


@router.post("/invitations", status_code=201, dependencies=_entered, **permission("users:write", NewInvitation, 201))
def create_invitation(request: Request, body: InvitationInput, idempotency_key: Annotated[str | None, Header()] = None) -> Response:
    """Invites somebody: the link is in this answer and never again. Whoever has it accepts, so send it to them alone."""
    found = _here(request)

    def work() -> Reply:
        wanted = Invited(body.email, body.membership(), timedelta(seconds=body.expires_in))
        facts, secret = invite(found.installation, found.principal, found.actor, found.workspace.id, wanted, _custom(found))
        base = (found.installation.settings.public_url or str(request.base_url)).rstrip("/")
        once_ = {"link": f"{base}/console/login#invitation={secret}", "invitation": secret}
        return Reply(201, f"/v1/invitations/{facts['id']}", facts | {"link": None, "invitation": None}, once_)

    asked = ["invitations", found.workspace.id, body.model_dump(mode="json")]
    return created(once(found.installation, found.principal, idempotency_key, asked, work))


@router.get("/invitations", dependencies=_entered, **permission("users:write", ListOf[InvitationShape]))
def list_invitations(request: Request, page: Paged) -> dict[str, Any]:
    """Invitations to the workspace, newest first; of a tenant's administrators their own."""
    found = _here(request)
    with found.installation.catalog.read() as session:
        rows, more = page.rows(session, invitations_within(found.principal, found.workspace.id), InvitationRow.id, "iv")
    return listed([shown_invitation(found.installation, row) for row in rows], more)


@router.delete("/invitations/{invitation}", status_code=204, dependencies=_entered, **permission("users:write"))
def delete_invitation(request: Request, invitation: str) -> Response:
    """Takes an invitation back."""
    found = _here(request)
    revoke_invitation(found.installation, found.principal, found.actor, found.workspace.id, invitation)
    return Response(status_code=204)


class Opening(Input):
    """The link's secret."""

    invitation: Annotated[str, Field(min_length=1, max_length=200)]


@router.post("/invitations/open", **permission("public", OpenInvitation))
def open_invitation(request: Request, body: Opening) -> dict[str, Any]:
    """What the page of an invitation shows to whoever has its link."""
    return opened_by(context_of(request).installation, body.invitation)


@router.post("/invitations/accept", status_code=201, **permission("public", LoggedIn, 201))
def accept_invitation(request: Request, body: Acceptance) -> Response:
    """Makes whoever has the link a member, and logs them in."""
    installation = context_of(request).installation
    return logged_in(installation, accept(installation, nobody(request), body.invitation, body.name, body.password))
