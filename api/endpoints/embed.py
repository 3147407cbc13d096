"""Embedding: a back end's session for its customer, exchanged once by the page for a token."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from api.control.access.embedding import create_session, exchange
from api.control.access.principal import workspace_of
from api.control.access.tokens import Said
from api.control.idempotency import Reply, once
from api.endpoints.bodies import created
from api.endpoints.context import context_of, enter, named_by, permission, permitted
from api.endpoints.entering import actor_of
from api.endpoints.shapes import SessionShape, TokenShape

router = APIRouter(prefix="/v1/embed", tags=["embed"])


class SessionRequest(Said):
    """Who the token is for, and how far it goes; `tenant` is an id or a key."""

    ttl: int = Field(default=3_600, ge=60, le=3_600, description="seconds that the token lives")


class TokenRequest(BaseModel):
    """A session that was not exchanged yet."""

    model_config = ConfigDict(extra="forbid")
    session: Annotated[str, Field(max_length=200)]


@router.post("/sessions", status_code=201, dependencies=[Depends(enter)], **permission("dashboard:view", SessionShape, 201))
def create_embed_session(request: Request, body: SessionRequest, idempotency_key: Annotated[str | None, Header()] = None) -> Response:
    """A session for one tenant, narrower than the key that asks. `session` is exchanged once, within a minute; `token` may be used at once.

    Both are in this answer and never again, not even in the answer to the same Idempotency-Key.
    """
    context, principal = context_of(request), permitted(request)
    workspace = workspace_of(context.installation, principal, named_by(request, "x-workspace-id"))

    def work() -> Reply:
        said, ttl = Said.model_validate(body.model_dump(exclude={"ttl"})), timedelta(seconds=body.ttl)
        made = create_session(context.installation, principal, actor_of(request, principal), workspace.id, said, ttl)
        url = f"/embed/{made.tenant_id}#session={made.session}"
        shown = {"tenant": made.tenant_id, "token_expires_at": made.token_expires_at}
        return Reply(
            201, None, shown | dict.fromkeys(("session", "token", "url")), {"session": made.session, "token": made.token, "url": url}
        )

    return created(once(context.installation, principal, idempotency_key, ["embed", workspace.id, body.model_dump(mode="json")], work))


@router.post("/token", **permission("public", TokenShape))
def exchange_session(request: Request, body: TokenRequest) -> Response:
    """The token of a session, once. Needs no credential: the session is one."""
    token, expires = exchange(context_of(request).installation, body.session)
    return JSONResponse({"token": token, "token_expires_at": expires})
