"""Embed sessions: a back end asks for one for its logged-in customer, and hands it to the page, which exchanges it once for its token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

import jwt
from sqlalchemy import delete

from api.control.access.principal import Principal
from api.control.access.signing import audience
from api.control.access.tokens import MOST_BYTES, Said, Signer, embed_key, principal_of
from api.serving.problems import FieldError, Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import EmbedSessionRow
from engine.clock import rfc3339
from engine.sealing import seal, unseal
from slices.installation import Installation

EXCHANGED_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Session:
    """A new session: `session` is exchanged once for `token`, which the back end may use itself as well."""

    session: str
    token: str
    token_expires_at: str
    tenant_id: str


def create_session(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, said: Said, ttl: timedelta
) -> Session:
    """A session of a key. Raises Problem: `not_found` for a tenant beyond its scope, `validation` for a role or an origin nobody granted."""
    if principal.type != "key" or principal.workspace_id is None:
        raise Problem("forbidden", "A session is made by a key of the workspace, or of a tenant in it.")
    now = installation.clock()
    kid = principal.credential
    signer = Signer(kid, "HS256", embed_key(installation, kid), principal.tenant_id or workspace_id, principal, now + ttl)
    with installation.catalog.write() as session:
        try:
            made = principal_of(session, signer, said)
        except Problem as problem:
            if problem.code != "credential_invalid":
                raise
            raise Problem(
                "validation",
                errors=[FieldError("/", "not_granted", "A role is none of a tenant, or an origin is none that the tenant allows.")],
            ) from None
        expires = now + ttl
        claims = said.model_dump(mode="json", exclude_none=True, exclude_defaults=True) | {
            "tenant": made.tenant_id,
            "sub": said.sub,
            "iss": signer.issuer,
            "aud": audience(workspace_id),
            "iat": int(now.timestamp()),
            "exp": int(expires.timestamp()),
            "jti": secrets.token_hex(16),
        }
        token = jwt.encode(claims, signer.key, "HS256", {"kid": signer.id})
        if len(token) > MOST_BYTES:
            raise Problem("request_too_large", "What the token says is too long.")
        text = "ses_" + secrets.token_urlsafe(32)
        row = EmbedSessionRow(
            hash=sha256(text.encode()).digest(),
            workspace_id=workspace_id,
            token=b"",
            token_expires_at=expires,
            expires_at=now + EXCHANGED_WITHIN,
        )
        row.token = seal(installation.derived_key("embed-sessions"), token.encode(), row.hash.hex())
        session.add(row)
        session.execute(delete(EmbedSessionRow).where(EmbedSessionRow.expires_at < now))
        after: dict[str, Any] = {"sub": said.sub, "roles": said.roles, "expires_at": rfc3339(expires)}
        entry = Entry("embed.session", str(made.tenant_id), workspace_id, made.tenant_id, after=after)
        audit.append(session, installation.derived_key("audit"), actor, entry, now)
    return Session(text, token, rfc3339(expires), str(made.tenant_id))


def exchange(installation: Installation, text: str) -> tuple[str, str]:
    """The token of a session, once, and when it ends. Raises Problem `credential_invalid` for one that is unknown, used or too old."""
    key = sha256(text.encode()).digest()
    with installation.catalog.write() as session:
        row = session.get(EmbedSessionRow, key)
        if row is None or installation.clock() >= row.expires_at:
            raise Problem("credential_invalid", "The session is unknown, was used, or is older than a minute.")
        session.delete(row)
        token = unseal(installation.derived_key("embed-sessions"), row.token, key.hex())
    if token is None:
        raise Problem("credential_invalid")
    return token.decode(), rfc3339(row.token_expires_at)
