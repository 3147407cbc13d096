"""Tiers of a workspace, the subscriptions of its tenants, and what each may do by them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, Field, StringConstraints, model_validator
from sqlalchemy import select

from api.control.plans.entitlements import METERS, resolve, shown_entitlements
from api.control.plans.subscriptions import SubscriptionWanted, current, put_subscription, shown_subscription
from api.control.plans.tiers import newest, put_tier, retire_tier, shown_tier
from api.control.tenants.inputs import Input, Line, Metadata, Name, Text
from api.endpoints.bodies import Moment
from api.endpoints.context import enter, permission
from api.endpoints.entering import entered, entered_tenant, within
from api.endpoints.lists import Paged, listed
from api.endpoints.shapes import EntitlementsShape, ListOf, PutSubscriptionShape, SubscriptionShape, TierShape
from api.serving.problems import Problem
from engine.catalog.tables import TierRow

router = APIRouter(prefix="/v1/workspaces/{ws}", tags=["plans"], dependencies=[Depends(enter)])
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Limit = Annotated[int, Field(ge=0, lt=2**53)]
Features = Annotated[
    dict[Name, bool | Limit], Field(max_length=100, description="sql, explore, export_data, export_slice, branding … or your own")
]


def _meter(name: str) -> str:
    if name not in METERS:
        raise ValueError(f"must be one of {', '.join(METERS)}")
    return name


class QuotaInput(Input):
    """At most `limit` per hour, day, month (UTC) or period; a hard one refuses with 429."""

    limit: Limit
    per: Literal["hour", "day", "month", "period"] = "month"
    hard: bool = True


Quotas = dict[Annotated[str, AfterValidator(_meter)], QuotaInput]
Rates = dict[Literal["queries"], Annotated[float, Field(gt=0, le=100_000)]]


class TierInput(Input):
    """A tier. What it does not name of the features is off."""

    name: Line
    default: bool = Field(default=False, description="the tier of tenants without a subscription")
    features: Features = Field(default_factory=dict)
    quotas: Quotas = Field(default_factory=dict)
    rates: Rates = Field(default_factory=dict)
    prices: Annotated[list[Text], Field(max_length=20)] = Field(default_factory=list, description="ids or lookup keys of prices of Stripe")
    metadata: Metadata = Field(default_factory=dict)


@router.put("/tiers/{tier}", **permission("tiers:write", TierShape, 200, 201))
def put_workspace_tier(
    request: Request,
    ws: str,
    tier: Slug,
    body: TierInput,
    migrate: Annotated[bool, Query(description="those who subscribe to an earlier version have this one from now on")] = False,
) -> Response:
    """A new version of the tier where it differs from the newest one. Subscribers keep theirs, unless `migrate`."""
    found = entered(request, ws)
    said = body.model_dump(mode="json")
    fields = {f: said[f] for f in ("name", "features", "quotas", "rates", "prices")} | {
        "is_default": body.default,
        "tags": said["metadata"],
    }
    row, is_new = put_tier(found.installation, found.actor, found.workspace.id, tier, fields, migrate=migrate)
    return JSONResponse(shown_tier(row), 201 if is_new else 200, {"Location": f"{found.path}/tiers/{tier}"} if is_new else {})


@router.get("/tiers", **permission("tenants:view", ListOf[TierShape]))
def list_tiers(request: Request, ws: str, page: Paged) -> dict[str, Any]:
    """All versions of all tiers, newest first: what may be subscribed to is not retired."""
    found = within(request, ws)
    with found.installation.catalog.read() as session:
        rows, more = page.rows(session, select(TierRow).where(TierRow.workspace_id == found.workspace.id), TierRow.id, "ti")
    return listed([shown_tier(r) for r in rows], more)


@router.get("/tiers/{tier}", **permission("tenants:view", TierShape))
def get_tier(request: Request, ws: str, tier: str, version: Annotated[int | None, Query(ge=1, lt=2**31)] = None) -> dict[str, Any]:
    """A tier, its newest version where none is named."""
    found = within(request, ws)
    with found.installation.catalog.read() as session:
        row = newest(session, found.workspace.id, tier, version)
    if row is None:
        raise Problem("not_found")
    return shown_tier(row)


@router.delete("/tiers/{tier}", status_code=204, **permission("tiers:write"))
def delete_tier(request: Request, ws: str, tier: str) -> Response:
    """Takes no new subscription; those who have it keep it."""
    found = entered(request, ws)
    retire_tier(found.installation, found.actor, found.workspace.id, tier)
    return Response(status_code=204)


class Period(Input):
    """From a moment to a moment."""

    start: Moment
    end: Moment

    @model_validator(mode="after")
    def _in_order(self) -> Period:
        if self.end <= self.start:
            raise ValueError("must end after it starts")
        return self


class Overrides(Input):
    """What lies over the tier for this tenant; null takes a quota or a rate away."""

    features: Features = Field(default_factory=dict)
    quotas: dict[Annotated[str, AfterValidator(_meter)], QuotaInput | None] = Field(default_factory=dict)
    rates: dict[Literal["queries"], Annotated[float, Field(gt=0, le=100_000)] | None] = Field(default_factory=dict)


class External(Input):
    """Whose the subscription is elsewhere."""

    stripe_customer_id: Text | None = None
    stripe_subscription_id: Text | None = None


class SubscriptionInput(Input):
    """A subscription, in effect now or from `effective_at` on."""

    tier: Slug
    version: Annotated[int, Field(ge=1, lt=2**31)] | None = Field(
        default=None, description="the one that the tenant has of it, else the newest"
    )
    status: Literal["trialing", "active", "past_due", "paused", "canceled"] = "active"
    effective_at: Moment | None = None
    trial_end: Moment | None = None
    current_period: Period | None = None
    cancel_at: Moment | None = None
    seats: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    overrides: Overrides = Field(default_factory=Overrides)
    external: External = Field(default_factory=External)


@router.put("/tenants/{t}/subscription", **permission("tenants:write", PutSubscriptionShape))
def put_tenant_subscription(
    request: Request,
    ws: str,
    t: str,
    body: SubscriptionInput,
    preview: Annotated[bool, Query(description="say what changes, keep nothing")] = False,
) -> dict[str, Any]:
    """Puts a tenant's plan in effect, and says what it changes. A tenant does not put its own."""
    found = entered_tenant(request, ws, t)
    if found.principal.tenant_id == found.tenant.id:
        raise Problem("forbidden", "A tenant's plan is for those above it to set.")
    period = body.current_period
    values = {
        "trial_end": body.trial_end,
        "period_start": period.start if period else None,
        "period_end": period.end if period else None,
        "cancel_at": body.cancel_at,
        "seats": body.seats,
        "overrides": body.overrides.model_dump(mode="json", exclude_defaults=True),
        "external": body.external.model_dump(mode="json", exclude_none=True),
    }
    wanted = SubscriptionWanted(body.tier, body.version, body.status, body.effective_at, values)
    return put_subscription(found.installation, found.actor, found.tenant, wanted, preview=preview)


@router.get("/tenants/{t}/subscription", **permission("tenants:view", SubscriptionShape))
def get_subscription(request: Request, ws: str, t: str) -> dict[str, Any]:
    """What is in effect."""
    found = entered_tenant(request, ws, t)
    with found.installation.catalog.read() as session:
        row = current(session, found.tenant.id, found.installation.clock())
        if row is None:
            raise Problem("not_found")
        return shown_subscription(row, session.get_one(TierRow, row.tier_id))


@router.get("/tenants/{t}/entitlements", **permission("tenants:view", EntitlementsShape))
def get_entitlements(request: Request, ws: str, t: str) -> dict[str, Any]:
    """What every door asks: features, quotas with what is left, rates; whether the subscription lets anybody in."""
    found = entered_tenant(request, ws, t)
    now = found.installation.clock()
    with found.installation.catalog.read() as session:
        entitlements = resolve(session, found.tenant, now)
    return shown_entitlements(entitlements, found.context.gauge.used(found.tenant.id, entitlements), now)
