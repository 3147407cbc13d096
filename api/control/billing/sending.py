"""Sends what the outbox holds: noted before it is sent and after, so that whatever dies when, Stripe counts each once.

Within 24 hours of a send that may have been counted the same identifier is sent again: Stripe counts it once. After that nothing is sent
before Stripe's own sum for the hour was asked: it says whether it was counted. What neither tells is for a person (dead, and an alert).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.control.billing.accounts import api_key_of
from api.control.billing.reconciling import SURE_FOR, bury, is_unsure_for_long, reconcile
from api.control.billing.stripe import Answer, Stripe, too_old, waits
from api.control.leases import end_lease, take_lease
from api.control.outgoing import client
from api.control.usage.alerts import alert
from engine.catalog.tables import MeterEventRow, StripeRow
from slices.installation import Installation

_OPEN = ("pending", "sending", "unsure")
_LEASE = "stripe"


@dataclass(frozen=True, slots=True)
class _Begun:
    """A row that is about to be sent, or asked about; `was_unsure`: an earlier send of it may have been counted."""

    row: MeterEventRow
    key: str | None
    was_unsure: bool


@dataclass(frozen=True, slots=True)
class Sender:
    """One process that sends, while it has the lease; `stopped` ends it between two events."""

    installation: Installation
    stopped: Callable[[], bool] = lambda: False
    holder: str = field(default_factory=lambda: secrets.token_hex(8))

    def once(self) -> int:
        """Sends, or asks about, what is due, until Stripe does not answer well: the rest waits for the next time. How many rows it looked at."""
        with self.installation.catalog.read() as session:
            query = select(MeterEventRow.id).where(MeterEventRow.state.in_(_OPEN), MeterEventRow.next_at <= self.installation.clock())
            due = list(session.scalars(query.order_by(MeterEventRow.hour, MeterEventRow.id).limit(1_000)))
        many = 0
        with client(self.installation) if due else nullcontext() as opened:
            for id_ in due:
                if opened is None or self.stopped() or not self._one(id_, opened):
                    break
                many += 1
        return many

    def end(self) -> None:
        """Leaves the work to another process at once."""
        with self.installation.catalog.write(quiet=True) as session:
            end_lease(session, _LEASE, self.holder, self.installation.clock())

    def _one(self, id_: str, opened: httpx.Client) -> bool:
        """One row; False where another process has the lease, or Stripe is not well."""
        with self.installation.catalog.write(quiet=True) as session:
            if not take_lease(session, _LEASE, self.holder, self.installation.clock()):
                return False
            begun = self._begin(session, session.get_one(MeterEventRow, id_))
        if begun.key is None:
            return True
        stripe = Stripe(self.installation.settings.stripe_url, begun.key, opened)
        if begun.row.state == "unsure":
            reconcile(self.installation, stripe, begun.row)
            return True
        answer = stripe.send(begun.row)
        self.installation.failpoint("stripe.sent")
        with self.installation.catalog.write(quiet=True) as session:
            self._note(session, session.get_one(MeterEventRow, id_), answer, begun.was_unsure)
        return answer.meaning in ("counted", "refused")

    def _begin(self, session: Session, row: MeterEventRow) -> _Begun:
        """Notes that a row is about to be sent, before it is; an `unsure` one is to be asked about. The key is None where nothing is to be done."""
        now, account = self.installation.clock(), session.get(StripeRow, row.workspace_id)
        key, was_unsure = api_key_of(self.installation, account) if account is not None else None, row.unsure_since is not None
        if row.state not in _OPEN or key is None:
            row.next_at = now + timedelta(hours=1)
            return _Begun(row, None, was_unsure)
        row.state = "unsure" if was_unsure else "pending"
        if is_unsure_for_long(row, now):
            return _Begun(row, key, was_unsure)
        if too_old(row.hour, now):
            if was_unsure:
                row.next_at = (row.unsure_since or now) + SURE_FOR
            else:
                bury(session, self.installation, row, "too_old")
            return _Begun(row, None, was_unsure)
        row.state, row.attempts, row.unsure_since = "sending", row.attempts + 1, row.unsure_since or now
        return _Begun(row, key, was_unsure)

    def _note(self, session: Session, row: MeterEventRow, answer: Answer, was_unsure: bool) -> None:
        """What became of a send; one that another process has noted meanwhile stays."""
        if row.state != "sending":
            return
        now = self.installation.clock()
        row.error, row.next_at = answer.error or None, now + waits(row.attempts, answer.wait)
        if answer.meaning == "counted":
            row.state, row.sent_at, row.unsure_since, row.error = "sent", now, None, None
            return
        is_unsure = was_unsure or answer.meaning.startswith("unsure")
        row.state, row.unsure_since = ("unsure", row.unsure_since) if is_unsure else ("pending", None)
        row.key_number += answer.meaning == "unsure and answered"
        if answer.meaning == "key refused":
            detail = "Stripe refuses the API key: usage waits. PUT …/billing/stripe sets another one."
            alert(session, self.installation, row.workspace_id, None, "billing", f"billing:key:{now:%Y-%m-%d}", detail)
        if answer.meaning == "refused" and not is_unsure:
            bury(session, self.installation, row, answer.error)
        elif answer.meaning == "refused":  # an earlier send may have been counted all the same: Stripe's sum will say
            row.next_at = max(row.next_at, (row.unsure_since or now) + SURE_FOR)
