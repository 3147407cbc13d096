"""Tiers, subscriptions, entitlements at every door, quotas and rates; and usage: each answer metered once, seen by those alone who may."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.acceptance.http_world import PANEL, World

SQL = {"sql": "select count(*) from orders"}


@pytest.fixture
def boss(world: World) -> dict[str, str]:
    return world.key("workspace")


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def tier(world: World, boss: dict[str, str], slug: str = "pro", query: str = "", **body: Any) -> Any:
    answer = world.client.put(f"{world.base}/tiers/{slug}{query}", json={"name": slug} | body, headers=boss)
    assert answer.status_code in (200, 201), answer.text
    return answer


def subscribe(world: World, boss: dict[str, str], tenant: str = "1", query: str = "", **body: Any) -> Any:
    return world.client.put(f"{world.base}/tenants/{tenant}/subscription{query}", json={"tier": "pro"} | body, headers=boss)


def entitled(world: World, boss: dict[str, str], tenant: str = "1") -> dict[str, Any]:
    return world.client.get(f"{world.base}/tenants/{tenant}/entitlements", headers=boss).json()


def later(world: World, by: timedelta) -> None:
    installation = world.app.state.context.installation
    now = installation.clock
    object.__setattr__(installation, "clock", lambda: now() + by)


def counted(world: World) -> None:
    """Usage until now is counted."""
    world.app.state.context.collector.once()


# ── tiers ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tier_has_versions_and_a_subscriber_keeps_its_own_until_it_is_migrated(world: World, boss: dict[str, str]) -> None:
    assert tier(world, boss, features={"sql": True}).status_code == 201
    assert tier(world, boss, features={"sql": True}).json()["version"] == 1, "the same is no new version"
    assert subscribe(world, boss).status_code == 200
    assert tier(world, boss, features={"sql": False}).json()["version"] == 2
    assert entitled(world, boss)["features"] == {"sql": True}
    assert subscribe(world, boss, seats=3).json()["subscription"]["version"] == 1
    assert subscribe(world, boss, "2").json()["subscription"]["version"] == 2
    tier(world, boss, query="?migrate=true", features={"sql": False})
    assert (entitled(world, boss)["features"], entitled(world, boss)["version"]) == ({"sql": False}, 2)
    assert world.client.get(f"{world.base}/tiers/pro?version=1", headers=boss).json()["features"] == {"sql": True}


@pytest.mark.parametrize("number", [2**31, 2**63, 10**40])
def test_version_that_no_catalog_can_hold_is_422(world: World, boss: dict[str, str], number: int) -> None:
    tier(world, boss)
    assert code(world.client.get(f"{world.base}/tiers/pro?version={number}", headers=boss)) == (422, "validation")
    assert code(subscribe(world, boss, version=number)) == (422, "validation")


def test_retired_tier_takes_nobody_new(world: World, boss: dict[str, str]) -> None:
    tier(world, boss)
    subscribe(world, boss)
    assert world.client.delete(f"{world.base}/tiers/pro", headers=boss).status_code == 204
    assert code(subscribe(world, boss, "2")) == (422, "validation")
    assert subscribe(world, boss, seats=2).status_code == 200, "who has it keeps it"
    assert code(subscribe(world, boss, "2", tier="nothing")) == (422, "validation")


@pytest.mark.parametrize(
    "body",
    [
        {"features": {"sql": -1}}, {"quotas": {"wishes": {"limit": 1}}}, {"quotas": {"queries": {"limit": -1}}}, {"quotas": {"queries": {"per": "day"}}},
        {"quotas": {"queries": {"limit": 1, "per": "year"}}}, {"rates": {"queries": 0}}, {"rates": {"rows": 1}}, {"name": ""}, {"colour": "red"},
    ],
)  # fmt: skip
def test_tier_that_does_not_fit_is_422(world: World, boss: dict[str, str], body: dict[str, Any]) -> None:
    assert code(world.client.put(f"{world.base}/tiers/pro", json={"name": "Pro"} | body, headers=boss)) == (422, "validation")


# ── entitlements ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_tier_nothing_is_limited_and_the_default_tier_limits_all(world: World, boss: dict[str, str]) -> None:
    key = world.key()
    assert (entitled(world, boss)["tier"], entitled(world, boss)["access"]) == (None, True)
    assert world.client.post("/v1/query", json=SQL, headers=key).status_code == 200
    tier(world, boss, "free", default=True, features={"export_data": True})
    assert code(world.client.post("/v1/query", json=SQL, headers=key)) == (403, "feature_not_in_tier")
    assert world.client.get(f"{PANEL}?format=csv", headers=key).status_code == 200
    tier(world, boss, "other", default=True, features={"sql": True})
    assert world.client.post("/v1/query", json=SQL, headers=key).status_code == 200, "one tier alone is the default"


@pytest.mark.parametrize(
    ("feature", "method", "path", "body"),
    [
        ("sql", "post", "/v1/query", SQL),
        ("export_slice", "get", "/v1/slice/file", None),
        ("export_data", "get", f"{PANEL}?format=csv", None),
        ("export_data", "get", f"{PANEL}?format=parquet", None),
    ],
)
def test_feature_that_is_off_is_off_at_its_door(
    world: World, boss: dict[str, str], feature: str, method: str, path: str, body: Any
) -> None:
    key = world.key()
    ask = lambda: world.client.request(method, path, json=body, headers=key, follow_redirects=False)  # noqa: E731
    tier(world, boss, features={})
    subscribe(world, boss)
    assert code(ask()) == (403, "feature_not_in_tier")
    assert world.client.get(PANEL, headers=key).status_code == 200
    subscribe(world, boss, overrides={"features": {feature: True}})
    assert ask().status_code in (200, 307)
    assert world.client.request(method, path, json=body, headers=boss | {"X-Tenant-ID": "1"}, follow_redirects=False).status_code in (
        200,
        307,
    )
    subscribe(world, boss, overrides={"features": {feature: 0}})
    assert code(ask()) == (403, "feature_not_in_tier")
    assert world.client.request(method, path, json=body, headers=world.key(tenant="2"), follow_redirects=False).status_code in (200, 307)


@pytest.mark.parametrize(
    ("body", "opens_for"),
    [
        ({"status": "trialing", "trial_end": timedelta(days=3)}, timedelta(days=3)),
        ({"status": "past_due"}, timedelta(days=7)),
        ({"cancel_at": timedelta(days=2)}, timedelta(days=2)),
        ({"status": "paused"}, timedelta(0)),
        ({"status": "canceled"}, timedelta(0)),
    ],
)
def test_subscription_closes_every_door_when_its_time_has_come(
    world: World, boss: dict[str, str], body: dict[str, Any], opens_for: timedelta
) -> None:
    now = datetime.now(UTC)
    tier(world, boss, features={"sql": True, "export_slice": True})
    subscribe(world, boss, **{k: (now + v).isoformat() if isinstance(v, timedelta) else v for k, v in body.items()})
    key = world.key()
    doors = [("get", PANEL), ("get", "/v1/dashboards"), ("get", "/v1/schema"), ("get", "/v1/slice/file"), ("post", "/v1/query")]
    if opens_for:
        assert entitled(world, boss)["access"] is True
        assert world.client.get(PANEL, headers=key).status_code == 200
        later(world, opens_for - timedelta(seconds=30))
        assert world.client.get(PANEL, headers=key).status_code == 200
        later(world, timedelta(seconds=31))
    assert (entitled(world, boss)["access"], bool(entitled(world, boss)["reason"])) == (False, True)
    for method, path in doors:
        assert code(world.client.request(method, path, json=SQL if method == "post" else None, headers=key)) == (403, "tenant_suspended"), (
            path
        )
    assert world.client.get(PANEL, headers=world.key(tenant="2")).status_code == 200


def test_past_due_is_counted_from_its_first_day_and_ends_with_payment(world: World, boss: dict[str, str]) -> None:
    tier(world, boss)
    subscribe(world, boss, status="past_due")
    later(world, timedelta(days=5))
    assert subscribe(world, boss, status="past_due").json()["subscription"]["past_due_since"] is not None
    later(world, timedelta(days=3))
    assert code(world.client.get(PANEL, headers=world.key())) == (403, "tenant_suspended")
    subscribe(world, boss, status="active")
    assert world.client.get(PANEL, headers=world.key()).status_code == 200


def test_change_that_is_to_come_holds_from_its_moment_and_preview_keeps_nothing(world: World, boss: dict[str, str]) -> None:
    tier(world, boss, "free", features={})
    tier(world, boss, features={"sql": True})
    subscribe(world, boss, tier="free")
    seen = subscribe(world, boss, query="?preview=true").json()
    assert (seen["preview"], seen["changes"]["tier"], seen["changes"]["features"]["after"]) == (
        True,
        {"before": "free", "after": "pro"},
        {"sql": True},
    )
    assert entitled(world, boss)["tier"] == "free"
    at = datetime.now(UTC) + timedelta(days=1)
    subscribe(world, boss, effective_at=at.isoformat())
    assert entitled(world, boss)["tier"] == "free"
    assert entitled(world, boss)["changes_at"] is not None
    assert code(world.client.post("/v1/query", json=SQL, headers=world.key())) == (403, "feature_not_in_tier")
    later(world, timedelta(days=1, seconds=1))
    assert entitled(world, boss)["tier"] == "pro"
    assert world.client.post("/v1/query", json=SQL, headers=world.key()).status_code == 200


def test_tenant_does_not_set_its_own_plan_and_a_reseller_sets_those_below(world: World, boss: dict[str, str]) -> None:
    tier(world, boss)
    for mine in (world.key("tenant", "1", ["tenants:write", "tenants:view"]), world.key("subtree", "1", ["tenants:write", "tenants:view"])):
        assert code(subscribe(world, mine)) == (403, "forbidden")
        assert code(world.client.put(f"{world.base}/tiers/own", json={"name": "x"}, headers=mine)) == (403, "forbidden")
    world.client.put(f"{world.base}/tenants/key:sub", json={"parent": "1"}, headers=boss)
    reseller = world.key("subtree", "1", ["tenants:write", "tenants:view"])
    assert subscribe(world, reseller, "sub").status_code == 200
    assert entitled(world, reseller, "sub")["tier"] == "pro"
    for call in (subscribe(world, reseller, "2"), world.client.get(f"{world.base}/tenants/2/entitlements", headers=reseller)):
        assert code(call) == (404, "not_found")
    actions = [r["action"] for r in world.client.get(f"{world.base}/audit", headers=boss).json()["data"]]
    assert actions == ["subscriptions.put", "tenants.create", "tiers.put"]


# ── quotas, rates ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("counting", [False, True])
def test_hard_quota_is_used_up_exactly_and_says_when_it_begins_anew(world: World, boss: dict[str, str], counting: bool) -> None:
    tier(world, boss, quotas={"queries": {"limit": 5, "per": "day"}})
    subscribe(world, boss)
    key, answers = world.key(), []
    for _ in range(7):
        answers.append(world.client.get(PANEL, headers=key))
        if counting:
            counted(world)
    assert [a.status_code for a in answers] == [200] * 5 + [429] * 2
    assert answers[5].json()["code"] == "quota_exceeded"
    assert 0 < int(answers[5].headers["retry-after"]) <= 86_400
    shown = entitled(world, boss)["quotas"]["queries"]
    assert (shown["used"], shown["remaining"]) == (5, 0)
    assert world.client.get(PANEL, headers=world.key(tenant="2")).status_code == 200
    assert world.client.get(PANEL, headers=boss | {"X-Tenant-ID": "1"}).status_code == 200, "who runs the workspace may look"
    later(world, timedelta(seconds=int(answers[5].headers["retry-after"])))
    assert world.client.get(PANEL, headers=key).status_code == 200


def test_soft_quota_tells_and_lets_through(world: World, boss: dict[str, str]) -> None:
    tier(world, boss, quotas={"rows": {"limit": 3, "hard": False}})
    subscribe(world, boss)
    assert [world.client.get(PANEL, headers=world.key()).status_code for _ in range(3)] == [200] * 3
    assert entitled(world, boss)["quotas"]["rows"] | {"resets_at": ""} == {
        "limit": 3, "per": "month", "hard": False, "used": 9, "remaining": 0, "resets_at": "",
    }  # fmt: skip


def test_rate_is_told_in_headers_and_refused_beyond(world: World, boss: dict[str, str]) -> None:
    tier(world, boss, rates={"queries": 3})
    subscribe(world, boss)
    answers = [world.client.get(PANEL, headers=world.key()) for _ in range(12)]
    assert answers[0].headers["ratelimit-policy"] == '"queries";q=3;w=1'
    assert answers[0].headers["ratelimit"].startswith('"queries";r=2;t=')
    refused = [a for a in answers if a.status_code == 429]
    assert refused
    assert {a.json()["code"] for a in refused} == {"rate_exceeded"}
    assert all(int(a.headers["retry-after"]) >= 1 for a in refused)


# ── usage ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def usage(world: World, headers: dict[str, str], query: str = "", path: str | None = None) -> list[dict[str, Any]]:
    answer = world.client.get(f"{path or world.base + '/usage'}?{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_each_answer_is_metered_once_by_tenant_and_what_was_asked(world: World, boss: dict[str, str]) -> None:
    one, two = world.key(tenant="1"), world.key(tenant="2")
    first = world.client.get(PANEL, headers=one)
    world.client.get(PANEL, headers=one)
    world.client.get(PANEL, headers=one | {"If-None-Match": first.headers["etag"]})
    world.client.get(f"{PANEL}?format=csv", headers=two)
    world.client.post("/v1/dashboards/sales/data", json={"panels": ["orders", "total", "broken"]}, headers=one)
    world.client.post("/v1/query", json=SQL, headers=two)
    world.client.get("/v1/nothing", headers=one)
    world.client.get(PANEL)
    world.client.get(world.client.get("/v1/slice/file", headers=two, follow_redirects=False).headers["location"], headers=two)
    counted(world)
    counted(world)
    found = {(r["tenant"], r["door"], r["panel"]): r for r in usage(world, boss, "group_by=tenant,door,panel")}
    t1, t2 = world.tenants["1"], world.tenants["2"]
    assert {k: (r["queries"], r["rows"], r["cached"], r["exports"], r["downloads"]) for k, r in found.items()} == {
        (t1, "panel", "orders"): (3, 6, 2, 0, 0),
        (t1, "data", "orders"): (1, 3, 1, 0, 0),
        (t1, "data", "total"): (1, 1, 0, 0, 0),
        (t2, "panel", "orders"): (1, 2, 0, 1, 0),
        (t2, "sql", ""): (1, 1, 0, 0, 0),
        (t2, "file", ""): (0, 0, 0, 0, 1),
    }
    assert found[t1, "panel", "orders"]["bytes"] == 2 * len(first.content)
    assert found[t1, "panel", "orders"]["cpu_ms"] >= 0


def test_download_counts_once_by_its_first_byte_and_in_bytes(world: World, boss: dict[str, str]) -> None:
    key = world.key()
    at = world.client.get("/v1/slice/file", headers=key, follow_redirects=False).headers["location"]
    whole = world.client.get(at, headers=key)
    for range_ in ("bytes=0-99", "bytes=100-199", "bytes=200-"):
        assert world.client.get(at, headers=key | {"Range": range_}).status_code == 206
    world.client.head(at, headers=key)
    world.client.get(at, headers=key | {"If-None-Match": whole.headers["etag"]})
    counted(world)
    (row,) = usage(world, boss, "group_by=tenant")
    assert (row["downloads"], row["bytes"], row["queries"]) == (2, 2 * len(whole.content), 0)
    tier(world, boss, features={"export_slice": True}, quotas={"downloads": {"limit": 2}})
    subscribe(world, boss)
    assert code(world.client.get(at, headers=key)) == (429, "quota_exceeded")


def test_tenant_sees_its_own_usage_and_a_reseller_that_of_those_below(world: World, boss: dict[str, str]) -> None:
    for tenant in ("1", "2"):
        world.client.get(PANEL, headers=world.key(tenant=tenant))
    counted(world)
    own = usage(world, world.key(tenant="1"), "group_by=tenant", "/v1/usage")
    assert [(r["tenant"], r["queries"]) for r in own] == [(world.tenants["1"], 1)]
    assert [r["queries"] for r in usage(world, world.key("tenant", "1", ["usage:view"]), "group_by=tenant")] == [1]
    world.client.patch(f"{world.base}/tenants/2", json={"parent": "1"}, headers=boss)
    assert sorted(r["tenant"] for r in usage(world, world.key("subtree", "1"), "group_by=tenant", "/v1/usage")) == sorted(
        world.tenants.values()
    )
    assert usage(world, world.key(tenant="2"), "", "/v1/usage")[0]["queries"] == 1
    events = world.client.get(f"{world.base}/usage/events", headers=world.key("tenant", "2", ["usage:view"])).text.splitlines()
    assert [json.loads(e)["subject"] for e in events] == [world.tenants["2"]]


def test_invoice_is_recomputed_from_the_events(world: World, boss: dict[str, str]) -> None:
    for _ in range(4):
        world.client.get(PANEL, headers=world.key(tenant="1"))
    world.client.get(f"{PANEL}?format=csv", headers=world.key(tenant="2"))
    counted(world)
    events = [json.loads(e) for e in world.client.get(f"{world.base}/usage/events", headers=boss).text.splitlines()]
    assert all(
        (e["specversion"], e["source"], e["data"]["tenant_key"] in "12") == ("1.0", f"urn:slicehouse:{world.workspace_id}", True)
        for e in events
    )
    sums: Counter[tuple[str, str]] = Counter()
    for event in events:
        sums[event["subject"], event["type"]] += event["data"]["quantity"]
        sums[event["subject"], "rows"] += event["data"].get("rows", 0) if event["type"] == "slicehouse.usage.query" else 0
    for row in usage(world, boss, "granularity=month&group_by=tenant"):
        assert row["queries"] == sums[row["tenant"], "slicehouse.usage.query"]
        assert row["exports"] == sums[row["tenant"], "slicehouse.usage.export"]
        assert row["rows"] == sums[row["tenant"], "rows"]
    assert len({e["id"] for e in events}) == len(events) == 6


def test_report_has_days_of_a_zone_and_other_formats(world: World, boss: dict[str, str]) -> None:
    world.client.get(PANEL, headers=world.key())
    counted(world)
    for zone in ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"):
        (row,) = usage(world, boss, f"time_zone={zone}&granularity=day&group_by=tenant")
        start, end = (datetime.fromisoformat(row[n]) for n in ("start", "end"))
        assert start <= datetime.now(UTC) < end
        assert end - start in (timedelta(hours=23), timedelta(hours=24), timedelta(hours=25))
        assert row["queries"] == 1
    text = world.client.get(f"{world.base}/usage?format=csv", headers=boss).text
    assert [r["queries"] for r in csv.DictReader(io.StringIO(text))] == ["1"]
    body = world.client.get(f"{world.base}/usage?format=parquet", headers=boss).content
    assert parquet.read_table(pa.BufferReader(body)).to_pylist()[0]["queries"] == 1
    month = datetime.now(UTC).strftime("%Y-%m")
    assert usage(world, boss, f"from_period={month}&to_period={month}&granularity=month")[0]["queries"] == 1


@pytest.mark.parametrize("query", ["group_by=colour", "group_by=tenant,tenant", "time_zone=Mars", "granularity=week", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
                                   "from=2020-01-01T00:00:00Z", "from=2026-01-01T00:00:00", "from_period=2026-13", "format=xlsx",
                                   "from_period=0000-01", "to_period=0000-01", "to_period=9999-12", "from_period=9999-12", "from=0001-01-01T00:00:00%2B14:00",
                                   "to=9999-12-31T23:59:59-14:00", "from=0001-01-01T00:00:00Z&to=0001-02-01T00:00:00Z&time_zone=America/Lima"])  # fmt: skip
def test_report_that_cannot_be_is_422(world: World, boss: dict[str, str], query: str) -> None:
    assert code(world.client.get(f"{world.base}/usage?{query}", headers=boss)) == (422, "validation")
