"""What is kept between requests: exact, of one tenant, within bounds, and forgotten the moment it is no longer true."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.cli.main import main
from api.endpoints import answering
from api.serving import definitions
from api.serving.definitions import Definitions
from api.serving.results import Results
from engine.catalog.keys import revoke_key
from engine.catalog.tables import PrincipalRow, TenantRow
from tests.acceptance.http_world import PANEL, World

SQL = {"sql": "select min(amount) as a, max(amount) as z from orders where amount <= 20"}  # the same for both tenants


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that reach the door."""
    found: list[str] = []
    door = answering.answer

    def counted(*given: Any) -> Any:
        found.append(given[2])
        return door(*given)

    monkeypatch.setattr(answering, "answer", counted)
    return found


def edited(world: World, old: str, new: str) -> Path:
    file = world.folder / "dashboards" / "sales.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return file


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hot_panel_is_computed_once(world: World, asked: list[str]) -> None:
    key = world.key()
    answers = [world.client.get(PANEL, headers=key) for _ in range(3)]
    assert len(asked) == 1
    assert len({(a.content, a.headers["etag"]) for a in answers}) == 1
    world.client.get(PANEL, headers=world.key())  # another key of the tenant: the same slice, the same scope
    world.client.post("/v1/dashboards/sales/data", json={"panels": ["orders"]}, headers=key)
    assert len(asked) == 1
    world.client.get(PANEL + "?p.floor=1", headers=key)
    assert len(asked) == 2


def test_what_the_caller_has_is_not_computed(make_world: Callable[..., World], asked: list[str]) -> None:
    world = make_world(cache_bytes=0)
    key = world.key()
    etag = world.client.get(PANEL, headers=key).headers["etag"]
    assert world.client.get(PANEL, headers=key | {"If-None-Match": etag}).status_code == 304
    assert len(asked) == 1


def test_a_room_of_nothing_keeps_nothing(make_world: Callable[..., World], asked: list[str]) -> None:
    world = make_world(cache_bytes=0)
    key = world.key()
    assert [world.client.get(PANEL, headers=key).status_code for _ in range(2)] == [200, 200]
    assert (len(asked), len(world.app.state.context.results)) == (2, 0)


def test_a_changing_answer_is_computed_each_time(world: World, asked: list[str]) -> None:
    key = world.key()
    for _ in range(2):
        world.client.get("/v1/dashboards/sales/panels/now", headers=key)
    assert len(asked) == 2


def test_nothing_is_shared_between_tenants(world: World, asked: list[str]) -> None:
    """The same statement with the same answer; a workspace key that changes only the tenant; the other's ETag."""
    one, two, boss = world.key(), world.key(tenant="2"), world.key("workspace")
    first, second = (world.client.post("/v1/query", json=SQL, headers=h) for h in (one, two))
    assert first.json()["rows"] == second.json()["rows"] == [[10, 20]]
    assert first.headers["etag"] != second.headers["etag"]
    assert len(asked) == 2
    for _ in range(2):
        for tenant, mine, other in (("1", b"acme-a", b"bolt-a"), ("2", b"bolt-a", b"acme-a")):
            body = world.client.get(PANEL, headers=boss | {"X-Tenant-ID": tenant}).content
            assert mine in body
            assert other not in body
    for headers, etag in ((two, first.headers["etag"]), (one, second.headers["etag"])):
        stolen = world.client.get(PANEL, headers=headers | {"If-None-Match": etag})
        assert stolen.status_code == 200
    results: Results = world.app.state.context.results
    for tenant, etag in list(results._kept):
        other = next(t for t in world.tenants.values() if t != tenant)
        assert results.get(other, etag) is None


def test_answers_are_bounded_in_bytes_and_the_oldest_leave() -> None:
    results = Results(4_000)
    results.put("t", "big", bytes(1_001))
    assert results.get("t", "big") is None  # more than its share
    for n in range(20):
        results.put("t", str(n), bytes(500))
        results.get("t", "0")
    assert results.used <= 4_000
    assert results.get("t", "0") is not None
    assert results.get("t", "19") is not None
    assert results.get("t", "1") is None
    results.put("t", "19", bytes(10))
    assert results.used == sum(len(k.body) + 300 for k in results._kept.values())


# ── access comes first ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_revoked_key_is_refused_by_the_next_request(world: World, asked: list[str]) -> None:
    key = world.key()
    assert world.client.get(PANEL, headers=key).status_code == 200
    with world.installation.catalog.write() as session:
        revoke_key(session, world.key_id(key), world.installation.clock())
    assert world.client.get(PANEL, headers=key).status_code == 401
    assert len(asked) == 1


def test_a_key_revoked_by_the_command_is_refused_by_the_next_request(world: World) -> None:
    key = world.key()
    assert world.client.get(PANEL, headers=key).status_code == 200
    assert main(["keys", "revoke", world.key_id(key), "-w", str(world.file), "--home", str(world.home)]) == 0
    assert world.client.get(PANEL, headers=key).status_code == 401


def test_a_key_ends_when_its_time_is_up(world: World) -> None:
    installation = world.app.state.context.installation
    now = installation.clock()
    key = world.key(expires_at=now + timedelta(hours=1))
    assert world.client.get(PANEL, headers=key).status_code == 200
    object.__setattr__(installation, "clock", lambda: now + timedelta(minutes=59))
    assert world.client.get(PANEL, headers=key).status_code == 200
    object.__setattr__(installation, "clock", lambda: now + timedelta(hours=1))
    assert world.client.get(PANEL, headers=key).json()["code"] == "credential_invalid"


def test_a_permission_that_is_taken_away_is_gone(world: World) -> None:
    key = world.key()
    assert world.client.get(PANEL, headers=key).status_code == 200
    with world.installation.catalog.write() as session:
        session.get_one(PrincipalRow, world.key_id(key)).permissions = ["schema:view"]
    assert world.client.get(PANEL, headers=key).json()["code"] == "forbidden"
    assert world.client.get("/v1/schema", headers=key).status_code == 200


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ("suspended", 403, "tenant_suspended"),
        ("withheld", 503, "slice_withheld"),
        ("gone", 404, "tenant_gone"),
        ("erased", 404, "not_found"),
    ],
)
def test_a_tenant_whose_state_changes_is_refused_at_once_on_every_door(world: World, state: str, status: int, code: str) -> None:
    key = world.key()
    place = world.client.get("/v1/slice/file", headers=key, follow_redirects=False).headers["location"]
    doors = [PANEL, "/v1/dashboards", "/v1/dashboards/sales", "/v1/schema", "/v1/slice", "/v1/slice/file", place]
    assert [world.client.get(d, headers=key).status_code for d in doors] == [200] * len(doors)
    with world.installation.catalog.write() as session:
        session.get_one(TenantRow, world.tenants["1"]).state = state
    found = [world.client.get(d, headers=key) for d in doors]
    found.append(world.client.post("/v1/query", json=SQL, headers=key))
    found.append(world.client.post("/v1/dashboards/sales/data", json={}, headers=key))
    assert {(a.status_code, a.json()["code"]) for a in found} == {(status, code)}
    assert world.client.get(PANEL, headers=world.key(tenant="2")).status_code == 200
    with world.installation.catalog.write() as session:
        session.get_one(TenantRow, world.tenants["1"]).state = "active"
    assert world.client.get(PANEL, headers=key).status_code == 200


def test_a_refusal_is_not_remembered(world: World) -> None:
    key = world.key("workspace") | {"X-Tenant-ID": "3"}
    assert world.client.get(PANEL, headers=key).status_code == 404
    with world.installation.catalog.write() as session:
        session.get_one(TenantRow, world.tenants["2"]).key = "3"
    assert b"bolt-a" in world.client.get(PANEL, headers=key).content


def test_an_address_that_is_not_allowed_does_not_profit_from_one_that_is(world: World) -> None:
    from fastapi.testclient import TestClient

    key = world.key(allowed_ips=["10.0.0.0/8"])
    inside, outside = (TestClient(world.app, client=(address, 1)) for address in ("10.1.2.3", "192.0.2.1"))
    assert inside.get(PANEL, headers=key).status_code == 200
    assert outside.get(PANEL, headers=key).status_code == 401


def test_two_credentials_are_none(world: World) -> None:
    one, two = world.key()["Authorization"], world.key(tenant="2")["Authorization"]
    both = world.client.get(PANEL, headers=[("Authorization", one), ("Authorization", two)])
    mixed = world.client.get(PANEL, headers={"Authorization": one, "X-API-Key": two.removeprefix("Bearer ")})
    assert [(a.status_code, a.json()["code"]) for a in (both, mixed)] == [(400, "syntax")] * 2
    assert world.client.get(PANEL, headers={"X-API-Key": one.removeprefix("Bearer ")}).status_code == 200


def test_decisions_are_bounded(world: World) -> None:
    from api.control.access.decisions import Decisions

    decisions = Decisions(world.installation, most=8)
    for n in range(100):
        assert decisions.once(n, lambda n=n: (n, None)) == n  # type: ignore[misc]
        assert len(decisions._kept) <= 8


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_files_are_read_once_until_they_change(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    workspace, dashboards = definitions.read_workspace, definitions.read_dashboards
    monkeypatch.setattr(definitions, "read_workspace", lambda p: (reads.append("workspace"), workspace(p))[1])
    monkeypatch.setattr(definitions, "read_dashboards", lambda w: (reads.append("dashboards"), dashboards(w))[1])
    key = world.key()
    for _ in range(4):
        world.client.get(PANEL, headers=key)
    assert reads == ["workspace", "dashboards"]
    edited(world, "title: Sales", "title: Sold")
    assert world.client.get("/v1/dashboards", headers=key).json()["data"][0]["title"] == "Sold"
    assert reads == ["workspace", "dashboards", "dashboards"]


def test_a_workspace_file_that_changes_is_felt_at_once(world: World) -> None:
    key = world.key()
    assert world.client.post("/v1/query", json=SQL, headers=key).status_code == 200
    world.edit(caller_sql=False)
    assert world.client.post("/v1/query", json=SQL, headers=key).json()["code"] == "caller_sql_off"


def test_a_change_that_keeps_size_and_time_is_seen(world: World) -> None:
    key, file = world.key(), world.folder / "dashboards" / "sales.yaml"
    before = file.stat()
    assert world.client.get("/v1/dashboards", headers=key).json()["data"][0]["title"] == "Sales"
    edited(world, "title: Sales", "title: Trade")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert world.client.get("/v1/dashboards", headers=key).json()["data"][0]["title"] == "Trade"


def test_a_file_that_is_put_in_place_of_another_is_seen(world: World) -> None:
    key, file = world.key(), world.folder / "dashboards" / "sales.yaml"
    world.client.get("/v1/dashboards", headers=key)
    part = file.with_suffix(".part")
    part.write_text(file.read_text().replace("title: Sales", "title: Other"))
    part.replace(file)
    assert world.client.get("/v1/dashboards", headers=key).json()["data"][0]["title"] == "Other"
    (file.parent / "more.yaml").write_text("{version: 1, slug: more, title: More, panels: {p: {title: P, sql: select 1}}}")
    assert len(world.client.get("/v1/dashboards", headers=key).json()["data"]) == 2
    file.unlink()
    assert [d["slug"] for d in world.client.get("/v1/dashboards", headers=key).json()["data"]] == ["more"]


def test_a_panel_that_changes_is_computed_anew(world: World) -> None:
    key = world.key()
    first = world.client.get("/v1/dashboards/sales/panels/total", headers=key)
    edited(world, "count(*) as n from orders", "count(*) + 1 as n from orders")
    second = world.client.get("/v1/dashboards/sales/panels/total", headers=key)
    assert (first.json()["rows"], second.json()["rows"]) == ([["3"]], [["4"]])
    assert first.headers["etag"] != second.headers["etag"]


@pytest.mark.parametrize("name", ["slicehouse.yaml", "dashboards/sales.yaml"])
def test_a_file_that_cannot_be_read_is_503_and_says_nothing(world: World, name: str) -> None:
    key, file = world.key(), world.folder / name
    assert world.client.get(PANEL, headers=key).status_code == 200
    text = file.read_text()
    file.write_text("{ no: [yaml")
    answer = world.client.get(PANEL, headers=key)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "workspace_unreadable", "30")
    assert str(world.folder) not in answer.text
    file.write_text(text)
    assert world.client.get(PANEL, headers=key).status_code == 200


def test_definitions_are_bounded(world: World, tmp_path: Path) -> None:
    kept = Definitions(most=2)
    for n in range(5):
        file = tmp_path / f"{n}.yaml"
        file.write_text(world.file.read_text())
        assert kept.workspace(file).workspace == "acme"
        assert kept.dashboards(file) == {}
    assert (len(kept._workspaces), len(kept._dashboards)) == (2, 2)
