"""POSTs that were sent with an Idempotency-Key: claimed before the work, kept for a day with the answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from engine.catalog.tables import IdempotencyRow

KEPT = timedelta(hours=24)
# A claim that is older and still running belongs to a process that died.
_LEASE = timedelta(minutes=1)


def claim(session: Session, principal_id: str, key: str, digest: str, now: datetime) -> IdempotencyRow | None:
    """None where the key is ours now, else the row of the earlier request."""
    session.execute(delete(IdempotencyRow).where(IdempotencyRow.created_at < now - KEPT))
    row = session.get(IdempotencyRow, (principal_id, key))
    if row is not None and (row.state == "done" or row.digest != digest or row.created_at > now - _LEASE):
        return row
    if row is not None:
        row.created_at = now
        return None
    session.add(IdempotencyRow(principal_id=principal_id, key=key, digest=digest, state="running", created_at=now, body={}))
    session.flush()
    return None


def keep(session: Session, principal_id: str, key: str, status: int, location: str | None, body: dict[str, Any]) -> None:
    """The work is done, and this was answered."""
    row = session.get_one(IdempotencyRow, (principal_id, key))
    row.state, row.status, row.location, row.body = "done", status, location, body


def release(session: Session, principal_id: str, key: str) -> None:
    """The work failed: the key may be used again."""
    session.execute(delete(IdempotencyRow).where(IdempotencyRow.principal_id == principal_id, IdempotencyRow.key == key))
