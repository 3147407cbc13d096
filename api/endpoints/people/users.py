"""Users of the installation, for those who run it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import select

from api.control.access.principal import Principal
from api.control.idempotency import Reply, once
from api.control.people.sessions import end_sessions
from api.control.people.users import change_user, create_user, require_user, set_password, shown_user
from api.control.tenants.inputs import Input, Line, Metadata
from api.endpoints.bodies import created
from api.endpoints.context import context_of, enter, permission, permitted
from api.endpoints.entering import actor_of
from api.endpoints.lists import Paged, listed
from api.endpoints.people.sessions import Email, Password
from api.endpoints.people.shapes import UserShape
from api.endpoints.shapes import ListOf
from engine.catalog.tables import UserRow
from slices.installation import Installation

router = APIRouter(prefix="/v1/users", tags=["people"], dependencies=[Depends(enter)])


class UserInput(Input):
    """A new user."""

    email: Email
    name: Line | None = None
    password: Password | None = None
    admin: bool = False


class UserPatch(Input):
    """A merge patch."""

    name: Line | None = None
    metadata: Metadata | None = None
    admin: bool | None = None
    disabled: bool | None = None


class SetPassword(Input):
    """The password that is to be."""

    password: Password


def _here(request: Request) -> tuple[Installation, Principal]:
    return context_of(request).installation, permitted(request)


@router.post("", status_code=201, **permission("installation:admin", UserShape, 201))
def post_user(request: Request, body: UserInput, idempotency_key: Annotated[str | None, Header()] = None) -> Response:
    """Makes a user, who is a member of nothing yet."""
    installation, principal = _here(request)

    def work() -> Reply:
        facts = create_user(installation, actor_of(request, principal), body.email, body.name or "", body.password, admin=body.admin)
        return Reply(201, f"/v1/users/{facts['id']}", facts)

    asked = ["users", body.email, body.name, body.admin]
    return created(once(installation, principal, idempotency_key, asked, work))


@router.get("", **permission("installation:admin", ListOf[UserShape]))
def list_users(
    request: Request, page: Paged, email: Annotated[str | None, Query(description="exactly this address")] = None
) -> dict[str, Any]:
    """All users, newest first."""
    installation, _ = _here(request)
    query = select(UserRow) if email is None else select(UserRow).where(UserRow.email == email.strip().lower())
    with installation.catalog.read() as session:
        rows, more = page.rows(session, query, UserRow.id, "us")
    return listed([shown_user(row) for row in rows], more)


@router.get("/{user}", **permission("installation:admin", UserShape))
def get_user(request: Request, user: str) -> dict[str, Any]:
    """One user."""
    installation, _ = _here(request)
    with installation.catalog.read() as session:
        return shown_user(require_user(session, user))


@router.patch("/{user}", **permission("installation:admin", UserShape))
def patch_user(request: Request, user: str, body: UserPatch) -> JSONResponse:
    """Changes name, metadata, whether they run the installation; `disabled` closes every door at once."""
    installation, principal = _here(request)
    fields = {k: v for k, v in body.given().items() if v is not None or k == "metadata"}
    return JSONResponse(change_user(installation, actor_of(request, principal), user, fields))


@router.put("/{user}/password", status_code=204, **permission("installation:admin"))
def put_user_password(request: Request, user: str, body: SetPassword) -> Response:
    """Sets a password; the user is logged out everywhere."""
    installation, principal = _here(request)
    set_password(installation, actor_of(request, principal), user, body.password)
    return Response(status_code=204)


@router.delete("/{user}/sessions", status_code=204, **permission("installation:admin"))
def delete_user_sessions(request: Request, user: str) -> Response:
    """Logs a user out everywhere."""
    installation, principal = _here(request)
    with installation.catalog.read() as session:
        require_user(session, user)
    end_sessions(installation, actor_of(request, principal), user)
    return Response(status_code=204)


@router.delete("/{user}", status_code=204, **permission("installation:admin"))
def delete_user(request: Request, user: str) -> Response:
    """Disables a user: what they did stays theirs."""
    installation, principal = _here(request)
    change_user(installation, actor_of(request, principal), user, {"disabled": True})
    return Response(status_code=204)
