"""What an event of Stripe says of a subscription: read from the object it carries, of API versions before and since 2025-03-31 (basil)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

OF_SUBSCRIPTIONS = {
    "customer.subscription.created": 0,
    "customer.subscription.updated": 1,
    "customer.subscription.paused": 1,
    "customer.subscription.resumed": 1,
    "customer.subscription.deleted": 2,
}
"""Events that carry a subscription, and which of one second comes later."""
STATUSES = {
    "trialing": "trialing",
    "active": "active",
    "past_due": "past_due",
    "unpaid": "past_due",
    "paused": "paused",
    "canceled": "canceled",
    "incomplete": "incomplete",
    "incomplete_expired": "incomplete",
}
"""Stripe's statuses and ours. One that is incomplete has not begun: the tenant stays as it is."""

_ID = re.compile(r"[A-Za-z0-9_.-]{1,255}")


@dataclass(frozen=True, slots=True)
class Price:
    """A price of a subscription's item: what it is called, how many of it, and its period."""

    names: tuple[str, ...]
    quantity: int | None
    start: int | None
    end: int | None


class Unreadable(Exception):
    """An event that has not the form that Stripe documents."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event. `subscription` is the object that it carries, where it is of a subscription."""

    id: str
    type: str
    created: int
    subscription: Mapping[str, Any] | None

    @property
    def status(self) -> str:
        """Ours, or incomplete. Raises Unreadable."""
        if self.type == "customer.subscription.deleted":
            return "canceled"
        found = STATUSES.get(str((self.subscription or {}).get("status")))
        if found is None:
            raise Unreadable("a status that is not known")
        return found


def told(body: Any) -> Told:
    """An event from its JSON. Raises Unreadable."""
    if not isinstance(body, dict) or not _is_id(body.get("id")) or not _is_id(body.get("type")):
        raise Unreadable("no event")
    created = _number(body.get("created"))
    if created is None:
        raise Unreadable("no event")
    type_, subscription = body["type"], None
    if type_ in OF_SUBSCRIPTIONS:
        data = body.get("data")
        subscription = data.get("object") if isinstance(data, dict) else None
        if not isinstance(subscription, dict) or not _is_id(subscription.get("id")):
            raise Unreadable("no subscription")
    return Told(body["id"], type_, created, subscription)


def prices_of(subscription: Mapping[str, Any]) -> list[Price]:
    """The prices of the items, in their order. Raises Unreadable."""
    items = subscription.get("items")
    found = items.get("data") if isinstance(items, dict) else None
    if not isinstance(found, list) or not all(isinstance(i, dict) and isinstance(i.get("price"), dict) for i in found):
        raise Unreadable("no items")
    return [
        Price(
            tuple(str(n) for n in (i["price"].get("id"), i["price"].get("lookup_key")) if n),
            _number(i.get("quantity")),
            _number(i.get("current_period_start")) or _number(subscription.get("current_period_start")),
            _number(i.get("current_period_end")) or _number(subscription.get("current_period_end")),
        )
        for i in found
    ]


def values_of(subscription: Mapping[str, Any], price: Price) -> dict[str, Any]:
    """What a subscription says beside its tier and status; moments in seconds."""
    ends = _number(subscription.get("cancel_at"))
    if ends is None and subscription.get("cancel_at_period_end") is True:
        ends = price.end
    return {
        "trial_end": _number(subscription.get("trial_end")),
        "period_start": price.start if price.end is not None else None,
        "period_end": price.end if price.start is not None else None,
        "cancel_at": ends,
        "seats": price.quantity,
    }


def customer_of(subscription: Mapping[str, Any]) -> str | None:
    """The customer's id; an expanded customer has it inside."""
    customer = subscription.get("customer")
    found = customer.get("id") if isinstance(customer, dict) else customer
    return found if _is_id(found) else None


def names_of(subscription: Mapping[str, Any]) -> Iterable[str]:
    """What the metadata names the tenant by, as a path names it: id first, then `key:` and the key."""
    metadata = subscription.get("metadata")
    said = metadata if isinstance(metadata, dict) else {}
    if isinstance(said.get("tenant_id"), str):
        yield said["tenant_id"]
    if isinstance(said.get("tenant_key"), str):
        yield "key:" + said["tenant_key"]


def moment(seconds: int | None) -> datetime | None:
    """A moment of Stripe's."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _number(value: Any) -> int | None:
    """A whole number that is not negative and has a moment (before the year 9999)."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 250_000_000_000 else None
