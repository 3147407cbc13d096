"""Tokens (RFC 7519) that a back end signs itself. HS256 needs nothing but this package; EdDSA and ES256 need cryptography."""

from __future__ import annotations

import base64
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Unpack

from slicehouse_client.connection import text_of
from slicehouse_client.errors import MissingExtra
from slicehouse_client.shapes import Grant

LONGEST = 3_600
LEAST_SECRET = 32


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A registered signing key and its secret half: the shared secret, or the private key as PEM. `id`, `issuer` and `audience` are what
    the registration answered."""

    id: str
    algorithm: str
    issuer: str
    audience: str
    secret: str | bytes = field(repr=False)

    @classmethod
    def of(cls, registered: Mapping[str, Any], secret: str | bytes | None = None) -> SigningKey:
        """Of what `signing_keys.create` answered; `secret` where the server did not make it."""
        found = secret if secret is not None else registered.get("secret")
        if found is None:
            raise ValueError("give the secret, or the private key as PEM: the server does not have it")
        return cls(registered["id"], registered["algorithm"], registered["issuer"], registered["audience"], found)


def mint(signing_key: SigningKey, *, tenant: str, sub: str, ttl: int = 600, now: float | None = None, **grant: Unpack[Grant]) -> str:
    """A token for `sub`, one of the tenant's people, that lives `ttl` seconds, an hour at most. `params` are locked for whoever holds it; what
    `settings` does not switch on is off: can_export, can_export_slice, can_explore, can_sql, can_drill.

    Raises ValueError, and MissingExtra for EdDSA and ES256 without cryptography.

    >>> mint(key, tenant="42", sub="ada", roles=["tenant viewer"], resources=[{"dashboard": "sales"}], params={"region": "EMEA"})
    """
    if not 1 <= ttl <= LONGEST:
        raise ValueError(f"ttl is 1 to {LONGEST} seconds")
    issued = int(time.time() if now is None else now)
    claims: dict[str, Any] = {"iss": signing_key.issuer, "aud": signing_key.audience, "sub": sub, "iat": issued, "exp": issued + ttl}
    claims |= {"jti": uuid.uuid4().hex, "tenant": tenant} | {k: v for k, v in grant.items() if v is not None}
    header = {"alg": signing_key.algorithm, "typ": "JWT", "kid": signing_key.id}
    text = ".".join(_part(json.dumps(p, separators=(",", ":"), default=text_of, allow_nan=False).encode()) for p in (header, claims))
    return f"{text}.{_part(_signature(signing_key, text.encode()))}"


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _signature(key: SigningKey, text: bytes) -> bytes:
    secret = key.secret.encode() if isinstance(key.secret, str) else key.secret
    if key.algorithm == "HS256":
        if len(secret) < LEAST_SECRET:
            raise ValueError(f"a secret of HS256 has at least {LEAST_SECRET} bytes")
        return hmac.digest(secret, text, "sha256")
    if key.algorithm not in ("EdDSA", "ES256"):
        raise ValueError("algorithms are EdDSA, ES256 and HS256")
    return _signed_by_private_key(key.algorithm, secret, text)


def _signed_by_private_key(algorithm: str, pem: bytes, text: bytes) -> bytes:
    """Of ES256 the two numbers side by side (RFC 7518, 3.4), not as DER."""
    try:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
    except ImportError:
        raise MissingExtra(f"{algorithm} needs cryptography: pip install 'slicehouse-client[tokens]'; HS256 needs nothing") from None
    key = serialization.load_pem_private_key(pem, None)
    if algorithm == "EdDSA" and isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(text)
    if algorithm == "ES256" and isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        r, s = utils.decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    raise ValueError("EdDSA takes an Ed25519 key, ES256 one on P-256")
