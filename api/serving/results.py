"""Answers that are kept: bounded in bytes, the least recently used leave first. Every call takes the tenant.

The key is the tenant and the ETag, an HMAC over all that an answer depends on, so an entry is exact and cannot be another tenant's.
Access is decided before anybody looks here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

_OVERHEAD = 300  # bytes of an entry beyond its body, about
_SHARE = 4  # one answer takes at most this part of the room


@dataclass(frozen=True, slots=True)
class Kept:
    """An encoded answer, and how many rows it has."""

    body: bytes
    rows: int


class Results:
    """Encoded answers by (tenant, ETag), in at most `room` bytes."""

    def __init__(self, room: int) -> None:
        self._room, self._used = room, 0
        self._kept: OrderedDict[tuple[str, str], Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, tenant: str, etag: str) -> Kept | None:
        """The answer, if it is kept for this tenant."""
        with self._lock:
            found = self._kept.get((tenant, etag))
            if found is not None:
                self._kept.move_to_end((tenant, etag))
            return found

    def put(self, tenant: str, etag: str, body: bytes, rows: int = 0) -> None:
        """Keeps the answer, unless it is too big for the room."""
        size = len(body) + _OVERHEAD
        if size > self._room // _SHARE:
            return
        with self._lock:
            self._drop((tenant, etag))
            self._kept[tenant, etag] = Kept(body, rows)
            self._used += size
            while self._used > self._room:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[str, str]) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self._used -= len(found.body) + _OVERHEAD

    @property
    def used(self) -> int:
        """Bytes in use."""
        return self._used

    def __len__(self) -> int:
        return len(self._kept)
