"""Keys, and the keys that customers sign tokens with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Unpack

from slicehouse_client import shapes
from slicehouse_client.connection import Resource, decoded, part

AT = "/v1/workspaces/{ws}"


def _given(**fields: Any) -> dict[str, Any]:
    """Those that are not None; sequences as lists."""
    return {k: [*v] if k in ("permissions", "allowed_ips") else v for k, v in fields.items() if v is not None}


class Keys(Resource):
    """Keys within the scope. `scope` is workspace, subtree:T or tenant:T."""

    def list(self) -> Iterator[shapes.Key]:
        """Newest first, without their secrets."""
        return self._at.pages(f"{AT}/keys")

    def get(self, key: str) -> shapes.Key:
        """One key."""
        return self._at.get(shapes.Key, f"{AT}/keys/{part(key)}")

    def create(
        self,
        scope: str = "workspace",
        *,
        permissions: Iterable[str] | None = None,
        label: str | None = None,
        expires_at: datetime | str | None = None,
        allowed_ips: Iterable[str] | None = None,
        idempotency_key: str | None = None,
    ) -> shapes.NewKey:
        """A key; its text is in this answer and nowhere again. Raises SecretLost."""
        body = _given(scope=scope, permissions=permissions, label=label, expires_at=expires_at, allowed_ips=allowed_ips)
        return self._at.create(shapes.NewKey, f"{AT}/keys", body, idempotency_key=idempotency_key, secret="key")

    def change(self, key: str, **fields: Unpack[shapes.KeyFields]) -> shapes.Key:
        """Changes label, end or addresses."""
        return self._at.patch(shapes.Key, f"{AT}/keys/{part(key)}", fields)

    def rotate(self, key: str, overlap_seconds: int = 86_400, *, idempotency_key: str | None = None) -> shapes.NewKey:
        """A second key of the same principal; the old one ends after the overlap. Raises SecretLost."""
        body = {"overlap_seconds": overlap_seconds}
        return self._at.create(shapes.NewKey, f"{AT}/keys/{part(key)}/rotate", body, idempotency_key=idempotency_key, secret="key")

    def revoke(self, key: str) -> None:
        """It is refused from the next request on."""
        self._at.delete(f"{AT}/keys/{part(key)}")


class SigningKeys(Resource):
    """Keys that a back end signs tokens with."""

    def list(self) -> Iterator[shapes.SigningKey]:
        """Newest first, without secrets."""
        return self._at.pages(f"{AT}/signing-keys")

    def get(self, key: str) -> shapes.SigningKey:
        """One signing key."""
        return self._at.get(shapes.SigningKey, f"{AT}/signing-keys/{part(key)}")

    def create(
        self,
        algorithm: shapes.Algorithm,
        *,
        public_key: str | None = None,
        secret: str | None = None,
        scope: str = "workspace",
        permissions: Iterable[str] | None = None,
        label: str | None = None,
        expires_at: datetime | str | None = None,
        idempotency_key: str | None = None,
    ) -> shapes.NewSigningKey:
        """Registers a public key as PEM (EdDSA, ES256) or a secret (HS256; where none is given the server makes one, and says it this once)."""
        body = _given(algorithm=algorithm, public_key=public_key, secret=secret, scope=scope, permissions=permissions, label=label)
        body |= _given(expires_at=expires_at)
        told = "secret" if algorithm == "HS256" and secret is None else None
        return self._at.create(shapes.NewSigningKey, f"{AT}/signing-keys", body, idempotency_key=idempotency_key, secret=told)

    def end(self, key: str, grace: int = 0) -> shapes.SigningKey:
        """Its tokens are refused at once, or after `grace` seconds."""
        return decoded(shapes.SigningKey, self._at.request("DELETE", f"{AT}/signing-keys/{part(key)}", params={"grace": grace}))
