"""Sessions of people in a browser: a random text in a `__Host-` cookie, kept as a hash; a token against forged requests is derived from it."""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from api.control.people import attempts
from api.control.people.passwords import hashed, is_old, matches
from api.control.people.users import find_by_email
from api.serving.problems import Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import UserRow, UserSessionRow
from engine.clock import rfc3339
from engine.ids import new_id
from slices.installation import Installation

COOKIE = "__Host-slicehouse"


@dataclass(frozen=True, slots=True)
class Started:
    """A new session: the text of its cookie, which is shown once."""

    user: UserRow
    text: str
    row: UserSessionRow


def log_in(installation: Installation, email: str, password: str, actor: Actor) -> Started:
    """A session for address and password. Raises Problem `credential_invalid` for an unknown address and a wrong password alike,
    `too_many_attempts`."""
    attempts.count(installation, email, actor.ip)
    with installation.catalog.read() as session:
        user = find_by_email(session, email)
    if not matches(user.password if user is not None else None, password) or user is None or user.disabled_at is not None:
        raise Problem("credential_invalid", "The address or the password is wrong.")
    renewed = hashed(password) if user.password is not None and is_old(user.password) else None
    with installation.catalog.write() as session:
        found = session.get_one(UserRow, user.id)
        if found.password != user.password or found.disabled_at is not None:
            raise Problem("credential_invalid", "The address or the password is wrong.")
        found.password = renewed or found.password
        attempts.forget(session, installation, email, actor.ip)
        return start(session, installation, found, actor)


def start(
    session: Session, installation: Installation, user: UserRow, actor: Actor, workspace_id: str | None = None, tenant_id: str | None = None
) -> Started:
    """A session for a user who has shown who they are, bounded to a workspace and a tenant of it where they are named."""
    now, text = installation.clock(), secrets.token_urlsafe(32)
    row = UserSessionRow(
        hash=_hash(text), id=new_id("ss"), user_id=user.id, workspace_id=workspace_id, tenant_id=tenant_id, created_at=now,
        expires_at=now + timedelta(hours=installation.settings.session_hours), address=actor.ip, user_agent=actor.user_agent,
    )  # fmt: skip
    session.add(row)
    user.last_seen_at = now
    session.execute(delete(UserSessionRow).where(UserSessionRow.expires_at <= now))
    session.flush()
    by = Actor("user", user.id, actor.ip, actor.user_agent, actor.request_id)
    entry = Entry("sessions.create", row.id, workspace_id, tenant_id)
    audit.append(session, installation.derived_key("audit"), by, entry, now)
    return Started(user, text, row)


def session_of(session: Session, text: str, now: datetime) -> tuple[UserSessionRow, UserRow] | None:
    """The session of a cookie's text and its user, while both count."""
    row = session.get(UserSessionRow, _hash(text))
    user = session.get(UserRow, row.user_id) if row is not None else None
    if row is None or user is None or now >= row.expires_at or user.disabled_at is not None:
        return None
    return row, user


def forgery_token(installation: Installation, text: str) -> str:
    """What a page sends in `X-CSRF-Token` with everything that changes something."""
    return base64.urlsafe_b64encode(hmac.new(installation.derived_key("csrf"), text.encode(), sha256).digest()).decode().rstrip("=")


def is_forged(installation: Installation, text: str, given: str | None) -> bool:
    """Whether a request with this cookie comes from a page that cannot read the session's token."""
    return given is None or not hmac.compare_digest(forgery_token(installation, text).encode(), given.encode())


def sessions_of(session: Session, user_id: str, now: datetime) -> list[dict[str, Any]]:
    """The sessions of a user, newest first."""
    query = select(UserSessionRow).where(UserSessionRow.user_id == user_id, UserSessionRow.expires_at > now)
    return [
        {
            "id": row.id,
            "created_at": rfc3339(row.created_at),
            "expires_at": rfc3339(row.expires_at),
            "address": row.address,
            "user_agent": row.user_agent,
        }
        for row in session.scalars(query.order_by(UserSessionRow.id.desc()))
    ]


def end_sessions(installation: Installation, actor: Actor, user_id: str, session_id: str | None = None) -> int:
    """Ends one session of a user, or all: log-out everywhere. How many they were."""
    with installation.catalog.write() as session:
        which = delete(UserSessionRow).where(UserSessionRow.user_id == user_id)
        ids = list(
            session.scalars((which if session_id is None else which.where(UserSessionRow.id == session_id)).returning(UserSessionRow.id))
        )
        if ids:
            entry = Entry("sessions.end", session_id or user_id, after={"sessions": len(ids)})
            audit.append(session, installation.derived_key("audit"), actor, entry, installation.clock())
        return len(ids)


def _hash(text: str) -> bytes:
    return sha256(text.encode()).digest()
