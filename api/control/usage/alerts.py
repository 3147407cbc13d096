"""What is told once: a tenant has passed a threshold of a quota; Stripe could not be told. Each is a row and an audit record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.control.plans.entitlements import Quota, resolve, window
from api.control.usage.meters import used_of, used_since
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.outbox import Outbox
from engine.catalog.tables import TenantRow, UsageAlertRow
from engine.clock import rfc3339
from engine.ids import new_id
from slices.installation import Installation

THRESHOLDS = (80, 100)
"""Per cent of a quota."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A threshold of a quota that was passed in a period."""

    meter: str
    threshold: int
    quota: int
    used: int
    start: datetime
    end: datetime


def alert(
    session: Session,
    installation: Installation,
    workspace_id: str,
    tenant_id: str | None,
    kind: str,
    subject: str,
    detail: str,
    passed: Passed | None = None,
) -> UsageAlertRow | None:
    """Tells something once: None where it was told before. The one place for whoever hands alerts on, in the transaction of what they are of."""  # fmt: skip
    known = select(UsageAlertRow.id).where(UsageAlertRow.workspace_id == workspace_id, UsageAlertRow.subject == subject)
    if session.scalar(known) is not None:
        return None
    now = installation.clock()
    row = UsageAlertRow(
        id=new_id("ua"), workspace_id=workspace_id, tenant_id=tenant_id, kind=kind, subject=subject, detail=detail, created_at=now,
        meter=passed.meter if passed else None, threshold=passed.threshold if passed else None, quota=passed.quota if passed else None,
        used=passed.used if passed else None, period_start=passed.start if passed else None, period_end=passed.end if passed else None,
    )  # fmt: skip
    session.add(row)
    session.flush()
    action = "quota.reached" if kind == "quota" else "billing.alert"
    entry = Entry(action, row.id, workspace_id, tenant_id, reason=detail, after=shown_alert(row))
    audit.append(session, installation.derived_key("audit"), Actor("scheduler", "usage"), entry, now)
    return row


def look_at_quotas(session: Session, installation: Installation, hours: Mapping[str, Collection[datetime]]) -> None:
    """Tells of each threshold that these tenants have passed, in the periods of the hours in which something was counted."""
    now = installation.clock()
    for tenant_id in sorted(hours):
        tenant = session.get(TenantRow, tenant_id)
        if tenant is not None:
            entitlements = resolve(session, tenant, now)
            for meter, quota in entitlements.quotas.items():
                for start, end in sorted({window(quota, entitlements, hour) for hour in hours[tenant_id]}):
                    _look(session, installation, tenant, meter, quota, start, end)


def _look(
    session: Session, installation: Installation, tenant: TenantRow, meter: str, quota: Quota, start: datetime, end: datetime
) -> None:
    sums = used_since(session, tenant.id, start, end)
    used = used_of(sums, meter)
    for threshold in THRESHOLDS:
        if used > 0 and used * 100 >= quota.limit * threshold:
            subject = f"quota:{tenant.id}:{meter}:{quota.per}:{rfc3339(start)}:{threshold}"
            detail = f"{threshold} % of the quota of {meter} are used."
            passed = Passed(meter, threshold, quota.limit, used, start, end)
            told = alert(session, installation, tenant.workspace_id, tenant.id, "quota", subject, detail, passed)
            if told is not None and threshold == 100:
                _tell(session, installation, tenant, quota, passed)


def _tell(session: Session, installation: Installation, tenant: TenantRow, quota: Quota, passed: Passed) -> None:
    """To those who hear of quotas that are used up."""
    outbox = Outbox(session, tenant.workspace_id, installation.clock())
    if outbox.listens("quota.reached"):
        said = {"meter": passed.meter, "limit": quota.limit, "per": quota.per, "hard": quota.hard, "used": passed.used}
        outbox.tell("quota.reached", said | {"window_start": rfc3339(passed.start), "resets_at": rfc3339(passed.end)}, tenant)


def shown_alert(row: UsageAlertRow) -> dict[str, Any]:
    """An alert as the API shows it."""
    return {
        "id": row.id,
        "kind": row.kind,
        "tenant": row.tenant_id,
        "meter": row.meter,
        "threshold": row.threshold,
        "limit": row.quota,
        "used": row.used,
        "period": None
        if row.period_start is None or row.period_end is None
        else {"start": rfc3339(row.period_start), "end": rfc3339(row.period_end)},
        "detail": row.detail,
        "created_at": rfc3339(row.created_at),
    }
