"""Tokens (RFC 7519, by the best practice of RFC 8725): signed by a customer's signing key, or by us for an embed session.

A token narrows: its tenant lies within its key's scope, its permissions are those that its roles and its key have together, and what its
`settings` do not say is off. The algorithm is the key's; nothing in the token's header but `kid` is looked at.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import jwt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.orm import Session

from api.control.access.permissions import WORKSPACE_ROLES, permissions_of
from api.control.access.principal import Grant, Principal
from api.control.access.reach import reaches
from api.control.access.signing import audience, secret_of
from api.control.tenants.inputs import Fact, Line, Name, Origin, zone
from api.serving.problems import Problem
from engine.catalog import versions
from engine.catalog.keys import ends_at, is_alive
from engine.catalog.tables import KeyRow, PrincipalRow, SigningKeyRow
from engine.catalog.workspaces import is_open
from engine.ids import is_id
from slices.installation import Installation

LONGEST = timedelta(hours=1)
MOST_BYTES = 16 << 10
MOST_OF_USER = 4 << 10
_SKEW = timedelta(seconds=60)
_NEVER = datetime.max.replace(tzinfo=UTC)
# What each setting switches on; without it the permission is taken from the token.
SETTINGS = {"can_export": "export:data", "can_export_slice": "export:slice", "can_explore": "explore:view", "can_sql": "query:sql"}


class Resource(BaseModel):
    """A dashboard that the token is for."""

    model_config = ConfigDict(extra="forbid")
    dashboard: Annotated[str, Field(min_length=1, max_length=100)]


class TokenSettings(BaseModel):
    """What whoever holds the token may do; all off unless said."""

    model_config = ConfigDict(extra="forbid", strict=True)
    can_export: bool = False
    can_export_slice: bool = False
    can_explore: bool = False
    can_sql: bool = False
    can_drill: bool = False


class TokenLimits(BaseModel):
    """How much one answer may be."""

    model_config = ConfigDict(extra="forbid", strict=True)
    rows: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class Said(BaseModel):
    """What a token says beside who signed it and until when: the same fields as an embed session's request."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    tenant: Annotated[str, Field(min_length=1, max_length=1_000)]
    sub: Annotated[str, Field(min_length=1, max_length=200)]
    roles: Annotated[list[Line], Field(max_length=20)] = ["tenant viewer"]
    user: Annotated[dict[Name, Fact | list[Fact]], Field(max_length=50)] = {}
    resources: Annotated[list[Resource], Field(max_length=100)] | None = None
    params: Annotated[dict[Name, Any], Field(max_length=50)] = {}
    settings: TokenSettings = TokenSettings()
    theme: Literal["light", "dark", "auto"] | None = None
    locale: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")] | None = None
    time_zone: Annotated[str, AfterValidator(zone)] | None = None
    origins: Annotated[list[Origin], Field(max_length=50)] = []
    limits: TokenLimits = TokenLimits()


class Claims(Said):
    """A whole token."""

    iss: str
    aud: str
    iat: Annotated[int, Field(strict=True)]
    exp: Annotated[int, Field(strict=True)]
    nbf: Annotated[int, Field(strict=True)] | None = None
    jti: Annotated[str, Field(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that a token names: what it verifies with, whose it is, the most that a token of it has."""

    id: str
    algorithm: str
    key: str | bytes
    issuer: str
    owner: Principal
    end: datetime


def is_token(text: str) -> bool:
    """Whether a credential has the form of a token rather than of a key."""
    return text.count(".") == 2


def authenticated(installation: Installation, text: str) -> tuple[Principal, datetime]:
    """The principal of a token, and the token's end. Raises Problem `credential_invalid` whatever is wrong with it."""
    if len(text) > MOST_BYTES or not all(_is_canonical(part) for part in text.split(".")):
        raise Problem("credential_invalid")
    with installation.catalog.read() as session:
        try:
            signer = _signer(session, installation, _kid(text))
            if not is_open(session, signer.owner.workspace_id):
                raise ValueError("workspace")
            claims = _claims(text, signer, installation.clock())
        except (jwt.PyJWTError, ValidationError, ValueError, RecursionError):
            raise Problem("credential_invalid") from None
        return principal_of(session, signer, claims), min(datetime.fromtimestamp(claims.exp, UTC), signer.end)


def _is_canonical(part: str) -> bool:
    """Whether a part is base64url as RFC 7515 has it: no padding, no blanks, no bits beyond the last byte. So a token has one spelling."""
    try:
        found = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return False
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode() == part


def _kid(text: str) -> str:
    header = jwt.get_unverified_header(text)
    kid = header.get("kid")
    if not isinstance(kid, str) or "crit" in header:
        raise ValueError("kid")
    return kid


def _signer(session: Session, installation: Installation, kid: str) -> Signer:
    """The signing key, or the key whose embed session it is. Raises ValueError where there is none that counts."""
    if is_id(kid, "sk"):
        row = session.get(SigningKeyRow, kid)
        ends = [t for t in (row.expires_at, row.until) if t is not None] if row is not None else []
        key = (row.public_key or secret_of(installation, row)) if row is not None else None
        if row is None or key is None or any(installation.clock() >= t for t in ends):
            raise ValueError("signing key")
        ends = [*ends, _NEVER]
        owner = Principal(row.id, "signing key", row.label, row.scope, row.workspace_id, row.tenant_id, frozenset(row.permissions))
        return Signer(kid, row.algorithm, key, row.tenant_id or row.workspace_id, owner, min(ends))
    if is_id(kid, "ky"):
        found = session.get(KeyRow, kid)
        owner_row = session.get(PrincipalRow, found.principal_id) if found is not None else None
        if found is None or owner_row is None or owner_row.workspace_id is None or not is_alive(found, installation.clock()):
            raise ValueError("key")
        owner = Principal(
            owner_row.id,
            "key",
            owner_row.label,
            owner_row.scope,
            owner_row.workspace_id,
            owner_row.tenant_id,
            frozenset(owner_row.permissions),
        )
        issuer = owner_row.tenant_id or owner_row.workspace_id
        return Signer(kid, "HS256", embed_key(installation, kid), issuer, owner, ends_at(found) or _NEVER)
    raise ValueError("kid")


def embed_key(installation: Installation, key_id: str) -> bytes:
    """What we sign the tokens of a key's embed sessions with."""
    return installation.derived_key(f"embed:{key_id}")


def _claims(text: str, signer: Signer, now: datetime) -> Claims:
    """The claims, once signature, issuer, audience and times hold. Raises what is caught above."""
    found = jwt.PyJWS().decode(text, signer.key, algorithms=[signer.algorithm])
    claims = Claims.model_validate(json.loads(found, object_pairs_hook=_no_doubles))
    assert signer.owner.workspace_id is not None
    at = int(now.timestamp())
    skew = int(_SKEW.total_seconds())
    holds = (
        claims.iss == signer.issuer
        and claims.aud == audience(signer.owner.workspace_id)
        and claims.iat <= at + skew
        and at < claims.exp
        and 0 < claims.exp - claims.iat <= LONGEST.total_seconds()
        and (claims.nbf is None or claims.nbf <= at + skew)
        and len(json.dumps(claims.user)) <= MOST_OF_USER
    )
    if not holds:
        raise ValueError("claims")
    return claims


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def principal_of(session: Session, signer: Signer, claims: Said) -> Principal:
    """The principal that a token is. Raises Problem: `not_found` for a tenant beyond the key's scope, `credential_invalid` for a role or an
    origin that nobody granted."""
    owner = signer.owner
    assert owner.workspace_id is not None
    tenant = versions.find_tenant(session, owner.workspace_id, claims.tenant)
    if tenant is None or not reaches(session, owner, tenant):
        raise Problem("not_found")
    if any(r in WORKSPACE_ROLES for r in claims.roles) or not set(claims.origins) <= set(tenant.allowed_origins):
        raise Problem("credential_invalid")
    off = {permission for setting, permission in SETTINGS.items() if not getattr(claims.settings, setting)}
    grant = Grant(
        sub=claims.sub,
        roles=tuple(claims.roles),
        user=json.dumps(claims.user, sort_keys=True),
        resources=None if claims.resources is None else tuple(r.dashboard for r in claims.resources),
        params=json.dumps(claims.params, sort_keys=True),
        can_drill=claims.settings.can_drill,
        theme=claims.theme,
        locale=claims.locale,
        time_zone=claims.time_zone,
        origins=tuple(claims.origins),
        rows=claims.limits.rows,
    )
    permissions = (permissions_of(claims.roles) & owner.permissions) - off
    return Principal(
        f"{signer.id}/{claims.sub}", "token", claims.sub, "tenant", owner.workspace_id, tenant.id, permissions, grant,
        roles=tuple(claims.roles), user=grant.user, most=owner.permissions - off,
    )  # fmt: skip
