"""Logging in at an OpenID provider: the authorization code flow (OpenID Connect Core 1.0, 3.1) with PKCE (RFC 7636) and `iss` (RFC 9207).

A person is known by provider and `sub`. They are a member of that provider's workspace or tenant alone, with the roles that their groups
have there at this log-in: whoever left a group has lost its roles the next time.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
import jwt
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from api.control.outgoing import client, read
from api.control.people.members import Membership, Place, place_member
from api.control.people.providers import CALLBACK, client_secret
from api.control.people.sessions import Started, start
from api.control.people.users import address, make_user
from api.serving.problems import Problem
from engine.catalog.audit import Actor
from engine.catalog.tables import IdentityProviderRow, LoginRow, MemberRow, MemberTenantRow, TenantRow, UserRow
from engine.sealing import seal, unseal
from slices.installation import Installation

LASTS = timedelta(minutes=10)
_LEEWAY = 60
# Signatures of a public key alone: a shared secret would be one that others may know.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and what binds its return to it (a cookie)."""

    url: str
    state: str


def begin(installation: Installation, provider_id: str, base: str) -> Begun:
    """Begins a log-in; `base` is where we are reached. Raises Problem `not_found`, `identity_provider_failed`."""
    row = _provider(installation, provider_id)
    found = _discovered(installation, row)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    kept = seal(installation.derived_key("logins"), json.dumps([nonce, verifier]).encode(), row.id)
    now = installation.clock()
    with installation.catalog.write(quiet=True) as session:
        session.execute(delete(LoginRow).where(LoginRow.expires_at <= now))
        session.add(LoginRow(hash=_hash(state), provider_id=row.id, sealed=kept, expires_at=now + LASTS))
    challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "response_type": "code",
        "client_id": row.client_id,
        "redirect_uri": base + CALLBACK,
        "scope": " ".join(row.scopes),
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return Begun(str(httpx.URL(found["authorization_endpoint"]).copy_merge_params(asked)), state)


def end(installation: Installation, state: str, code: str, issuer: str | None, base: str, actor: Actor) -> Started:
    """Ends a log-in that came back with a code: the session of whoever it is. Raises Problem `credential_invalid`, `forbidden`."""
    row, nonce, verifier = _begun(installation, state)
    found = _discovered(installation, row)
    if issuer is not None and issuer.rstrip("/") != row.issuer:
        raise Problem("credential_invalid")
    claims = _claims(installation, row, found, _exchanged(installation, row, found, code, verifier, base), nonce)
    with installation.catalog.write() as session:
        still = session.get(IdentityProviderRow, row.id)
        if still is None or still.disabled_at is not None:
            raise Problem("credential_invalid")
        user = _user(session, installation, still, claims)
        if _place(session, installation, still, user, claims):
            return start(session, installation, user, actor, still.workspace_id, still.tenant_id)
    raise Problem("forbidden", "None of your groups has a role here. Ask whoever runs the workspace.")


def _provider(installation: Installation, provider_id: str) -> IdentityProviderRow:
    with installation.catalog.read() as session:
        row = session.get(IdentityProviderRow, provider_id)
    if row is None or row.disabled_at is not None:
        raise Problem("not_found")
    return row


def _begun(installation: Installation, state: str) -> tuple[IdentityProviderRow, str, str]:
    """The log-in of that state, which counts once: provider, nonce, verifier. Raises Problem `credential_invalid`."""
    with installation.catalog.write(quiet=True) as session:
        login = session.get(LoginRow, _hash(state))
        if login is None or installation.clock() >= login.expires_at:
            raise Problem("credential_invalid", "This log-in is too old, or was ended already. Begin it again.")
        session.delete(login)
    row = _provider(installation, login.provider_id)
    kept = unseal(installation.derived_key("logins"), login.sealed, row.id)
    if kept is None:
        raise Problem("credential_invalid")
    nonce, verifier = json.loads(kept)
    return row, nonce, verifier


def _discovered(installation: Installation, row: IdentityProviderRow) -> dict[str, Any]:
    """The provider's own description (OpenID Connect Discovery 1.0, 4), which names it as its issuer."""
    found = _asked(installation, "GET", row.issuer + "/.well-known/openid-configuration")
    if str(found.get("issuer", "")).rstrip("/") != row.issuer or not all(
        isinstance(found.get(n), str) for n in ("authorization_endpoint", "token_endpoint", "jwks_uri")
    ):
        raise Problem("identity_provider_failed")
    return found


def _exchanged(installation: Installation, row: IdentityProviderRow, found: dict[str, Any], code: str, verifier: str, base: str) -> str:
    """The ID token for a code."""
    data = {"grant_type": "authorization_code", "code": code, "redirect_uri": base + CALLBACK, "code_verifier": verifier}
    secret = client_secret(installation, row)
    methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    auth = None
    if secret is not None and "client_secret_basic" in methods:
        auth = httpx.BasicAuth(row.client_id, secret)
    else:
        data |= {"client_id": row.client_id} | ({"client_secret": secret} if secret is not None else {})
    token = _asked(installation, "POST", found["token_endpoint"], data=data, auth=auth).get("id_token")
    if not isinstance(token, str):
        raise Problem("identity_provider_failed")
    return token


def _claims(installation: Installation, row: IdentityProviderRow, found: dict[str, Any], token: str, nonce: str) -> dict[str, Any]:
    """The claims of an ID token, once all of OpenID Connect Core 3.1.3.7 holds. Raises Problem `credential_invalid`."""
    try:
        header = jwt.get_unverified_header(token)
        keys = [k for k in jwt.PyJWKSet.from_dict(_asked(installation, "GET", found["jwks_uri"])).keys if k.public_key_use in (None, "sig")]
        key = next(k for k in keys if header.get("kid") in (None, k.key_id) and (header.get("kid") or len(keys) == 1))
        claims: dict[str, Any] = jwt.decode(
            token, key.key, algorithms=[a for a in _ALGORITHMS if a == header.get("alg")], audience=row.client_id, leeway=_LEEWAY,
            options={"require": ["exp", "iat", "sub", "aud", "iss"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )  # fmt: skip
    except (jwt.PyJWTError, StopIteration, ValueError):
        raise Problem("credential_invalid") from None
    now = installation.clock().timestamp()
    parties = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    holds = (
        str(claims["iss"]).rstrip("/") == row.issuer
        and secrets.compare_digest(str(claims.get("nonce", "")), nonce)
        and (claims.get("azp") == row.client_id if len(parties) > 1 or "azp" in claims else True)
        and claims["exp"] > now - _LEEWAY
        and claims["iat"] < now + _LEEWAY
        and isinstance(claims["sub"], str)
        and 0 < len(claims["sub"]) <= 255
    )
    if not holds:
        raise Problem("credential_invalid")
    return claims


def _user(session: Session, installation: Installation, row: IdentityProviderRow, claims: dict[str, Any]) -> UserRow:
    """Who that is. An address that the provider does not vouch for is shown, never looked up."""
    try:
        email = address(str(claims.get("email") or ""))
    except ValueError:
        email = ""
    name = str(claims.get("name") or claims.get("preferred_username") or email or claims["sub"])[:120]
    user = session.scalar(select(UserRow).where(UserRow.provider_id == row.id, UserRow.subject == claims["sub"]))
    if user is None:
        return make_user(session, installation, email, name, provider_id=row.id, subject=claims["sub"])
    if user.disabled_at is not None:
        raise Problem("credential_invalid")
    user.email, user.name = email, name
    return user


def _place(session: Session, installation: Installation, row: IdentityProviderRow, user: UserRow, claims: dict[str, Any]) -> bool:
    """Makes them what their groups say now; False where that is nothing, and what they had is taken away."""
    given = claims.get(row.groups_claim)
    names = [given] if isinstance(given, str) else [g for g in given or () if isinstance(g, str)]
    groups = [row.groups[name] for name in dict.fromkeys([*names, "*"]) if name in row.groups]
    roles = tuple(dict.fromkeys(r for g in groups if g["tenants"] is None for r in g["roles"]))
    places: dict[str, Place] = {}
    for group in groups:
        for one in group["tenants"] or ():
            known = places.get(one["tenant"], Place(one["tenant"], (), True))
            if session.get(TenantRow, one["tenant"]) is not None:
                merged = tuple(dict.fromkeys([*known.roles, *group["roles"]]))
                places[one["tenant"]] = Place(one["tenant"], merged, known.alone and one["alone"])
    if not roles and not places:
        _leave(session, row.workspace_id, user)
        return False
    facts = {name: claims[claim] for name, claim in row.facts.items() if _is_fact(claims.get(claim))}
    placed = () if roles else tuple(places.values())
    place_member(session, installation, None, row.workspace_id, user.id, Membership(roles, placed, facts), by=row.id)
    return True


def _is_fact(value: Any) -> bool:
    kinds = (str, bool, int, float)
    return isinstance(value, kinds) or (isinstance(value, list) and len(value) <= 1_000 and all(isinstance(v, kinds) for v in value))


def _leave(session: Session, workspace_id: str, user: UserRow) -> None:
    for table in (MemberTenantRow, MemberRow):
        session.execute(delete(table).where(table.workspace_id == workspace_id, table.user_id == user.id))


def _asked(installation: Installation, method: str, url: str, **given: Any) -> dict[str, Any]:
    """The provider's answer, an object. Raises Problem `identity_provider_failed`."""
    try:
        with client(installation) as http, http.stream(method, url, headers={"Accept": "application/json"}, **given) as response:
            content = read(response)
            found = json.loads(content) if response.status_code == 200 else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        found = None
    if not isinstance(found, dict):
        raise Problem("identity_provider_failed")
    return found


def _hash(state: str) -> bytes:
    return sha256(state.encode()).digest()
