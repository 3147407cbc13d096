"""Webhooks to a real receiver, which verifies with the `standardwebhooks` package: signed, tried again, sent again, never to a private address."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from api.control.tenants.reading import resume
from api.control.webhooks import sending
from api.control.webhooks.delivering import Deliverer
from engine.catalog import deliveries as kept
from engine.catalog.outbox import EVENTS, TEST
from engine.catalog.tables import DeliveryRow, MessageRow, TenantRow, WorkspaceRow
from engine.errors import ConfigurationError, ReviewRequired
from engine.ids import new_id
from slices.publishing.publish import rollback
from slices.refresh import Options, refresh
from tests.acceptance.http_world import SOURCE, World, tables
from tests.acceptance.receiver import Got, Receiver, receiving
from tests.acceptance.webhook_world import LOCAL, Hooks, hooks_of
from tests.integration.driving import offer_tables

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def hooks(make_world: Callable[..., World]) -> Iterator[Hooks]:
    with hooks_of(make_world(network_allow=LOCAL)) as found:
        yield found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def pointers(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(e["pointer"], e["code"]) for e in answer.json()["errors"]]


# ── signed ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_message_is_signed_as_the_specification_has_it(hooks: Hooks, receiver: Receiver) -> None:
    made = hooks.make(receiver.url)
    hooks.patch_tenant("1", state="suspended", reason="unpaid")
    assert hooks.deliver() == 1
    (got,) = receiver.got
    payload = got.verify(made["secret"])
    assert payload.keys() == {"type", "timestamp", "data"}
    assert payload["type"] == "tenant.state_changed"
    assert payload["data"] == {
        "workspace": hooks.world.workspace_id,
        "tenant": hooks.world.tenants["1"],
        "key": "1",
        "state": "suspended",
        "previous_state": "active",
    }
    assert abs(datetime.fromisoformat(payload["timestamp"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert got.headers["content-type"] == "application/json"
    assert got.id.startswith("em_")
    assert "unpaid" not in got.body.decode(), "the reason is for those who run the workspace"
    (delivery,) = hooks.deliveries(made)
    assert (delivery["id"], delivery["status"], delivery["attempts"], delivery["last_status"]) == (got.id, "delivered", 1, 204)


@pytest.mark.parametrize("part", ["body", "webhook-id", "webhook-timestamp", "webhook-signature", "secret"])
def test_what_is_tampered_with_does_not_verify(hooks: Hooks, receiver: Receiver, part: str) -> None:
    made = hooks.make(receiver.url)
    hooks.patch_tenant("1", state="suspended")
    hooks.deliver()
    (got,) = receiver.got
    got.verify(made["secret"])
    body = got.body.replace(b"suspended", b"suspendeD") if part == "body" else got.body
    headers = dict(got.headers)
    if part.startswith("webhook"):
        headers[part] = {
            "webhook-id": got.id[:-1] + "~",
            "webhook-timestamp": str(int(got.headers["webhook-timestamp"]) + 1),
            "webhook-signature": "v1," + base64.b64encode(bytes(32)).decode(),
        }[part]
    secret = hooks.make(receiver.url)["secret"] if part == "secret" else made["secret"]
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers)


def test_secret_is_shown_once_and_lies_nowhere_in_clear(hooks: Hooks, receiver: Receiver) -> None:
    headers = hooks.headers | {"Idempotency-Key": "k"}
    made = hooks.make(receiver.url, headers)
    assert hooks.make(receiver.url, headers) == made | {"secret": None}
    assert len(hooks.ask("get", "").json()["data"]) == 1
    raw = base64.b64decode(made["secret"].removeprefix("whsec_"))
    assert len(raw) == 32
    seen = hooks.ask("get", f"/{made['id']}").text + hooks.world.client.get(f"{hooks.world.base}/audit", headers=hooks.headers).text
    files = b"".join(p.read_bytes() for p in hooks.world.home.rglob("*") if p.is_file())
    assert "secret" not in hooks.shown(made)
    for text in (made["secret"].removeprefix("whsec_"), raw.hex()):
        assert text not in seen
        assert text.encode() not in files
    assert raw not in files


def test_after_a_rotation_both_secrets_verify_until_the_overlap_is_over(hooks: Hooks, receiver: Receiver) -> None:
    made = hooks.make(receiver.url)
    again = hooks.headers | {"Idempotency-Key": "r"}
    new = hooks.ask("post", f"/{made['id']}/rotate", again, json={"overlap_seconds": 60}).json()
    assert new["secret"] not in (None, made["secret"])
    assert hooks.ask("post", f"/{made['id']}/rotate", again, json={"overlap_seconds": 60}).json()["secret"] is None
    assert new["previous_secret_until"] is not None
    hooks.patch_tenant("1", state="suspended")
    hooks.deliver()
    (both,) = receiver.got
    assert len(both.headers["webhook-signature"].split(" ")) == 2
    assert both.verify(made["secret"]) == both.verify(new["secret"])
    hooks.later(timedelta(seconds=61))
    hooks.patch_tenant("1", state="active")
    hooks.deliver()
    one = receiver.got[1]
    one.verify(new["secret"])
    with pytest.raises(WebhookVerificationError):
        one.verify(made["secret"])
    last = hooks.ask("post", f"/{made['id']}/rotate", json={"overlap_seconds": 0}).json()
    hooks.patch_tenant("1", state="suspended")
    hooks.deliver()
    assert len(receiver.got[2].headers["webhook-signature"].split(" ")) == 1
    receiver.got[2].verify(last["secret"])


# ── tried again, sent again ───────────────────────────────────────────────────────────────────────────────────────────


def signed_by(got: Got, secret: str) -> bool:
    """Whether the signature is right, whatever the time is."""
    at = datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), UTC)
    return Webhook(secret).sign(got.id, at, got.body.decode()) == got.headers["webhook-signature"]


def test_attempt_that_fails_is_made_again_by_the_schedule_and_then_it_is_dead(hooks: Hooks, receiver: Receiver) -> None:
    receiver.answers = [(500, {})]
    made = hooks.make(receiver.url)
    hooks.patch_tenant("1", state="suspended")
    assert hooks.deliver() == 1
    for number, delay in enumerate((5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400), 2):
        (waiting,) = hooks.deliveries(made)
        due = datetime.fromisoformat(waiting["next_attempt_at"]) - datetime.fromisoformat(waiting["last_attempt_at"])
        assert delay <= due.total_seconds() <= delay * 1.1 + 5, "by the schedule, with jitter"
        hooks.later(timedelta(seconds=delay * 0.9))
        assert hooks.deliver() == 0
        hooks.later(timedelta(seconds=delay * 0.21 + 5))
        assert hooks.deliver() == 1
        assert hooks.deliveries(made)[0]["attempts"] == number
    (dead,) = hooks.deliveries(made)
    assert (dead["status"], dead["attempts"], dead["next_attempt_at"]) == ("dead", 10, None)
    assert (dead["last_status"], dead["last_reason"]) == (500, "refused")
    assert len(receiver.got) == 10
    assert len({g.id for g in receiver.got}) == 1
    assert len({g.headers["webhook-timestamp"] for g in receiver.got}) == 10, "the time is that of the attempt"
    assert all(signed_by(g, made["secret"]) for g in receiver.got)
    hooks.later(timedelta(days=20))
    assert hooks.deliver() == 0
    assert hooks.shown(made)["enabled"] is True


def test_attempt_that_failed_and_then_succeeds_is_delivered_once(hooks: Hooks, receiver: Receiver) -> None:
    receiver.answers = [(503, {}), (204, {})]
    made = hooks.make(receiver.url)
    hooks.patch_tenant("1", state="suspended")
    hooks.deliver()
    assert hooks.shown(made)["failing_since"] is not None
    hooks.later(timedelta(seconds=6))
    hooks.deliver()
    assert hooks.shown(made)["failing_since"] is None
    hooks.later(timedelta(days=3))
    assert hooks.deliver() == 0
    assert [g.id for g in receiver.got] == [hooks.deliveries(made)[0]["id"]] * 2


def test_receiver_that_asks_for_time_is_given_it(hooks: Hooks, receiver: Receiver) -> None:
    receiver.answers = [(429, {"Retry-After": "120"}), (204, {})]
    hooks.make(receiver.url)
    hooks.patch_tenant("1", state="suspended")
    hooks.deliver()
    hooks.later(timedelta(seconds=100))
    assert hooks.deliver() == 0
    hooks.later(timedelta(seconds=21))
    assert hooks.deliver() == 1


def test_replay_has_the_same_id_and_the_whole_schedule_before_it(hooks: Hooks, receiver: Receiver) -> None:
    made = hooks.make(receiver.url)
    hooks.patch_tenant("1", state="suspended")
    hooks.deliver()
    (first,) = receiver.got
    receiver.answers = [(500, {}), (204, {})]
    replayed = hooks.ask("post", f"/{made['id']}/deliveries/{first.id}/replay")
    assert (replayed.status_code, replayed.json()["status"]) == (202, "waiting")
    assert hooks.world.client.get(replayed.headers["location"], headers=hooks.headers).json() == replayed.json()
    hooks.deliver()
    hooks.later(timedelta(seconds=6))
    hooks.deliver()
    assert [(g.id, g.body) for g in receiver.got] == [(first.id, first.body)] * 3
    assert (hooks.deliveries(made)[0]["status"], hooks.deliveries(made)[0]["attempts"]) == ("delivered", 3)
    for id_ in ("em_nothing", "x"):
        assert code(hooks.ask("post", f"/{made['id']}/deliveries/{id_}/replay")) == (404, "not_found")


def test_test_message_comes_whatever_is_subscribed_to(hooks: Hooks, receiver: Receiver) -> None:
    made = hooks.make(receiver.url, events=["quota.reached"])
    other = hooks.make(receiver.url)
    headers = hooks.headers | {"Idempotency-Key": "t"}
    sent = [hooks.ask("post", f"/{made['id']}/test", headers) for _ in range(2)]
    assert [(s.status_code, s.json()["id"]) for s in sent] == [(202, sent[0].json()["id"])] * 2
    hooks.deliver()
    (got,) = receiver.got
    assert got.verify(made["secret"])["data"] == {"workspace": hooks.world.workspace_id, "webhook": made["id"]}
    assert hooks.deliveries(other) == []


# ── addresses ─────────────────────────────────────────────────────────────────────────────────────────────────────────

PRIVATE = ["https://127.0.0.1/", "https://10.0.0.8:8443/x", "https://169.254.169.254/latest", "https://[::1]/", "https://localhost/", "https://0x7f000001/",
           "https://[::ffff:10.0.0.1]/", "https://no.such.host.invalid/"]  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
def test_private_address_is_refused_when_a_webhook_is_made_or_changed(make_world: Callable[..., World], url: str) -> None:
    with hooks_of(make_world()) as hooks:
        made = hooks.make("https://93.184.216.34/hook")
        said = [
            hooks.ask("post", "", json={"url": url, "events": ["*"]}),
            hooks.ask("patch", f"/{made['id']}", json={"url": url}),
        ]
        assert [pointers(s) for s in said] == [[("/url", "address_refused")]] * 2
        assert len({s.json()["errors"][0]["detail"] for s in said}) == 1, "what is there behind the name is not said"
        assert hooks.shown(made)["url"] == "https://93.184.216.34/hook"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://93.184.216.34/", "not_encrypted"), ("ftp://93.184.216.34/", "invalid"), ("https://u:p@93.184.216.34/", "invalid"), ("https:///x", "invalid"),
        ("https://93.184.216.34/#x", "invalid"), ("93.184.216.34", "invalid"), ("https://93.184.216.34:99999/", "invalid"), ("", "string_too_short"),
        ("https://a b/", "string_pattern_mismatch"), ("https://h/\u00e9", "string_pattern_mismatch"), ("x" * 2_001, "string_too_long"),
    ],
)  # fmt: skip
def test_address_that_is_none_is_422(hooks: Hooks, url: str, why: str) -> None:
    assert pointers(hooks.ask("post", "", json={"url": url, "events": ["*"]})) == [("/url", why)]


def test_name_that_leads_elsewhere_later_is_refused_at_the_delivery(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is public when the webhook is made; when it is called it leads to this machine, where somebody listens."""
    real = socket.getaddrinfo
    leads_to = "93.184.216.34"

    def lookup(host: Any, *args: Any, **options: Any) -> Any:
        return real(leads_to if host == "hooks.acme.example" else host, *args, **options)

    monkeypatch.setattr("engine.network.socket.getaddrinfo", lookup)
    with hooks_of(make_world()) as hooks, socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        made = hooks.make(f"https://hooks.acme.example:{listening.getsockname()[1]}/")
        leads_to = "127.0.0.1"
        hooks.patch_tenant("1", state="suspended")
        assert hooks.deliver() == 1
        (delivery,) = hooks.deliveries(made)
        assert (delivery["status"], delivery["last_status"], delivery["last_reason"]) == ("waiting", None, "address_refused")
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_host_that_the_operator_takes_back_is_not_called_unencrypted(hooks: Hooks, receiver: Receiver) -> None:
    made = hooks.make(receiver.url)
    hooks.world.app.state.context.installation.settings.network_allow.clear()
    hooks.patch_tenant("1", state="suspended")
    hooks.deliver()
    assert hooks.deliveries(made)[0]["last_reason"] == "not_encrypted"
    assert receiver.got == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_not_followed(hooks: Hooks, receiver: Receiver, status: int) -> None:
    with receiving() as other:
        receiver.answers = [(status, {"Location": other.url})]
        made = hooks.make(receiver.url)
        hooks.patch_tenant("1", state="suspended")
        hooks.deliver()
        (delivery,) = hooks.deliveries(made)
        assert (delivery["status"], delivery["last_status"], delivery["last_reason"]) == ("waiting", status, "redirect")
        assert other.got == []


def test_cookie_of_one_answer_is_not_sent_with_the_next_message(hooks: Hooks, receiver: Receiver) -> None:
    receiver.answers = [(204, {"Set-Cookie": "who=tenant-1; Path=/"})]
    hooks.make(receiver.url)
    hooks.patch_tenant("1", state="suspended")
    hooks.deliver()
    hooks.patch_tenant("1", state="active")
    hooks.deliver()
    assert len(receiver.got) == 2
    assert all("cookie" not in g.headers for g in receiver.got)


# ── slow, failing, gone ───────────────────────────────────────────────────────────────────────────────────────────────


def test_slow_receiver_does_not_hold_up_another(hooks: Hooks, receiver: Receiver) -> None:
    let = threading.Event()
    with receiving(before=lambda got: bool(let.wait(60)) and None) as slow:
        made = hooks.make(slow.url)
        hooks.make(receiver.url)
        for state in ("suspended", "active") * 5:
            hooks.patch_tenant("1", state=state)
        hooks.deliverer.start()
        assert len(receiver.wait_for(10)) == 10
        assert len(slow.got) == 2, "two at a time are all that one webhook gets"
        let.set()
        assert len(slow.wait_for(10)) == 10
    assert {d["attempts"] for d in hooks.deliveries(made)} == {1}


def test_receiver_that_drips_its_answer_is_left_after_the_time_of_an_attempt(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time; the whole never does."""
    monkeypatch.setattr(sending, "SECONDS", 0.5)
    ended = threading.Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
            for _ in range(200):
                connection.sendall(b"x")
                if ended.wait(0.05):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=drip, args=(listening,), daemon=True).start()
        made = hooks.make(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        hooks.patch_tenant("1", state="suspended")
        assert hooks.deliver() == 1
        ended.set()
    assert hooks.deliveries(made)[0]["last_reason"] == "timeout"


def test_webhook_that_nothing_reached_for_days_is_disabled_and_says_so(hooks: Hooks, receiver: Receiver) -> None:
    receiver.answers = [(500, {})]
    made = hooks.make(receiver.url)
    hooks.patch_tenant("1", state="suspended")
    hooks.deliver()
    hooks.later(timedelta(days=4))
    hooks.deliver()
    assert hooks.shown(made)["enabled"] is True
    hooks.later(timedelta(days=1, hours=1))
    hooks.patch_tenant("1", state="active")
    hooks.deliver()
    shown = hooks.shown(made)
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "failing")
    assert shown["disabled_at"] is not None
    assert {d["status"] for d in hooks.deliveries(made)} == {"dead"}
    record = hooks.world.client.get(f"{hooks.world.base}/audit", headers=hooks.headers).json()["data"][0]
    assert (record["action"], record["target"], record["reason"]) == ("webhooks.disable", made["id"], "failing")
    hooks.patch_tenant("1", state="suspended")
    assert hooks.deliver() == 0, "it is told nothing any more"
    assert code(hooks.ask("post", f"/{made['id']}/test")) == (409, "conflict")
    receiver.answers = [(204, {})]
    assert hooks.ask("patch", f"/{made['id']}", json={"enabled": True}).json()["disabled_reason"] is None
    dead = hooks.deliveries(made)[0]["id"]
    assert hooks.ask("post", f"/{made['id']}/deliveries/{dead}/replay").status_code == 202
    hooks.deliver()
    assert hooks.deliveries(made)[0]["status"] == "delivered"


def test_receiver_that_answers_410_is_left_alone_at_once(hooks: Hooks, receiver: Receiver) -> None:
    receiver.answers = [(410, {})]
    made = hooks.make(receiver.url)
    hooks.patch_tenant("1", state="suspended")
    hooks.patch_tenant("2", state="suspended")
    hooks.deliver()
    assert (hooks.shown(made)["enabled"], hooks.shown(made)["disabled_reason"]) == (False, "gone")
    assert {d["status"] for d in hooks.deliveries(made)} == {"dead"}
    hooks.later(timedelta(hours=1))
    assert hooks.deliver() == 0


def test_archived_webhook_is_told_nothing_and_its_secret_is_forgotten(hooks: Hooks, receiver: Receiver) -> None:
    made = hooks.make(receiver.url)
    hooks.patch_tenant("1", state="suspended")
    assert hooks.ask("delete", f"/{made['id']}").status_code == 204
    hooks.patch_tenant("1", state="active")
    assert hooks.deliver() == 0
    assert receiver.got == []
    assert code(hooks.ask("get", f"/{made['id']}")) == (404, "not_found")
    assert hooks.ask("get", "").json()["data"] == []


def test_old_messages_are_forgotten(hooks: Hooks, receiver: Receiver) -> None:
    made = hooks.make(receiver.url)
    hooks.patch_tenant("1", state="suspended")
    hooks.deliver()
    hooks.later(kept.KEPT + timedelta(hours=2))
    hooks.patch_tenant("1", state="active")
    hooks.deliver()
    assert [d["type"] for d in hooks.deliveries(made)] == ["tenant.state_changed"]
    with hooks.world.installation.catalog.read() as session:
        assert (session.query(MessageRow).count(), session.query(DeliveryRow).count()) == (1, 1)


# ── what is told, and to whom ─────────────────────────────────────────────────────────────────────────────────────────


def test_each_event_is_told_once_as_the_guide_has_it(hooks: Hooks, receiver: Receiver) -> None:
    world, boss = hooks.world, hooks.headers
    made = hooks.make(receiver.url)
    world.client.put(f"{world.base}/tenants/key:9", json={"name": "Nine"}, headers=boss)
    quotas = {"queries": {"limit": 2, "per": "day"}}
    world.client.put(f"{world.base}/tiers/pro", json={"name": "Pro", "quotas": quotas}, headers=boss)
    world.client.put(f"{world.base}/tenants/1/subscription?preview=true", json={"tier": "pro"}, headers=boss)
    world.client.put(f"{world.base}/tenants/1/subscription", json={"tier": "pro"}, headers=boss)
    world.client.put(f"{world.base}/tiers/pro?migrate=true", json={"name": "Pro 2", "quotas": quotas}, headers=boss)
    key = world.key()
    for _ in range(4):
        world.client.get("/v1/dashboards/sales/panels/orders", headers=key)
        world.app.state.context.collector.once()
    run = world.refresh(full=True)
    with pytest.raises(ConfigurationError):
        world.refresh(tenants=("nobody",))
    hooks.deliver()
    told = {(g.type, g.data.get("key"), json.dumps(g.data.get("version"))): g.data for g in receiver.got}
    assert len(told) == len(receiver.got), "each once"
    assert sorted(receiver.types()) == [
        "quota.reached", "refresh.failed", "slice.published", "slice.published", "subscription.changed", "subscription.changed", "tenant.created",
    ]  # fmt: skip
    by_type = {g.type: g.data for g in receiver.got}
    assert (by_type["quota.reached"]["meter"], by_type["quota.reached"]["limit"], by_type["quota.reached"]["used"]) == ("queries", 2, 2)
    assert by_type["refresh.failed"]["code"] == "unknown_tenant"
    assert by_type["tenant.created"]["state"] == "expected"
    assert sorted(g.data["version"] for g in receiver.got if g.type == "subscription.changed") == [1, 2]
    versions = {g.data["tenant"]: g.data["version"] for g in receiver.got if g.type == "slice.published"}
    with world.installation.catalog.read() as session:
        assert versions == {t: session.get_one(TenantRow, t).version_id for t in world.tenants.values()}
    assert run not in {g.data.get("run") for g in receiver.got}, "a refresh that succeeds is told by its slices"
    for got in receiver.got:
        got.verify(made["secret"])


def test_refresh_that_is_stopped_asks_for_a_review(hooks: Hooks, receiver: Receiver) -> None:
    hooks.make(receiver.url, events=["routing.review_required"])
    shrunk = tables()
    shrunk["orders"] = (shrunk["orders"][0].slice(0, 1), shrunk["orders"][1])
    offer_tables(SOURCE, shrunk)
    with pytest.raises(ReviewRequired):
        refresh(hooks.world.installation, hooks.world.workspace)
    hooks.deliver()
    (got,) = receiver.got
    assert got.data.keys() == {"workspace", "run", "trigger", "code"}
    assert got.data["code"] == "shrunk"


def test_tenant_of_the_source_that_is_new_or_leaves_is_told(hooks: Hooks, receiver: Receiver) -> None:
    hooks.make(receiver.url, events=["tenant.created", "tenant.state_changed"])
    changed = tables()
    changed["orgs"] = (pa.table({"id": pa.array([1, 3], pa.int32()), "name": ["Acme", "Cargo"]}), ())
    changed["orders"] = (changed["orders"][0].slice(0, 3), changed["orders"][1])
    offer_tables(SOURCE, changed)
    refresh(hooks.world.installation, hooks.world.workspace, Options(allow_shrink=True))
    hooks.deliver()
    told = [(g.type, g.data["key"], g.data.get("previous_state"), g.data["state"]) for g in receiver.got]
    assert sorted(told, key=str) == [
        ("tenant.created", "3", None, "building"),
        ("tenant.state_changed", "2", "active", "gone"),
        ("tenant.state_changed", "3", "building", "active"),
    ]


def test_rollback_and_a_tenant_that_is_taken_back_are_told(hooks: Hooks, receiver: Receiver) -> None:
    world = hooks.world
    with world.installation.catalog.read() as session:
        first = session.get_one(TenantRow, world.tenants["1"]).version_id
    world.refresh(full=True)
    hooks.make(receiver.url)
    rollback(world.installation, world.workspace_id, world.tenants["1"], None)
    with world.installation.catalog.write() as session:
        session.get_one(TenantRow, world.tenants["2"]).state = "gone"
    resume(world.installation, world.workspace_id, "2")
    hooks.deliver()
    assert sorted((g.type, g.data["key"], g.data.get("version"), g.data.get("state")) for g in receiver.got) == [
        ("slice.published", "1", first, None),
        ("tenant.state_changed", "2", None, "building"),
    ]


def test_only_what_is_subscribed_to_is_told_and_nothing_is_written_for_nobody(hooks: Hooks, receiver: Receiver) -> None:
    hooks.patch_tenant("1", state="suspended")
    hooks.make(receiver.url, events=["quota.reached"])
    hooks.make(receiver.url, enabled=False)
    hooks.patch_tenant("1", state="active")
    with hooks.world.installation.catalog.read() as session:
        assert session.query(MessageRow).count() == 0


@pytest.fixture
def family(hooks: Hooks) -> Hooks:
    """Tenant 2 lies below 1; 3 is apart, 4 below 2."""
    hooks.patch_tenant("2", parent="1")
    for key, parent in (("3", None), ("4", "2")):
        body = {"parent": parent}
        assert hooks.world.client.put(f"{hooks.world.base}/tenants/key:{key}", json=body, headers=hooks.headers).status_code == 201
    return hooks


@pytest.mark.parametrize(
    ("scope", "heard"),
    [("workspace", {"1", "2", "3", "4"}), ("tenant:1", {"1"}), ("tenant:2", {"2"}), ("subtree:1", {"1", "2", "4"}), ("subtree:2", {"2", "4"}), ("subtree:3", {"3"})],
)  # fmt: skip
def test_webhook_hears_of_its_scope_alone(family: Hooks, receiver: Receiver, scope: str, heard: set[str]) -> None:
    made = family.make(receiver.url, scope=scope)
    for key in ("4", "3", "2", "1"):
        family.patch_tenant(key, state="suspended")
    with pytest.raises(ConfigurationError):
        family.world.refresh(tenants=("nobody",))
    family.deliver()
    assert {g.data["key"] for g in receiver.got if g.type == "tenant.state_changed"} == heard
    assert ("refresh.failed" in receiver.types()) == (scope == "workspace"), "a run is the workspace's own"
    assert len(family.deliveries(made)) == len(receiver.got)


def test_webhook_of_a_suspended_tenant_hears_of_that_alone(family: Hooks, receiver: Receiver) -> None:
    family.make(receiver.url, scope="subtree:1")
    family.patch_tenant("1", state="suspended")
    family.patch_tenant("2", state="suspended")
    family.world.refresh(full=True)
    family.patch_tenant("1", state="active")
    family.deliver()
    assert sorted((g.type, g.data["key"], g.data["state"]) for g in receiver.got) == [
        ("tenant.state_changed", "1", "active"),
        ("tenant.state_changed", "1", "suspended"),
    ]


def test_webhook_of_another_workspace_hears_nothing(hooks: Hooks, receiver: Receiver) -> None:
    with hooks.world.installation.catalog.write() as session:
        other = WorkspaceRow(
            id=new_id("ws"), slug="vega", name="Vega", timezone="UTC", path="", created_at=hooks.world.installation.clock()
        )
        session.add(other)
    everywhere = hooks.world.key("installation")
    body = {"url": receiver.url, "events": ["*"]}
    made = hooks.world.client.post(f"/v1/workspaces/{other.id}/webhooks", json=body, headers=everywhere)
    assert made.status_code == 201
    refused = hooks.world.client.post(f"/v1/workspaces/{other.id}/webhooks", json=body | {"scope": "tenant:1"}, headers=everywhere)
    assert pointers(refused) == [("/scope", "out_of_scope")], "a tenant of one workspace is no tenant of another"
    hooks.patch_tenant("1", state="suspended")
    hooks.world.refresh(full=True)
    assert hooks.deliver() == 0
    at = f"/v1/workspaces/{other.id}/webhooks/{made.json()['id']}"
    assert code(hooks.world.client.get(at, headers=hooks.headers)) == (404, "not_found")
    assert code(hooks.ask("get", f"/{made.json()['id']}")) == (404, "not_found")


# ── who may ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_webhooks_of_others_are_as_if_they_were_not_there(family: Hooks, receiver: Receiver) -> None:
    world, writes = family.world, ["webhooks:write"]
    theirs = [family.make(receiver.url, scope=s) for s in ("workspace", "tenant:3", "subtree:1")]
    below = family.make(receiver.url, scope="tenant:2")
    family.patch_tenant("3", state="suspended")
    message = family.deliveries(theirs[1])[0]["id"]
    tenant, subtree = world.key("tenant", "1", writes), world.key("subtree", "1", writes)
    own = family.make(receiver.url, tenant, scope="tenant:1")
    assert {w["id"] for w in family.ask("get", "", tenant).json()["data"]} == {own["id"]}
    assert {w["id"] for w in family.ask("get", "", subtree).json()["data"]} == {own["id"], below["id"], theirs[2]["id"]}
    for webhook in [*(w["id"] for w in theirs), below["id"], "wh_nothing"]:
        for method, path in (
            ("get", ""), ("patch", ""), ("delete", ""), ("post", "/rotate"), ("post", "/test"), ("get", "/deliveries"), ("get", f"/deliveries/{message}"),
            ("post", f"/deliveries/{message}/replay"),
        ):  # fmt: skip
            answer = family.ask(method, f"/{webhook}{path}", tenant, **({"json": {}} if method == "patch" else {}))
            assert code(answer) == (404, "not_found"), (method, path)
    for scope in ("workspace", "tenant:3", "subtree:1", "tenant:2", "tenant:nobody"):
        refused = family.ask("post", "", tenant, json={"url": receiver.url, "events": ["*"], "scope": scope})
        assert pointers(refused) == [("/scope", "out_of_scope")]
    assert code(family.ask("get", f"/{own['id']}/deliveries/{message}", tenant)) == (404, "not_found"), "a message of others by its id"
    assert code(family.ask("get", "", world.key("workspace", permissions=["keys:write"]))) == (403, "forbidden")


def test_changes_are_in_the_audit_and_ask_for_the_etag(hooks: Hooks, receiver: Receiver) -> None:
    made = hooks.make(receiver.url, metadata={"a": "1", "b": "2"})
    shown = hooks.ask("get", f"/{made['id']}")
    patch = {"description": "billing", "metadata": {"a": None}, "events": ["slice.published"]}
    done = hooks.ask("patch", f"/{made['id']}", hooks.headers | {"If-Match": shown.headers["etag"]}, json=patch)
    assert (done.status_code, done.json()["metadata"], done.json()["description"]) == (200, {"b": "2"}, "billing")
    assert code(hooks.ask("patch", f"/{made['id']}", hooks.headers | {"If-Match": shown.headers["etag"]}, json={"enabled": False})) == (
        412,
        "precondition_failed",
    )
    hooks.ask("post", f"/{made['id']}/rotate")
    records = hooks.world.client.get(f"{hooks.world.base}/audit", headers=hooks.headers).json()["data"]
    assert [r["action"] for r in records] == ["webhooks.rotate", "webhooks.update", "webhooks.create"]
    assert records[1]["before"] == {"events": ["*"], "description": "", "metadata": {"a": "1", "b": "2"}}
    assert "whsec_" not in json.dumps(records)


@pytest.mark.parametrize(
    "body",
    [{"events": []}, {"events": ["nothing"]}, {"events": ["webhook.test"]}, {"events": "slice.published"}, {"secret": "whsec_x"}, {"metadata": {"a": 1}},
     {"description": "a\nb"}, {"enabled": "perhaps"}, {"scope": "installation"}, {"scope": "tenant:"}],
)  # fmt: skip
def test_value_that_does_not_fit_makes_no_webhook(hooks: Hooks, receiver: Receiver, body: dict[str, Any]) -> None:
    assert code(hooks.ask("post", "", json={"url": receiver.url, "events": ["*"]} | body)) == (422, "validation")
    assert hooks.ask("get", "").json()["data"] == []


# ── processes that die ────────────────────────────────────────────────────────────────────────────────────────────────

CHANGES = """
import os, signal, sys
from pathlib import Path
from engine.catalog.runs import end_run, request_run
from tests.integration.driving import installation_in
installation = installation_in(Path(sys.argv[1]))
with installation.catalog.write() as session:
    end_run(session, request_run(session, sys.argv[2], "api", {}, installation.clock()).id, "failed", installation.clock(), code="x")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_committed_is_told_though_its_process_was_killed(hooks: Hooks, receiver: Receiver) -> None:
    hooks.make(receiver.url)
    command = [sys.executable, "-c", CHANGES, str(hooks.world.home), hooks.world.workspace_id]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    hooks.deliver()
    assert receiver.types() == ["refresh.failed"]


def scheduler(world: World, **more: str) -> subprocess.Popen[bytes]:
    """The scheduler's process, as `slicehouse serve` starts it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SLICEHOUSE_HOME": str(world.home), "SLICEHOUSE_NETWORK_ALLOW": json.dumps(LOCAL)}
    return subprocess.Popen([sys.executable, "-m", "api.scheduler"], env=environment | more)


def test_message_of_a_deliverer_that_was_killed_is_sent_by_another_after_its_lease(hooks: Hooks, receiver: Receiver) -> None:
    let = threading.Event()
    receiver.before = lambda got: bool(let.wait(60)) and None
    made = hooks.make(receiver.url)
    hooks.patch_tenant("1", state="suspended")
    with scheduler(hooks.world) as process:
        try:
            receiver.wait_for(1)
        finally:
            process.kill()
    let.set()
    assert hooks.deliver() == 0, "it is the dead one's until the lease is over"
    hooks.later(kept.LEASE + timedelta(seconds=1))
    assert hooks.deliver() == 1
    assert len({g.id for g in receiver.got}) == 1
    (delivery,) = hooks.deliveries(made)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)


def test_deliverer_that_dies_after_the_claim_loses_nothing(hooks: Hooks, receiver: Receiver) -> None:
    hooks.make(receiver.url)
    hooks.patch_tenant("1", state="suspended")
    with scheduler(hooks.world, SLICEHOUSE_FAILPOINT="webhooks.claimed") as process:
        assert process.wait(60) == 137
    assert receiver.got == []
    hooks.later(kept.LEASE + timedelta(seconds=1))
    assert hooks.deliver() == 1
    assert receiver.types() == ["tenant.state_changed"]


def test_scheduler_delivers_and_ends_when_it_is_told(hooks: Hooks, receiver: Receiver) -> None:
    made = hooks.make(receiver.url)
    with scheduler(hooks.world) as process:
        try:
            hooks.patch_tenant("1", state="suspended")
            receiver.wait_for(1)[0].verify(made["secret"])
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert hooks.deliveries(made)[0]["status"] == "delivered"


def test_two_deliverers_at_the_same_time_send_each_message_once(hooks: Hooks, receiver: Receiver) -> None:
    made = [hooks.make(receiver.url) for _ in range(4)]
    for state in ("suspended", "active") * 10:
        hooks.patch_tenant("1", state=state)
    installation = hooks.world.app.state.context.installation
    several = [Deliverer(installation, every=0.01) for _ in range(3)]
    for one in several:
        one.start()
    receiver.wait_for(80)
    for one in several:
        one.stop()
    assert len(receiver.got) == 80
    assert len({(g.headers["webhook-signature"]) for g in receiver.got}) == 80
    assert {(d["status"], d["attempts"]) for w in made for d in hooks.deliveries(w)} == {("delivered", 1)}


# ── the guide ─────────────────────────────────────────────────────────────────────────────────────────────────────────

GUIDE = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_receiver_of_the_guide_takes_what_is_sent_and_nothing_else(
    hooks: Hooks, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {}
    (block,) = blocks("python")
    exec(block, names)
    made = hooks.make(receiver.url)
    hooks.patch_tenant("1", state="suspended")
    hooks.deliver()
    (got,) = receiver.got
    assert names["receive"](made["secret"], got.headers, got.body) == 204
    assert names["receive"](made["secret"], got.headers, got.body) == 204
    assert capsys.readouterr().out.count("tenant.state_changed") == 1
    assert names["receive"](made["secret"], got.headers, got.body + b" ") == 400


def test_guide_names_each_event_with_the_fields_that_it_has(hooks: Hooks, receiver: Receiver) -> None:
    (examples,) = blocks("json")
    shown = {e["type"]: e for e in map(json.loads, examples.splitlines())}
    assert set(shown) == {*EVENTS, TEST}
    made = hooks.make(receiver.url)
    hooks.world.client.put(f"{hooks.world.base}/tenants/key:9", json={}, headers=hooks.headers)
    hooks.patch_tenant("1", state="suspended")
    hooks.patch_tenant("1", state="active")
    tier = {"name": "Pro", "quotas": {"queries": {"limit": 1}}}
    hooks.world.client.put(f"{hooks.world.base}/tiers/pro", json=tier, headers=hooks.headers)
    hooks.world.client.put(f"{hooks.world.base}/tenants/1/subscription", json={"tier": "pro"}, headers=hooks.headers)
    hooks.world.client.get("/v1/dashboards/sales/panels/orders", headers=hooks.world.key())
    hooks.world.app.state.context.collector.once()
    hooks.ask("post", f"/{made['id']}/test")
    hooks.world.refresh(full=True)
    with pytest.raises(ConfigurationError):
        hooks.world.refresh(tenants=("nobody",))
    hooks.deliver()
    sent = {g.type: json.loads(g.body) for g in receiver.got}
    assert set(sent) == set(shown) - {"routing.review_required"}, "that one has a test of its own"
    for type_, message in sent.items():
        assert message["data"].keys() == shown[type_]["data"].keys(), type_
