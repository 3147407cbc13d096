"""What is attacked: a workspace of two tenants, refreshed once, with bait around it; another workspace; keys of every scope; the API.

>>> stage = staged(tmp_path)
>>> with stage.client() as client:
...     client.post("/v1/query", json={"sql": "select 1"}, headers=stage.as_("a"))
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from fastapi.testclient import TestClient

from api.app import create_app
from engine.catalog.keys import NewKey, create_key
from engine.settings import Settings
from engine.workspace import Workspace, read_workspace
from slices.installation import Installation, open_installation
from slices.refresh import refresh
from slices.reviewing.routings import workspace_row
from tests.integration.driving import Answering, accept, answering, offer_tables

HERE = Path(__file__).resolve().parent
BAIT = "BAIT-7f3c9e"
"""Stands in every file that no caller may read, in the environment, and in every row of tenant b."""

EVERYTHING = ["query:panel", "query:sql", "dashboard:view", "export:data", "export:slice", "schema:view", "usage:view"]
OPERATING = [*EVERYTHING, "tenants:view", "refresh:run", "routes:view"]


def attacks(name: str) -> list[dict[str, Any]]:
    """The lines of one of the lists beside this file."""
    return [json.loads(line) for line in (HERE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@dataclass(slots=True)
class Stage:
    """`folder` is what a statement's `{T}` stands for; `home` lies beside it. Keys by name: a, b, workspace, other, …"""

    root: Path
    workspace: Workspace
    other: Workspace
    installation: Installation
    keys: dict[str, NewKey] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.root / "bait"

    @property
    def home(self) -> Path:
        return self.root / "home"

    def tenant(self, key: str) -> Answering:
        return answering(self.installation, self.workspace)[key]

    def as_(self, name: str, **headers: str) -> dict[str, str]:
        """The headers of a caller with that key."""
        return {"Authorization": f"Bearer {self.keys[name].text}"} | headers

    def client(self, **settings: Any) -> TestClient:
        return TestClient(create_app(Settings(home=self.home, **settings)), raise_server_exceptions=False)

    def add_key(self, name: str, scope: str, permissions: list[str], **more: Any) -> NewKey:
        """A key that the tests know as `name`."""
        with self.installation.catalog.write() as session:
            self.keys[name] = create_key(session, scope=scope, permissions=permissions, now=self.installation.clock(), label=name, **more)
        return self.keys[name]

    def files(self) -> dict[str, tuple[int, int, int]]:
        """Every file under the root by inode, size and time of change; the catalog's own and the servers' logs change by being asked."""
        found = [p for p in self.root.rglob("*") if p.is_file() and not p.name.startswith("catalog.sqlite") and p.suffix != ".log"]
        found = [p for p in found if p.parent != self.root / "home" / "usage"]  # the journal of who asked
        return {str(p.relative_to(self.root)): (p.stat().st_ino, p.stat().st_size, p.stat().st_mtime_ns) for p in found}


def staged(root: Path, **settings: Any) -> Stage:
    """Two workspaces refreshed, `w` with the tenants a and b, `v` with the tenant a of its own; bait laid out."""
    workspace, other = _workspace(root, "w", ["a", "b"]), _workspace(root, "v", ["a"])
    installation = open_installation(Settings(home=root / "home", builders=1, **settings))
    for each in (workspace, other):
        accept(installation, each)
        assert refresh(installation, each).failed == 0
    stage = Stage(root, workspace, other, installation)
    _lay_bait(stage)
    row, foreign = workspace_row(installation, workspace).id, workspace_row(installation, other).id
    for key in ("a", "b"):
        stage.add_key(key, "tenant", EVERYTHING, workspace_id=row, tenant_id=stage.tenant(key).id)
    stage.add_key("workspace", "workspace", OPERATING, workspace_id=row)
    stage.add_key("other", "workspace", OPERATING, workspace_id=foreign)
    return stage


def _workspace(root: Path, slug: str, tenants: list[str]) -> Workspace:
    folder = root / "files" / slug
    (folder / "dashboards").mkdir(parents=True)
    offer_rows(f"{root}/{slug}", tenants, secret=BAIT)
    (folder / "slicehouse.yaml").write_text(
        f"version: 1\nworkspace: {slug}\nsources:\n  app: {{kind: arrow, url: '{root}/{slug}'}}\n"
        "tenants: {table: orgs, key: id, name: name}\ncaller_sql: true\n"
    )
    (folder / "dashboards" / "sales.yaml").write_text(_DASHBOARD)
    return read_workspace(folder / "slicehouse.yaml")


_DASHBOARD = """
version: 1
slug: sales
title: Sales
parameters:
  status: {type: select, multiple: true, options_sql: "select distinct status from orders order by 1"}
  least: {type: number, default: 0}
  region: {type: text, default: north, locked: true}
panels:
  amount: {title: Amount, sql: "select sum(amount) as amount from orders where amount >= $least and ($status is null or list_contains($status, status))"}
  notes: {title: Notes, sql: "select id, note, $region as region from orders order by id"}
  now: {title: Now, sql: "select now() as t, random() as r"}
tiles: [{panel: amount, x: 0, y: 0, w: 6, h: 2}]
"""


def offer_rows(url: str, tenants: list[str], *, secret: str, generation: int = 1) -> None:
    """40 orders of 8 customers a tenant; the notes of every tenant but the first hold the secret."""
    customers, orders = [], []
    for t, tenant in enumerate(tenants):
        customers += [{"id": t * 100 + i, "org_id": tenant, "name": f"{tenant} {i}"} for i in range(8)]
        orders += [
            {
                "id": t * 1000 + i,
                "customer_id": t * 100 + i % 8,
                "status": ("open", "paid")[i % 2],
                "amount": 10.0 + i,
                "created_at": datetime(2026, 1, 1 + i % 28, tzinfo=UTC),
                "note": f"{secret if t else 'note'} {generation} {i}",
            }
            for i in range(40)
        ]
    orgs = pa.table({"id": tenants, "name": [f"Tenant {t}" for t in tenants]})
    offer_tables(
        url,
        {
            "orgs": (orgs, []),
            "customers": (pa.Table.from_pylist(customers), [("org_id", "orgs")]),
            "orders": (pa.Table.from_pylist(orders), [("customer_id", "customers")]),
        },
    )


def _lay_bait(stage: Stage) -> None:
    """Files of every kind that a reader function takes, and another tenant's slice under a name that is guessed."""
    folder = stage.folder
    for name in ("slices", "spill", "exp"):
        (folder / name).mkdir(parents=True)
    rows = pa.table({"a": [BAIT], "b": [1]})
    (folder / "secrets.csv").write_text(f"a,b\n{BAIT},1\n")
    (folder / "secrets.csv.gz").write_bytes(gzip.compress(f"a,b\n{BAIT},1\n".encode()))
    (folder / "secrets.txt").write_text(BAIT)
    (folder / "secrets.json").write_text(json.dumps([{"a": BAIT}]))
    pq.write_table(rows, folder / "secrets.parquet")
    (folder / "evil.duckdb_extension").write_bytes(b"\x7fELF" + BAIT.encode())
    (folder / "spill" / "planted.txt").write_text(BAIT)
    (folder / "spill" / "link.txt").symlink_to(folder / "secrets.txt")
    (folder / "link_in_spill.txt").symlink_to(folder / "secrets.txt")
    (folder / "exp" / "schema.sql").write_text(f"create table stolen as select '{BAIT}' a;")
    (folder / "exp" / "load.sql").write_text("")
    for name in ("catalog.duckdb", "slices/c.duckdb"):
        with duckdb.connect(str(folder / name)) as connection:
            connection.execute(f"create table orders as select '{BAIT}' as note")
