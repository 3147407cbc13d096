"""Tenants made and changed over HTTP: sign-up before the source has them, what is set of them, who may, and what the audit says of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.control.access.permissions import PERMISSIONS
from api.openapi import operations
from engine.catalog import audit
from tests.acceptance.http_world import PANEL, World, address


@pytest.fixture
def boss(world: World) -> dict[str, str]:
    return world.key("workspace")


def put(world: World, key: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
    return world.client.put(f"{world.base}/tenants/key:{key}", json=body, headers=headers)


def patch(world: World, t: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
    return world.client.patch(f"{world.base}/tenants/{t}", json=body, headers=headers)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# ── upsert ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sign_up_comes_before_the_first_refresh_and_is_found_by_it(world: World, boss: dict[str, str]) -> None:
    made = put(world, "3", {"name": "Cargo", "metadata": {"crm": "7"}}, boss)
    assert made.status_code == 201
    facts = made.json()
    assert made.headers["location"] == f"{world.base}/tenants/{facts['id']}"
    assert (facts["state"], facts["name"], facts["slug"], facts["key"]) == ("expected", "Cargo", "cargo", "3")
    waiting = world.client.get(PANEL, headers=boss | {"X-Tenant-ID": "3"})
    assert code(waiting) == (503, "slice_not_ready")
    assert waiting.headers["retry-after"]
    again = put(world, "3", {"name": "Cargo", "metadata": {"crm": "7"}}, boss)
    assert (again.status_code, again.json()["id"], again.headers["etag"]) == (200, facts["id"], made.headers["etag"])


def test_name_of_the_source_comes_back_when_the_one_by_hand_is_taken_back(world: World, boss: dict[str, str]) -> None:
    assert patch(world, "1", {"name": "By hand"}, boss).json()["slug"] == "by-hand"
    world.refresh(full=True)
    assert world.client.get(f"{world.base}/tenants/1", headers=boss).json()["name"] == "By hand"
    patch(world, "1", {"name": None}, boss)
    world.refresh(full=True)
    assert world.client.get(f"{world.base}/tenants/1", headers=boss).json()["name"] == "Acme"


def test_replacement_takes_back_what_it_does_not_say_but_neither_state_nor_place(world: World, boss: dict[str, str]) -> None:
    put(world, "1", {"attributes": {"a": 1}, "metadata": {"b": "x"}, "locale": "de", "parent": "2"}, boss)
    patch(world, "1", {"state": "suspended"}, boss)
    facts = put(world, "1", {"metadata": {"c": "y"}}, boss).json()
    assert (facts["attributes"], facts["metadata"], facts["locale"]) == ({}, {"c": "y"}, None)
    assert (facts["state"], facts["parent"]) == ("suspended", world.tenants["2"])


def test_merge_patch_changes_what_it_names_and_null_takes_a_name_away(world: World, boss: dict[str, str]) -> None:
    patch(world, "1", {"attributes": {"a": 1, "b": "x", "c": True}, "timezone": "Europe/Berlin"}, boss)
    facts = patch(world, "1", {"attributes": {"a": None, "b": "y"}}, boss).json()
    assert (facts["attributes"], facts["timezone"]) == ({"b": "y", "c": True}, "Europe/Berlin")
    assert patch(world, "1", {"attributes": None, "timezone": None}, boss).json()["attributes"] == {}
    headers = boss | {"Content-Type": "application/merge-patch+json"}
    assert world.client.patch(f"{world.base}/tenants/1", content=b'{"currency": "EUR"}', headers=headers).json()["currency"] == "EUR"


def test_etag_guards_a_change(world: World, boss: dict[str, str]) -> None:
    first = world.client.get(f"{world.base}/tenants/1", headers=boss).headers["etag"]
    assert patch(world, "1", {"locale": "de"}, boss | {"If-Match": first}).status_code == 200
    assert code(patch(world, "1", {"locale": "fr"}, boss | {"If-Match": first})) == (412, "precondition_failed")
    assert code(put(world, "1", {}, boss | {"If-None-Match": "*"})) == (412, "precondition_failed")
    assert code(put(world, "new", {}, boss | {"If-Match": "*"})) == (412, "precondition_failed")
    assert put(world, "new", {}, boss | {"If-None-Match": "*"}).status_code == 201
    assert world.client.get(f"{world.base}/tenants/1", headers=boss).json()["locale"] == "de"


@pytest.mark.parametrize("key", ["a/b", "a/b/subscription", "ä ö", "tn_x", "key:x", "", ".", "..", "a%2fb", "a?b#c", "x" * 900])
def test_any_key_is_one_tenant(world: World, boss: dict[str, str], key: str) -> None:
    from urllib.parse import quote

    path = f"{world.base}/tenants/key:{quote(key, safe='')}"
    made = world.client.put(path, json={}, headers=boss)
    assert (made.status_code, made.json()["key"]) == (201, key)
    assert world.client.get(path, headers=boss).json()["id"] == made.json()["id"]
    assert world.client.get(f"{world.base}/tenants/{made.json()['id']}", headers=boss).json()["key"] == key


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a\u202eb"), ("name", "a\nb"), ("name", ""), ("name", "x" * 121), ("slug", "A B"), ("state", "gone"), ("locale", "x"),
        ("timezone", "Mars/Base"), ("currency", "euro"), ("attributes", {"a": [1]}), ("attributes", {"a b": 1}), ("attributes", {"a": 2**60}),
        ("metadata", {"a": 1}), ("metadata", {str(i): "" for i in range(60)}), ("allowed_origins", ["*"]), ("allowed_origins", ["http://a.example"]),
        ("allowed_origins", ["https://a.example/"]), ("allowed_origins", ["https://*.a.example"]), ("allowed_origins", ["https://a.example; script-src *"]),
        ("domains", ["a"]), ("domains", ["A.example"]), ("domains", ["*.example"]), ("workspace_id", "ws_x"), ("id", "tn_x"), ("version", "sv_x"),
        ("parent", "nobody"), ("parent", "1"),
    ],
)  # fmt: skip
def test_value_that_does_not_fit_is_refused_and_changes_nothing(world: World, boss: dict[str, str], field: str, value: Any) -> None:
    before = world.client.get(f"{world.base}/tenants/1", headers=boss).json()
    answer = patch(world, "1", {field: value}, boss)
    assert code(answer) == (422, "validation")
    assert answer.json()["errors"][0]["pointer"].startswith(f"/{field}")
    assert world.client.get(f"{world.base}/tenants/1", headers=boss).json() == before


# ── states ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_suspended_tenant_is_refused_at_once_and_stays_so_over_refreshes_until_it_is_active(world: World, boss: dict[str, str]) -> None:
    key = world.key(tenant="1")
    assert world.client.get(PANEL, headers=key).status_code == 200
    assert patch(world, "1", {"state": "suspended", "reason": "unpaid"}, boss).json()["reason"] == "unpaid"
    assert code(world.client.get(PANEL, headers=key)) == (403, "tenant_suspended")
    world.refresh(full=True)
    assert code(world.client.get(PANEL, headers=key)) == (403, "tenant_suspended")
    listed = world.client.get(f"{world.base}/tenants?state=suspended", headers=boss).json()["data"]
    assert [t["key"] for t in listed] == ["1"]
    assert [t["key"] for t in world.client.get(f"{world.base}/tenants?state=active", headers=boss).json()["data"]] == ["2"]
    assert patch(world, "1", {"state": "active"}, boss).json()["reason"] is None
    assert world.client.get(PANEL, headers=key).status_code == 200


@pytest.mark.parametrize(("state", "expected"), [("suspended", (403, "tenant_suspended")), ("archived", (404, "not_found"))])
@pytest.mark.parametrize("scope", ["tenant", "subtree"])
def test_tenant_that_is_suspended_or_archived_finds_every_door_closed(
    world: World, boss: dict[str, str], scope: str, state: str, expected: tuple[int, str]
) -> None:
    key = world.key(scope, "1", list(PERMISSIONS))
    patch(world, "1", {"state": state}, boss)
    doors = [o for o in operations(world.app.openapi()) if o[0].startswith("/v1/") and o[2]["x-permission"] not in ("public", "any")]
    assert len(doors) > 30
    for path, method, operation in doors:
        at = address(path, ws=world.workspace_id, t="1", slug="sales", panel="orders")
        answer = world.client.request(method, at, headers=key, json={} if "requestBody" in operation else None)
        assert code(answer) == expected, (method, path)
    assert world.client.get("/v1/me", headers=key).status_code == 200


def test_archived_tenant_answers_nothing_is_left_out_of_refreshes_and_can_be_taken_back(world: World, boss: dict[str, str]) -> None:
    key = world.key(tenant="1")
    assert world.client.delete(f"{world.base}/tenants/1", headers=boss).status_code == 204
    assert code(world.client.get(PANEL, headers=key)) == (404, "not_found")
    world.refresh(full=True)
    assert world.client.get(f"{world.base}/tenants/1", headers=boss).json()["state"] == "archived"
    assert patch(world, "1", {"state": "active"}, boss).json()["state"] == "active"
    assert world.client.get(PANEL, headers=key).status_code == 200


# ── who may ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def reseller(world: World, permissions: list[str] | None = None) -> dict[str, str]:
    """A key of tenant 1 and those below it."""
    return world.key("subtree", "1", permissions or ["tenants:view", "tenants:write", "query:panel", "audit:view"])


def test_reseller_makes_tenants_below_itself_and_sees_them_and_nobody_else(world: World, boss: dict[str, str]) -> None:
    mine = reseller(world)
    made = put(world, "sub", {"name": "Below"}, mine)
    assert (made.status_code, made.json()["parent"]) == (201, world.tenants["1"])
    assert {t["key"] for t in world.client.get(f"{world.base}/tenants", headers=mine).json()["data"]} == {"1", "sub"}
    assert {t["key"] for t in world.client.get(f"{world.base}/tenants?parent=1", headers=boss).json()["data"]} == {"sub"}
    assert patch(world, "sub", {"state": "suspended"}, mine).json()["state"] == "suspended"
    missing = world.client.get(f"{world.base}/tenants/nobody", headers=mine)
    for answer in (
        world.client.get(f"{world.base}/tenants/2", headers=mine),
        patch(world, "2", {"state": "suspended"}, mine),
        put(world, "2", {"name": "Mine now"}, mine),
        world.client.delete(f"{world.base}/tenants/2", headers=mine),
        world.client.get(f"{world.base}/tenants?parent=2", headers=mine),
    ):
        assert code(answer) == (404, "not_found")
        assert answer.json() | {"request_id": ""} == missing.json() | {"request_id": ""}
    assert code(put(world, "other", {"parent": "2"}, mine)) == (422, "validation")
    assert code(patch(world, "sub", {"parent": "2"}, mine)) == (422, "validation")
    assert code(patch(world, "sub", {"parent": None}, mine)) == (422, "validation")
    assert world.client.get(f"{world.base}/tenants/2", headers=boss).json()["name"] == "Bolt"


def test_nobody_comes_to_be_above_itself(world: World, boss: dict[str, str]) -> None:
    patch(world, "2", {"parent": "1"}, boss)
    answer = patch(world, "1", {"parent": "2"}, boss)
    assert (code(answer), answer.json()["errors"][0]["code"]) == ((422, "validation"), "loop")


@pytest.mark.parametrize("field", ["state", "parent", "attributes", "allowed_origins", "domains", "slug"])
def test_of_itself_a_tenant_says_its_name_and_no_more(world: World, field: str) -> None:
    values = {
        "state": "active",
        "parent": "1",
        "attributes": {"a": 1},
        "allowed_origins": ["https://a.example"],
        "domains": ["a.example"],
        "slug": "s",
    }
    with world.installation.catalog.write() as session:
        from engine.catalog.tables import TenantRow

        session.get_one(TenantRow, world.tenants["1"]).suspended_at = None
    for mine in (reseller(world), world.key("tenant", "1", ["tenants:write"])):
        assert patch(world, "1", {"name": "Ours"}, mine).json()["name"] == "Ours"
        if field != "state":  # it is active already
            assert code(patch(world, "1", {field: values[field]}, mine)) in ((403, "forbidden"), (422, "validation"))
    assert code(patch(world, "1", {"state": "suspended"}, reseller(world))) == (403, "forbidden")


def test_one_tenants_key_names_no_other_and_makes_none(world: World) -> None:
    mine = world.key("tenant", "1", ["tenants:view", "tenants:write"])
    assert [t["key"] for t in world.client.get(f"{world.base}/tenants", headers=mine).json()["data"]] == ["1"]
    for name in ("2", "nobody", world.tenants["2"]):
        assert code(patch(world, name, {"name": "x"}, mine)) == (403, "tenant_mismatch")
    for key in ("2", "new"):
        assert code(put(world, key, {}, mine)) == (403, "tenant_mismatch")


# ── batches ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def batch(world: World, lines: list[Any], headers: dict[str, str]) -> list[dict[str, Any]]:
    content = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    answer = world.client.post(f"{world.base}/tenants:batch", content=content, headers=headers | {"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def test_batch_has_a_result_a_line_and_a_bad_line_harms_no_other(world: World, boss: dict[str, str]) -> None:
    lines = [
        {"key": "a", "name": "A"},
        b"{nonsense",
        {"name": "no key"},
        {"key": "b", "parent": "a"},
        {"key": "c", "parent": "nobody"},
        {"key": "a"},
    ]
    found = batch(world, lines, boss)
    assert [f["line"] for f in found] == [1, 2, 3, 4, 5, 6]
    assert [f["status"] for f in found] == [201, 400, 422, 201, 422, 200]
    assert [f["problem"]["code"] for f in found if "problem" in f] == ["syntax", "validation", "validation"]
    assert code(world.client.get(f"{world.base}/tenants/c", headers=boss)) == (404, "not_found")
    assert world.client.get(f"{world.base}/tenants/b", headers=boss).json()["parent"] == found[0]["id"]


def test_batch_of_a_reseller_reaches_its_own_alone(world: World) -> None:
    found = batch(world, [{"key": "x"}, {"key": "2", "name": "Mine"}, {"key": "1", "state": "suspended"}], reseller(world))
    assert [f["status"] for f in found] == [201, 404, 403]


def test_batch_sent_twice_with_one_key_is_done_once(world: World, boss: dict[str, str]) -> None:
    headers = boss | {"Idempotency-Key": "k"}
    assert batch(world, [{"key": "x"}], headers) == batch(world, [{"key": "x"}], headers)
    answer = world.client.post(f"{world.base}/tenants:batch", content=b'{"key": "y"}', headers=headers)
    assert code(answer) == (422, "idempotency_mismatch")


# ── the audit ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_change_is_in_the_audit_with_before_and_after(world: World, boss: dict[str, str]) -> None:
    patch(world, "1", {"locale": "de", "name": "Acme"}, boss | {"User-Agent": "test/1", "X-Request-Id": "mine"})
    patch(world, "1", {"locale": "de"}, boss)  # changes nothing, so it is no record
    put(world, "9", {}, boss)
    found = world.client.get(f"{world.base}/audit", headers=boss).json()["data"]
    assert [(r["action"], r["outcome"]) for r in found] == [("tenants.create", "allowed"), ("tenants.update", "allowed")]
    change = found[1]
    assert (change["before"], change["after"], change["tenant"]) == ({"locale": None}, {"locale": "de"}, world.tenants["1"])
    assert change["actor"] == {"type": "key", "id": world.key_id(boss)}
    assert change["context"] | {"ip": ""} == {"ip": "", "user_agent": "test/1", "request_id": "mine"}
    assert found[0]["after"]["key"] == "9"
    assert found[0]["prev_hash"] == change["hash"]
    export = world.client.get(f"{world.base}/audit/export", headers=boss)
    assert [json.loads(line) for line in export.text.splitlines()] == found[::-1]
    with world.installation.catalog.read() as session:
        assert audit.verify(session, world.installation.derived_key("audit")).broken is None


def test_audit_of_a_tenant_is_its_own_and_that_of_those_below(world: World, boss: dict[str, str]) -> None:
    for tenant in ("1", "2"):
        patch(world, tenant, {"locale": "de"}, boss)
    put(world, "sub", {"parent": "1"}, boss)
    own = world.client.get(f"{world.base}/audit", headers=world.key("tenant", "1", ["audit:view"])).json()["data"]
    assert [r["tenant"] for r in own] == [world.tenants["1"]]
    below = world.client.get(f"{world.base}/audit", headers=reseller(world)).json()["data"]
    assert [r["action"] for r in below] == ["tenants.create", "tenants.update"]
    assert world.tenants["2"] not in world.client.get(f"{world.base}/audit/export", headers=reseller(world)).text


def test_audit_is_filtered_and_paged(world: World, boss: dict[str, str]) -> None:
    for locale in ("de", "fr", "it"):
        patch(world, "1", {"locale": locale}, boss)
    put(world, "9", {}, boss)
    ask = lambda query: world.client.get(f"{world.base}/audit?{query}", headers=boss).json()  # noqa: E731
    assert len(ask("action=tenants.update")["data"]) == 3
    assert len(ask(f"target={world.tenants['1']}&actor={world.key_id(boss)}")["data"]) == 3
    assert ask("outcome=denied")["data"] == []
    assert ask("to=2020-01-01T00:00:00Z")["data"] == []
    pages, cursor = [], ""
    while True:
        page = ask(f"limit=3{cursor}")
        pages.append([r["number"] for r in page["data"]])
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert pages == [[4, 3, 2], [1]]
    assert [r["number"] for r in ask("sort=created_at")["data"]] == [1, 2, 3, 4]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00"])
def test_audit_from_a_moment_that_is_none_in_utc_is_422(world: World, boss: dict[str, str], moment: str) -> None:
    for name in ("from", "to"):
        answer = world.client.get(f"{world.base}/audit", params={name: moment}, headers=boss)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation")


def test_refusals_are_in_the_audit_and_alike_ones_of_a_second_are_one_record(world: World, boss: dict[str, str]) -> None:
    mine = world.key("tenant", "1", ["tenants:view"])
    for _ in range(3):
        assert patch(world, "1", {"name": "x"}, mine | {"User-Agent": "probe"}).status_code == 403
    assert world.client.get(f"{world.base}/tenants/2", headers=mine).status_code == 403
    assert world.client.get("/v1/me", headers={"Authorization": "Bearer shk_nothing"}).status_code == 401
    assert world.client.get(f"{world.base}/tenants/nobody", headers=boss).status_code == 404
    world.app.state.context.collector.once()
    found = world.client.get(f"{world.base}/audit?outcome=denied", headers=boss).json()["data"]
    assert sorted((r["action"], r["reason"], (r["after"] or {}).get("times", 1), r["actor"]["id"]) for r in found) == [
        ("get_tenant", "tenant_mismatch", 1, world.key_id(mine)),
        ("patch_tenant", "forbidden", 3, world.key_id(mine)),
    ]
    assert {r["tenant"] for r in found} == {world.tenants["1"]}
    with world.installation.catalog.read() as session:
        chain = audit.verify(session, world.installation.derived_key("audit"))
    assert (chain.records, chain.broken) == (3, None), "a wrong key is written down too, of no workspace"
