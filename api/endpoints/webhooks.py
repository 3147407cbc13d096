"""Webhooks of a workspace and of its tenants: who is told of what, their deliveries, a secret that is shown once."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy import select

from api.control.idempotency import Reply, once
from api.control.tenants.changing import etag_of
from api.control.tenants.inputs import Input, Line, Metadata, Name, Text, plain_line
from api.control.webhooks.keeping import (
    WebhookWanted,
    archive_webhook,
    change_webhook,
    found,
    make_webhook,
    reachable,
    rotate_secret,
    shown_webhook,
)
from api.control.webhooks.messages import delivery, send_again, send_test, shown_deliveries
from api.endpoints.bodies import Scope, created
from api.endpoints.context import enter, permission
from api.endpoints.entering import wanted_by, within
from api.endpoints.lists import Paged, listed
from api.endpoints.shapes import DeliveryShape, ListOf, NewWebhookShape, WebhookShape
from engine.catalog.outbox import EVENTS
from engine.catalog.tables import DeliveryRow, WebhookRow

router = APIRouter(prefix="/v1/workspaces/{ws}/webhooks", tags=["webhooks"], dependencies=[Depends(enter)])
_IDEMPOTENT = Annotated[str | None, Header()]


def _events(types: list[str]) -> list[str]:
    unknown = [t for t in types if t not in EVENTS and t != "*"]
    if unknown or not types:
        raise ValueError(f"must be * or some of {', '.join(EVENTS)}")
    return list(dict.fromkeys(types))


Url = Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=r"^[!-~]+$"), AfterValidator(plain_line)]
Events = Annotated[list[str], Field(min_length=1, max_length=50, description="types, or * for all of them"), AfterValidator(_events)]


class WebhookRequest(Input):
    """A webhook that is asked for."""

    url: Url = Field(description="https, on the public network")
    events: Events
    description: Line | None = None
    metadata: Metadata = Field(default_factory=dict)
    enabled: bool = True
    scope: Scope = "workspace"


class WebhookPatch(Input):
    """A merge patch. `enabled: true` begins anew with what happens from then on; what was on its way to a disabled one is dead."""

    url: Url | None = None
    events: Events | None = None
    description: Line | None = None
    metadata: Annotated[dict[Name, Text | None], Field(max_length=50)] | None = None
    enabled: bool | None = None

    def fields(self) -> dict[str, Any]:
        """What is changed; null takes description and metadata away, and changes nothing else."""
        given = self.given()
        found = {k: v for k, v in given.items() if v is not None}
        if "description" in given:
            found["description"] = given["description"] or ""
        return found


class Overlap(Input):
    """How long the old secret signs beside the new one."""

    overlap_seconds: int = Field(default=86_400, ge=0, le=30 * 86_400)


@router.post("", status_code=201, **permission("webhooks:write", NewWebhookShape, 201))
def create_webhook(request: Request, ws: str, body: WebhookRequest, idempotency_key: _IDEMPOTENT = None) -> Response:
    """Makes a webhook. Its secret is in this answer and never again, not even in the answer to the same Idempotency-Key."""
    entered = within(request, ws)

    def work() -> Reply:
        wanted = WebhookWanted(body.url, tuple(body.events), body.scope, body.description or "", body.metadata, body.enabled)
        facts, secret = make_webhook(entered.installation, entered.principal, entered.actor, entered.workspace.id, wanted)
        return Reply(201, f"{entered.path}/webhooks/{facts['id']}", facts | {"secret": None}, {"secret": secret})

    asked = ["webhooks", entered.workspace.id, body.model_dump(mode="json")]
    return created(once(entered.installation, entered.principal, idempotency_key, asked, work))


@router.get("", **permission("webhooks:write", ListOf[WebhookShape]))
def list_webhooks(request: Request, ws: str, page: Paged) -> dict[str, Any]:
    """Webhooks within the scope, newest first, without their secrets."""
    entered = within(request, ws)
    with entered.installation.catalog.read() as session:
        rows, more = page.rows(session, reachable(entered.principal, entered.workspace.id), WebhookRow.id, "wh")
    return listed([shown_webhook(row) for row in rows], more)


@router.get("/{wh}", **permission("webhooks:write", WebhookShape))
def get_webhook(request: Request, ws: str, wh: str) -> Response:
    """One webhook."""
    entered = within(request, ws)
    with entered.installation.catalog.read() as session:
        row = found(session, entered.principal, entered.workspace.id, wh)
    return JSONResponse(shown_webhook(row), headers={"ETag": etag_of(row)})


@router.patch("/{wh}", **permission("webhooks:write", WebhookShape))
def patch_webhook(request: Request, ws: str, wh: str, body: WebhookPatch) -> Response:
    """Changes what is named (RFC 7396)."""
    entered = within(request, ws)
    row = change_webhook(
        entered.installation, entered.principal, entered.actor, entered.workspace.id, wh, body.fields(), wanted_by(request)
    )
    return JSONResponse(shown_webhook(row), headers={"ETag": etag_of(row)})


@router.delete("/{wh}", status_code=204, **permission("webhooks:write"))
def delete_webhook(request: Request, ws: str, wh: str) -> Response:
    """Archives it: it is told nothing any more, and its secret is forgotten."""
    entered = within(request, ws)
    archive_webhook(entered.installation, entered.principal, entered.actor, entered.workspace.id, wh, wanted_by(request))
    return Response(status_code=204)


@router.post("/{wh}/rotate", **permission("webhooks:write", NewWebhookShape))
def rotate_webhook_secret(request: Request, ws: str, wh: str, body: Overlap | None = None, idempotency_key: _IDEMPOTENT = None) -> Response:
    """Another secret, shown once; until the overlap is over each message has two signatures."""
    entered = within(request, ws)
    overlap = timedelta(seconds=(body or Overlap()).overlap_seconds)

    def work() -> Reply:
        facts, secret = rotate_secret(entered.installation, entered.principal, entered.actor, entered.workspace.id, wh, overlap)
        return Reply(200, f"{entered.path}/webhooks/{wh}", facts | {"secret": None}, {"secret": secret})

    asked = ["webhooks", entered.workspace.id, wh, "rotate", overlap.total_seconds()]
    return created(once(entered.installation, entered.principal, idempotency_key, asked, work))


@router.post("/{wh}/test", status_code=202, **permission("webhooks:write", DeliveryShape, 202))
def send_webhook_test(request: Request, ws: str, wh: str, idempotency_key: _IDEMPOTENT = None) -> Response:
    """Sends it a message of type `webhook.test`, whatever it subscribed to."""
    entered = within(request, ws)

    def work() -> Reply:
        facts = send_test(entered.installation, entered.principal, entered.actor, entered.workspace.id, wh)
        return Reply(202, f"{entered.path}/webhooks/{wh}/deliveries/{facts['id']}", facts)

    asked = ["webhooks", entered.workspace.id, wh, "test"]
    return created(once(entered.installation, entered.principal, idempotency_key, asked, work))


@router.get("/{wh}/deliveries", **permission("webhooks:write", ListOf[DeliveryShape]))
def list_deliveries(
    request: Request, ws: str, wh: str, page: Paged, status: Literal["waiting", "delivered", "dead"] | None = None
) -> dict[str, Any]:
    """Messages of the last 30 days on their way to it, newest first."""
    entered = within(request, ws)
    with entered.installation.catalog.read() as session:
        webhook = found(session, entered.principal, entered.workspace.id, wh)
        query = select(DeliveryRow).where(DeliveryRow.webhook_id == webhook.id)
        query = query if status is None else query.where(DeliveryRow.state == status)
        rows, more = page.rows(session, query, DeliveryRow.message_id, "em")
        return listed(shown_deliveries(session, rows), more)


@router.get("/{wh}/deliveries/{id}", **permission("webhooks:write", DeliveryShape))
def get_delivery(request: Request, ws: str, wh: str, id: str) -> dict[str, Any]:
    """One message on its way to it."""
    entered = within(request, ws)
    with entered.installation.catalog.read() as session:
        webhook = found(session, entered.principal, entered.workspace.id, wh)
        return shown_deliveries(session, [delivery(session, webhook, id)])[0]


@router.post("/{wh}/deliveries/{id}/replay", status_code=202, **permission("webhooks:write", DeliveryShape, 202))
def replay_delivery(request: Request, ws: str, wh: str, id: str) -> Response:
    """Sends a message again, with the same `webhook-id`, delivered or dead."""
    entered = within(request, ws)
    facts = send_again(entered.installation, entered.principal, entered.actor, entered.workspace.id, wh, id)
    return created(Reply(202, f"{entered.path}/webhooks/{wh}/deliveries/{id}", facts))
