"""Takes events of Stripe: a tenant's subscription is what all events of it that are known say, so their order and number do not matter."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.control.billing.accounts import webhook_secrets
from api.control.billing.reading import (
    OF_SUBSCRIPTIONS,
    Price,
    Told,
    Unreadable,
    customer_of,
    moment,
    names_of,
    prices_of,
    told,
    values_of,
)
from api.control.billing.signature import is_signed
from api.control.plans.subscriptions import SubscriptionWanted, current, put_in
from api.serving.problems import Problem
from engine.catalog import audit, versions
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import ENDED, StripeEventRow, SubscriptionRow, TenantRow, TierRow
from engine.clock import rfc3339
from engine.ids import is_id, new_id
from slices.installation import Installation

log = logging.getLogger("slicehouse.billing")


@dataclass(frozen=True, slots=True)
class _Matched:
    """Whose subscription it is, and what its event says of it."""

    tenant: TenantRow
    facts: dict[str, Any]


class _Unmatched(Exception):
    """Nobody here has that subscription, or no tier that price."""


def take(installation: Installation, header: str, payload: bytes, parsed: Any) -> None:
    """Takes one event for each workspace whose secret signed it; of another one nothing is looked at.

    `parsed` makes JSON of the payload, and is called for a good signature alone. Raises Problem `credential_invalid`, `syntax`.
    """
    now = installation.clock()
    with installation.catalog.read() as session:
        signed = [w for w, secret in webhook_secrets(installation, session) if is_signed(header, payload, secret, now)]
    if not signed:
        raise Problem("credential_invalid", "The signature is not one of an endpoint that is known here, or too old.")
    try:
        event = told(parsed(payload))
    except (Unreadable, ValueError, RecursionError):
        raise Problem("syntax", "That is no event of Stripe.") from None
    for workspace_id in signed:
        with installation.catalog.write() as session:
            _take(session, installation, workspace_id, event)


def _take(session: Session, installation: Installation, workspace_id: str, event: Told) -> None:
    row = session.scalar(select(StripeEventRow).where(StripeEventRow.workspace_id == workspace_id, StripeEventRow.event_id == event.id))
    if row is not None and row.outcome != "unmatched":
        return
    is_new, now = row is None, installation.clock()
    if row is None:
        row = StripeEventRow(id=new_id("se"), workspace_id=workspace_id, event_id=event.id, type=event.type, received_at=now)
        row.created_at = moment(event.created) or now
    actor = Actor("stripe", event.id)
    was_unmatched = row.outcome == "unmatched"
    row.outcome, row.reason = "ignored", ""
    if event.subscription is not None:
        row.subscription_id, row.customer_id = event.subscription["id"], customer_of(event.subscription)
        _apply(session, installation, actor, row, event)
    session.add(row)
    session.flush()
    if is_new or (was_unmatched and row.outcome != "unmatched"):
        outcome = {"type": event.type, "event": event.id, "outcome": row.outcome, "subscription": row.subscription_id}
        entry = Entry("billing.stripe.event", row.id, workspace_id, row.tenant_id, reason=row.reason, after=outcome)
        audit.append(session, installation.derived_key("audit"), actor, entry, now)


def _apply(session: Session, installation: Installation, actor: Actor, row: StripeEventRow, event: Told) -> None:
    """Matches an event of a subscription and, where what all events say is something else by it, puts that in effect."""
    try:
        matched = _matched(session, row.workspace_id, event)
    except (_Unmatched, Unreadable) as why:
        row.outcome, row.reason = "unmatched", str(why)
        return
    known = _events_of(session, row.workspace_id, matched.tenant.id)
    row.tenant_id, row.facts = matched.tenant.id, matched.facts
    before, after = _state(known), _state([*known, matched.facts])
    is_last = all(f["order"] < matched.facts["order"] for f in known if f["subscription"] == matched.facts["subscription"])
    row.outcome = "applied" if is_last or after != before else "stale"
    if after is None or after == before:
        return
    try:
        with session.begin_nested():
            put_in(
                session, installation, actor, matched.tenant, _wanted(session, matched.tenant, after, installation), installation.clock()
            )
    except Problem as problem:
        row.outcome, row.reason, row.tenant_id, row.facts = "unmatched", problem.errors[0].detail if problem.errors else "", None, None


def _matched(session: Session, workspace_id: str, event: Told) -> _Matched:
    assert event.subscription is not None
    tenant = _tenant(session, workspace_id, event.subscription)
    if tenant.state in ENDED:
        raise _Unmatched("The tenant has left.")
    tier, price = _tier(session, tenant, prices_of(event.subscription), event)
    created = event.subscription.get("created")
    facts = {
        "order": [event.created, OF_SUBSCRIPTIONS[event.type], event.id],
        "subscription": event.subscription["id"],
        "customer": customer_of(event.subscription),
        "begun": created if isinstance(created, int) else 0,
        "status": event.status,
        "tier": tier,
    }
    return _Matched(tenant, facts | values_of(event.subscription, price))


def _tenant(session: Session, workspace_id: str, subscription: Any) -> TenantRow:
    """By the subscription's metadata, else by whose subscription, or customer, it is known to be."""
    named = list(names_of(subscription))
    if named:
        found = {_named(session, workspace_id, name) for name in named}
        tenant = found.pop()
        if tenant is None or found:
            raise _Unmatched("The metadata names no tenant of this workspace, or two.")
        return tenant
    for field, value in (("stripe_subscription_id", subscription["id"]), ("stripe_customer_id", customer_of(subscription))):
        known = _known_by(session, workspace_id, field, value) if value else set()
        if len(known) == 1:
            return session.get_one(TenantRow, known.pop())
        if known:
            raise _Unmatched("Several tenants have that customer: name one in the subscription's metadata, as tenant_key.")
    raise _Unmatched("No tenant is named: the subscription's metadata has no tenant_key, and nobody has that customer.")


def _named(session: Session, workspace_id: str, name: str) -> TenantRow | None:
    """`tenant_id` is an id alone, never a key that looks like one."""
    is_name = (name.startswith("key:") or is_id(name, "tn")) and "\0" not in name
    return versions.find_tenant(session, workspace_id, name) if is_name else None


def _known_by(session: Session, workspace_id: str, field: str, value: str) -> set[str]:
    """Tenants whose subscription in effect has that id of Stripe's."""
    newest = (
        select(SubscriptionRow)
        .where(SubscriptionRow.workspace_id == workspace_id)
        .order_by(SubscriptionRow.effective_at, SubscriptionRow.id)
    )
    of_tenant = {row.tenant_id: row.external for row in session.scalars(newest)}
    return {tenant for tenant, external in of_tenant.items() if external.get(field) == value}


def _tier(session: Session, tenant: TenantRow, prices: Sequence[Price], event: Told) -> tuple[str, Price]:
    """The tier that has one of the prices: of each tier its newest version, and the version that the tenant has."""
    newest: dict[str, TierRow] = {}
    for row in session.scalars(select(TierRow).where(TierRow.workspace_id == tenant.workspace_id).order_by(TierRow.version)):
        newest[row.slug] = row
    offered = [(r.slug, set(r.prices)) for r in newest.values() if r.retired_at is None]
    own = session.scalar(
        select(TierRow).join(SubscriptionRow, SubscriptionRow.tier_id == TierRow.id).where(SubscriptionRow.tenant_id == tenant.id)
        .order_by(SubscriptionRow.effective_at.desc(), SubscriptionRow.id.desc()).limit(1)
    )  # fmt: skip
    if own is not None:
        offered.append((own.slug, set(own.prices)))
    found = {slug: price for price in reversed(prices) for slug, has in offered if has.intersection(price.names)}
    if len(found) != 1:
        raise _Unmatched("No tier has that price." if not found else "Several tiers have those prices.")
    return next(iter(found.items()))


def _events_of(session: Session, workspace_id: str, tenant_id: str) -> list[dict[str, Any]]:
    query = select(StripeEventRow.facts).where(StripeEventRow.workspace_id == workspace_id, StripeEventRow.tenant_id == tenant_id)
    return [facts for facts in session.scalars(query) if facts is not None]


def _state(events: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """What the events say together, in whatever order they are given: of the tenant's subscriptions the one that lives and began last.

    Late is a subscription since the first of its last events that all say so. None where none has begun.
    """
    of: dict[str, list[dict[str, Any]]] = {}
    for facts in sorted(events, key=lambda f: f["order"]):
        of.setdefault(facts["subscription"], []).append(facts)
    found: list[dict[str, Any]] = []
    for history in of.values():
        last = {k: v for k, v in history[-1].items() if k != "order"}
        late = None
        for facts in history:
            late = (late or facts["order"][0]) if facts["status"] == "past_due" else None
        if last["status"] != "incomplete":
            found.append(last | {"past_due_since": late})
    return max(found, key=lambda s: (s["status"] != "canceled", s["begun"], s["subscription"]), default=None)


def _wanted(session: Session, tenant: TenantRow, state: dict[str, Any], installation: Installation) -> SubscriptionWanted:
    """The subscription to be put; what lies over the tier by hand stays."""
    before = current(session, tenant.id, installation.clock())
    times = ("trial_end", "period_start", "period_end", "cancel_at", "past_due_since")
    values: dict[str, Any] = {name: moment(state[name]) for name in times}
    external = {"stripe_customer_id": state["customer"], "stripe_subscription_id": state["subscription"]}
    values |= {
        "seats": state["seats"],
        "overrides": before.overrides if before is not None else {},
        "external": {k: v for k, v in external.items() if v is not None},
    }
    return SubscriptionWanted(state["tier"], None, state["status"], None, values)


def shown_event(row: StripeEventRow) -> dict[str, Any]:
    """An event as the API shows it."""
    return {
        "id": row.id,
        "event": row.event_id,
        "type": row.type,
        "outcome": row.outcome,
        "reason": row.reason,
        "tenant": row.tenant_id,
        "subscription": row.subscription_id,
        "customer": row.customer_id,
        "created_at": rfc3339(row.created_at),
        "received_at": rfc3339(row.received_at),
    }
