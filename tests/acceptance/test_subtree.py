"""A scope of a tenant and those below it: whom it reaches, whom it does not, and what a refresh changes about that.

1 head           9 elsewhere     7 ↔ 8 a loop, with 70 under 7
├── 2 north
│   ├── 4 pole
│   └── 5 sea
└── 3 south
    └── 6 cape
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.control.access.keys import make_key
from engine.catalog import versions
from engine.catalog.tables import TenantRow
from engine.settings import Settings
from engine.workspace import read_workspace
from slices.installation import Installation
from slices.refresh import Options, refresh
from slices.reviewing.routings import workspace_row
from tests.integration.driving import accept, answering, installation_in, offer_tables

URL = "subtree"
TREE: dict[str, str | None] = {"1": None, "2": "1", "3": "1", "4": "2", "5": "2", "6": "3", "7": "8", "8": "7", "70": "7", "9": None}
ALL = set(TREE)


class Company:
    """A workspace whose tenants have parents, its server, and keys of its tenants."""

    def __init__(self, folder: Path, data: str | None = None) -> None:
        """Made anew where it is said what `data` goes up the tree, else one that was copied."""
        self.file = folder / "slicehouse.yaml"
        self.installation: Installation = installation_in(folder / "home", builders=1)
        if data is not None:
            self.say(data)
            self.offer(TREE)
            accept(self.installation, read_workspace(self.file))
            self.refresh(TREE)
        self.client = TestClient(create_app(Settings(home=folder / "home")), raise_server_exceptions=False)

    def say(self, data: str | None) -> None:
        parent = {} if data is None else {"parent": {"column": "parent_id", "data": data}}
        facts = {"version": 1, "workspace": "w", "caller_sql": True, "sources": {"app": {"kind": "arrow", "url": URL}}}
        self.file.write_text(json.dumps(facts | {"tenants": {"table": "orgs", "key": "id"} | parent}))

    def offer(self, tree: Mapping[str, str | None]) -> None:
        orgs = pa.table({"id": list(tree), "parent_id": pa.array(list(tree.values()), pa.string())})
        notes = pa.table({"id": pa.array(range(len(tree)), pa.int64()), "org_id": list(tree), "body": [f"of {t}" for t in tree]})
        offer_tables(URL, {"orgs": (orgs, []), "notes": (notes, [("org_id", "orgs")])})

    def refresh(self, tree: Mapping[str, str | None]) -> None:
        self.offer(tree)
        assert refresh(self.installation, read_workspace(self.file), Options(allow_shrink=True)).failed == 0

    def key(self, scope: str, permissions: list[str] | None = None) -> dict[str, str]:
        made = make_key(self.installation, read_workspace(self.file), scope, permissions, "")
        return {"Authorization": f"Bearer {made.text}"}

    def ask(self, key: dict[str, str], tenant: str | None) -> httpx.Response:
        named = {} if tenant is None else {"X-Tenant-ID": tenant}
        answer: httpx.Response = self.client.post("/v1/query", json={"sql": "select body from notes order by id"}, headers=key | named)
        return answer

    def bodies(self, key: dict[str, str], tenant: str | None = None) -> list[str]:
        answer = self.ask(key, tenant)
        assert answer.status_code == 200, answer.text
        return [row[0] for row in answer.json()["rows"]]

    def reached(self, key: dict[str, str], among: set[str] = ALL) -> set[str]:
        """The tenants that a key reaches by their keys and by their ids alike; all others answer as what does not exist."""
        absent = problem(self.ask(key, "no such"))
        ids = {k: t.id for k, t in answering(self.installation, read_workspace(self.file)).items()}
        found = set()
        for tenant in among:
            both = [self.ask(key, named) for named in (tenant, f"key:{tenant}", ids[tenant])]
            assert len({a.status_code for a in both}) == 1, tenant
            if both[0].status_code == 200:
                found.add(tenant)
            else:
                assert [problem(a) for a in both] == [absent] * 3, tenant
        return found

    def parents(self) -> dict[str, str | None]:
        row = workspace_row(self.installation, read_workspace(self.file))
        with self.installation.catalog.read() as session:
            rows = versions.tenants_of(session, row.id)
            keys = {t.id: t.key for t in rows}
            return {t.key: keys[t.parent_id] if t.parent_id else None for t in rows}

    def set_state(self, tenant: str, state: str) -> None:
        row = workspace_row(self.installation, read_workspace(self.file))
        with self.installation.catalog.write() as session:
            found = versions.find_tenant(session, row.id, tenant)
            assert found is not None
            session.get_one(TenantRow, found.id).state = state


def problem(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    return {k: v for k, v in body.items() if k != "request_id"} | {"http": answer.status_code}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("subtree")
    Company(folder, "none").installation.catalog.close()
    return folder


@pytest.fixture
def company(built: Path, tmp_path: Path) -> Company:
    return Company(shutil.copytree(built, tmp_path / "company"))


@pytest.mark.parametrize(
    ("top", "below"),
    [
        ("1", {"1", "2", "3", "4", "5", "6"}),
        ("2", {"2", "4", "5"}),
        ("4", {"4"}),
        ("9", {"9"}),
        ("7", {"7", "70"}),
        ("8", {"8"}),
        ("70", {"70"}),
    ],
)
def test_scope_reaches_its_tenant_and_those_below_and_nobody_else(company: Company, top: str, below: set[str]) -> None:
    """No parent, no sibling, no cousin, nobody in a loop by way of the loop."""
    key = company.key(f"subtree:{top}")
    assert company.reached(key) == below
    assert company.bodies(key) == [f"of {top}"], "without a name it is its own"
    for tenant in below:
        assert company.bodies(key, tenant) == [f"of {tenant}"]


def test_scope_of_one_tenant_reaches_nobody_below(company: Company) -> None:
    key = company.key("tenant:2")
    for named in ("4", "key:4", "1", "3", "nobody"):
        assert company.ask(key, named).json()["code"] == "tenant_mismatch", named


def test_tenant_whose_parent_changed_is_reached_from_its_new_parent_alone(company: Company) -> None:
    north, south, head = (company.key(f"subtree:{t}") for t in ("2", "3", "1"))
    assert company.reached(north) == {"2", "4", "5"}
    company.refresh(TREE | {"5": "3"})
    assert company.reached(north) == {"2", "4"}
    assert company.reached(south) == {"3", "5", "6"}
    assert company.reached(head) == {"1", "2", "3", "4", "5", "6"}
    company.refresh(TREE | {"2": "9", "5": None})
    assert company.reached(head) == {"1", "3", "6"}
    assert company.reached(company.key("subtree:9")) == {"9", "2", "4"}


def test_tenants_below_one_that_left_are_reached_no_more(company: Company) -> None:
    head, north = company.key("subtree:1"), company.key("subtree:2")
    company.refresh({k: v for k, v in TREE.items() if k != "2"})
    assert company.reached(head, ALL - {"2"}) == {"1", "3", "6"}
    assert company.reached(north, ALL - {"2"}) == set()
    assert company.ask(north, None).json()["code"] == "tenant_gone"
    assert company.parents()["2"] is None


def test_parents_are_forgotten_with_the_line_that_says_them(company: Company) -> None:
    key = company.key("subtree:1")
    company.say(None)
    accept(company.installation, read_workspace(company.file))
    company.refresh(TREE)
    assert company.reached(key) == {"1"}
    assert set(company.parents().values()) == {None}


def test_suspended_tenant_reaches_nobody_below_and_its_children_are_reached_from_above(company: Company) -> None:
    head, north = company.key("subtree:1"), company.key("subtree:2")
    company.set_state("2", "suspended")
    for named in (None, "2", "4"):
        assert company.ask(north, named).json()["code"] == "tenant_suspended", named
    for outside in ("3", "nobody"):
        assert company.ask(north, outside).json()["code"] == "tenant_suspended", "there or not, it is told the same"
    assert company.ask(head, "2").json()["code"] == "tenant_suspended"
    assert company.bodies(head, "4") == ["of 4"]


def test_scope_has_no_more_than_its_permissions_below(company: Company) -> None:
    key = company.key("subtree:1", ["schema:view"])
    assert company.ask(key, "4").json()["code"] == "forbidden"
    schema = company.client.get("/v1/schema", headers=key | {"X-Tenant-ID": "4"})
    assert schema.status_code == 200


def test_file_of_a_tenant_below_is_handed_out_under_its_name_alone(company: Company) -> None:
    key = company.key("subtree:2")
    below = company.client.get("/v1/slice/file", headers=key | {"X-Tenant-ID": "4"}, follow_redirects=False).headers["location"]
    assert company.client.get(below, headers=key | {"X-Tenant-ID": "4"}).status_code == 200
    for named in ({}, {"X-Tenant-ID": "5"}, {"X-Tenant-ID": "1"}):
        assert company.client.get(below, headers=key | named).json()["code"] == "not_found", named


def test_same_key_in_another_workspace_is_not_below(company: Company, tmp_path: Path) -> None:
    key = company.key("subtree:2")
    answer = company.client.post("/v1/query", json={"sql": "select 1"}, headers=key | {"X-Workspace-ID": "v", "X-Tenant-ID": "4"})
    assert answer.json()["code"] == "not_found"


def test_tenants_show_their_parent(company: Company) -> None:
    boss = company.key("workspace")
    ids = {k: t.id for k, t in answering(company.installation, read_workspace(company.file)).items()}
    listed = company.client.get("/v1/workspaces/w/tenants", headers=boss).json()["data"]
    assert {t["key"]: t["parent"] for t in listed} == {k: ids.get(v or "") for k, v in (TREE | {"7": None, "8": None}).items()}
    assert company.client.get("/v1/workspaces/w/tenants/4", headers=boss).json()["parent"] == ids["2"]


def test_hierarchy_that_rolls_up_decides_access_alike(tmp_path: Path) -> None:
    company = Company(tmp_path, "rollup")
    key = company.key("subtree:2")
    assert company.reached(key) == {"2", "4", "5"}
    assert company.bodies(key) == ["of 2", "of 4", "of 5"]
