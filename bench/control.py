"""`python -m bench.control`: what authentication, entitlements and metering cost of a hot panel.

Two servers over one home, each one worker process: Slicehouse as it is, and the same with the three taken out: a principal that is known
beforehand, no entitlements asked, nothing metered. A tenant's own key, a tier with a quota and a rate; slices that are open, and questions
that were never asked (as `slicehouse hot` of bench.serving). They take turns of a second; the share is of CPU milliseconds a request.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from bench import client
from bench.measure import machine, run, running, say, show
from bench.panels import PANELS
from bench.serving import System, free_port, take_turns, wait_for
from bench.tpch import Prepared, prepared

TIER = {"name": "Pro", "features": {"sql": True}, "quotas": {"queries": {"limit": 10**9}}, "rates": {"queries": 100_000}}


def without() -> FastAPI:
    """The application with authentication, entitlements and metering taken out."""
    from api.app import create_app
    from api.control.access.principal import authenticate
    from api.endpoints import answering, context

    app = create_app()
    principal, _ = authenticate(app.state.context.installation, f"Bearer {os.environ['BENCH_KEY']}", None, None)
    vars(context).update(principal_of=lambda request, again=False: principal, entitled=lambda *_: None)
    vars(answering).update(admit=lambda *_: None, note=lambda *_: None)
    return app


def main() -> None:
    """Prepares, measures, prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.control")
    parser.add_argument("--connections", default="1,8", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    before = machine()
    with tempfile.TemporaryDirectory(prefix="slicehouse-bench-") as folder, prepared(Path(folder), 0.1, 100) as made:
        say("refresh")
        run(*made.command("refresh"))
        rows = _measure(made, asked.connections, asked.seconds)
    show("A hot panel with and without the control plane", rows, {"seconds": asked.seconds, **before}, as_json=asked.json)


def _measure(made: Prepared, connections: list[int], seconds: float) -> list[dict[str, Any]]:
    tenant = json.loads(run(*made.command("tenants", "--json")).out)[0]["key"]
    keys = {
        s: json.loads(run(*made.command("keys", "create", "--scope", s, "--json")).out)["key"] for s in ("workspace", f"tenant:{tenant}")
    }
    key = keys[f"tenant:{tenant}"]
    with ExitStack() as servers:
        whole, bare = free_port(), free_port()
        environment = {"SLICEHOUSE_HOME": str(made.home), "BENCH_KEY": key}
        pids = [
            servers.enter_context(
                running("-m", "uvicorn", app, "--factory", "--port", str(port), "--log-level", "warning", environment=environment)
            )
            for app, port in (("api.app:create_app", whole), ("bench.control:without", bare))
        ]
        for port in (whole, bare):
            wait_for(port)
        _subscribe(whole, keys["workspace"], tenant)
        systems = [
            System("slicehouse hot", pids[0], lambda n, s: client.load(whole, n, _panels(key), s)),
            System("the same without the control plane", pids[1], lambda n, s: client.load(bare, n, _panels(key), s)),
        ]
        rows: list[dict[str, Any]] = []
        for number in connections:
            say(f"{number} connections")
            two = take_turns(systems, number, seconds)
            share = 1 - two[1]["cpu_ms_per_request"] / two[0]["cpu_ms_per_request"]
            rows += [two[0] | {"share_of_cpu": round(share, 3)}, two[1] | {"share_of_cpu": None}]
        return rows


def _subscribe(port: int, key: str, tenant: str) -> None:
    """The tenant has a tier with a quota and a rate."""
    import urllib.request

    def put(path: str, body: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers, method="PUT")
        urllib.request.urlopen(request).read()

    _, me = client.ask(port, client.get("/v1/me", {"Authorization": f"Bearer {key}"}))
    base = f"/v1/workspaces/{me['scope']['workspace']['id']}"
    put(f"{base}/tiers/pro", TIER)
    put(f"{base}/tenants/key:{tenant}/subscription", {"tier": "pro"})


_limits = count(20_000)


def _panels(key: str) -> Iterator[bytes]:
    """Panels with a limit that no request had before."""
    while True:
        for panel in PANELS:
            yield client.get(f"/v1/dashboards/tpch/panels/{panel}?limit={next(_limits)}", {"Authorization": f"Bearer {key}"})


if __name__ == "__main__":
    main()
