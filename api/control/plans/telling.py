"""What webhooks are told of subscriptions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.catalog.outbox import Outbox
from engine.catalog.tables import SubscriptionRow, TenantRow, TierRow
from engine.clock import rfc3339


def tell_changed(outbox: Outbox, tenant: TenantRow, row: SubscriptionRow, tier: TierRow) -> None:
    """Tells of a subscription that was put, or has another version of its tier now."""
    facts = {"subscription": row.id, "tier": tier.slug, "version": tier.version, "status": row.status}
    outbox.tell("subscription.changed", facts | {"effective_at": rfc3339(row.effective_at)}, tenant)


def tell_migrated(session: Session, tier: TierRow, moved: Collection[str], now: datetime) -> None:
    """Tells each tenant's of a subscription in effect that was moved to this version; `moved` are subscriptions' ids."""
    outbox = Outbox(session, tier.workspace_id, now)
    if not outbox.listens("subscription.changed"):
        return
    rows = select(SubscriptionRow).where(SubscriptionRow.workspace_id == tier.workspace_id, SubscriptionRow.effective_at <= now)
    current = {row.tenant_id: row for row in session.scalars(rows.order_by(SubscriptionRow.effective_at, SubscriptionRow.id))}
    for tenant_id, row in current.items():
        if row.id in moved:
            tell_changed(outbox, session.get_one(TenantRow, tenant_id), row, tier)
