"""`python -m bench.serving`: panels over HTTP from a running `slicehouse serve`, beside what the same statement costs without Slicehouse.

TPC-H in slices of about 7,700 rows (SF 0.1 in 100 tenants), three panels, a random tenant and panel a request, a workspace key and
`X-Tenant-ID`. The answers are compared with DuckDB's on the same file before anything is measured.

- `limit: empty route`: FastAPI on uvicorn, a constant.
- `limit: statement in process`: the statement on the open file, no HTTP; one connection.
- `limit: statement behind a bare route`: the same in a FastAPI route, nothing else (`bench.limits`).
- `slicehouse hot`: slices that are open, no more of them than stay open; each request has another `limit`, above the rows that there are, so
  that no kept answer is it and the statement runs.
- `slicehouse cached`: the same questions again and again, answered from the kept answers.
- `slicehouse cached, 304`: the caller sends the ETag that it has.
- `slicehouse cold`: the first touch of each slice after a start of the server; the first of all, of another tenant, is not counted. The files
  are in the system's page cache.

Hot, cached and limits take turns of a second each until each has `--seconds`, for every number of connections. Each server is one worker
process; CPU and memory are those of its whole process tree. p50 and p99 are of single requests, client included.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count, repeat
from pathlib import Path
from typing import Any

from bench import client, limits
from bench.measure import cpu_seconds, machine, own_rss_mb, rss_mb, run, running, say, show
from bench.panels import PANELS
from bench.tpch import Prepared, prepared
from engine.catalog import versions
from engine.settings import Settings
from engine.workspace import read_workspace
from slices.installation import open_installation
from slices.reviewing import routings

_HOT = 48
_TURN = 1.0
Load = Callable[[int, float], tuple[list[float], float]]


@dataclass(slots=True)
class System:
    """Something to load: `load(connections, seconds)` gives the seconds of each request and of all; `pid` is None for this process."""

    name: str
    pid: int | None
    load: Load
    took: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0

    def turn(self, connections: int, seconds: float) -> None:
        """Loads it for some seconds."""
        before = self._cpu()
        took, whole = self.load(connections, seconds)
        self.cpu += self._cpu() - before
        self.took += took
        self.seconds += whole

    def _cpu(self) -> float:
        return cpu_seconds(self.pid) if self.pid is not None else time.process_time()

    def row(self, connections: int) -> dict[str, Any]:
        """The figures since the last one, which are forgotten."""
        ordered = sorted(self.took)
        resident = own_rss_mb() if self.pid is None else rss_mb(self.pid)
        found = {
            "system": self.name,
            "connections": connections,
            "rps": round(len(ordered) / self.seconds),
            "p50_ms": round(ordered[len(ordered) // 2] * 1000, 2),
            "p99_ms": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1000, 2),
            "cpu_ms_per_request": round(self.cpu / len(ordered) * 1000, 3),
            "rss_mb": round(resident),
        }
        self.took, self.seconds, self.cpu = [], 0.0, 0.0
        return found


def main() -> None:
    """Prepares, measures, prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving")
    parser.add_argument("--connections", default="1,8,32", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--tenants", type=int, default=100)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    before = machine()
    with tempfile.TemporaryDirectory(prefix="slicehouse-bench-") as folder, prepared(Path(folder), asked.scale, asked.tenants) as made:
        say("refresh")
        run(*made.command("refresh"))
        rows = _Bench(made).measure(asked.connections, asked.seconds)
    facts = {"scale": asked.scale, "tenants": asked.tenants, "seconds": asked.seconds, **before}
    show("Panels", rows, facts, as_json=asked.json)


class _Bench:
    """The servers' addresses, the key, and every tenant's slice."""

    def __init__(self, made: Prepared) -> None:
        self._made = made
        self._random = random.Random(20)
        self._limits = count(20_000)
        self._key = json.loads(run(*made.command("keys", "create", "--scope", "workspace", "--json")).out)["key"]
        self._paths = _paths(made)
        self._tenants = sorted(self._paths)
        self._hot = self._tenants[:_HOT]

    def measure(self, connections: list[int], seconds: float) -> list[dict[str, Any]]:
        """Rows of limits, hot and cached for each number of connections, then of cold."""
        index = self._made.file.parent / "slices.json"
        index.write_text(json.dumps({t: self._paths[t] for t in self._hot}))
        rows: list[dict[str, Any]] = []
        with ExitStack() as servers:
            limit_port, port = free_port(), free_port()
            bare = servers.enter_context(
                running(
                    *("-m", "uvicorn", "bench.limits:create_app", "--factory", "--port", str(limit_port), "--log-level", "warning"),
                    environment={"BENCH_SLICES": str(index)},
                )
            )
            ours = servers.enter_context(self._serve(port))
            wait_for(limit_port)
            wait_for(port)
            self._compare(port, limit_port)
            systems = self._systems(bare, limit_port, ours, port)
            for number in connections:
                say(f"{number} connections")
                rows += take_turns(systems, number, seconds)
        return rows + [self._cold(number) for number in connections]

    def _serve(self, port: int) -> Any:
        return running(*self._made.command("serve", "--no-scheduler", "--port", str(port)))

    def _panel(self, tenant: str, panel: str, query: str = "", **more: str) -> bytes:
        headers = {"Authorization": f"Bearer {self._key}", "X-Tenant-ID": f"key:{tenant}", **more}
        return client.get(f"/v1/dashboards/tpch/panels/{panel}{query}", headers)

    def _compare(self, port: int, limit_port: int) -> None:
        """Opens every hot slice; each of the three answers must have the same rows."""
        for tenant in self._hot:
            for panel in PANELS:
                _, ours = client.ask(port, self._panel(tenant, panel))
                _, bare = client.ask(limit_port, client.get(f"/panel/{tenant}/{panel}", {}))
                if [[str(c) for c in r] for r in ours["rows"]] != [[str(c) for c in r] for r in bare["rows"]] or not ours["rows"]:
                    raise RuntimeError(f"tenant {tenant}, panel {panel}: the answers differ")

    def _systems(self, bare: int, limit_port: int, ours: int, port: int) -> list[System]:
        pairs = [(t, p) for t in self._hot for p in PANELS]
        asked = [self._panel(t, p) for t, p in pairs]
        known = [self._panel(t, p, **{"If-None-Match": client.ask(port, self._panel(t, p))[0]["etag"]}) for t, p in pairs]
        bare_panels = [client.get(f"/panel/{t}/{p}", {}) for t, p in pairs]
        return [
            System("limit: empty route", bare, lambda n, s: client.load(limit_port, n, repeat(client.get("/empty", {})), s)),
            System("limit: statement in process", None, self._in_process(pairs)),
            System("limit: statement behind a bare route", bare, lambda n, s: client.load(limit_port, n, self._any_of(bare_panels), s)),
            System("slicehouse hot", ours, lambda n, s: client.load(port, n, self._never_asked(pairs), s)),
            System("slicehouse cached", ours, lambda n, s: client.load(port, n, self._any_of(asked), s)),
            System("slicehouse cached, 304", ours, lambda n, s: client.load(port, n, self._any_of(known), s, 304)),
        ]

    def _never_asked(self, pairs: list[tuple[str, str]]) -> Iterator[bytes]:
        """Panels with a limit that no request had before."""
        while True:
            tenant, panel = self._random.choice(pairs)
            yield self._panel(tenant, panel, f"?limit={next(self._limits)}")

    def _any_of(self, requests: list[bytes]) -> Iterator[bytes]:
        while True:
            yield self._random.choice(requests)

    def _in_process(self, pairs: list[tuple[str, str]]) -> Load:
        slices = {t: limits.open_slice(self._paths[t]) for t in self._hot}

        def load(connections: int, seconds: float) -> tuple[list[float], float]:
            took, start = [], time.perf_counter()
            while (asked_at := time.perf_counter()) < start + seconds:
                tenant, panel = self._random.choice(pairs)
                limits.ask(slices[tenant], panel)
                took.append(time.perf_counter() - asked_at)
            return took, time.perf_counter() - start

        return load

    def _cold(self, connections: int) -> dict[str, Any]:
        """A new server, then each tenant but the first once."""
        say(f"cold, {connections} connections")
        port = free_port()
        with self._serve(port) as pid:
            wait_for(port)
            for panel in PANELS:
                client.ask(port, self._panel(self._tenants[0], panel))
            asked = [self._panel(t, self._random.choice(list(PANELS))) for t in self._tenants[1:]]
            system = System("slicehouse cold", pid, lambda n, s: client.load(port, n, iter(asked), s))
            system.turn(connections, 600)
            return system.row(connections)


def take_turns(systems: list[System], connections: int, seconds: float) -> list[dict[str, Any]]:
    """Each system a second, again and again, until each has had its seconds."""
    able = [s for s in systems if s.pid is not None or connections == 1]
    for _ in range(max(1, round(seconds / _TURN))):
        for system in able:
            system.turn(connections, min(_TURN, seconds))
    return [s.row(connections) for s in able]


def _paths(made: Prepared) -> dict[str, str]:
    """Tenant key → the file of its slice."""
    installation = open_installation(Settings(home=made.home))
    row = routings.workspace_row(installation, read_workspace(made.file))
    folder = installation.home.workspace(row.id)
    with installation.catalog.read() as session:
        return {t.key: str(folder.slice(t.id, t.version_id)) for t in versions.tenants_of(session, row.id) if t.version_id}


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(port: int) -> None:
    """Until somebody listens; 30 seconds at most."""
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    main()
