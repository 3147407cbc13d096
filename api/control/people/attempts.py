"""Failed log-ins are counted before the password is looked at, so that guessing at once gains nothing; an account and an address that fail
too often wait, longer each time. An account that is not there is counted alike."""

from __future__ import annotations

import hmac
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import delete
from sqlalchemy.orm import Session

from api.serving.problems import Problem
from engine.catalog.tables import AttemptRow
from slices.installation import Installation

FREE = {"account": 5, "address": 50}
"""Failures without a wait."""
_FIRST, _LONGEST = timedelta(seconds=30), timedelta(hours=1)
_FORGOTTEN = timedelta(days=1)


def count(installation: Installation, email: str, address: str | None) -> None:
    """Counts an attempt, which `forget` takes back where it succeeds. Raises Problem `too_many_attempts` where there is to be a wait."""
    wait = timedelta(0)
    with installation.catalog.write(quiet=True) as session:
        for kind, value in (("account", email), ("address", address or "")):
            wait = max(wait, _one(session, installation, kind, value))
    if wait > timedelta(0):
        raise Problem("too_many_attempts", retry_after=int(wait.total_seconds()) + 1)


def _one(session: Session, installation: Installation, kind: str, value: str) -> timedelta:
    """How long this one has to wait; counted where it has not."""
    now, subject = installation.clock(), _subject(installation, kind, value)
    row = session.get(AttemptRow, subject)
    if row is None or now - row.last_at > _FORGOTTEN:
        row = session.merge(AttemptRow(subject=subject, failures=0, last_at=now, locked_until=None))
    if row.locked_until is not None and now < row.locked_until:
        return row.locked_until - now
    row.failures, row.last_at = row.failures + 1, now
    beyond = row.failures - FREE[kind]
    if beyond >= 0:
        row.locked_until = now + min(_LONGEST, _FIRST * 2 ** min(beyond, 20))
    return timedelta(0)


def forget(session: Session, installation: Installation, email: str, address: str | None) -> None:
    """The attempt has succeeded: the account starts anew, the address has one failure less."""
    session.execute(delete(AttemptRow).where(AttemptRow.subject == _subject(installation, "account", email)))
    row = session.get(AttemptRow, _subject(installation, "address", address or ""))
    if row is not None:
        row.failures -= 1
        row.locked_until = None if row.failures < FREE["address"] else row.locked_until


def _subject(installation: Installation, kind: str, value: str) -> str:
    return hmac.new(installation.derived_key("attempts"), f"{kind}:{value}".encode(), sha256).hexdigest()
