"""A large catalog: how fast tenants are provisioned in batches, how long lists take, what it takes to know who asks.

`python -m bench.catalog [--workspaces 1000] [--tenants 100000]`; over the application in this process, without a network.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from api.app import create_app
from api.control.access.permissions import usual
from engine.catalog.keys import create_key
from engine.catalog.tables import WorkspaceRow
from engine.ids import new_id
from engine.settings import Settings
from slices.installation import open_installation

BATCH = 2_000


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.catalog", description=__doc__)
    parser.add_argument("--workspaces", type=int, default=1_000)
    parser.add_argument("--tenants", type=int, default=100_000)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({"rows": measured(Path(folder), chosen.workspaces, chosen.tenants)}))
    return 0


def measured(folder: Path, workspaces: int, tenants: int) -> list[dict[str, Any]]:
    """Seconds, CPU seconds and rates of each part."""
    settings = Settings(home=folder)
    installation = open_installation(settings)
    now = installation.clock()
    ids = [new_id("ws") for _ in range(workspaces)]
    with installation.catalog.write() as session:
        session.add_all(
            WorkspaceRow(id=i, slug=f"w{n}", name=f"W{n}", timezone="UTC", path=str(folder / f"{n}.yaml"), created_at=now)
            for n, i in enumerate(ids)
        )
        session.flush()
        keys = [create_key(session, scope="workspace", permissions=usual("workspace"), now=now, workspace_id=i).text for i in ids[:50]]
    app = create_app(settings)
    rows = []
    with TestClient(app) as client:
        rows.append(_provisioned(client, ids, keys, tenants))
        rows.append(_listed(client, ids, keys))
        rows.append(_known(app, keys))
    installation.catalog.close()
    return rows


def _provisioned(client: TestClient, ids: list[str], keys: list[str], tenants: int) -> dict[str, Any]:
    """Half of the tenants in one workspace, the other half spread over fifty."""
    began, cpu = time.perf_counter(), time.process_time()
    for first in range(0, tenants, BATCH):
        which = 0 if first < tenants // 2 else (first // BATCH) % len(keys)
        lines = "\n".join(json.dumps({"key": f"t{n}", "name": f"Tenant {n}"}) for n in range(first, min(first + BATCH, tenants)))
        answer = client.post(
            f"/v1/workspaces/{ids[which]}/tenants:batch", content=lines, headers={"Authorization": f"Bearer {keys[which]}"}
        )
        assert answer.status_code == 200, answer.text
    seconds = time.perf_counter() - began
    return {
        "what": "provisioning",
        "tenants": tenants,
        "seconds": seconds,
        "cpu_seconds": time.process_time() - cpu,
        "per_second": tenants / seconds,
    }


def _listed(client: TestClient, ids: list[str], keys: list[str]) -> dict[str, Any]:
    """Pages of a hundred of the largest workspace, from the first on, each way."""
    headers, taken = {"Authorization": f"Bearer {keys[0]}"}, []
    for sort in ("created_at", "-created_at"):
        cursor: str | None = None
        for _ in range(100):
            asked = {"limit": 100, "sort": sort} | ({"cursor": cursor} if cursor else {})
            began = time.perf_counter()
            answer = client.get(f"/v1/workspaces/{ids[0]}/tenants", params=asked, headers=headers)
            taken.append((time.perf_counter() - began) * 1e3)
            cursor = answer.json()["next_cursor"]
    return {"what": "lists", "pages": len(taken), "p50_ms": statistics.median(taken), "p95_ms": statistics.quantiles(taken, n=20)[-1]}


def _known(app: Any, keys: list[str]) -> dict[str, Any]:
    """Who asks, from what is remembered."""
    decisions, taken = app.state.context.decisions, []
    for n in range(20_000):
        began = time.perf_counter()
        decisions.principal(f"Bearer {keys[n % len(keys)]}", None, "192.0.2.1")
        taken.append((time.perf_counter() - began) * 1e3)
    taken = taken[len(keys) :]
    return {
        "what": "authentication from cache",
        "times": len(taken),
        "p50_ms": statistics.median(taken),
        "p95_ms": statistics.quantiles(taken, n=20)[-1],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
