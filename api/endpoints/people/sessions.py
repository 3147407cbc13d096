"""Logging in and out with a password; one's own sessions and password."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, Field

from api.control.access.principal import Principal
from api.control.people.passwords import MOST, matches
from api.control.people.person import memberships_of
from api.control.people.sessions import COOKIE, Started, end_sessions, forgery_token, log_in, sessions_of
from api.control.people.users import address, change_user, require_user, set_password, shown_user
from api.control.tenants.inputs import Input, Line
from api.endpoints.context import Context, context_of, enter, permission, principal_of
from api.endpoints.entering import actor_of
from api.endpoints.people.shapes import LoggedIn, Membership, OwnSession, UserShape
from api.endpoints.shapes import ListOf
from api.serving.problems import Problem
from engine.catalog.audit import Actor
from engine.clock import rfc3339
from slices.installation import Installation

router = APIRouter(prefix="/v1", tags=["people"])
_entered = [Depends(enter)]
Email = Annotated[str, AfterValidator(address), Field(max_length=320)]
Password = Annotated[str, Field(min_length=1, max_length=MOST)]


class LogIn(Input):
    """Who somebody says they are."""

    email: Email
    password: Password


class NewPassword(Input):
    """The password that was, and the one that is to be."""

    password: Password
    new_password: Password


class OwnPatch(Input):
    """What somebody may change of themselves."""

    name: Line


@router.post("/sessions", status_code=201, **permission("public", LoggedIn, 201))
def create_session(request: Request, body: LogIn) -> Response:
    """Logs in with a password: a `__Host-` cookie, and the token that its page sends in `X-CSRF-Token`."""
    installation = context_of(request).installation
    return logged_in(installation, log_in(installation, body.email, body.password, nobody(request)))


def logged_in(installation: Installation, started: Started, status: int = 201) -> Response:
    """The answer to whoever has just shown who they are: the cookie (RFC 6265bis) and the facts of the session."""
    facts = {
        "user": shown_user(started.user),
        "csrf": forgery_token(installation, started.text),
        "expires_at": rfc3339(started.row.expires_at),
    }
    response = JSONResponse(facts, status, {"Location": f"/v1/me/sessions/{started.row.id}"})
    set_cookie(installation, response, started.text)
    return response


def set_cookie(installation: Installation, response: Response, text: str) -> None:
    """Gives the browser the session; an empty text takes it away."""
    age = installation.settings.session_hours * 3600 if text else 0
    response.set_cookie(COOKIE, text, max_age=age, path="/", secure=True, httponly=True, samesite="strict")


def nobody(request: Request) -> Actor:
    """Who is written down before it is known who it is."""
    address_ = request.client.host if request.client else None
    return Actor("nobody", "", address_, request.headers.get("user-agent", "")[:200] or None, request.state.request_id)


@router.delete("/sessions/current", status_code=204, dependencies=_entered, **permission("any"))
def delete_session(request: Request) -> Response:
    """Logs out."""
    context, principal = _person(request)
    end_sessions(context.installation, actor_of(request, principal), principal.id, principal.credential)
    response = Response(status_code=204)
    set_cookie(context.installation, response, "")
    return response


@router.get("/me/sessions", dependencies=_entered, **permission("any", ListOf[OwnSession]))
def list_own_sessions(request: Request) -> dict[str, Any]:
    """Where one is logged in."""
    context, principal = _person(request)
    with context.installation.catalog.read() as session:
        found = sessions_of(session, principal.id, context.installation.clock())
    return {"data": [f | {"current": f["id"] == principal.credential} for f in found], "has_more": False, "next_cursor": None}


@router.delete("/me/sessions", status_code=204, dependencies=_entered, **permission("any"))
def delete_own_sessions(request: Request) -> Response:
    """Logs out everywhere, here too."""
    context, principal = _person(request)
    end_sessions(context.installation, actor_of(request, principal), principal.id)
    response = Response(status_code=204)
    set_cookie(context.installation, response, "")
    return response


@router.delete("/me/sessions/{session}", status_code=204, dependencies=_entered, **permission("any"))
def delete_own_session(request: Request, session: str) -> Response:
    """Logs out elsewhere."""
    context, principal = _person(request)
    if not end_sessions(context.installation, actor_of(request, principal), principal.id, session):
        raise Problem("not_found")
    return Response(status_code=204)


@router.get("/me/memberships", dependencies=_entered, **permission("any", ListOf[Membership]))
def list_own_memberships(request: Request) -> dict[str, Any]:
    """The workspaces and tenants between which one may switch: `X-Workspace-ID` and `X-Tenant-ID` name one."""
    context, principal = _person(request)
    return {"data": memberships_of(context.installation, principal), "has_more": False, "next_cursor": None}


@router.patch("/me", dependencies=_entered, **permission("any", UserShape))
def patch_me(request: Request, body: OwnPatch) -> dict[str, Any]:
    """Changes one's own name."""
    context, principal = _person(request)
    return change_user(context.installation, actor_of(request, principal), principal.id, {"name": body.name})


@router.put("/me/password", status_code=204, dependencies=_entered, **permission("any"))
def put_own_password(request: Request, body: NewPassword) -> Response:
    """Another password; one is logged out everywhere."""
    context, principal = _person(request)
    with context.installation.catalog.read() as session:
        kept = require_user(session, principal.id).password
    if not matches(kept, body.password):
        raise Problem("forbidden", "The password that was is another.")
    set_password(context.installation, actor_of(request, principal), principal.id, body.new_password)
    response = Response(status_code=204)
    set_cookie(context.installation, response, "")
    return response


def _person(request: Request) -> tuple[Context, Principal]:
    """Who is logged in. Raises Problem `forbidden` for keys and tokens."""
    principal = principal_of(request)
    if principal.type != "user":
        raise Problem("forbidden", "This is for people who are logged in.")
    return context_of(request), principal
