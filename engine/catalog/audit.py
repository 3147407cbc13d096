"""The audit: records in one chain. Each holds the hash of the one before, and its own hash is an HMAC with the installation's key, so that
whoever changes, removes or adds a record without that key breaks the chain."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

import rfc8785
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from engine.catalog.tables import AuditRow
from engine.clock import rfc3339
from engine.ids import new_id

Outcome = Literal["allowed", "denied"]
RETENTION = "audit.retention"
START = "0" * 64
"""What the first record has for the hash of the one before."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it, and from where. `type` is key, token, user, command, scheduler, or nobody."""

    type: str
    id: str
    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None

    @property
    def context(self) -> dict[str, str]:
        """What is known of where it came from."""
        known = {"ip": self.ip, "user_agent": self.user_agent, "request_id": self.request_id}
        return {k: v for k, v in known.items() if v is not None}


@dataclass(frozen=True, slots=True)
class Entry:
    """What is recorded: the action on the target (an id), in which workspace and tenant, what changed."""

    action: str
    target: str
    workspace_id: str | None = None
    tenant_id: str | None = None
    outcome: Outcome = "allowed"
    reason: str = ""
    before: dict[str, Any] | None = field(default=None, hash=False)
    after: dict[str, Any] | None = field(default=None, hash=False)


def append(session: Session, key: bytes, actor: Actor, entry: Entry, now: datetime) -> AuditRow:
    """Adds a record to the chain, in the transaction of what it records; `write` lets one in at a time, so the chain has no fork."""
    last = session.execute(select(AuditRow.number, AuditRow.hash).order_by(AuditRow.number.desc()).limit(1)).first()
    row = AuditRow(
        number=(last.number if last else 0) + 1,
        id=new_id("au"),
        occurred_at=now,
        workspace_id=entry.workspace_id,
        tenant_id=entry.tenant_id,
        actor_type=actor.type,
        actor_id=actor.id,
        action=entry.action,
        target=entry.target,
        outcome=entry.outcome,
        reason=entry.reason,
        before=entry.before,
        after=entry.after,
        context=actor.context,
        prev_hash=last.hash if last else START,
        hash="",
    )
    row.hash = _hash(key, row)
    session.add(row)
    session.flush()
    return row


def audit_facts(row: AuditRow) -> dict[str, Any]:
    """A record as the API and the export show it."""
    return {
        "id": row.id,
        "number": row.number,
        "occurred_at": rfc3339(row.occurred_at),
        "workspace": row.workspace_id,
        "tenant": row.tenant_id,
        "actor": {"type": row.actor_type, "id": row.actor_id},
        "action": row.action,
        "target": row.target,
        "outcome": row.outcome,
        "reason": row.reason,
        "before": row.before,
        "after": row.after,
        "context": row.context,
        "prev_hash": row.prev_hash,
        "hash": row.hash,
    }


def _hash(key: bytes, row: AuditRow) -> str:
    """HMAC-SHA-256 over the record as canonical JSON (RFC 8785), its own hash left out."""
    facts = audit_facts(row)
    del facts["hash"]
    return hmac.new(key, rfc8785.dumps(facts), sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Chain:
    """What a look at the whole chain found: how many records, the last hash, and the number of the first that does not fit, if one."""

    records: int
    head: str
    broken: int | None = None


def verify(session: Session, key: bytes) -> Chain:
    """Walks the chain. Its beginning may be missing where a record of RETENTION says so; a removed tail leaves no trace in it: compare
    `head` with one that was noted elsewhere."""
    known, first, number, kept_from = START, 0, 0, {1}
    for row in session.scalars(select(AuditRow).order_by(AuditRow.number).execution_options(yield_per=1_000)):
        is_linked = number == 0 or (row.number == number + 1 and hmac.compare_digest(row.prev_hash, known))
        if not is_linked or not hmac.compare_digest(row.hash, _hash(key, row)):
            return Chain(number - first + 1 if first else 0, known, row.number)
        known, first, number = row.hash, first or row.number, row.number
        if row.action == RETENTION and row.after is not None:
            kept_from.add(int(row.after["kept_from"]))
    if first and first not in kept_from:
        return Chain(number - first + 1, known, first)
    return Chain(number - first + 1 if first else 0, known)


def remove_before(session: Session, key: bytes, actor: Actor, moment: datetime, now: datetime) -> int:
    """Retention: removes the records that are older, and records that it did; how many they were. Where all are older, that record begins
    the chain anew."""
    oldest, newest = session.execute(select(func.min(AuditRow.number), func.max(AuditRow.number))).one()
    if oldest is None:
        return 0
    first = session.scalar(select(func.min(AuditRow.number)).where(AuditRow.occurred_at >= moment)) or newest + 1
    if first <= oldest:
        return 0
    append(session, key, actor, Entry(RETENTION, "audit", after={"kept_from": first, "removed": first - oldest}), now)
    session.execute(delete(AuditRow).where(AuditRow.number < first))
    return int(first - oldest)
