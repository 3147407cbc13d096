"""Signing keys of a workspace and of its tenants: with one a back end signs tokens itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import Field
from sqlalchemy import select

from api.control.access.granting import within_reach
from api.control.access.signing import Algorithm, SigningKeyWanted, end, found, register, shown_signing_key
from api.control.idempotency import Reply, once
from api.control.tenants.inputs import Input, Line
from api.endpoints.bodies import Moment, Permissions, Scope, created
from api.endpoints.context import enter, permission
from api.endpoints.entering import within
from api.endpoints.lists import Paged, listed
from api.endpoints.shapes import ListOf, NewSigningKeyShape, SigningKeyShape
from engine.catalog.tables import SigningKeyRow

router = APIRouter(prefix="/v1/workspaces/{ws}/signing-keys", tags=["keys"], dependencies=[Depends(enter)])


class SigningKeyRequest(Input):
    """A public key as PEM with EdDSA or ES256; with HS256 a secret of at least 32 bytes, or none: one is made and shown once."""

    algorithm: Algorithm
    public_key: Annotated[str, Field(max_length=4_000)] | None = None
    secret: Annotated[str, Field(max_length=1_000)] | None = None
    scope: Scope = "workspace"
    permissions: Permissions | None = Field(default=None, description="the most that a token of it has; none said: what a tenant admin has")
    label: Line | None = None
    expires_at: Moment | None = None


@router.post("", status_code=201, **permission("keys:write", NewSigningKeyShape, 201))
def create_signing_key(
    request: Request, ws: str, body: SigningKeyRequest, idempotency_key: Annotated[str | None, Header()] = None
) -> Response:
    """Registers a key; `issuer` and `audience` are what its tokens say in `iss` and `aud`, `id` their `kid`."""
    entered = within(request, ws)

    def work() -> Reply:
        permissions = None if body.permissions is None else tuple(body.permissions)
        wanted = SigningKeyWanted(body.algorithm, body.scope, body.public_key, body.secret, permissions, body.label or "", body.expires_at)
        facts, secret = register(entered.installation, entered.principal, entered.actor, entered.workspace.id, wanted)
        return Reply(201, f"{entered.path}/signing-keys/{facts['id']}", facts | {"secret": None}, {"secret": secret})

    asked = ["signing-keys", entered.workspace.id, body.model_dump(mode="json")]
    return created(once(entered.installation, entered.principal, idempotency_key, asked, work))


@router.get("", **permission("keys:write", ListOf[SigningKeyShape]))
def list_signing_keys(request: Request, ws: str, page: Paged) -> dict[str, Any]:
    """Signing keys within the scope, newest first, without secrets."""
    entered = within(request, ws)
    query = select(SigningKeyRow).where(within_reach(entered.principal, entered.workspace.id, SigningKeyRow))
    with entered.installation.catalog.read() as session:
        rows, more = page.rows(session, query, SigningKeyRow.id, "sk")
    return listed([shown_signing_key(row) for row in rows], more)


@router.get("/{key}", **permission("keys:write", SigningKeyShape))
def get_signing_key(request: Request, ws: str, key: str) -> dict[str, Any]:
    """One signing key."""
    entered = within(request, ws)
    with entered.installation.catalog.read() as session:
        return shown_signing_key(found(session, entered.principal, entered.workspace.id, key))


@router.delete("/{key}", **permission("keys:write", SigningKeyShape))
def delete_signing_key(
    request: Request,
    ws: str,
    key: str,
    grace: Annotated[int, Query(ge=0, le=30 * 86_400, description="seconds in which its tokens are still taken")] = 0,
) -> dict[str, Any]:
    """Ends a signing key: at once, or after a grace while another one is brought in."""
    entered = within(request, ws)
    return end(entered.installation, entered.principal, entered.actor, entered.workspace.id, key, timedelta(seconds=grace))
