"""What processes cost, and how figures are shown.

CPU seconds are user and system time of a process and of every child that it waited for. Memory is the resident set of a process and all
its descendants, summed at the same moment, sampled 20 times a second from /proc: pages that two of them share count twice.
Linux only.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_EVERY = 0.05
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that ended well: its cost, its standard output, and when (monotonic) each line of its standard error came."""

    seconds: float
    cpu_seconds: float
    peak_mb: int
    out: str
    lines: tuple[tuple[float, str], ...]
    memory: tuple[tuple[float, float], ...]

    def peak_between(self, start: float, end: float) -> int:
        """MB at most between two moments; of the nearest sample where none lies between."""
        inside = [mb for at, mb in self.memory if start <= at <= end]
        nearest = min(self.memory, key=lambda sample: abs(sample[0] - end), default=(0.0, 0.0))[1]
        return round(max(inside, default=nearest))


def run(*command: str) -> Ran:
    """Runs the command with this Python (`-m module …`) from the repository's root. Raises RuntimeError where it does not end with 0."""
    before, start = _children_cpu(), time.monotonic()
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    memory: list[tuple[float, float]] = []
    lines: list[tuple[float, str]] = []
    threads = [threading.Thread(target=_sample, args=(process, memory)), threading.Thread(target=_listen, args=(process, lines))]
    for thread in threads:
        thread.start()
    assert process.stdout is not None
    out = process.stdout.read()
    status = process.wait()
    seconds, cpu = time.monotonic() - start, _children_cpu() - before
    for thread in threads:
        thread.join()
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {status}:\n" + "\n".join(text for _, text in lines[-20:]))
    return Ran(seconds, cpu, round(max((mb for _, mb in memory), default=0.0)), out, tuple(lines), tuple(memory))


def _sample(process: subprocess.Popen[str], into: list[tuple[float, float]]) -> None:
    while process.poll() is None:
        into.append((time.monotonic(), rss_mb(process.pid)))
        time.sleep(_EVERY)


def _listen(process: subprocess.Popen[str], into: list[tuple[float, str]]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        into.append((time.monotonic(), line.rstrip("\n")))


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# ── processes that stay ───────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def running(*command: str, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """The command with this Python, from the repository's root, as long as the block lasts: its process id."""
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


def family(pid: int) -> list[int]:
    """The process and all its descendants that are there now."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):
                todo += [int(child) for child in task.read_text().split()]
    return found


def rss_mb(pid: int) -> float:
    """Resident MB of the process and its descendants."""
    return sum(_resident(one) for one in family(pid))


def own_rss_mb() -> float:
    """Resident MB of this process alone."""
    return _resident(os.getpid())


def _resident(pid: int) -> float:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1e6
    return 0.0


def cpu_seconds(pid: int) -> float:
    """CPU seconds so far of the process and its living descendants; a tick is 10 ms."""
    total = 0
    for one in family(pid):
        with suppress(OSError, IndexError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / _TICK


# ── showing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def machine() -> dict[str, Any]:
    """Cores that this process may use, and how many tasks wanted them in the last minute."""
    return {"cores": len(os.sched_getaffinity(0)), "load_1m": round(os.getloadavg()[0], 2)}


def show(title: str, rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], *, as_json: bool) -> None:
    """A table on stdout, or one JSON object: the facts, and `rows`."""
    if as_json:
        print(json.dumps({**facts, "rows": list(rows)}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, caption=", ".join(f"{k} {v}" for k, v in facts.items()), header_style="bold")
    for i, column in enumerate(rows[0]):
        table.add_column(column, justify="right" if i else "left")
    for row in rows:
        table.add_row(*(f"{v:,}" if isinstance(v, int) else str(v) for v in row.values()))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def say(text: str) -> None:
    """A line on stderr, for whoever waits."""
    print(text, file=sys.stderr, flush=True)
