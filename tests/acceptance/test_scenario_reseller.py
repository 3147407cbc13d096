"""A reseller, over HTTP against `slicehouse serve` and a real database: it creates, upgrades, suspends and bills its customers by program,
and sees no other reseller's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.acceptance.guides import run_guide
from tests.acceptance.test_scenario_saas import company as company
from tests.acceptance.test_scenario_saas import until

GUIDE = Path("docs/guides/reseller.md").resolve()
PERMISSIONS = [
    "tenants:view", "tenants:write", "users:write", "keys:write", "usage:view", "audit:view",
    "dashboard:view", "query:panel", "query:sql", "explore:view", "export:data", "export:slice", "schema:view",
]  # fmt: skip


class Served:
    """The server of the fixture runs already."""

    def __init__(self, base: str) -> None:
        self._base = base

    def __enter__(self) -> str:
        return self._base

    def __exit__(self, *_: object) -> None:
        return None


def wait_for_usage(client: httpx.Client, workspace: str) -> None:
    """Until what was just used is counted: within about a second."""
    until(lambda: sum(r["queries"] for r in client.get(f"{workspace}/usage?group_by=tenant").json()["data"]) >= 3, 20)


@pytest.mark.parametrize("company", ["sqlite", "postgresql"], indirect=True)
def test_reseller_manages_its_customers_by_program_and_sees_no_other(company: tuple[httpx.Client, str], tmp_path: Path) -> None:
    client, database = company
    boss = client.headers["authorization"].removeprefix("Bearer ")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("insert into organizations values (3, 'Third')")

    def names(server: str) -> dict[str, Any]:
        return {"server": server, "boss": boss, "reseller_permissions": PERMISSIONS, "wait_for_usage": wait_for_usage}

    base = f"/v1/workspaces/{client.get('/v1/me').json()['scope']['workspace']['id']}"
    assert client.put(f"{base}/tenants/key:1", json={}).status_code == 200
    assert client.put(f"{base}/tenants/key:north", json={"name": "Reseller north"}).status_code == 201
    # The first organization becomes a customer of north before the reseller's key acts on it.
    assert client.patch(f"{base}/tenants/key:1", json={"parent": "key:north"}).status_code == 200
    found = run_guide(GUIDE, tmp_path, lambda: Served(str(client.base_url)), names)
    north = found["north"]
    assert found["allowed"]["tier"] == "business"
    assert [(r["tenant"], r["queries"]) for r in found["bill"] if r["queries"]] == [(found["customer"]["id"], 3)]
    assert found["closed"] == "tenant_suspended"
    assert found["hidden"] == ["not_found"] * 3
    listed = {t["key"] for t in north.get(f"{base}/tenants?limit=100").json()["data"]}
    assert listed == {"north", "1"}
    assert north.patch(f"{base}/tenants/key:2", json={"state": "suspended"}).json()["code"] == "not_found"
    assert north.put(f"{base}/tenants/key:2", json={}).json()["code"] == "not_found"
    assert north.put(f"{base}/tiers/own", json={"name": "Own"}).json()["code"] == "forbidden"
    assert north.put(f"{base}/tenants/key:north/subscription", json={"tier": "business"}).json()["code"] == "forbidden"
    usage = north.get(f"{base}/usage?group_by=tenant").json()["data"]
    assert {r["tenant"] for r in usage} <= {found["customer"]["id"], client.get(f"{base}/tenants/key:north").json()["id"]}
