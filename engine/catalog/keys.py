"""Keys: `shk_<id>_<secret>`, 256 random bits, shown once, kept as a SHA-256, compared in constant time."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from engine.catalog.tables import KeyRow, PrincipalRow
from engine.errors import ConfigurationError
from engine.ids import new_id

# A key is written as used at most this often; so its last use is known to twice as much.
USED_EVERY = timedelta(minutes=1)

_FORM = re.compile(r"^shk_([0-9a-hjkmnp-tv-z]{26})_([A-Za-z0-9-]{43,44})$")


@dataclass(frozen=True, slots=True)
class NewKey:
    """What to keep of a key, and the text that is shown once."""

    id: str
    hash: bytes
    text: str


def generate_key() -> NewKey:
    """A new key. Its secret has no underscore, so that the three parts stay apart."""
    key_id = new_id("ky")
    secret = secrets.token_urlsafe(32).replace("_", "-")
    return NewKey(key_id, sha256(secret.encode()).digest(), f"shk_{key_id[3:]}_{secret}")


def create_key(
    session: Session,
    *,
    scope: str,
    permissions: list[str],
    now: datetime,
    workspace_id: str | None = None,
    tenant_id: str | None = None,
    label: str = "",
    created_by: str = "command",
    expires_at: datetime | None = None,
    allowed_ips: list[str] | None = None,
) -> NewKey:
    """Makes a principal with one key."""
    key = generate_key()
    session.add(
        PrincipalRow(
            id=key.id,
            type="key",
            scope=scope,
            workspace_id=workspace_id,
            tenant_id=tenant_id,
            permissions=permissions,
            label=label,
            created_by=created_by,
            created_at=now,
        )
    )
    session.flush()
    session.add(KeyRow(id=key.id, principal_id=key.id, hash=key.hash, created_at=now, expires_at=expires_at, allowed_ips=allowed_ips or []))
    session.flush()
    return key


def rotate_key(session: Session, key_id: str, now: datetime, overlap_until: datetime) -> NewKey | None:
    """A second key of the same principal, with the own expiry of the old one, which ends at `overlap_until`; None where there is none.

    Raises ConfigurationError for a key that has ended: it is not brought back to life.
    """
    old = session.get(KeyRow, key_id)
    if old is None:
        return None
    if not is_alive(old, now):
        raise ConfigurationError("That key has ended.", hint="slicehouse keys create makes another one.", code="key_ended")
    new = generate_key()
    session.add(
        KeyRow(
            id=new.id, principal_id=old.principal_id, hash=new.hash, created_at=now, expires_at=old.expires_at, allowed_ips=old.allowed_ips
        )
    )
    old.rotated_until = min(overlap_until, old.rotated_until) if old.rotated_until else overlap_until
    session.flush()
    return new


def ends_at(key: KeyRow) -> datetime | None:
    """When a key ends by itself: its own expiry, or the end of the overlap after it was rotated."""
    return min((t for t in (key.expires_at, key.rotated_until) if t is not None), default=None)


def is_alive(key: KeyRow, now: datetime) -> bool:
    """Whether the key counts: neither revoked nor at its end."""
    end = ends_at(key)
    return key.revoked_at is None and (end is None or now < end)


def note_uses(session: Session, used: Mapping[str, datetime]) -> None:
    """Keys (by id) that were used, and when; a use within a minute of the one that is known is left out."""
    for key, at in used.items():
        known = KeyRow.last_used_at
        session.execute(update(KeyRow).where(KeyRow.id == key, known.is_(None) | (known <= at - USED_EVERY)).values(last_used_at=at))


def find_key(session: Session, text: str) -> tuple[KeyRow, PrincipalRow] | None:
    """The key of that text and its principal; None for a wrong form, an unknown id or a wrong secret alike."""
    match = _FORM.match(text)
    row = session.get(KeyRow, f"ky_{match[1]}") if match else None
    expected = row.hash if row is not None else bytes(32)
    given = sha256((match[2] if match else "").encode()).digest()
    if not hmac.compare_digest(expected, given) or row is None:
        return None
    principal = session.get(PrincipalRow, row.principal_id)
    return (row, principal) if principal is not None else None


def keys_of(session: Session, workspace_id: str | None) -> list[tuple[KeyRow, PrincipalRow]]:
    """Keys of a workspace (None: all), oldest first."""
    query = select(KeyRow, PrincipalRow).join(PrincipalRow, KeyRow.principal_id == PrincipalRow.id).order_by(KeyRow.id)
    rows = session.execute(query if workspace_id is None else query.where(PrincipalRow.workspace_id == workspace_id))
    return [(key, principal) for key, principal in rows]


def revoke_key(session: Session, key_id: str, now: datetime) -> bool:
    """Ends a key at once; False where there is none."""
    row = session.get(KeyRow, key_id)
    if row is None:
        return False
    row.revoked_at = row.revoked_at or now
    return True
