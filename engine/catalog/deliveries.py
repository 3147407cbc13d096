"""Deliveries of webhooks: claimed by one at a time, tried again by a schedule, dead after its end; webhooks that fail for days are disabled.

The schedule is that of the Standard Webhooks specification (1.0.0, Deliverability and reliability).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from engine.catalog.tables import DeliveryRow, MessageRow, WebhookRow

DELAYS = tuple(timedelta(seconds=s) for s in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400))
"""How long after each attempt that failed the next one is due; the first is due at once."""
JITTER = 0.1
"""At most this share of a delay is added to it by lot."""
LEASE = timedelta(seconds=60)
"""So long a claimed delivery is left to whoever claimed it; an attempt takes less."""
FAILING = timedelta(days=5)
"""A webhook that nothing reached for so long is disabled."""
KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is this process's for the time of the lease: its webhook and message as they are now. `attempt` counts from 1."""

    webhook: WebhookRow
    message: MessageRow
    attempt: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt: the status that was answered, if one was, and a short reason where it failed. `wait`: the receiver asks for it."""

    status: int | None = None
    reason: str | None = None
    wait: timedelta | None = None


def is_due(session: Session, now: datetime) -> bool:
    """Whether anything is to be sent."""
    return session.scalar(select(DeliveryRow.message_id).where(_due(now)).limit(1)) is not None


def claim(session: Session, now: datetime, room: int, at_work: Mapping[str, int], most: int) -> list[Claimed]:
    """Takes up to `room` deliveries that are due, the oldest webhook first, no more than `most` of one beside those `at_work`.

    In a transaction of `write`, so that nobody else takes the same.
    """
    waiting = select(DeliveryRow.webhook_id).where(_due(now)).group_by(DeliveryRow.webhook_id)
    found: list[Claimed] = []
    for webhook_id in session.scalars(waiting.order_by(func.min(DeliveryRow.next_attempt_at))).all():
        free = min(room - len(found), most - at_work.get(webhook_id, 0))
        if free > 0:
            found += _take(session, webhook_id, now, free)
    return found


def _due(now: datetime) -> ColumnElement[bool]:
    return (DeliveryRow.next_attempt_at <= now) & (DeliveryRow.leased_until.is_(None) | (DeliveryRow.leased_until <= now))


def _take(session: Session, webhook_id: str, now: datetime, most: int) -> list[Claimed]:
    webhook = session.get_one(WebhookRow, webhook_id)
    query = select(DeliveryRow, MessageRow).join(MessageRow, DeliveryRow.message_id == MessageRow.id)
    query = query.where(DeliveryRow.webhook_id == webhook_id, _due(now)).order_by(DeliveryRow.next_attempt_at, DeliveryRow.message_id)
    found = []
    for row, message in session.execute(query.limit(most)):
        row.attempts, row.tried, row.last_attempt_at, row.leased_until = row.attempts + 1, row.tried + 1, now, now + LEASE
        found.append(Claimed(webhook, message, row.attempts))
    session.flush()
    return found


def settle(session: Session, claimed: Claimed, outcome: Outcome, now: datetime) -> str | None:
    """Writes down what became of an attempt; why its webhook was disabled by it, if it was.

    Nothing is written where the lease ran out and somebody else is at it.
    """
    row = session.get(DeliveryRow, (claimed.webhook.id, claimed.message.id))
    webhook = session.get(WebhookRow, claimed.webhook.id)
    if row is None or webhook is None or row.attempts != claimed.attempt or row.state != "waiting":
        return None
    row.leased_until, row.last_status, row.last_reason = None, outcome.status, outcome.reason
    if outcome.reason is None:
        row.state, row.next_attempt_at, webhook.failing_since = "delivered", None, None
        return None
    webhook.failing_since = webhook.failing_since or now
    if row.tried > len(DELAYS):
        row.state, row.next_attempt_at = "dead", None
    else:
        row.next_attempt_at = now + _delay(row.tried, outcome.wait)
    if outcome.status == 410:
        return disable(session, webhook, "gone", now)
    return disable(session, webhook, "failing", now) if webhook.failing_since <= now - FAILING else None


def _delay(tried: int, asked: timedelta | None) -> timedelta:
    delay = DELAYS[tried - 1] * (1 + random.random() * JITTER)
    return max(delay, min(asked, DELAYS[-1])) if asked is not None else delay


def disable(session: Session, webhook: WebhookRow, reason: str, now: datetime) -> str:
    """Tells it nothing any more; what is on its way to it is dead. The reason."""
    webhook.is_enabled, webhook.disabled_at, webhook.disabled_reason = False, now, reason
    webhook.revision += 1
    drop(session, webhook.id)
    return reason


def drop(session: Session, webhook_id: str) -> None:
    """What is on its way to a webhook is dead."""
    waiting = update(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id, DeliveryRow.state == "waiting")
    session.execute(waiting.values(state="dead", next_attempt_at=None, leased_until=None, last_reason="disabled"))


def again(row: DeliveryRow, now: datetime) -> None:
    """Due at once, with the whole schedule before it; whoever is at it now may still settle it."""
    row.state, row.tried, row.next_attempt_at = "waiting", 0, now


def forget(session: Session, now: datetime) -> int:
    """Removes messages that are older than KEPT, and their deliveries; how many."""
    old = select(MessageRow.id).where(MessageRow.occurred_at < now - KEPT)
    session.execute(delete(DeliveryRow).where(DeliveryRow.message_id.in_(old)))
    return int(session.execute(delete(MessageRow).where(MessageRow.occurred_at < now - KEPT)).rowcount)  # type: ignore[attr-defined]
