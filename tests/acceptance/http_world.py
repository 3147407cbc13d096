"""A small installation over HTTP: two tenants, a dashboard, keys. Built once a run of the tests, copied for each test."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from fastapi.testclient import TestClient

from api.app import create_app
from api.control.access.permissions import usual
from engine.catalog import versions, workspaces
from engine.catalog.keys import create_key
from engine.settings import Settings
from engine.workspace import Workspace, read_workspace
from slices.installation import Installation
from slices.refresh import Options, refresh
from tests.integration.driving import accept, installation_in, offer_tables

SOURCE = "http-world"
PANEL = "/v1/dashboards/sales/panels/orders"
DASHBOARD = """
version: 1
slug: sales
title: Sales
parameters:
  status: {type: select, multiple: true, options_sql: "select distinct status, status from orders order by 1"}
  floor: {type: number, default: 0}
  secret: {type: text, default: fixed, locked: true}
panels:
  orders:
    title: Orders
    sql: "select id, status, amount, note from orders where amount >= $floor and ($status is null or list_contains($status, status)) order by id"
  total: {title: Total, sql: "select count(*) as n from orders"}
  now: {title: Now, sql: "select current_timestamp as t, count(*) as n from orders"}
  slow: {title: Slow, sql: "select sum(a.range + b.range) as n from range(1000000) a, range(1000000) b"}
  many: {title: Many, sql: "select range as n from range(20000)"}
  broken: {title: Broken, sql: "select nothing from orders"}
tiles:
  - {panel: orders, x: 0, y: 0, w: 12, h: 4}
"""


def address(path: str, **known: str) -> str:
    """A path of the API's document with its parameters filled in: what is known of them, else x."""
    return re.sub(r"\{(\w+)\}", lambda m: known.get(m[1], "x"), path)


def tables() -> dict[str, Any]:
    """Tenant 1 has 3 orders, tenant 2 has 2; the orders' notes say whose they are."""
    orgs = pa.table({"id": pa.array([1, 2], pa.int32()), "name": ["Acme", "Bolt"]})
    orders = pa.table(
        {
            "id": pa.array([10, 11, 12, 20, 21], pa.int64()),
            "org_id": pa.array([1, 1, 1, 2, 2], pa.int32()),
            "status": ["open", "paid", "paid", "open", "paid"],
            "amount": pa.array([10, 20, 30, 10, 20], pa.int32()),
            "note": ["acme-a", "acme-b", "acme-c", "bolt-a", "bolt-b"],
        }
    )
    return {"orgs": (orgs, ()), "orders": (orders, (("org_id", "orgs"),))}


@cache
def _built(folder: Path) -> Path:
    """The first installation, refreshed; the folder that the tests copy."""
    (folder / "dashboards").mkdir(parents=True, exist_ok=True)
    (folder / "dashboards" / "sales.yaml").write_text(DASHBOARD)
    facts = {
        "version": 1,
        "workspace": "acme",
        "caller_sql": True,
        "sources": {"app": {"kind": "arrow", "url": SOURCE}},
        "tenants": {"table": "orgs", "key": "id", "name": "name"},
    }
    (folder / "slicehouse.yaml").write_text(json.dumps(facts))
    offer_tables(SOURCE, tables())
    installation = installation_in(folder / "home", builders=1)
    workspace = read_workspace(folder / "slicehouse.yaml")
    accept(installation, workspace)
    refresh(installation, workspace)
    installation.catalog.close()
    return folder


@dataclass
class World:
    """One test's own installation, and what asks it."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.installation: Installation = installation_in(self.home, **self.settings)
        with self.installation.catalog.write() as session:
            row = workspaces.all_workspaces(session)[0]
            row.path = str(self.file)
            self.workspace_id = row.id
            self.tenants = {t.key: t.id for t in versions.tenants_of(session, row.id)}
        self.app = create_app(Settings(home=self.home, **self.settings))
        self.client = TestClient(self.app)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def file(self) -> Path:
        return self.folder / "slicehouse.yaml"

    @property
    def workspace(self) -> Workspace:
        return read_workspace(self.file)

    @property
    def base(self) -> str:
        return f"/v1/workspaces/{self.workspace_id}"

    def key(self, scope: str = "tenant", tenant: str = "1", permissions: list[str] | None = None, **more: Any) -> dict[str, str]:
        """Headers with a new key of that scope; `id` is the key's."""
        with self.installation.catalog.write() as session:
            made = create_key(
                session,
                scope=scope,
                permissions=usual(scope) if permissions is None else permissions,
                now=self.installation.clock(),
                workspace_id=None if scope == "installation" else self.workspace_id,
                tenant_id=self.tenants[tenant] if scope in ("tenant", "subtree") else None,
                **more,
            )
        return {"Authorization": f"Bearer {made.text}"}

    def key_id(self, headers: dict[str, str]) -> str:
        return "ky_" + headers["Authorization"].split("_")[1]

    def refresh(self, **options: Any) -> str:
        """A refresh in this process; the run's id."""
        offer_tables(SOURCE, tables())
        return refresh(self.installation, self.workspace, Options(**options)).run

    def close(self) -> None:
        """Lets go of threads, slices and the catalog."""
        self.app.state.context.pool.shutdown(wait=False, cancel_futures=True)
        self.app.state.context.slices._open.clear()
        self.installation.catalog.close()

    def edit(self, **facts: Any) -> None:
        """Changes the workspace file."""
        self.file.write_text(json.dumps(json.loads(self.file.read_text()) | facts))


def new_world(shared: Path, folder: Path, **settings: Any) -> World:
    """A copy of the installation that is built once in `shared`."""
    shutil.copytree(_built(shared), folder, dirs_exist_ok=True)
    return World(folder, settings)
