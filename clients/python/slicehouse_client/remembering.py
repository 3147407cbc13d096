"""Answers that are kept, to be asked for with their ETag."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any


class Answers:
    """At most so many answers by what was asked, each with its ETag; the least recently used leave first. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, Lock()
        self._kept: OrderedDict[Any, tuple[str, Any]] = OrderedDict()

    def get(self, asked: Any) -> tuple[str, Any] | None:
        """The ETag and the answer."""
        with self._lock:
            if asked in self._kept:
                self._kept.move_to_end(asked)
            return self._kept.get(asked)

    def put(self, asked: Any, etag: str | None, answer: Any) -> None:
        """Keeps an answer that has an ETag."""
        if etag is None or not self._most:
            return
        with self._lock:
            self._kept[asked] = (etag, answer)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
