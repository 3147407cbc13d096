"""Keys made over HTTP: never beyond the maker's scope and permissions, shown once, rotated, revoked, in the audit without their text."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.http_world import PANEL, World

MAKER = ["keys:write", "query:panel", "tenants:view"]


@pytest.fixture
def boss(world: World) -> dict[str, str]:
    return world.key("workspace")


def make(world: World, body: dict[str, Any], headers: dict[str, str]) -> Any:
    return world.client.post(f"{world.base}/keys", json=body, headers=headers)


def bearer(answer: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['key']}"}


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_key_of_a_tenant_answers_for_it_and_is_shown_once(world: World, boss: dict[str, str]) -> None:
    made = make(world, {"scope": "tenant:1", "permissions": ["query:panel"], "label": "site"}, boss)
    assert made.status_code == 201
    assert [r[3] for r in world.client.get(PANEL, headers=bearer(made)).json()["rows"]] == ["acme-a", "acme-b", "acme-c"]
    facts = world.client.get(made.headers["location"], headers=boss).json()
    assert facts | {"last_used_at": None} == {k: v for k, v in made.json().items() if k != "key"}
    assert (facts["scope"], facts["permissions"], facts["created_by"]) == (
        f"tenant:{world.tenants['1']}",
        ["query:panel"],
        world.key_id(boss),
    )
    secret = made.json()["key"]
    for path in ("keys", "audit"):
        assert secret.split("_")[2] not in world.client.get(f"{world.base}/{path}", headers=boss).text
    assert secret.encode() not in b"".join(p.read_bytes() for p in world.home.rglob("*") if p.is_file())


def test_same_request_sent_again_makes_one_key_and_does_not_say_it_again(world: World, boss: dict[str, str]) -> None:
    headers = boss | {"Idempotency-Key": "k"}
    first, again = make(world, {"scope": "tenant:1"}, headers), make(world, {"scope": "tenant:1"}, headers)
    assert (again.status_code, again.json()) == (201, first.json() | {"key": None})
    assert first.json()["key"].encode() not in b"".join(p.read_bytes() for p in world.home.rglob("*") if p.is_file())


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00"])
def test_key_that_ends_at_no_moment_of_utc_is_422(world: World, boss: dict[str, str], moment: str) -> None:
    assert code(make(world, {"scope": "tenant:1", "expires_at": moment}, boss)) == (422, "validation")


def test_nobody_hands_on_what_they_have_not(world: World, boss: dict[str, str]) -> None:
    maker = world.key("workspace", permissions=MAKER)
    refused = make(world, {"permissions": ["query:panel", "audit:view"]}, maker)
    assert (code(refused), "audit:view" in refused.json()["detail"]) == ((403, "forbidden"), True)
    assert make(world, {"scope": "workspace"}, maker).json()["permissions"] == ["query:panel", "tenants:view", "keys:write"]
    strong = make(world, {"scope": "workspace"}, boss).json()["id"]
    for call in ("rotate",):
        assert code(world.client.post(f"{world.base}/keys/{strong}/{call}", headers=maker)) == (403, "forbidden")
    assert code(world.client.patch(f"{world.base}/keys/{strong}", json={"label": "mine"}, headers=maker)) == (403, "forbidden")


@pytest.mark.parametrize(
    ("scope", "mine", "wanted"),
    [
        ("tenant", "1", "tenant:2"), ("tenant", "1", "tenant:nobody"), ("tenant", "1", "subtree:1"), ("tenant", "1", "workspace"),
        ("subtree", "1", "tenant:2"), ("subtree", "1", "workspace"), ("subtree", "1", "subtree:2"),
        ("workspace", "1", "tenant:nobody"), ("workspace", "1", "installation"), ("workspace", "1", "tenant:"), ("workspace", "1", "workspace:1"),
    ],
)  # fmt: skip
def test_scope_lies_within_that_of_the_maker(world: World, scope: str, mine: str, wanted: str) -> None:
    maker = world.key(scope, mine, MAKER)
    answer = make(world, {"scope": wanted}, maker)
    assert (code(answer), answer.json()["errors"][0]["pointer"]) == ((422, "validation"), "/scope")


def test_key_that_another_may_not_see_is_as_if_it_were_not_there(world: World, boss: dict[str, str]) -> None:
    theirs = [make(world, {"scope": s}, boss).json()["id"] for s in ("tenant:2", "workspace", "subtree:1")]
    own = make(world, {"scope": "tenant:1", "permissions": ["query:panel"]}, boss).json()["id"]
    mine = world.key("tenant", "1", MAKER)
    listed = {k["id"] for k in world.client.get(f"{world.base}/keys", headers=mine).json()["data"]}
    assert listed == {own, world.key_id(mine)}
    for key in [*theirs, "ky_nothing"]:
        for answer in (
            world.client.get(f"{world.base}/keys/{key}", headers=mine),
            world.client.patch(f"{world.base}/keys/{key}", json={}, headers=mine),
            world.client.delete(f"{world.base}/keys/{key}", headers=mine),
            world.client.post(f"{world.base}/keys/{key}/rotate", headers=mine),
        ):
            assert code(answer) == (404, "not_found")
    assert world.client.delete(f"{world.base}/keys/{own}", headers=mine).status_code == 204


def test_rotation_and_revocation_are_felt_by_the_next_request(world: World, boss: dict[str, str]) -> None:
    made = make(world, {"scope": "tenant:1"}, boss)
    new = world.client.post(f"{world.base}/keys/{made.json()['id']}/rotate", json={"overlap_seconds": 0}, headers=boss)
    assert (new.status_code, new.json()["permissions"]) == (201, made.json()["permissions"])
    assert [world.client.get("/v1/me", headers=bearer(k)).status_code for k in (made, new)] == [401, 200]
    assert code(world.client.post(f"{world.base}/keys/{made.json()['id']}/rotate", headers=boss)) == (409, "conflict")
    assert world.client.delete(f"{world.base}/keys/{new.json()['id']}", headers=boss).status_code == 204
    assert world.client.get("/v1/me", headers=bearer(new)).status_code == 401
    actions = [r["action"] for r in world.client.get(f"{world.base}/audit", headers=boss).json()["data"]]
    assert actions == ["keys.revoke", "keys.rotate", "keys.create"]


def test_end_and_addresses_hold_and_may_be_changed(world: World, boss: dict[str, str]) -> None:
    made = make(world, {"scope": "tenant:1", "allowed_ips": ["192.0.2.0/24"]}, boss)
    assert world.client.get("/v1/me", headers=bearer(made)).status_code == 401
    at = f"{world.base}/keys/{made.json()['id']}"
    assert world.client.patch(at, json={"allowed_ips": None}, headers=boss).json()["allowed_ips"] == []
    assert world.client.get("/v1/me", headers=bearer(made)).status_code in (200, 401)  # the test's client has no address
    assert world.client.patch(at, json={"expires_at": "2020-01-01T00:00:00Z"}, headers=boss).status_code == 200
    assert world.client.get("/v1/me", headers=bearer(made)).status_code == 401


@pytest.mark.parametrize(
    "body",
    [{"permissions": ["everything"]}, {"scope": 1}, {"expires_at": "2030-01-01T00:00:00"}, {"allowed_ips": ["nowhere"]}, {"label": "a\nb"}, {"id": "ky_x"}],
)  # fmt: skip
def test_value_that_does_not_fit_makes_no_key(world: World, boss: dict[str, str], body: dict[str, Any]) -> None:
    assert code(make(world, body, boss)) == (422, "validation")
    assert len(world.client.get(f"{world.base}/keys", headers=boss).json()["data"]) == 1
