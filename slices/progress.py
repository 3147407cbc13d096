"""What a refresh tells of itself while it works, and what each of its stages cost."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol


class Progress(Protocol):
    """Told by the pipeline, shown by whoever runs it."""

    def stage(self, name: str) -> None:
        """A stage begins."""
        ...

    def step(self, text: str, done: int, total: int | None) -> None:
        """Within the stage: `done` of `total` (None: unknown), at `text`."""
        ...

    def ended(self, cost: StageCost) -> None:
        """A stage has ended."""
        ...

    def note(self, text: str) -> None:
        """Something that a person should read."""
        ...


class Silent:
    """Shows nothing."""

    def stage(self, name: str) -> None:
        """Nothing."""

    def step(self, text: str, done: int, total: int | None) -> None:
        """Nothing."""

    def ended(self, cost: StageCost) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class StageCost:
    """One stage: wall and CPU seconds of this process and its children, rows, the peak of resident memory so far in MB."""

    name: str
    seconds: float
    cpu_seconds: float
    rows: int
    peak_mb: int


@dataclass(slots=True)
class Stages:
    """Measures stages one after the other; `on_end` hears of each."""

    progress: Progress
    on_end: Callable[[int, StageCost], None] = lambda position, cost: None
    costs: list[StageCost] = field(default_factory=list)
    rows: int = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measures the block; set `rows` inside it."""
        self.progress.stage(name)
        self.rows = 0
        wall, cpu = time.monotonic(), _cpu()
        yield
        cost = StageCost(name, time.monotonic() - wall, _cpu() - cpu, self.rows, _peak())
        self.costs.append(cost)
        self.on_end(len(self.costs), cost)
        self.progress.ended(cost)


def _cpu() -> float:
    times = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(t.ru_utime + t.ru_stime for t in times)


def _peak() -> int:
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) // 1024
