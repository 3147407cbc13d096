"""Usage goes out: to a sink as batches of CloudEvents, as alerts at thresholds; what is stored and built is metered; the command shows it."""

from __future__ import annotations

import base64
import csv
import hmac
import io
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from api.cli.main import main
from api.control.usage.measuring import measure
from api.control.usage.sinks import Deliverer
from api.control.working import Worker
from engine.catalog.tables import SinkRow
from tests.acceptance.http_world import PANEL, World

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdefghijklmnop").decode()


@dataclass
class Receiver:
    """A sink: what it was sent, and what it answers. `status` 0 cuts the connection after it has read."""

    batches: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    url: str = ""

    def ids(self) -> list[str]:
        return [e["id"] for _, body in self.batches for e in json.loads(body)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.batches.append(({k.lower(): v for k, v in self.headers.items()}, body))
            status = made.statuses.pop(0) if made.statuses else 204
            if status:
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
            self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/usage"
    yield made
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def world(make_world: Any) -> World:
    made: World = make_world(network_allow=["127.0.0.1"])
    return made


@pytest.fixture
def boss(world: World) -> dict[str, str]:
    return world.key("workspace")


def counted(world: World) -> None:
    world.app.state.context.collector.once()


def at(world: World, by: timedelta) -> None:
    """Both installations of the world are that much later."""
    for installation in (world.installation, world.app.state.context.installation):
        now = installation.clock
        object.__setattr__(installation, "clock", lambda now=now: now() + by)


def deliver(world: World) -> int:
    at(world, timedelta(seconds=61))
    return Deliverer(world.installation).once()


def events(world: World, boss: dict[str, str]) -> list[str]:
    return [json.loads(line)["id"] for line in world.client.get(f"{world.base}/usage/events", headers=boss).text.splitlines()]


# ── the sink ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def sink(world: World, boss: dict[str, str], receiver: Receiver, **more: Any) -> dict[str, Any]:
    answer = world.client.put(f"{world.base}/usage/sink", json={"url": receiver.url} | more, headers=boss)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def test_events_are_delivered_as_batches_from_then_on_and_signed(world: World, boss: dict[str, str], receiver: Receiver) -> None:
    world.client.get(PANEL, headers=world.key())
    counted(world)
    assert sink(world, boss, receiver, secret=SECRET)["waiting"] == 0
    for tenant in ("1", "2", "1"):
        world.client.get(PANEL, headers=world.key(tenant=tenant))
    counted(world)
    assert world.client.get(f"{world.base}/usage/sink", headers=boss).json()["waiting"] == 3
    assert (deliver(world), deliver(world)) == (3, 0)
    ((headers, body),) = receiver.batches
    assert headers["content-type"] == "application/cloudevents-batch+json; charset=utf-8"
    found = json.loads(body)
    assert {(e["specversion"], e["type"], e["source"]) for e in found} == {
        ("1.0", "slicehouse.usage.query", f"urn:slicehouse:{world.workspace_id}")
    }
    assert Counter(e["subject"] for e in found) == {world.tenants["1"]: 2, world.tenants["2"]: 1}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(base64.b64decode(SECRET[6:]), signed, sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    shown = world.client.get(f"{world.base}/usage/sink", headers=boss)
    assert (shown.json()["waiting"], shown.json()["secret_set"], SECRET in shown.text) == (0, True, False)
    assert SECRET not in world.client.get(f"{world.base}/audit", headers=boss).text


@pytest.mark.parametrize("status", [0, 302, 404, 410, 500, 503])
def test_batch_that_is_not_taken_comes_again_until_it_is(world: World, boss: dict[str, str], receiver: Receiver, status: int) -> None:
    sink(world, boss, receiver)
    world.client.get(PANEL, headers=world.key())
    counted(world)
    receiver.statuses = [status, status]
    assert deliver(world) == 0
    first = world.client.get(f"{world.base}/usage/sink", headers=boss).json()
    assert (first["waiting"], bool(first["failing_since"]), bool(first["error"])) == (1, True, True)
    assert Deliverer(world.installation).once() == 0
    assert len(receiver.batches) == 1, "it waits before it tries again"
    assert (deliver(world), deliver(world)) == (0, 1)
    assert receiver.ids() == events(world, boss) * 3
    assert world.client.get(f"{world.base}/usage/sink", headers=boss).json()["failing_since"] is None


def test_every_event_arrives_whoever_dies_before_the_note(world: World, boss: dict[str, str], receiver: Receiver) -> None:
    sink(world, boss, receiver)

    class Killed(Exception):
        pass

    def point(name: str) -> None:
        raise Killed(name)

    whole = world.installation.failpoint
    for _ in range(3):
        world.client.get(PANEL, headers=world.key())
        counted(world)
        object.__setattr__(world.installation, "failpoint", point)
        with pytest.raises(Killed):
            deliver(world)
        object.__setattr__(world.installation, "failpoint", whole)
    deliver(world)
    known = events(world, boss)
    assert set(receiver.ids()) == set(known)
    assert list(dict.fromkeys(receiver.ids())) == known, "in their order, and each known by its id"


def test_two_processes_deliver_once(world: World, boss: dict[str, str], receiver: Receiver) -> None:
    sink(world, boss, receiver)
    world.client.get(PANEL, headers=world.key())
    counted(world)
    first, second = Deliverer(world.installation), Deliverer(world.installation)
    assert first.once() == 1
    world.client.get(PANEL, headers=world.key())
    counted(world)
    assert second.once() == 0
    first.end()
    assert second.once() == 1
    assert receiver.ids() == events(world, boss)


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/latest", "https://[::1]/", "ftp://127.0.0.1/", "https://user:pw@127.0.0.1/",
                                 "nothing", "https://", "https://127.0.0.2/"])  # fmt: skip
def test_address_that_may_not_be_called_is_refused(world: World, boss: dict[str, str], url: str) -> None:
    answer = world.client.put(f"{world.base}/usage/sink", json={"url": url}, headers=boss)
    assert (answer.status_code, answer.json()["code"], answer.json()["errors"][0]["pointer"]) == (422, "validation", "/url")


def test_address_that_became_private_is_not_called(world: World, boss: dict[str, str], receiver: Receiver) -> None:
    sink(world, boss, receiver)
    world.client.get(PANEL, headers=world.key())
    counted(world)
    world.installation.settings.network_allow.clear()
    assert (deliver(world), receiver.batches) == (0, [])
    with world.installation.catalog.read() as session:
        assert session.get_one(SinkRow, world.workspace_id).error == "ConnectError"


def test_sink_is_for_those_who_run_the_workspace_and_can_be_taken_away(world: World, boss: dict[str, str], receiver: Receiver) -> None:
    sink(world, boss, receiver)
    mine = world.key("tenant", "1", ["workspace:write", "usage:view"])
    for method, body in (("get", None), ("put", {"url": receiver.url}), ("delete", None)):
        assert world.client.request(method, f"{world.base}/usage/sink", json=body, headers=mine).status_code == 403
    assert world.client.delete(f"{world.base}/usage/sink", headers=boss).status_code == 204
    assert world.client.get(f"{world.base}/usage/sink", headers=boss).status_code == 404
    world.client.get(PANEL, headers=world.key())
    counted(world)
    assert (deliver(world), receiver.batches) == (0, [])


# ── alerts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def plan(world: World, boss: dict[str, str], tenants: str, **quotas: Any) -> None:
    assert world.client.put(f"{world.base}/tiers/pro", json={"name": "Pro", "quotas": quotas}, headers=boss).status_code in (200, 201)
    for tenant in tenants:
        assert world.client.put(f"{world.base}/tenants/{tenant}/subscription", json={"tier": "pro"}, headers=boss).status_code == 200


def alerts(world: World, headers: dict[str, str]) -> list[tuple[str, str, int, int]]:
    found = world.client.get(f"{world.base}/usage/alerts?sort=created_at", headers=headers).json()["data"]
    return [(next(k for k, t in world.tenants.items() if t == a["tenant"]), a["meter"], a["threshold"], a["used"]) for a in found]


def test_each_threshold_is_told_once_a_period_and_tenant(world: World, boss: dict[str, str]) -> None:
    plan(world, boss, "12", queries={"limit": 5, "per": "day"}, rows={"limit": 1_000})
    for number in range(7):
        world.client.get(PANEL, headers=world.key(tenant="1"))
        counted(world)
        assert len(alerts(world, boss)) == (number >= 3) + (number >= 4)
    assert alerts(world, boss) == [("1", "queries", 80, 4), ("1", "queries", 100, 5)]
    records = world.client.get(f"{world.base}/audit?action=quota.reached", headers=boss).json()["data"]
    assert [(r["tenant"], r["after"]["threshold"]) for r in records] == [(world.tenants["1"], 100), (world.tenants["1"], 80)]
    at(world, timedelta(days=1))
    for _ in range(4):
        world.client.get(PANEL, headers=world.key(tenant="1"))
    counted(world)
    assert [a[2] for a in alerts(world, boss)] == [80, 100, 80], "another day"


def test_both_thresholds_at_once_are_two_alerts_and_soft_quotas_tell_too(world: World, boss: dict[str, str]) -> None:
    plan(world, boss, "2", rows={"limit": 2, "hard": False})
    world.client.get(PANEL, headers=world.key(tenant="2"))
    world.client.get(PANEL, headers=world.key(tenant="1"))
    counted(world)
    assert sorted(alerts(world, boss)) == [("2", "rows", 80, 2), ("2", "rows", 100, 2)]


def test_tenant_sees_its_own_alerts_alone(world: World, boss: dict[str, str]) -> None:
    plan(world, boss, "12", queries={"limit": 1, "per": "day"})
    for tenant in "12":
        world.client.get(PANEL, headers=world.key(tenant=tenant))
    counted(world)
    assert {a[0] for a in alerts(world, boss)} == {"1", "2"}
    for tenant in "12":
        assert {a[0] for a in alerts(world, world.key("tenant", tenant, ["usage:view"]))} == {tenant}
    assert world.client.get(f"{world.base}/usage/alerts", headers=world.key("tenant", "1", [])).status_code == 403


# ── what is stored and built ──────────────────────────────────────────────────────────────────────────────────────────


def usage(world: World, boss: dict[str, str], query: str = "group_by=tenant") -> dict[str, tuple[int, int]]:
    found = world.client.get(f"{world.base}/usage?{query}", headers=boss).json()["data"]
    sums: dict[str, tuple[int, int]] = {}
    for row in found:
        before = sums.get(row["tenant"], (0, 0))
        sums[row["tenant"]] = (before[0] + row["storage_bytes"], before[1] + row["refreshes"])
    return sums


def test_storage_is_counted_once_a_day_and_a_build_once(world: World, boss: dict[str, str]) -> None:
    sizes = {t["id"]: t["bytes"] for t in world.client.get(f"{world.base}/tenants", headers=boss).json()["data"]}
    today = datetime.now(UTC)
    to_noon = today.replace(hour=12, minute=0) + timedelta(days=1) - today
    at(world, to_noon)
    for _ in range(3):
        measure(world.installation)
        at(world, timedelta(hours=1))
    assert usage(world, boss) == {tenant: (size, 1) for tenant, size in sizes.items()}
    at(world, timedelta(hours=21))
    measure(world.installation)
    assert usage(world, boss) == {tenant: (2 * size, 1) for tenant, size in sizes.items()}
    world.refresh(full=True)
    measure(world.installation)
    measure(world.installation)
    assert {t: r for t, (_, r) in usage(world, boss).items()} == dict.fromkeys(sizes, 2)
    ids = events(world, boss)
    assert len(ids) == len(set(ids)) == 8


def test_quota_of_storage_is_of_what_is_there_not_of_its_days(world: World, boss: dict[str, str]) -> None:
    size = world.client.get(f"{world.base}/tenants/1", headers=boss).json()["bytes"]
    plan(world, boss, "1", storage_bytes={"limit": int(size * 1.5), "per": "month", "hard": False})
    for _ in range(3):
        measure(world.installation)
        at(world, timedelta(days=1))
    used = world.client.get(f"{world.base}/tenants/1/entitlements", headers=boss).json()["quotas"]["storage_bytes"]["used"]
    assert used in (0, size), "a month may have begun"
    assert alerts(world, boss) == []


# ── the thread, the command ───────────────────────────────────────────────────────────────────────────────────────────


def test_thread_delivers_what_is_counted(world: World, boss: dict[str, str], receiver: Receiver) -> None:
    sink(world, boss, receiver)
    came = threading.Event()
    receiver.statuses = _Told(came)
    worker = Worker(world.installation, every=0.05)
    worker.start()
    assert came.wait(30), "what is stored is an event of itself"
    worker.stop()


class _Told(list[int]):
    """An empty list of statuses that tells when it is looked at."""

    def __init__(self, came: threading.Event) -> None:
        super().__init__()
        self._came = came

    def __bool__(self) -> bool:
        self._came.set()
        return False


def test_command_shows_usage(world: World, boss: dict[str, str]) -> None:
    world.client.get(PANEL, headers=world.key())
    counted(world)
    where = ["-w", str(world.file), "--home", str(world.home)]
    shown = {}
    for format_ in ("table", "json", "csv"):
        with redirect_stdout(io.StringIO()) as out:
            assert main(["usage", "--group-by", "tenant,panel", "--granularity", "month", "--format", format_, *where]) == 0
        shown[format_] = out.getvalue()
    (row,) = json.loads(shown["json"])
    assert (row["tenant"], row["panel"], row["queries"], row["rows"]) == (world.tenants["1"], "orders", 1, 3)
    assert [(r["panel"], r["rows"]) for r in csv.DictReader(io.StringIO(shown["csv"]))] == [("orders", "3")]
    assert shown["table"].splitlines()[0].split("\t")[:4] == ["start", "end", "tenant", "panel"]
    for wrong in (
        ["--from", "yesterday"],
        ["--group-by", "colour"],
        ["--time-zone", "Mars"],
        ["--from", "2026-02-01", "--to", "2026-01-01"],
    ):
        assert main(["usage", *wrong, *where]) != 0
