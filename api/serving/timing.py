"""How long the parts of an answer took, as a Server-Timing header (W3C Server Timing): milliseconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

PARTS = ("gate", "open", "execute", "encode")


class Timing:
    """Seconds by part; parts that did not happen took none."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self.kept = False

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Adds what the block takes to that part."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] += time.perf_counter() - began

    @property
    def microseconds(self) -> int:
        """Since the beginning."""
        return int((time.perf_counter() - self._began) * 1_000_000)

    def header(self) -> str:
        """`total;dur=3.1, gate;dur=0.2, …`, and `cache;desc="hit"` where the answer was kept."""
        total = time.perf_counter() - self._began
        shown = [f"{name};dur={seconds * 1000:.3f}" for name, seconds in {"total": total, **self._seconds}.items()]
        return ", ".join([*shown, 'cache;desc="hit"'] if self.kept else shown)
