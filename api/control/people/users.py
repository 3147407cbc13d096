"""Users: people of the installation, each of one way to log in."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from api.control.people.passwords import hashed, require_good
from api.serving.problems import FieldError, Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import UserRow, UserSessionRow
from engine.clock import rfc3339
from engine.ids import new_id
from slices.installation import Installation

_EMAIL = re.compile(r"[^@\s\x00-\x20\"<>(),;:\\]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+")


def address(text: str) -> str:
    """An e-mail address as it is compared: in lower case. Raises ValueError."""
    found = text.strip().lower()
    if len(found) > 320 or _EMAIL.fullmatch(found) is None:
        raise ValueError("must be an e-mail address")
    return found


def find_by_email(session: Session, email: str) -> UserRow | None:
    """Who logs in with that address and a password."""
    return session.scalar(select(UserRow).where(UserRow.provider_id == "", UserRow.subject == email))


def make_user(
    session: Session,
    installation: Installation,
    email: str,
    name: str,
    *,
    provider_id: str = "",
    subject: str = "",
    password: str | None = None,
) -> UserRow:
    """A new user. Raises Problem `validation` for a weak password."""
    if password is not None:
        require_good(password, email, email.partition("@")[0], name)
    row = UserRow(
        id=new_id("us"), provider_id=provider_id, subject=subject or email, email=email, name=name or email.partition("@")[0],
        password=hashed(password) if password is not None else None, is_admin=False, tags={}, created_at=installation.clock(),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def create_user(
    installation: Installation, actor: Actor, email: str, name: str, password: str | None, *, admin: bool = False
) -> dict[str, Any]:
    """A user, who is a member of nothing yet; `admin` runs the installation. Raises Problem `conflict` where there is one of that address."""
    with installation.catalog.write() as session:
        if find_by_email(session, email) is not None:
            raise Problem("conflict", "There is a user of that address.")
        row = make_user(session, installation, email, name, password=password)
        row.is_admin = admin
        session.flush()
        _record(session, installation, actor, "users.create", row, after=shown_user(row))
        return shown_user(row)


def change_user(installation: Installation, actor: Actor, user_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Changes name, metadata, whether they run the installation, whether they are disabled (which ends their sessions). Raises Problem."""
    with installation.catalog.write() as session:
        row = require_user(session, user_id)
        before = shown_user(row)
        row.name = fields.get("name") or row.name
        row.tags = (fields["metadata"] or {}) if "metadata" in fields else row.tags
        row.is_admin = fields.get("admin", row.is_admin)
        if "disabled" in fields:
            row.disabled_at = (row.disabled_at or installation.clock()) if fields["disabled"] else None
        if not row.is_admin or row.disabled_at is not None:
            _require_one_left(session, row, before)
        if row.disabled_at is not None:
            session.execute(delete(UserSessionRow).where(UserSessionRow.user_id == row.id))
        session.flush()
        after = shown_user(row)
        changed = {k: v for k, v in after.items() if v != before[k]}
        if changed:
            _record(session, installation, actor, "users.update", row, before={k: before[k] for k in changed}, after=changed)
        return after


def _require_one_left(session: Session, row: UserRow, before: dict[str, Any]) -> None:
    """Raises Problem `conflict` where nobody who runs the installation would be left."""
    others = select(func.count()).where(UserRow.is_admin, UserRow.disabled_at.is_(None), UserRow.id != row.id)
    if before["admin"] and not before["disabled"] and session.scalar(others) == 0:
        raise Problem("conflict", "Somebody has to run the installation: make another one first.")


def require_user(session: Session, user_id: str) -> UserRow:
    """The user of that id. Raises Problem `not_found`."""
    row = session.get(UserRow, user_id)
    if row is None:
        raise Problem("not_found")
    return row


def set_password(installation: Installation, actor: Actor, user_id: str, password: str) -> None:
    """A new password; all sessions of the user end. Raises Problem."""
    with installation.catalog.read() as session:
        row = require_user(session, user_id)
    if row.provider_id:
        raise Problem("conflict", "This user logs in at an identity provider.")
    require_good(password, row.email, row.email.partition("@")[0], row.name)
    kept = hashed(password)
    with installation.catalog.write() as session:
        row = require_user(session, user_id)
        row.password = kept
        session.execute(delete(UserSessionRow).where(UserSessionRow.user_id == row.id))
        _record(session, installation, actor, "users.password", row)


def shown_user(row: UserRow) -> dict[str, Any]:
    """A user without what is secret."""
    return {
        "id": row.id,
        "email": row.email,
        "name": row.name,
        "identity_provider": row.provider_id or None,
        "admin": row.is_admin,
        "disabled": row.disabled_at is not None,
        "metadata": row.tags,
        "created_at": rfc3339(row.created_at),
        "last_seen_at": rfc3339(row.last_seen_at) if row.last_seen_at else None,
    }


def wrong_field(name: str, code: str, detail: str) -> Problem:
    """One field that does not fit."""
    return Problem("validation", errors=[FieldError(f"/{name}", code, detail)])


def _record(session: Session, installation: Installation, actor: Actor, action: str, row: UserRow, **said: Any) -> None:
    audit.append(session, installation.derived_key("audit"), actor, Entry(action, row.id, **said), installation.clock())
