"""What may have been counted is settled by Stripe's own sum of the customer, meter and hour; what does not add up is for a person."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.control.billing.stripe import Stripe, waits
from api.control.usage.alerts import alert
from engine.catalog.tables import MeterEventRow
from engine.clock import rfc3339
from slices.installation import Installation

SURE_FOR = timedelta(hours=24) - timedelta(minutes=10)
"""How long after a first send Stripe surely knows the identifier: ten minutes short of what it says, for what is on the way."""
_SETTLED = timedelta(hours=1)
"""Stripe's sums have by then what it was told."""
log = logging.getLogger("slicehouse.billing")


def is_unsure_for_long(row: MeterEventRow, now: datetime) -> bool:
    """Whether an identifier that may have been counted may be forgotten by Stripe."""
    return row.unsure_since is not None and now - row.unsure_since >= SURE_FOR


def reconcile(installation: Installation, stripe: Stripe, row: MeterEventRow) -> None:
    """Asks for the sum and settles the row, and those of the same sum that are unsure too: all counted, or none and sent anew, or dead."""
    try:
        found, error = stripe.sum_of(row), "no_sum"
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        found, error = None, type(problem).__name__
    with installation.catalog.write(quiet=True) as session:
        now, own = installation.clock(), session.get_one(MeterEventRow, row.id)
        if own.state != "unsure":
            return
        if found is None:
            own.attempts, own.error = own.attempts + 1, error
            own.next_at = now + waits(own.attempts)
            return
        alike = _of_the_same_sum(session, own)
        later = _not_before(alike, now)
        if later is not None:
            own.next_at = later
            return
        _settle(session, installation, alike, found)


def _of_the_same_sum(session: Session, row: MeterEventRow) -> list[MeterEventRow]:
    """Several tenants may have one customer, several meters one of Stripe's."""
    m = MeterEventRow
    query = select(m).where(m.workspace_id == row.workspace_id, m.customer_id == row.customer_id, m.meter_id == row.meter_id)
    return list(session.scalars(query.where(m.hour == row.hour).order_by(m.id)))


def _not_before(alike: list[MeterEventRow], now: datetime) -> datetime | None:
    """When the sum can be compared, where it cannot yet: something of it was sent just now, or may still be sent again."""
    ends = [r.sent_at + _SETTLED for r in alike if r.state == "sent" and r.sent_at is not None]
    ends += [r.unsure_since + SURE_FOR for r in alike if r.unsure_since is not None]
    return max((e for e in ends if e > now), default=None)


def _settle(session: Session, installation: Installation, alike: list[MeterEventRow], found: int) -> None:
    now = installation.clock()
    unsure = [r for r in alike if r.unsure_since is not None and r.state in ("sending", "unsure")]
    more, all_ = found - sum(r.value for r in alike if r.state == "sent"), sum(r.value for r in unsure)
    for row in unsure:
        if more == all_:
            row.state, row.sent_at, row.unsure_since, row.error = "sent", now, None, None
        elif more == 0:
            row.state, row.next_at, row.unsure_since, row.key_number = "pending", now, None, row.key_number + 1
        else:
            bury(session, installation, row, f"does_not_add_up ({found})")


def bury(session: Session, installation: Installation, row: MeterEventRow, error: str) -> None:
    """The row is dead: nothing is sent of it any more, and an alert says so."""
    row.state, row.error = "dead", error
    log.error("a meter event is dead", extra={"workspace": row.workspace_id, "tenant": row.tenant_id, "meter": row.meter, "error": error})
    detail = f"{row.value} of {row.meter} in the hour {rfc3339(row.hour)} are not told to Stripe: {error}."
    alert(session, installation, row.workspace_id, row.tenant_id, "billing", f"billing:dead:{row.id}", detail)
