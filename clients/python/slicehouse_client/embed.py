"""Embed sessions: a token for a page without signing one."""

from __future__ import annotations

from typing import Unpack

from slicehouse_client import shapes
from slicehouse_client.connection import Resource, decoded


class Embed(Resource):
    """Sessions of a key."""

    def session(self, tenant: str, sub: str, *, ttl: int = 3_600, **grant: Unpack[shapes.Grant]) -> shapes.Session:
        """A session for one tenant, narrower than the key. It is sent again where an answer is lost: a session that nobody has ends by itself,
        and the secrets of one with an Idempotency-Key would be lost with that answer."""
        body = {"tenant": tenant, "sub": sub, "ttl": ttl} | grant
        return decoded(shapes.Session, self._at.request("POST", "/v1/embed/sessions", json=body, repeatable=True))

    def token(self, session: str) -> shapes.Token:
        """The token of a session, once."""
        return decoded(shapes.Token, self._at.request("POST", "/v1/embed/token", json={"session": session}))
