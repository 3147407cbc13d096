"""Subscriptions: a tenant's plan over time. What is put holds from a moment on; what was before stays as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from api.control.plans.entitlements import resolve, shown_entitlements
from api.control.plans.telling import tell_changed
from api.control.plans.tiers import newest
from api.serving.problems import FieldError, Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.outbox import Outbox
from engine.catalog.tables import SubscriptionRow, TenantRow, TierRow
from engine.clock import rfc3339
from engine.ids import new_id
from slices.installation import Installation


@dataclass(frozen=True, slots=True)
class SubscriptionWanted:
    """A subscription that is put. `tier` is a slug; `version` None: the one that the tenant has of it, else the newest."""

    tier: str
    version: int | None
    status: str
    effective_at: datetime | None
    values: Mapping[str, Any]


def current(session: Session, tenant_id: str, now: datetime) -> SubscriptionRow | None:
    """What is in effect."""
    query = select(SubscriptionRow).where(SubscriptionRow.tenant_id == tenant_id, SubscriptionRow.effective_at <= now)
    return session.scalar(query.order_by(SubscriptionRow.effective_at.desc(), SubscriptionRow.id.desc()).limit(1))


def put_subscription(
    installation: Installation, actor: Actor, tenant: TenantRow, wanted: SubscriptionWanted, *, preview: bool
) -> dict[str, Any]:
    """Puts a subscription in effect, now or later (a later one that was put before is taken back): what it was, what it is, what changes.

    `preview`: nothing is kept. Raises Problem `validation` for a tier that is not there, or is retired and not the tenant's.
    """
    now = installation.clock()
    with installation.catalog.write() as session:
        with session.begin_nested() as point:
            found = put_in(session, installation, actor, tenant, wanted, now, preview=preview)
            if preview:
                point.rollback()
        return found


def put_in(
    session: Session,
    installation: Installation,
    actor: Actor,
    tenant: TenantRow,
    wanted: SubscriptionWanted,
    now: datetime,
    *,
    preview: bool = False,
) -> dict[str, Any]:
    """The same within a transaction. `values` may say `past_due_since`; else it is when the tenant was first seen as late. Raises Problem."""
    before = current(session, tenant.id, now)
    was = shown_entitlements(resolve(session, tenant, now), {}, now)
    tier = _tier(session, tenant, wanted, before)
    at = wanted.effective_at or now
    session.execute(delete(SubscriptionRow).where(SubscriptionRow.tenant_id == tenant.id, SubscriptionRow.effective_at > min(at, now)))
    late = before.past_due_since if before is not None and before.status == "past_due" else None
    values = {"past_due_since": (late or at) if wanted.status == "past_due" else None, **wanted.values}
    row = SubscriptionRow(
        id=new_id("sb"), workspace_id=tenant.workspace_id, tenant_id=tenant.id, tier_id=tier.id, status=wanted.status, effective_at=at,
        created_at=now, **values,
    )  # fmt: skip
    session.add(row)
    session.flush()
    shown, then = shown_subscription(row, tier), max(at, now)
    is_ = shown_entitlements(resolve(session, tenant, then), {}, then)
    if not preview:
        old = shown_subscription(before, session.get_one(TierRow, before.tier_id)) if before is not None else None
        entry = Entry("subscriptions.put", row.id, tenant.workspace_id, tenant.id, before=old, after=shown)
        audit.append(session, installation.derived_key("audit"), actor, entry, now)
        tell_changed(Outbox(session, tenant.workspace_id, now), tenant, row, tier)
    changes = {k: {"before": was[k], "after": is_[k]} for k in is_ if is_[k] != was[k] and k != "changes_at"}
    return {"subscription": shown, "preview": preview, "changes": changes}


def _tier(session: Session, tenant: TenantRow, wanted: SubscriptionWanted, before: SubscriptionRow | None) -> TierRow:
    had = session.get(TierRow, before.tier_id) if before is not None else None
    if had is not None and had.slug == wanted.tier and wanted.version in (None, had.version):
        return had
    tier = newest(session, tenant.workspace_id, wanted.tier, wanted.version)
    if tier is None or tier.retired_at is not None:
        raise Problem("validation", errors=[FieldError("/tier", "unknown", "There is no such tier, or it takes nobody new.")])
    return tier


def shown_subscription(row: SubscriptionRow, tier: TierRow) -> dict[str, Any]:
    """A subscription as the API shows it."""
    return {
        "id": row.id,
        "tenant": row.tenant_id,
        "tier": tier.slug,
        "version": tier.version,
        "status": row.status,
        "effective_at": rfc3339(row.effective_at),
        "trial_end": _moment(row.trial_end),
        "current_period": None
        if row.period_start is None or row.period_end is None
        else {"start": rfc3339(row.period_start), "end": rfc3339(row.period_end)},
        "cancel_at": _moment(row.cancel_at),
        "past_due_since": _moment(row.past_due_since),
        "seats": row.seats,
        "overrides": row.overrides,
        "external": row.external,
        "created_at": rfc3339(row.created_at),
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
