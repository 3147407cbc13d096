"""Billing by Stripe: its webhook, a workspace's account there, what it told and what it is told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from api.control.billing.accounts import AccountWanted, end_account, found_account, put_account, shown_account
from api.control.billing.outbox import shown_meter_event
from api.control.billing.taking import shown_event, take
from api.control.tenants.inputs import Input
from api.endpoints.context import context_of, enter, permission
from api.endpoints.entering import entered
from api.endpoints.lists import Paged, listed
from api.endpoints.shapes import ListOf, MeterEventShape, StripeAccountShape, StripeEventShape, Taken
from engine.catalog.tables import MeterEventRow, StripeEventRow

hooks = APIRouter(prefix="/v1/hooks", tags=["billing"])
accounts = APIRouter(prefix="/v1/workspaces/{ws}/billing/stripe", tags=["billing"], dependencies=[Depends(enter)])
Secret = Annotated[str, StringConstraints(pattern=r"^whsec_[A-Za-z0-9+/=_-]{16,500}$")]
ApiKey = Annotated[str, StringConstraints(pattern=r"^(sk|rk)_[A-Za-z0-9_]{8,500}$")]
Meter = Literal["queries", "rows", "bytes", "cpu_ms", "exports", "downloads", "refreshes", "storage_bytes"]


class MeterInput(Input):
    """A meter of Stripe's that one of ours is told to; it sums its events."""

    event_name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
    meter_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,200}$")] = Field(description="mtr_…")
    unit: Annotated[int, Field(ge=1, le=10**15)] = Field(default=1, description="how many of ours are one there; the rest is carried on")


class StripeAccountInput(Input):
    """A workspace's account. A secret that is left out stays as it is."""

    webhook_secret: Secret | None = Field(default=None, description="of the endpoint of this workspace, whsec_…; never shown again")
    api_key: ApiKey | None = Field(default=None, description="may write meter events and read meters; never shown again")
    meters: dict[Meter, MeterInput] = Field(default_factory=dict)


_EVENT = permission("public", Taken)
_EVENT["openapi_extra"]["requestBody"] = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}


@hooks.post("/stripe", **_EVENT)
async def take_stripe_event(request: Request) -> Any:
    """Where Stripe tells of subscriptions. The signature (`Stripe-Signature`) says for which workspace; the same event twice, or late, is harmless."""
    payload, header = await request.body(), request.headers.get("stripe-signature", "")
    await run_in_threadpool(take, context_of(request).installation, header, payload, msgspec.json.decode)
    return {"received": True}


@accounts.put("", **permission("workspace:write", StripeAccountShape, 200, 201))
def put_stripe_account(request: Request, ws: str, body: StripeAccountInput) -> Response:
    """Sets the account. Usage is told from the hour on in which there is an API key and a meter for the first time."""
    found = entered(request, ws)
    meters: dict[str, Any] = {name: meter.model_dump() for name, meter in body.meters.items()}
    wanted = AccountWanted(body.webhook_secret, body.api_key, meters)
    shown, is_new = put_account(found.installation, found.actor, found.workspace.id, wanted)
    return JSONResponse(shown, 201 if is_new else 200, {"Location": f"{found.path}/billing/stripe"} if is_new else {})


@accounts.get("", **permission("workspace:write", StripeAccountShape))
def get_stripe_account(request: Request, ws: str) -> dict[str, Any]:
    """The account, without its secrets."""
    found = entered(request, ws)
    with found.installation.catalog.read() as session:
        return shown_account(found_account(session, found.workspace.id))


@accounts.delete("", status_code=204, **permission("workspace:write"))
def delete_stripe_account(request: Request, ws: str) -> Response:
    """Takes nothing from Stripe and tells it nothing any more; subscriptions stay as they are."""
    found = entered(request, ws)
    end_account(found.installation, found.actor, found.workspace.id)
    return Response(status_code=204)


@accounts.get("/events", **permission("workspace:write", ListOf[StripeEventShape]))
def list_stripe_events(
    request: Request, ws: str, page: Paged, outcome: Literal["applied", "stale", "ignored", "unmatched"] | None = None
) -> dict[str, Any]:
    """What Stripe told, newest first; `unmatched` changed nothing: no tenant or no tier is known by it. Mended, Stripe may send it again."""
    found = entered(request, ws)
    query = select(StripeEventRow).where(StripeEventRow.workspace_id == found.workspace.id)
    query = query if outcome is None else query.where(StripeEventRow.outcome == outcome)
    with found.installation.catalog.read() as session:
        rows, more = page.rows(session, query, StripeEventRow.id, "se")
    return listed([shown_event(row) for row in rows], more)


@accounts.get("/meter-events", **permission("workspace:write", ListOf[MeterEventShape]))
def list_meter_events(
    request: Request, ws: str, page: Paged, state: Literal["pending", "sending", "unsure", "sent", "nothing", "dead"] | None = None
) -> dict[str, Any]:
    """What Stripe is told of usage, an event a tenant, meter and hour; `dead` ones need a person."""
    found = entered(request, ws)
    query = select(MeterEventRow).where(MeterEventRow.workspace_id == found.workspace.id)
    query = query if state is None else query.where(MeterEventRow.state == state)
    with found.installation.catalog.read() as session:
        rows, more = page.rows(session, query, MeterEventRow.id, "me")
    return listed([shown_meter_event(row) for row in rows], more)


router = APIRouter()
router.include_router(hooks)
router.include_router(accounts)
