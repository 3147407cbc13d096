"""What Stripe is to be told of usage: a row a tenant, meter and closed UTC hour, in whole units, what is left over carried on.

Rows are made from the sums of the hours once nothing can be counted in them any more, and never change then but for their state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.control.plans.subscriptions import current
from api.control.usage.meters import CLOSED_AFTER, UNITS, hour_of, meters_of
from engine.catalog.tables import MeterEventRow, StripeRow, UsageHourRow
from engine.clock import rfc3339
from engine.ids import new_id
from slices.installation import Installation

_SLACK = timedelta(minutes=5)
"""For clocks of several machines that are not the same."""


def fill(installation: Installation) -> int:
    """Puts every hour that has closed into the outbox, once; how many rows are new."""
    with installation.catalog.read() as session:
        due = list(session.scalars(select(StripeRow.workspace_id).where(StripeRow.filled_to < _closed_to(installation))))
    many = 0
    for workspace_id in due:
        with installation.catalog.write(quiet=True) as session:
            many += _fill(session, installation, workspace_id)
    return many


def _closed_to(installation: Installation) -> datetime:
    """The first hour that is not closed yet."""
    return hour_of(installation.clock() - timedelta(hours=1) - CLOSED_AFTER - _SLACK) + timedelta(hours=1)


def _fill(session: Session, installation: Installation, workspace_id: str) -> int:
    account, closed_to = session.get(StripeRow, workspace_id), _closed_to(installation)
    if account is None or account.filled_to is None or account.filled_to >= closed_to:
        return 0
    used, many = _used(session, workspace_id, account.filled_to, closed_to), 0
    customers: dict[str, str | None] = {}
    for (hour, tenant_id), sums in sorted(used.items()):
        if tenant_id not in customers:
            customers[tenant_id] = _customer(session, tenant_id, installation.clock())
        customer = customers[tenant_id]
        if customer is not None:
            rows = list(_rows(session, account, tenant_id, customer, hour, sums, installation.clock()))
            session.add_all(rows)
            session.flush()
            many += len(rows)
    account.filled_to = closed_to
    return many


def _used(session: Session, workspace_id: str, start: datetime, end: datetime) -> dict[tuple[datetime, str], Counter[str]]:
    h = UsageHourRow
    query = select(h.hour, h.tenant_id, h.type, func.sum(h.count), func.sum(h.rows), func.sum(h.bytes), func.sum(h.cpu_us))
    query = query.where(h.workspace_id == workspace_id, h.hour >= start, h.hour < end).group_by(h.hour, h.tenant_id, h.type)
    found: dict[tuple[datetime, str], Counter[str]] = {}
    for hour, tenant_id, type_, *sums in session.execute(query):
        found.setdefault((hour, tenant_id), Counter()).update(meters_of(type_, *(int(s) for s in sums)))
    return found


def _customer(session: Session, tenant_id: str, now: datetime) -> str | None:
    """Whom Stripe bills for the tenant; who has no customer there is not told of."""
    row = current(session, tenant_id, now)
    found: str | None = row.external.get("stripe_customer_id") if row is not None else None
    return found


def _rows(
    session: Session, account: StripeRow, tenant_id: str, customer: str, hour: datetime, sums: Counter[str], now: datetime
) -> Iterable[MeterEventRow]:
    for meter, told in account.meters.items():
        used = sums["cpu_us" if meter == "cpu_ms" else meter]
        if used:
            whole = UNITS[meter] * int(told["unit"])
            value, rest = divmod(_carried(session, tenant_id, meter) + used, whole)
            yield MeterEventRow(
                id=new_id("me"), workspace_id=account.workspace_id, tenant_id=tenant_id, meter=meter, hour=hour, used=used, value=value, rest=rest,
                identifier=f"{tenant_id}.{meter}.{hour:%Y%m%dT%H}", event_name=told["event_name"], meter_id=told["meter_id"],
                customer_id=customer, state="pending" if value else "nothing", attempts=0, key_number=0, next_at=now, created_at=now,
            )  # fmt: skip


def _carried(session: Session, tenant_id: str, meter: str) -> int:
    """What the hours before have left over."""
    query = select(MeterEventRow.rest).where(MeterEventRow.tenant_id == tenant_id, MeterEventRow.meter == meter)
    return session.scalar(query.order_by(MeterEventRow.hour.desc()).limit(1)) or 0


def shown_meter_event(row: MeterEventRow) -> dict[str, Any]:
    """What Stripe is told, as the API shows it."""
    return {
        "id": row.id,
        "tenant": row.tenant_id,
        "meter": row.meter,
        "hour": rfc3339(row.hour),
        "used": row.used,
        "value": row.value,
        "rest": row.rest,
        "identifier": row.identifier,
        "event_name": row.event_name,
        "customer": row.customer_id,
        "state": row.state,
        "attempts": row.attempts,
        "next_at": rfc3339(row.next_at) if row.state in ("pending", "sending", "unsure") else None,
        "sent_at": rfc3339(row.sent_at) if row.sent_at else None,
        "error": row.error,
        "created_at": rfc3339(row.created_at),
    }
