"""What the catalog said of a caller, remembered for as long as nobody writes to the catalog.

A revoked key, a suspended tenant and a new publication are seen by the next request (`engine.catalog.changes`). What depends on time
carries its own end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVar

from api.control.access.principal import Principal, authenticate, credential
from api.control.access.tokens import authenticated, is_token
from api.control.access.uses import Uses
from api.control.people.person import Named, person
from engine.catalog.changes import Changes
from engine.catalog.keys import USED_EVERY, ends_at
from slices.installation import Installation

V = TypeVar("V")


class Decisions:
    """Values by key, all forgotten when the catalog changes; at most `most`. Refusals are not kept."""

    def __init__(self, installation: Installation, most: int = 4_096) -> None:
        self._installation, self._most = installation, most
        self._changes = Changes(installation.catalog)
        self.uses = Uses(installation)
        self._lock = threading.Lock()
        self._version: int | None = None
        self._kept: dict[Hashable, tuple[datetime | None, Any]] = {}

    def once(self, key: Hashable, decide: Callable[[], tuple[V, datetime | None]]) -> V:
        """The value of `decide`, which also says until when it is true at most; what `decide` raises is raised."""
        version = self._now()
        if version is not None:
            found = self._kept.get(key)
            if found is not None and (found[0] is None or self._installation.clock() < found[0]):
                value: V = found[1]
                return value
        value, until = decide()
        if version is not None:
            with self._lock:
                if version == self._version and len(self._kept) < self._most:
                    self._kept[key] = (until, value)
        return value

    def principal(self, authorization: str | None, api_key: str | None, address: str | None) -> Principal:
        """The principal of a key, asked anew each minute, so that its use is noted, or of a token. Raises Problem as `authenticate` does."""
        given = (authorization, api_key, address)
        return self.once(("principal", sha256(repr(given).encode()).digest()), lambda: self._authenticated(*given))

    def person(self, cookie: str, named: Named) -> Principal:
        """Who a session's cookie stands for where a request names that. Raises Problem as `person` does."""
        key = ("person", sha256(cookie.encode()).digest(), named)
        return self.once(key, lambda: person(self._installation, cookie, named))

    def _authenticated(self, authorization: str | None, api_key: str | None, address: str | None) -> tuple[Principal, datetime | None]:
        text = credential(authorization, None)
        if is_token(text):
            return authenticated(self._installation, text)
        principal, key = authenticate(self._installation, authorization, api_key, address)
        self.uses.note(key.id)
        again, end = self._installation.clock() + USED_EVERY, ends_at(key)
        return principal, again if end is None else min(again, end)

    def _now(self) -> int | None:
        """The catalog's version; a new one forgets everything. A full memory starts anew as well."""
        version = self._changes.number()
        with self._lock:
            if version != self._version or len(self._kept) >= self._most:
                self._version, self._kept = version, {}
            return version
