"""Quotas that are reached: told once a tenant, meter and window, in the transaction that counts what reached them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from api.control.plans.entitlements import Entitlements, Quota, resolve, window
from api.control.usage.sums import sums_since, used_of
from engine.catalog.outbox import Outbox
from engine.catalog.tables import QuotaReachedRow, TenantRow
from engine.clock import rfc3339

EVENT = "quota.reached"
_REMEMBERED = timedelta(days=400)
"""Longer than any window."""


def tell_reached(session: Session, tenant_ids: Iterable[str], now: datetime) -> None:
    """Tells of the quotas that these tenants have used up by now, where somebody hears of it and was not told."""
    outboxes: dict[str, Outbox] = {}
    for tenant_id in sorted(set(tenant_ids)):
        tenant = session.get(TenantRow, tenant_id)
        if tenant is None:
            continue
        outbox = outboxes.setdefault(tenant.workspace_id, Outbox(session, tenant.workspace_id, now))
        if outbox.listens(EVENT):
            _tell(session, outbox, tenant, resolve(session, tenant, now), now)


def _tell(session: Session, outbox: Outbox, tenant: TenantRow, entitlements: Entitlements, now: datetime) -> None:
    for meter, quota in entitlements.quotas.items():
        start, resets = window(quota, entitlements, now)
        used = used_of(sums_since(session, tenant.id, start), meter)
        if used >= quota.limit and _is_first(session, tenant, meter, start):
            outbox.tell(EVENT, _facts(meter, quota, used) | {"window_start": rfc3339(start), "resets_at": rfc3339(resets)}, tenant)


def _facts(meter: str, quota: Quota, used: int) -> dict[str, object]:
    return {"meter": meter, "limit": quota.limit, "per": quota.per, "hard": quota.hard, "used": used}


def _is_first(session: Session, tenant: TenantRow, meter: str, start: datetime) -> bool:
    """Whether it is told now for the first time in this window; remembered."""
    if session.get(QuotaReachedRow, (tenant.id, meter, start)) is not None:
        return False
    is_old = QuotaReachedRow.window_start < start - _REMEMBERED
    session.execute(delete(QuotaReachedRow).where(QuotaReachedRow.tenant_id == tenant.id, QuotaReachedRow.meter == meter, is_old))
    session.add(QuotaReachedRow(tenant_id=tenant.id, meter=meter, window_start=start))
    session.flush()
    return True
