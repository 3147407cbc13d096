"""Keys of a workspace and of its tenants: made within the maker's scope, shown once, rotated with an overlap, revoked at once."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import AfterValidator, Field
from sqlalchemy import select

from api.control.access.granting import within_reach
from api.control.access.keys import KeyWanted, change_key, end_key, found, grant_key, renew_key, shown_key
from api.control.idempotency import Reply, once
from api.control.tenants.inputs import Input, Line
from api.endpoints.bodies import Moment, Permissions, Scope, created
from api.endpoints.context import enter, permission
from api.endpoints.entering import within
from api.endpoints.lists import Paged, listed
from api.endpoints.shapes import KeyShape, ListOf, NewKeyShape
from engine.catalog.tables import KeyRow, PrincipalRow

router = APIRouter(prefix="/v1/workspaces/{ws}/keys", tags=["keys"], dependencies=[Depends(enter)])


def _network(text: str) -> str:
    ipaddress.ip_network(text, strict=False)  # raises ValueError
    return text


Networks = Annotated[
    list[Annotated[str, AfterValidator(_network)]], Field(max_length=100, description="addresses or networks it may come from")
]


class KeyRequest(Input):
    """A key that is asked for."""

    scope: Scope = "workspace"
    permissions: Permissions | None = Field(default=None, description="none said: what is usual for the scope, as far as the maker has it")
    label: Line | None = None
    expires_at: Moment | None = None
    allowed_ips: Networks = Field(default_factory=list)


class KeyPatch(Input):
    """A merge patch."""

    label: Line | None = None
    expires_at: Moment | None = None
    allowed_ips: Networks | None = None


class Overlap(Input):
    """How long the old key lives on."""

    overlap_seconds: int = Field(default=86_400, ge=0, le=30 * 86_400)


@router.post("", status_code=201, **permission("keys:write", NewKeyShape, 201))
def create_key(request: Request, ws: str, body: KeyRequest, idempotency_key: Annotated[str | None, Header()] = None) -> Response:
    """Makes a key. Its text is in this answer and never again, not even in the answer to the same Idempotency-Key."""
    entered = within(request, ws)

    def work() -> Reply:
        wanted = KeyWanted(
            body.scope,
            None if body.permissions is None else tuple(body.permissions),
            body.label or "",
            body.expires_at,
            tuple(body.allowed_ips),
        )
        facts, text = grant_key(entered.installation, entered.principal, entered.actor, entered.workspace.id, wanted)
        return Reply(201, f"{entered.path}/keys/{facts['id']}", facts | {"key": None}, {"key": text})

    asked = ["keys", entered.workspace.id, body.model_dump(mode="json")]
    return created(once(entered.installation, entered.principal, idempotency_key, asked, work))


@router.get("", **permission("keys:write", ListOf[KeyShape]))
def list_keys(request: Request, ws: str, page: Paged) -> dict[str, Any]:
    """Keys within the scope, newest first, without their secrets."""
    entered = within(request, ws)
    query = select(KeyRow).join(PrincipalRow, KeyRow.principal_id == PrincipalRow.id)
    query = query.where(within_reach(entered.principal, entered.workspace.id, PrincipalRow))
    with entered.installation.catalog.read() as session:
        rows, more = page.rows(session, query, KeyRow.id, "ky")
        return listed([shown_key(row, session.get_one(PrincipalRow, row.principal_id)) for row in rows], more)


@router.get("/{key}", **permission("keys:write", KeyShape))
def get_key(request: Request, ws: str, key: str) -> dict[str, Any]:
    """One key."""
    entered = within(request, ws)
    with entered.installation.catalog.read() as session:
        return shown_key(*found(session, entered.principal, entered.workspace.id, key))


@router.patch("/{key}", **permission("keys:write", KeyShape))
def patch_key(request: Request, ws: str, key: str, body: KeyPatch) -> dict[str, Any]:
    """Changes label, end or addresses."""
    entered = within(request, ws)
    fields = body.given()
    fields |= {"label": fields.get("label") or ""} if "label" in fields else {}
    fields |= {"allowed_ips": fields.get("allowed_ips") or []} if "allowed_ips" in fields else {}
    return change_key(entered.installation, entered.principal, entered.actor, entered.workspace.id, key, fields)


@router.delete("/{key}", status_code=204, **permission("keys:write"))
def delete_key(request: Request, ws: str, key: str) -> Response:
    """Revokes a key: it is refused from the next request on."""
    entered = within(request, ws)
    end_key(entered.installation, entered.principal, entered.actor, entered.workspace.id, key)
    return Response(status_code=204)


@router.post("/{key}/rotate", status_code=201, **permission("keys:write", NewKeyShape, 201))
def rotate_key(
    request: Request, ws: str, key: str, body: Overlap | None = None, idempotency_key: Annotated[str | None, Header()] = None
) -> Response:
    """A second key of the same principal; the old one ends after the overlap."""
    entered = within(request, ws)
    overlap = timedelta(seconds=(body or Overlap()).overlap_seconds)

    def work() -> Reply:
        facts, text = renew_key(entered.installation, entered.principal, entered.actor, entered.workspace.id, key, overlap)
        return Reply(201, f"{entered.path}/keys/{facts['id']}", facts | {"key": None}, {"key": text})

    asked = ["keys", entered.workspace.id, key, overlap.total_seconds()]
    return created(once(entered.installation, entered.principal, idempotency_key, asked, work))
