"""A small workspace behind a real server, for the page: charts of every kind, a long name, a tenant without rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

from api.cli.main import main
from api.control.access.keys import make_key
from engine.settings import Settings
from engine.workspace import read_workspace
from slices.installation import open_installation
from tests.attacks.running import ROOT, free_port

LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft & Daughters (Holdings) Pte. Ltd. " * 2
TABLES = """
create table orgs(id int primary key, name text not null);
create table orders(id int primary key, org_id int not null references orgs, kind text, made date, amount numeric(12,2));
"""
ROWS = """
insert into orgs values (1, 'First'), (2, %s), (3, 'Nothing yet');
insert into orders select n, 1 + n %% 2, (array['alpha', 'beta', 'gamma of a long name'])[1 + n %% 3], current_date - n, n * 1.25
from generate_series(1, 300) n;
"""
SUM = "select sum(amount) as total from orders where made >= $period_start and made < $period_end and ($kind is null or list_contains($kind, kind))"
BY_KIND = SUM.replace("select ", "select kind, ") + " group by kind order by kind"
BY_MONTH = SUM.replace("select ", "select cast(date_trunc('month', made) as date) as month, kind, ") + " group by all order by all"
CHARTS = {
    "line": ("select made, amount from orders order by made", {"type": "line", "x": "made", "y": ["amount"]}),
    "area": (BY_MONTH, {"type": "area", "x": "month", "y": ["total"], "series": "kind", "stacked": True}),
    "bars": (BY_MONTH, {"type": "bar", "x": "month", "y": ["total"], "series": "kind"}),
    "sideways": (BY_KIND, {"type": "bar", "x": "kind", "y": ["total"]}),
    "pie": (BY_KIND, {"type": "pie", "x": "kind", "y": ["total"]}),
    "points": ("select amount, amount * 2 as twice from orders order by amount", {"type": "line", "x": "amount", "y": ["twice"]}),
}
DASHBOARD = {
    "version": 1,
    "slug": "d",
    "title": "Sales",
    "description": "What was ordered.",
    "parameters": {
        "period": {"type": "date_range", "title": "Period", "default": "P12M"},
        "kind": {"type": "select", "title": "Kind", "multiple": True, "options_sql": "select distinct kind from orders order by 1"},
    },
    "panels": {"total": {"title": "Total", "sql": SUM, "chart": {"type": "number", "y": ["total"]}, "format": {"total": "currency:EUR"}}}
    | {n: {"title": n.title(), "sql": s, "chart": c} for n, (s, c) in CHARTS.items()}
    | {"rows": {"title": "Rows", "sql": "select * from orders order by id limit 500", "chart": "table"}},
    "tiles": [{"panel": p, "x": 6 * (i % 2), "y": 4 * (i // 2), "w": 6, "h": 4} for i, p in enumerate(["total", *CHARTS, "rows"])],
}


@dataclass(slots=True)
class PageWorld:
    """The server's address and log, and two keys."""

    base: str
    log: Path
    key: str
    tenant_key: str


def build(database: str, folder: Path) -> tuple[Path, str, str]:
    """The workspace with slices; returns the home, a workspace's key and the first tenant's."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
        connection.execute(ROWS.split(";")[0].encode(), [LONG])
        connection.execute(ROWS.split(";")[1].replace("%%", "%").encode())
    (folder / "dashboards").mkdir(parents=True)
    (folder / "dashboards" / "d.yaml").write_text(json.dumps(DASHBOARD))
    file = folder / "slicehouse.yaml"
    source = {"kind": "postgres", "url": database}
    workspace = {
        "version": 1,
        "workspace": "page",
        "name": "Page",
        "sources": {"app": source},
        "tenants": {"table": "orgs", "name": "name"},
    }
    file.write_text(json.dumps(workspace))
    for verb in (["check"], ["routes", "--accept"], ["refresh"]):
        assert main([*verb, "-w", str(file)]) == 0
    installation = open_installation(Settings(home=folder / ".slicehouse"))
    keys = [make_key(installation, read_workspace(file), scope, None, "page").text for scope in ("workspace", "tenant:1")]
    installation.catalog.close()
    return folder / ".slicehouse", keys[0], keys[1]


def start(home: Path, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """The API with uvicorn's log of every request; returns it and its address once it answers."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "api.app:create_app", "--factory", "--port", str(port), "--log-level", "debug"]
    with log.open("wb") as out:
        environment = os.environ | {"SLICEHOUSE_HOME": str(home), "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    base, until = f"http://127.0.0.1:{port}", time.monotonic() + 60
    while True:
        try:
            if httpx.get(f"{base}/readyz", timeout=2).status_code == 200:
                return process, base
        except httpx.HTTPError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
