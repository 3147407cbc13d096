"""Keys: `shk_<id>_<secret>`, 256 random bits, shown once, kept as a SHA-256, compared in constant time."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.catalog.tables import KeyRow, PrincipalRow
from engine.ids import new_id

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
    """A second key of the same principal; the old one ends at `overlap_until`."""
    old = session.get(KeyRow, key_id)
    if old is None or old.revoked_at is not None:
        return None
    new = generate_key()
    session.add(
        KeyRow(
            id=new.id, principal_id=old.principal_id, hash=new.hash, created_at=now, expires_at=old.expires_at, allowed_ips=old.allowed_ips
        )
    )
    old.expires_at = min(overlap_until, old.expires_at) if old.expires_at else overlap_until
    session.flush()
    return new


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
