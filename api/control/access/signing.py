"""Signing keys: with one a customer's own back end signs tokens for its people. Public keys (EdDSA, ES256) or a shared secret (HS256)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.control.access.granting import grantable, require_grantable, scope_wanted, within_reach
from api.control.access.permissions import TENANT_ROLES
from api.control.access.principal import Principal
from api.serving.problems import FieldError, Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import SigningKeyRow
from engine.clock import rfc3339
from engine.ids import new_id
from engine.sealing import seal, unseal
from slices.installation import Installation

Algorithm = Literal["EdDSA", "ES256", "HS256"]
LEAST_SECRET = 32
"""Bytes of a shared secret (RFC 7518, 3.2)."""
_USUAL = TENANT_ROLES["tenant admin"]


@dataclass(frozen=True, slots=True)
class SigningKeyWanted:
    """A signing key that is asked for: a public key as PEM, or a secret; none of both with HS256: one is made."""

    algorithm: Algorithm
    scope: str = "workspace"
    public_key: str | None = None
    secret: str | None = None
    permissions: tuple[str, ...] | None = None
    label: str = ""
    expires_at: datetime | None = None


def register(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, wanted: SigningKeyWanted
) -> tuple[dict[str, Any], str | None]:
    """A new signing key, and the secret where one was made. Raises Problem."""
    secret = None
    if wanted.algorithm == "HS256":
        secret = wanted.secret if wanted.secret is not None else secrets.token_urlsafe(48)
        _check_secret(secret, wanted)
    elif wanted.public_key is None or wanted.secret is not None:
        raise _wrong("public_key", f"{wanted.algorithm} takes a public key as PEM.")
    else:
        _check_public(wanted.public_key, wanted.algorithm)
    with installation.catalog.write() as session:
        scope = scope_wanted(session, principal, workspace_id, wanted.scope)
        usual = grantable(principal, _USUAL)
        permissions = require_grantable(principal, wanted.permissions if wanted.permissions is not None else usual)
        row = SigningKeyRow(
            id=new_id("sk"), workspace_id=workspace_id, tenant_id=scope.tenant_id, scope=scope.kind, permissions=permissions,
            label=wanted.label, algorithm=wanted.algorithm, public_key=wanted.public_key, created_by=principal.id,
            created_at=installation.clock(), expires_at=wanted.expires_at,
        )  # fmt: skip
        row.sealed = seal(installation.derived_key("signing-keys"), secret.encode(), row.id) if secret is not None else None
        session.add(row)
        session.flush()
        facts = shown_signing_key(row)
        _record(session, installation, actor, "signing_keys.create", row, facts)
    return facts, secret if wanted.secret is None else None


def _check_secret(secret: str, wanted: SigningKeyWanted) -> None:
    if wanted.public_key is not None:
        raise _wrong("public_key", "HS256 takes a secret.")
    if len(secret.encode()) < LEAST_SECRET or len(set(secret)) < 10:
        raise _wrong("secret", f"A shared secret has at least {LEAST_SECRET} bytes, drawn by lot; leave it out, and one is made.")


def _check_public(pem: str, algorithm: str) -> None:
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise _wrong("public_key", "It is no public key as PEM (SubjectPublicKeyInfo).") from None
    fits = isinstance(key, ed25519.Ed25519PublicKey) if algorithm == "EdDSA" else _is_p256(key)
    if not fits:
        raise _wrong("public_key", {"EdDSA": "EdDSA takes an Ed25519 key.", "ES256": "ES256 takes a key on P-256."}[algorithm])


def _is_p256(key: object) -> bool:
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)


def _wrong(field: str, detail: str) -> Problem:
    return Problem("validation", errors=[FieldError(f"/{field}", "invalid", detail)])


def found(session: Session, principal: Principal, workspace_id: str, key_id: str) -> SigningKeyRow:
    """A signing key within the principal's scope. Raises Problem `not_found`."""
    row = session.scalar(select(SigningKeyRow).where(SigningKeyRow.id == key_id, within_reach(principal, workspace_id, SigningKeyRow)))
    if row is None:
        raise Problem("not_found")
    return row


def end(installation: Installation, principal: Principal, actor: Actor, workspace_id: str, key_id: str, grace: timedelta) -> dict[str, Any]:
    """Ends a signing key after a grace, in which tokens that it signed are still taken. Raises Problem."""
    with installation.catalog.write() as session:
        row = found(session, principal, workspace_id, key_id)
        require_grantable(principal, row.permissions)
        until = installation.clock() + grace
        if row.until is None or until < row.until:
            row.until = until
            _record(session, installation, actor, "signing_keys.end", row, {"until": rfc3339(until)})
        return shown_signing_key(row)


def shown_signing_key(row: SigningKeyRow) -> dict[str, Any]:
    """A signing key without its secret. `issuer` is the `iss`, `audience` the `aud` of its tokens."""
    return {
        "id": row.id,
        "label": row.label,
        "algorithm": row.algorithm,
        "public_key": row.public_key,
        "scope": row.scope if row.tenant_id is None else f"{row.scope}:{row.tenant_id}",
        "permissions": row.permissions,
        "issuer": row.tenant_id or row.workspace_id,
        "audience": audience(row.workspace_id),
        "created_by": row.created_by,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at) if row.expires_at else None,
        "until": rfc3339(row.until) if row.until else None,
    }


def audience(workspace_id: str) -> str:
    """The `aud` of a workspace's tokens."""
    return f"urn:slicehouse:{workspace_id}"


def secret_of(installation: Installation, row: SigningKeyRow) -> bytes | None:
    """The shared secret of an HS256 key."""
    return unseal(installation.derived_key("signing-keys"), row.sealed, row.id) if row.sealed is not None else None


def _record(session: Session, installation: Installation, actor: Actor, action: str, row: SigningKeyRow, after: dict[str, Any]) -> None:
    entry = Entry(action, row.id, row.workspace_id, row.tenant_id, after=after)
    audit.append(session, installation.derived_key("audit"), actor, entry, installation.clock())
