"""Embed sessions: a back end asks for one for its logged-in customer, and hands it to the page, which exchanges it once for its token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import jwt
from sqlalchemy import delete
from sqlalchemy.orm import Session

from api.control.access.principal import Principal
from api.control.access.signing import audience
from api.control.access.tokens import MOST_BYTES, Said, Signer, embed_key, principal_of
from api.serving.problems import FieldError, Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import EmbedSessionRow
from engine.catalog.workspaces import is_open
from engine.clock import rfc3339
from engine.sealing import seal, unseal
from slices.installation import Installation

EXCHANGED_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class EmbedSession:
    """A new session: `session` is exchanged once for `token`, which the back end may use itself as well."""

    session: str
    token: str
    token_expires_at: str
    tenant_id: str


def create_session(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, said: Said, ttl: timedelta
) -> EmbedSession:
    """A session of a key. Raises Problem: `not_found` for a tenant beyond its scope, `validation` for a role or an origin nobody granted."""
    if principal.type != "key" or principal.workspace_id is None:
        raise Problem("forbidden", "A session is made by a key of the workspace, or of a tenant in it.")
    now = installation.clock()
    kid = principal.credential
    signer = Signer(kid, "HS256", embed_key(installation, kid), principal.tenant_id or workspace_id, principal, now + ttl)
    with installation.catalog.write() as session:
        tenant_id = str(_narrowed(session, signer, said).tenant_id)
        token = _signed(signer, said, tenant_id, now)
        text = _kept(session, installation, workspace_id, token, signer.end, now)
        after: dict[str, Any] = {"sub": said.sub, "roles": said.roles, "expires_at": rfc3339(signer.end)}
        entry = Entry("embed.session", tenant_id, workspace_id, tenant_id, after=after)
        audit.append(session, installation.derived_key("audit"), actor, entry, now)
    return EmbedSession(text, token, rfc3339(signer.end), tenant_id)


def _narrowed(session: Session, signer: Signer, said: Said) -> Principal:
    """Whom the token will be. What is wrong of it is told to its maker, as it is not to whoever comes with a token."""
    try:
        return principal_of(session, signer, said)
    except Problem as problem:
        if problem.code != "credential_invalid":
            raise
        wrong = FieldError("/", "not_granted", "A role is none of a tenant, or an origin is none that the tenant allows.")
        raise Problem("validation", errors=[wrong]) from None


def _signed(signer: Signer, said: Said, tenant_id: str, now: datetime) -> str:
    """The token until the signer's end. Raises Problem `request_too_large` where we would not take it ourselves."""
    assert signer.owner.workspace_id is not None
    claims = said.model_dump(mode="json", exclude_none=True, exclude_defaults=True) | {
        "tenant": tenant_id,
        "sub": said.sub,
        "iss": signer.issuer,
        "aud": audience(signer.owner.workspace_id),
        "iat": int(now.timestamp()),
        "exp": int(signer.end.timestamp()),
        "jti": secrets.token_hex(16),
    }
    token = jwt.encode(claims, signer.key, "HS256", {"kid": signer.id})
    if len(token) > MOST_BYTES:
        raise Problem("request_too_large", "What the token says is too long.")
    return token


def _kept(session: Session, installation: Installation, workspace_id: str, token: str, ends: datetime, now: datetime) -> str:
    """The text that is exchanged for the token, which lies sealed under its hash; sessions that are too old go."""
    text = "ses_" + secrets.token_urlsafe(32)
    key = sha256(text.encode()).digest()
    sealed = seal(installation.derived_key("embed-sessions"), token.encode(), key.hex())
    session.execute(delete(EmbedSessionRow).where(EmbedSessionRow.expires_at < now))
    session.add(
        EmbedSessionRow(hash=key, workspace_id=workspace_id, token=sealed, token_expires_at=ends, expires_at=now + EXCHANGED_WITHIN)
    )
    return text


def exchange(installation: Installation, text: str) -> tuple[str, str]:
    """The token of a session, once, and when it ends. Raises Problem `credential_invalid` for one that is unknown, used or too old."""
    key = sha256(text.encode()).digest()
    with installation.catalog.write() as session:
        row = session.get(EmbedSessionRow, key)
        if row is None or installation.clock() >= row.expires_at or not is_open(session, row.workspace_id):
            raise Problem("credential_invalid", "The session is unknown, was used, or is older than a minute.")
        session.delete(row)
        token = unseal(installation.derived_key("embed-sessions"), row.token, key.hex())
    if token is None:
        raise Problem("credential_invalid")
    return token.decode(), rfc3339(row.token_expires_at)
