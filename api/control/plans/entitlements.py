"""What a tenant may do by its tier: the one module that every door asks. Overrides of the subscription lie over the tier.

A tenant without a subscription has the workspace's default tier, and is free where there is none. A feature that a tier does not name is off.
A subscription that ended, is paused, or is past due beyond its grace, closes every door.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.serving.problems import Problem
from engine.catalog.tables import SubscriptionRow, TenantRow, TierRow
from engine.clock import rfc3339

GRACE = timedelta(days=7)
"""How long a subscription that is past due goes on."""
FEATURES = {
    "query:sql": "sql",
    "explore:view": "explore",
    "export:data": "export_data",
    "export:slice": "export_slice",
    "dashboard:edit": "edit_dashboards",
    "branding:write": "branding",
}
"""Permissions that a tier switches on and off, and the feature that each asks."""
METERS = ("queries", "rows", "bytes", "cpu_ms", "exports", "downloads", "refreshes", "storage_bytes", "seats")
PER = ("hour", "day", "month", "period")


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` per hour, day, month (UTC) or period of the subscription; a hard one refuses, a soft one tells."""

    limit: int
    per: str = "month"
    hard: bool = True


@dataclass(frozen=True, slots=True)
class Entitlements:
    """What one tenant may do, as of a moment; `until` is when time alone changes it. `is_free`: no tier is asked."""

    is_free: bool = True
    tier: str | None = None
    version: int | None = None
    status: str | None = None
    closed: str | None = None
    features: Mapping[str, Any] = field(default_factory=dict)
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    seats: int | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None
    until: datetime | None = None

    def has(self, feature: str) -> bool:
        """Whether a feature is on, or has a limit above nothing."""
        return self.is_free or bool(self.features.get(feature, False))

    def require_open(self) -> None:
        """Raises Problem `tenant_suspended` where the subscription closes every door."""
        if self.closed is not None:
            raise Problem("tenant_suspended", self.closed)

    def require(self, permission: str) -> None:
        """Raises Problem `feature_not_in_tier` where the tier switches off what the permission is for."""
        feature = FEATURES.get(permission)
        if feature is not None and not self.has(feature):
            raise Problem("feature_not_in_tier", f"The tier {self.tier} does not have {feature}.")


def resolve(session: Session, tenant: TenantRow, now: datetime) -> Entitlements:
    """The entitlements of a tenant now."""
    rows = list(
        session.scalars(select(SubscriptionRow).where(SubscriptionRow.tenant_id == tenant.id).order_by(SubscriptionRow.effective_at))
    )
    current = next((r for r in reversed(rows) if r.effective_at <= now), None)
    next_change = next((r.effective_at for r in rows if r.effective_at > now), None)
    if current is None:
        tier = default_tier(session, tenant.workspace_id)
        return Entitlements(until=next_change) if tier is None else _of(tier, None, None, next_change)
    closed, ends = _closed(current, now)
    until = min((t for t in (ends, next_change) if t is not None), default=None)
    return _of(session.get_one(TierRow, current.tier_id), current, closed, until)


def default_tier(session: Session, workspace_id: str) -> TierRow | None:
    """The newest version of the workspace's default tier."""
    query = select(TierRow).where(TierRow.workspace_id == workspace_id, TierRow.retired_at.is_(None)).order_by(TierRow.version.desc())
    newest: dict[str, TierRow] = {}
    for row in session.scalars(query):
        newest.setdefault(row.slug, row)
    return next((r for r in newest.values() if r.is_default), None)


def _closed(row: SubscriptionRow, now: datetime) -> tuple[str | None, datetime | None]:
    """Why the subscription closes every door, if it does, and the next moment at which time alone may change that."""
    ends = [row.cancel_at] if row.cancel_at is not None else []
    if row.status == "trialing" and row.trial_end is not None:
        ends.append(row.trial_end)
    if row.status == "past_due":
        ends.append((row.past_due_since or row.effective_at) + GRACE)
    said = {"paused": "The subscription is paused.", "canceled": "The subscription has ended."}.get(row.status)
    if said is None and row.cancel_at is not None and row.cancel_at <= now:
        said = "The subscription has ended."
    if said is None and any(e <= now for e in ends):
        said = "The trial has ended." if row.status == "trialing" else "The subscription is past due."
    return said, min((e for e in ends if e > now), default=None)


def _of(tier: TierRow, row: SubscriptionRow | None, closed: str | None, until: datetime | None) -> Entitlements:
    over: dict[str, dict[str, Any]] = row.overrides if row is not None else {}
    quotas = {**tier.quotas, **over.get("quotas", {})}
    return Entitlements(
        is_free=False,
        tier=tier.slug,
        version=tier.version,
        status=row.status if row is not None else None,
        closed=closed,
        features={**tier.features, **over.get("features", {})},
        quotas={m: Quota(**q) for m, q in quotas.items() if q is not None},
        rates={n: float(r) for n, r in {**tier.rates, **over.get("rates", {})}.items() if r is not None},
        seats=row.seats if row is not None else None,
        period_start=row.period_start if row is not None else None,
        period_end=row.period_end if row is not None else None,
        until=until,
    )


def window(quota: Quota, entitlements: Entitlements, now: datetime) -> tuple[datetime, datetime]:
    """The span that a quota counts in now, and so when it begins anew (UTC); a period that is not known is a month."""
    now = now.astimezone(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0)
    if quota.per == "hour":
        return hour, hour + timedelta(hours=1)
    day = hour.replace(hour=0)
    if quota.per == "day":
        return day, day + timedelta(days=1)
    start, end = entitlements.period_start, entitlements.period_end
    if quota.per == "period" and start is not None and end is not None and start <= now < end:
        return start, end
    month = day.replace(day=1)
    return month, (month + timedelta(days=32)).replace(day=1)


def shown_entitlements(found: Entitlements, used: Mapping[str, int], now: datetime) -> dict[str, Any]:
    """As the API shows it: what is on, what is left of each quota and when it begins anew."""
    quotas = {}
    for meter, quota in found.quotas.items():
        _, resets = window(quota, found, now)
        spent = used.get(meter, 0)
        quotas[meter] = {
            "limit": quota.limit,
            "per": quota.per,
            "hard": quota.hard,
            "used": spent,
            "remaining": max(0, quota.limit - spent),
            "resets_at": rfc3339(resets),
        }
    return {
        "tier": found.tier,
        "version": found.version,
        "status": found.status,
        "access": found.closed is None,
        "reason": found.closed,
        "features": dict(found.features),
        "quotas": quotas,
        "rates": dict(found.rates),
        "seats": found.seats,
        "changes_at": rfc3339(found.until) if found.until else None,
    }
