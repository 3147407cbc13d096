"""What Stripe tells: believed by its signature, of one workspace alone; in whatever order and however often, the end is the same."""

from __future__ import annotations

import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import permutations
from typing import Any

import pytest

from engine.catalog.tables import SubscriptionRow, TenantRow, WorkspaceRow
from engine.ids import new_id
from tests.acceptance.http_world import PANEL, World

SECRET, OTHER = "whsec_0123456789abcdefABCDEF", "whsec_another0123456789abcdef"
BEGUN = 1_790_000_000
HOOK = "/v1/hooks/stripe"


@pytest.fixture
def boss(world: World) -> dict[str, str]:
    """A key of a workspace that has an account at Stripe and two tiers with prices."""
    headers = world.key("workspace")
    assert world.client.put(f"{world.base}/billing/stripe", json={"webhook_secret": SECRET}, headers=headers).status_code == 201
    for slug, prices in (("free", ["price_free"]), ("pro", ["price_pro", "pro-yearly"])):
        body = {"name": slug, "prices": prices, "features": {"sql": slug == "pro"}}
        assert world.client.put(f"{world.base}/tiers/{slug}", json=body, headers=headers).status_code == 201
    return headers


def subscription(tenant: str | None = "1", **more: Any) -> dict[str, Any]:
    """The object of an event, as API versions since basil have it: the period is the item's."""
    price = {"id": more.pop("price", "price_pro"), "lookup_key": more.pop("lookup_key", None)}
    period = {"current_period_start": BEGUN, "current_period_end": BEGUN + 2_592_000}
    item = {"id": "si_1", "price": price, "quantity": more.pop("quantity", 5)} | period
    metadata = {} if tenant is None else {"tenant_key": tenant}
    return {
        "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active", "created": BEGUN, "trial_end": None, "cancel_at": None,
        "cancel_at_period_end": False, "metadata": metadata, "items": {"object": "list", "data": [item]},
    } | more  # fmt: skip


def event(id_: str, at: int = 0, type_: str = "customer.subscription.updated", **object_: Any) -> dict[str, Any]:
    return {"id": f"evt_{id_}", "object": "event", "type": type_, "created": BEGUN + at, "data": {"object": subscription(**object_)}}


def signature(payload: bytes, secret: str = SECRET, at: float | None = None) -> str:
    seconds = int(time.time() if at is None else at)
    return f"t={seconds},v1={hmac.new(secret.encode(), f'{seconds}.'.encode() + payload, sha256).hexdigest()}"


def tell(world: World, what: dict[str, Any], secret: str = SECRET) -> Any:
    payload = json.dumps(what).encode()
    return world.client.post(HOOK, content=payload, headers={"Stripe-Signature": signature(payload, secret)})


def told(world: World, *events: dict[str, Any]) -> None:
    for one in events:
        answer = tell(world, one)
        assert (answer.status_code, answer.json()) == (200, {"received": True}), answer.text


def plan(world: World, boss: dict[str, str], tenant: str = "1") -> dict[str, Any]:
    """The subscription in effect, without what differs from one time to the next."""
    answer = world.client.get(f"{world.base}/tenants/{tenant}/subscription", headers=boss)
    if answer.status_code == 404:
        return {}
    return {k: v for k, v in answer.json().items() if k not in ("id", "tenant", "effective_at", "created_at")}


def outcomes(world: World, boss: dict[str, str], query: str = "") -> dict[str, tuple[str, str]]:
    listed = world.client.get(f"{world.base}/billing/stripe/events{query}", headers=boss).json()["data"]
    return {e["event"].removeprefix("evt_"): (e["outcome"], e["reason"]) for e in listed}


def stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


# ── the signature ─────────────────────────────────────────────────────────────────────────────────────────────────────

PAYLOAD = json.dumps(event("1")).encode()


@pytest.mark.parametrize(
    "header",
    [
        None, "", "t=,v1=", "nonsense", signature(PAYLOAD, OTHER), signature(PAYLOAD + b" "), signature(PAYLOAD).replace("v1=", "v0="),
        signature(PAYLOAD).split(",")[1], signature(PAYLOAD).replace("t=", "t=1,t="), signature(PAYLOAD).replace("t=", "t=-"),
        signature(PAYLOAD)[:-1], "v1=" + "é" * 32,
    ],
)  # fmt: skip
def test_signature_that_does_not_hold_is_refused_and_nothing_is_read(world: World, boss: dict[str, str], header: str | None) -> None:
    headers = {} if header is None else {"Stripe-Signature": header.encode()}
    for content in (PAYLOAD, b"no json"):
        answer = world.client.post(HOOK, content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "credential_invalid")
    assert (plan(world, boss), outcomes(world, boss)) == ({}, {})


@pytest.mark.parametrize(("off", "status"), [(-330, 401), (-290, 200), (290, 200), (330, 401)])
def test_signature_is_good_for_five_minutes(world: World, boss: dict[str, str], off: int, status: int) -> None:
    header = signature(PAYLOAD, at=time.time() + off)
    assert world.client.post(HOOK, content=PAYLOAD, headers={"Stripe-Signature": header}).status_code == status


def test_one_good_signature_of_several_is_enough_as_while_a_secret_is_rolled(world: World, boss: dict[str, str]) -> None:
    old, new = signature(PAYLOAD, OTHER), signature(PAYLOAD)
    both = f"{old},{new.split(',')[1]},v0=abc,x=y"
    assert world.client.post(HOOK, content=PAYLOAD, headers={"Stripe-Signature": both}).status_code == 200


@pytest.mark.parametrize("content", [b"no json", b"[]", b"{}", b'{"id": 1, "type": "x", "created": 1}', b'{"id": "evt_1", "type": "x", "created": 1e99}',
                                     b'{"id": "evt_1", "type": "customer.subscription.updated", "created": 1, "data": {}}', b"[" * 9_000])  # fmt: skip
def test_signed_body_that_is_no_event_is_400(world: World, boss: dict[str, str], content: bytes) -> None:
    answer = world.client.post(HOOK, content=content, headers={"Stripe-Signature": signature(content)})
    assert (answer.status_code, answer.json()["code"]) == (400, "syntax")


# ── the account ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_secrets_are_never_shown_and_stay_where_they_are_left_out(world: World, boss: dict[str, str]) -> None:
    at, key = f"{world.base}/billing/stripe", "rk_live_0123456789abcdef"
    meters = {"bytes": {"event_name": "gb", "meter_id": "mtr_1", "unit": 10**9}}
    answers = [world.client.put(at, json={"api_key": key, "meters": meters}, headers=boss), world.client.get(at, headers=boss)]
    assert [a.json()["api_key_set"] for a in answers] == [True, True]
    told(world, event("1"))
    audit = world.client.get(f"{world.base}/audit", headers=boss)
    with world.installation.catalog.engine.connect() as connection:
        kept = str(connection.exec_driver_sql("select * from stripe_accounts").all())
    for text in (*(a.text for a in (*answers, audit)), kept):
        assert SECRET not in text
        assert key not in text
    assert world.client.delete(at, headers=boss).status_code == 204
    assert tell(world, event("2")).status_code == 401
    assert world.client.put(at, json={}, headers=boss).json()["code"] == "validation", "the first time there must be a secret"


@pytest.mark.parametrize("body", [{"webhook_secret": "short"}, {"webhook_secret": "x" * 40}, {"api_key": "pk_live_0123456789"}, {"meters": {"wishes": {}}},
                                  {"meters": {"rows": {"event_name": "a", "meter_id": "m", "unit": 0}}}, {"meters": {"rows": {"event_name": "a b", "meter_id": "m"}}},
                                  {"colour": 1}])  # fmt: skip
def test_account_that_does_not_fit_is_422(world: World, boss: dict[str, str], body: dict[str, Any]) -> None:
    assert world.client.put(f"{world.base}/billing/stripe", json=body, headers=boss).json()["code"] == "validation"


def test_account_is_for_those_who_run_the_workspace(world: World, boss: dict[str, str]) -> None:
    for scope in ("tenant", "subtree"):
        key = world.key(scope, "1", ["workspace:write"])
        for path in ("", "/events", "/meter-events"):
            assert world.client.get(f"{world.base}/billing/stripe{path}", headers=key).json()["code"] == "forbidden"
        assert world.client.put(f"{world.base}/billing/stripe", json={"webhook_secret": OTHER}, headers=key).status_code == 403


# ── what an event changes ─────────────────────────────────────────────────────────────────────────────────────────────


def test_subscription_is_put_with_everything_it_says(world: World, boss: dict[str, str]) -> None:
    told(world, event("1", type_="customer.subscription.created", status="trialing", trial_end=BEGUN + 900_000, cancel_at_period_end=True))
    assert plan(world, boss) == {
        "tier": "pro", "version": 1, "status": "trialing", "trial_end": stamp(BEGUN + 900_000), "seats": 5, "past_due_since": None, "overrides": {},
        "current_period": {"start": stamp(BEGUN), "end": stamp(BEGUN + 2_592_000)}, "cancel_at": stamp(BEGUN + 2_592_000),
        "external": {"stripe_customer_id": "cus_1", "stripe_subscription_id": "sub_1"},
    }  # fmt: skip
    records = world.client.get(f"{world.base}/audit?actor=evt_1", headers=boss).json()["data"]
    assert [(r["action"], r["actor"]) for r in records] == [
        ("billing.stripe.event", {"type": "stripe", "id": "evt_1"}), ("subscriptions.put", {"type": "stripe", "id": "evt_1"}),
    ]  # fmt: skip


def test_period_of_api_versions_before_basil_is_the_subscriptions(world: World, boss: dict[str, str]) -> None:
    old = event("1", current_period_start=BEGUN, current_period_end=BEGUN + 86_400, customer={"id": "cus_9", "object": "customer"})
    for name in ("current_period_start", "current_period_end"):
        del old["data"]["object"]["items"]["data"][0][name]
    told(world, old)
    assert plan(world, boss)["current_period"] == {"start": stamp(BEGUN), "end": stamp(BEGUN + 86_400)}
    assert plan(world, boss)["external"]["stripe_customer_id"] == "cus_9"


@pytest.mark.parametrize(
    ("stripe", "ours", "is_open"),
    [
        ("trialing", "trialing", True), ("active", "active", True), ("past_due", "past_due", True), ("unpaid", "past_due", True),
        ("paused", "paused", False), ("canceled", "canceled", False), ("incomplete", None, True), ("incomplete_expired", None, True),
    ],
)  # fmt: skip
def test_each_status_of_stripe_is_one_of_ours(world: World, boss: dict[str, str], stripe: str, ours: str | None, is_open: bool) -> None:
    at = int(time.time()) - BEGUN
    told(world, event("1", at, status=stripe))
    assert plan(world, boss).get("status") == ours
    assert (world.client.get(PANEL, headers=world.key()).status_code == 200) is is_open
    assert outcomes(world, boss)["1"][0] == "applied"


def test_grace_is_counted_from_the_first_event_that_says_late(world: World, boss: dict[str, str]) -> None:
    late = int((datetime.now(UTC) - timedelta(days=6, hours=23)).timestamp()) - BEGUN
    told(world, event("2", late + 300_000, status="unpaid"), event("1", late, status="past_due"))
    assert plan(world, boss)["past_due_since"] == stamp(BEGUN + late)
    assert world.client.get(PANEL, headers=world.key()).status_code == 200
    told(world, event("0", late - 7_200, status="past_due"))
    assert world.client.get(PANEL, headers=world.key()).json()["code"] == "tenant_suspended"
    told(world, event("3", late + 400_000, status="active"))
    assert world.client.get(PANEL, headers=world.key()).status_code == 200


def test_tier_is_found_by_a_lookup_key_too_and_among_metered_items(world: World, boss: dict[str, str]) -> None:
    told(world, event("1", price="price_x", lookup_key="pro-yearly"))
    assert plan(world, boss)["tier"] == "pro"
    metered = event("2", 1, price="price_free", quantity=None)
    metered["data"]["object"]["items"]["data"].insert(0, {"id": "si_0", "price": {"id": "price_metered"}})
    told(world, metered)
    assert (plan(world, boss)["tier"], plan(world, boss)["seats"]) == ("free", None)


def test_tenant_is_found_by_whose_customer_it_is(world: World, boss: dict[str, str]) -> None:
    body = {"tier": "free", "external": {"stripe_customer_id": "cus_1"}, "overrides": {"features": {"sql": True}}}
    world.client.put(f"{world.base}/tenants/2/subscription", json=body, headers=boss)
    told(world, event("1", tenant=None))
    assert (plan(world, boss, "2")["tier"], plan(world, boss, "2")["overrides"]) == ("pro", {"features": {"sql": True}}), (
        "what is by hand stays"
    )
    told(world, event("2", 1, tenant=None, customer="cus_other", status="paused"))
    assert plan(world, boss, "2")["status"] == "paused", "the subscription is known by now"
    assert plan(world, boss) == {}


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"tenant": "99"}, "names no tenant"), ({"tenant": None}, "No tenant is named"), ({"price": "price_unknown"}, "No tier"),
        ({"status": "enchanted"}, "status"), ({"items": {}}, "items"), ({"tenant": "a\0b"}, "names no tenant"),
        ({"metadata": {"tenant_id": "1"}}, "names no tenant"), ({"metadata": {"tenant_key": "1", "tenant_id": "tn_" + "0" * 26}}, "names no tenant"),
    ],
)  # fmt: skip
def test_event_that_fits_nobody_changes_nothing_and_is_listed(
    world: World, boss: dict[str, str], what: dict[str, Any], reason: str
) -> None:
    told(world, event("1", **what))
    outcome, why = outcomes(world, boss)["1"]
    assert (outcome, reason in why, plan(world, boss)) == ("unmatched", True, {})
    (record,) = world.client.get(f"{world.base}/audit?actor=evt_1", headers=boss).json()["data"]
    assert (record["action"], record["after"]["outcome"]) == ("billing.stripe.event", "unmatched")
    assert list(outcomes(world, boss, "?outcome=unmatched")) == ["1"]


def test_unmatched_event_is_taken_when_stripe_sends_it_again_and_it_fits(world: World, boss: dict[str, str]) -> None:
    told(world, event("1", tenant="new"), event("1", tenant="new"))
    assert outcomes(world, boss)["1"][0] == "unmatched"
    world.client.put(f"{world.base}/tenants/key:new", json={}, headers=boss)
    told(world, event("1", tenant="new"))
    assert (outcomes(world, boss)["1"][0], plan(world, boss, "new")["tier"]) == ("applied", "pro")


@pytest.mark.parametrize(
    "type_", ["customer.subscription.trial_will_end", "invoice.paid", "invoice.payment_failed", "v1.billing.meter.no_meter_found"]
)
def test_event_of_another_kind_is_noted_and_changes_nothing(world: World, boss: dict[str, str], type_: str) -> None:
    told(world, event("1", type_=type_))
    assert (outcomes(world, boss)["1"], plan(world, boss)) == (("ignored", ""), {})


# ── again, late, in any order ─────────────────────────────────────────────────────────────────────────────────────────


def test_event_that_comes_again_does_nothing_even_after_a_change_by_hand(world: World, boss: dict[str, str]) -> None:
    first, second = event("1", quantity=3), event("2", 10, quantity=4)
    told(world, second)
    world.client.put(f"{world.base}/tenants/1/subscription", json={"tier": "free", "seats": 9}, headers=boss)
    records = len(world.client.get(f"{world.base}/audit", headers=boss).json()["data"])
    told(world, second, second)
    assert len(world.client.get(f"{world.base}/audit", headers=boss).json()["data"]) == records
    told(world, first)
    assert (outcomes(world, boss)["1"][0], plan(world, boss)["tier"], plan(world, boss)["seats"]) == ("stale", "free", 9)


HISTORY: list[tuple[str, int, str, dict[str, Any]]] = [
    ("a", 0, "customer.subscription.created", {"status": "trialing", "trial_end": BEGUN + 50}),
    ("b", 0, "customer.subscription.updated", {"status": "active", "quantity": 7}),
    ("c", 20, "customer.subscription.updated", {"status": "past_due", "price": "price_free"}),
    ("d", 30, "customer.subscription.updated", {"status": "past_due", "quantity": 8}),
    ("e", 25, "customer.subscription.updated", {"id": "sub_0", "created": BEGUN - 9, "status": "active", "quantity": 1}),
]
ENDED = [*HISTORY[1:4], ("f", 30, "customer.subscription.deleted", {"status": "canceled"}), HISTORY[4]]


@pytest.mark.parametrize(("history", "status", "seats"), [(HISTORY, "past_due", 8), (ENDED, "active", 1)], ids=["late", "ended"])
def test_all_orders_of_events_and_repetitions_end_alike(world: World, boss: dict[str, str], history: Any, status: str, seats: int) -> None:
    found = set()
    for number, order in enumerate(permutations(history)):
        tenant = f"p{number}"
        world.client.put(f"{world.base}/tenants/key:{tenant}", json={}, headers=boss)
        again = order[number % len(order)]
        for id_, at, type_, more in (*order, again):
            ids = {"id": f"{more.get('id', 'sub_1')}{tenant}", "customer": "cus_1"}
            told(world, event(f"{id_}{tenant}", at, type_, tenant=tenant, **more | ids))
        found.add(json.dumps(plan(world, boss, tenant)).replace(tenant, ""))
    (end,) = found
    assert (json.loads(end)["status"], json.loads(end)["seats"]) == (status, seats)
    assert json.loads(end)["past_due_since"] == (stamp(BEGUN + 20) if status == "past_due" else None)


# ── another workspace ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_secret_of_another_workspace_reaches_that_one_alone(world: World, boss: dict[str, str]) -> None:
    root, now = world.key("installation"), world.installation.clock()
    with world.installation.catalog.write() as session:
        session.add(WorkspaceRow(id=new_id("ws"), slug="vega", name="Vega", timezone="UTC", path="", created_at=now))
        session.flush()
        other = session.query(WorkspaceRow).filter_by(slug="vega").one().id
        tenant = TenantRow(id=new_id("tn"), workspace_id=other, key="1", name="V", slug="v", state="expected", created_at=now)
        session.add(tenant)
    at = f"/v1/workspaces/{other}"
    assert world.client.put(f"{at}/billing/stripe", json={"webhook_secret": OTHER}, headers=root).status_code == 201
    world.client.put(f"{at}/tiers/pro", json={"name": "Pro", "prices": ["price_pro"]}, headers=root)
    told(world, event("1", quantity=2))
    mine = world.tenants["1"]
    assert tell(world, event("2", 10, metadata={"tenant_id": mine, "tenant_key": "2"}), OTHER).status_code == 200
    assert tell(world, event("3", 20, tenant=None), OTHER).status_code == 200
    assert tell(world, event("4", 30, quantity=9), OTHER).status_code == 200
    assert tell(world, event("1", 40, quantity=8), OTHER).status_code == 200
    assert (plan(world, boss)["seats"], set(outcomes(world, boss))) == (2, {"1"})
    assert plan(world, boss, "2") == {}
    theirs = world.client.get(f"{at}/billing/stripe/events", headers=root).json()["data"]
    assert {e["event"]: e["outcome"] for e in theirs} == {
        "evt_2": "unmatched",
        "evt_3": "unmatched",
        "evt_4": "applied",
        "evt_1": "applied",
    }
    with world.installation.catalog.read() as session:
        assert {r.tenant_id for r in session.query(SubscriptionRow).filter_by(workspace_id=other)} == {tenant.id}
    assert world.client.get(f"{at}/billing/stripe/events", headers=boss).status_code == 404
