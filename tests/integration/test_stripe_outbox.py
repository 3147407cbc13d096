"""Stripe counts each tenant's closed hours exactly once, in whole units: whatever fails, whoever is killed when, on both kinds of catalog."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from api.control.billing.accounts import AccountWanted, put_account
from api.control.billing.outbox import fill
from api.control.billing.sending import Sender
from api.control.usage.collecting import count_new
from api.control.usage.journal import Fact
from api.control.usage.meters import hour_of
from engine.catalog.audit import Actor
from engine.catalog.tables import MeterEventRow, StripeRow, SubscriptionRow, TenantRow, TierRow, UsageAlertRow, UsageRow, WorkspaceRow
from slices.installation import Installation
from tests.integration.driving import installation_in, postgres_url
from tests.integration.stripe_server import FAILURES, FakeStripe, serving_stripe

START = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
METERS = {
    "queries": {"event_name": "queries", "meter_id": "mtr_q", "unit": 1},
    "bytes": {"event_name": "kilobytes", "meter_id": "mtr_b", "unit": 1_000},
    "cpu_ms": {"event_name": "cpu", "meter_id": "mtr_c", "unit": 7},
}
HOUR = timedelta(hours=1)


class Killed(Exception):
    """Stands for a kill: nothing after it is done."""


@dataclass
class Stage:
    """An installation with an account, two tenants that are customers of Stripe and one that is none, and a clock that is set."""

    installation: Installation
    fake: FakeStripe
    now: datetime = START

    def later(self, by: timedelta) -> None:
        self.now += by

    def use(self, tenant: str = "tn_1", at: datetime | None = None, **more: int) -> None:
        fact = Fact("query", "ws", tenant, tenant, at or self.now, **({"rows": 1, "bytes": 10, "cpu_us": 5_000} | more))  # type: ignore[arg-type]
        with self.installation.catalog.write() as session:
            count_new(session, [fact.facts()], self.now)

    def send(self) -> None:
        """Another process fills and sends all that is due; the lease of the one before has ended by then."""
        self.later(timedelta(seconds=61))
        fill(self.installation)
        sender = Sender(self.installation)
        while sender.once():
            pass

    def rows(self, **where: Any) -> list[MeterEventRow]:
        with self.installation.catalog.read() as session:
            return list(session.scalars(select(MeterEventRow).filter_by(**where).order_by(MeterEventRow.hour, MeterEventRow.id)))

    def alerts(self) -> list[tuple[str, str | None]]:
        with self.installation.catalog.read() as session:
            return [(a.kind, a.tenant_id) for a in session.scalars(select(UsageAlertRow).order_by(UsageAlertRow.id))]

    def account(self, key: str | None = None, meters: dict[str, Any] = METERS) -> None:
        wanted = AccountWanted("whsec_0123456789abcdef", key or self.fake.key, meters)
        put_account(self.installation, Actor("test", "test"), "ws", wanted)


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    more = {"catalog": postgres_url(request.getfixturevalue("database"))} if request.param == "postgresql" else {}
    with serving_stripe(FakeStripe(lambda: START)) as fake:
        made = installation_in(tmp_path / "home", stripe_url=fake.url, network_allow=["127.0.0.1"], **more)
        found = Stage(made, fake)
        fake.clock = lambda: found.now
        object.__setattr__(made, "clock", lambda: found.now)
        _fill_in(made)
        found.account()
        yield found
        made.catalog.close()


def _fill_in(installation: Installation) -> None:
    with installation.catalog.write() as session:
        session.add(WorkspaceRow(id="ws", slug="w", name="w", timezone="UTC", path="", created_at=START))
        session.flush()
        session.add(TierRow(id="ti", workspace_id="ws", slug="pro", version=1, name="Pro", is_default=False, features={}, quotas={}, rates={}, prices=[],
                            tags={}, created_at=START))  # fmt: skip
        session.add_all(
            TenantRow(id=f"tn_{n}", workspace_id="ws", key=str(n), name="", slug="", state="active", created_at=START) for n in (1, 2, 3)
        )
        session.flush()
        for n in (1, 2):
            session.add(SubscriptionRow(id=f"sb_{n}", workspace_id="ws", tenant_id=f"tn_{n}", tier_id="ti", status="active", created_at=START,
                                        effective_at=START - timedelta(days=90), overrides={}, external={"stripe_customer_id": f"cus_{n}"}))  # fmt: skip


# ── what is put into the outbox ───────────────────────────────────────────────────────────────────────────────────────


def test_hour_is_told_when_it_is_closed_and_never_again(stage: Stage) -> None:
    stage.use()
    hour = hour_of(stage.now)
    stage.now = hour + 2 * HOUR
    stage.send()
    assert stage.rows() == []
    stage.use(at=hour)  # too late: it counts in this hour
    stage.now = hour + 2 * HOUR + timedelta(minutes=5)
    stage.send()
    stage.send()
    assert stage.fake.sum_of("cus_1", "queries", int(hour.timestamp()), int((hour + HOUR).timestamp())) == 1
    stage.later(3 * HOUR)
    stage.send()
    (first, second) = stage.rows(meter="queries")
    assert (first.hour, second.hour, first.state, second.state) == (hour, hour + 2 * HOUR, "sent", "sent")
    assert first.identifier == f"tn_1.queries.{hour:%Y%m%dT%H}"


def test_what_is_no_whole_unit_is_carried_on_and_nothing_is_lost(stage: Stage) -> None:
    for size in (999, 1, 500, 2_600, 1):
        stage.use(bytes=size)
        stage.later(HOUR)
    stage.later(3 * HOUR)
    stage.send()
    rows = stage.rows(meter="bytes")
    assert [(r.value, r.rest, r.state) for r in rows] == [
        (0, 999, "nothing"),
        (1, 0, "sent"),
        (0, 500, "nothing"),
        (3, 100, "sent"),
        (0, 101, "nothing"),
    ]
    assert stage.fake.sum_of("cus_1", "kilobytes") == 4


def test_usage_before_the_account_and_of_tenants_without_a_customer_is_not_told(stage: Stage) -> None:
    stage.use("tn_3")
    stage.use("tn_2", at=stage.now - timedelta(minutes=45))
    stage.later(5 * HOUR)
    stage.send()
    assert (stage.rows(), stage.fake.events) == ([], [])


# ── what goes wrong once ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("failure", FAILURES)
def test_event_that_failed_is_sent_again_and_counted_once(stage: Stage, failure: str) -> None:
    stage.account(meters={"queries": METERS["queries"]})
    stage.use()
    stage.later(4 * HOUR)
    failures = [failure]
    stage.fake.fails = lambda: failures.pop() if failures else ""
    stage.send()
    (row,) = stage.rows()
    assert (row.state, row.attempts, row.next_at > stage.now) == ("pending" if failure == "429" else "unsure", 1, True)
    stage.send()
    (row,) = stage.rows()
    assert (row.state, stage.fake.sum_of("cus_1", "queries")) == ("sent", 1)
    keys = [key for method, key in stage.fake.calls if method == "POST"]
    assert (len(keys), len(set(keys))) == (2, 2 if failure[:1] == "5" else 1), "a saved 5xx would be answered again to the same key"


def test_stripe_says_when_it_wants_to_be_asked_again(stage: Stage) -> None:
    stage.use()
    stage.later(4 * HOUR)
    stage.fake.fails, stage.fake.retry_after = lambda: "429", 900
    stage.send()
    assert len(stage.fake.calls) == 1, "the other events wait too"
    tried = [r for r in stage.rows() if r.attempts]
    assert [r.next_at for r in tried] == [stage.now + timedelta(seconds=900)]


@pytest.mark.parametrize(("counted", "failure"), [(True, "cut after"), (False, "cut before"), (True, "500 after"), (False, "500 before")])
def test_after_a_day_stripes_sum_decides_and_nothing_is_sent_blindly(stage: Stage, counted: bool, failure: str) -> None:
    stage.account(meters={"queries": METERS["queries"]})
    stage.use()
    stage.later(4 * HOUR)
    stage.fake.fails = lambda: failure
    stage.send()
    stage.later(timedelta(hours=25))
    stage.fake.fails = lambda: ""
    stage.fake.calls.clear()
    stage.send()
    assert [method for method, _ in stage.fake.calls] == ["GET"] if counted else ["GET", "POST"]
    assert (stage.fake.sum_of("cus_1", "queries"), [r.state for r in stage.rows()]) == (1, ["sent"])


def test_sum_that_does_not_add_up_is_for_a_person(stage: Stage) -> None:
    stage.account(meters={"queries": METERS["queries"]})
    for _ in range(3):
        stage.use()
    stage.later(4 * HOUR)
    stage.fake.fails = lambda: "cut after"
    stage.send()
    stage.fake.events[0]["value"] = 2
    stage.fake.fails = lambda: ""
    stage.later(timedelta(hours=25))
    stage.send()
    stage.send()
    (row,) = stage.rows()
    assert (row.state, row.error, stage.alerts()) == ("dead", "does_not_add_up (2)", [("billing", "tn_1")])


def test_tenants_of_one_customer_are_settled_by_their_common_sum(stage: Stage) -> None:
    stage.account(meters={"queries": METERS["queries"]})
    with stage.installation.catalog.write() as session:
        session.get_one(SubscriptionRow, "sb_2").external = {"stripe_customer_id": "cus_1"}
    stage.use("tn_1")
    stage.use("tn_2")
    stage.later(4 * HOUR)
    stage.fake.fails = lambda: "cut after"
    stage.send()
    stage.send()
    stage.later(timedelta(hours=26))
    stage.fake.fails = lambda: ""
    stage.send()
    stage.later(2 * HOUR)
    stage.send()
    assert ([r.state for r in stage.rows()], stage.fake.sum_of("cus_1", "queries")) == (["sent", "sent"], 2)


def test_what_is_older_than_35_days_is_dead_and_told_once(stage: Stage) -> None:
    stage.account(meters={"queries": METERS["queries"]})
    stage.use()
    stage.later(4 * HOUR)
    stage.fake.fails = lambda: "429"
    stage.send()
    stage.later(timedelta(days=35))
    stage.fake.fails = lambda: ""
    stage.send()
    stage.send()
    (row,) = stage.rows()
    assert (row.state, row.error, stage.alerts(), stage.fake.events) == ("dead", "too_old", [("billing", "tn_1")], [])


def test_event_that_stripe_refuses_is_dead_and_holds_up_no_other(stage: Stage) -> None:
    stage.account(meters={"queries": METERS["queries"]})
    stage.fake.customers.remove("cus_1")
    stage.use("tn_1")
    stage.use("tn_2")
    stage.later(4 * HOUR)
    stage.send()
    assert {r.tenant_id: (r.state, r.error) for r in stage.rows()} == {"tn_1": ("dead", "resource_missing"), "tn_2": ("sent", None)}
    assert stage.alerts() == [("billing", "tn_1")]


def test_refusal_after_an_unsure_send_waits_for_the_sum(stage: Stage) -> None:
    stage.account(meters={"queries": METERS["queries"]})
    stage.use()
    stage.later(4 * HOUR)
    stage.fake.fails = lambda: "500 after"
    stage.send()
    stage.fake.fails = lambda: ""
    stage.fake.customers.remove("cus_1")
    stage.send()
    assert [r.state for r in stage.rows()] == ["unsure"]
    stage.fake.customers.add("cus_1")
    stage.later(timedelta(hours=25))
    stage.send()
    assert ([r.state for r in stage.rows()], stage.fake.sum_of("cus_1", "queries")) == (["sent"], 1)


def test_key_that_stripe_refuses_makes_usage_wait_and_is_told_once(stage: Stage) -> None:
    stage.account("rk_test_wrong0123456")
    stage.use()
    stage.later(4 * HOUR)
    for _ in range(3):
        stage.send()
        stage.later(timedelta(minutes=5))
    assert (stage.alerts(), stage.fake.events) == ([("billing", None)], [])
    stage.account()
    stage.later(HOUR)
    stage.send()
    assert {r.state for r in stage.rows()} == {"sent", "nothing"}


def test_address_that_is_private_is_not_called(stage: Stage) -> None:
    stage.use()
    stage.later(4 * HOUR)
    stage.installation.settings.network_allow.clear()
    stage.send()
    assert stage.fake.calls == []
    assert {(r.state, r.error) for r in stage.rows() if r.attempts} == {("pending", "ConnectError")}


# ── who sends ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_process_alone_sends(stage: Stage) -> None:
    stage.use("tn_1", bytes=5_000)
    stage.later(4 * HOUR)
    fill(stage.installation)
    first, second = Sender(stage.installation), Sender(stage.installation)
    seen: list[int] = []

    def meanwhile() -> str:
        seen.append(second.once())
        return ""

    stage.fake.fails = meanwhile
    assert first.once() == 2
    assert seen == [0, 0]
    stage.use("tn_2", bytes=5_000)
    stage.later(4 * HOUR)
    fill(stage.installation)
    first.end()
    stage.fake.fails = lambda: ""
    assert second.once() == 2, "the lease was left"
    assert (stage.fake.sum_of("cus_1", "queries"), stage.fake.sum_of("cus_2", "queries")) == (1, 1)


def test_sender_that_is_killed_between_the_send_and_the_note_bills_once(stage: Stage, tmp_path: Path) -> None:
    stage.now = datetime.now(UTC) - 5 * HOUR
    stage.account(meters={"queries": METERS["queries"]})
    with stage.installation.catalog.write() as session:
        session.get_one(StripeRow, "ws").filled_to = hour_of(stage.now)
    stage.use()
    stage.now = datetime.now(UTC)
    settings = {"stripe_url": stage.fake.url, "network_allow": ["127.0.0.1"], "catalog": stage.installation.settings.catalog}
    command = f"""
from pathlib import Path
from api.control.billing.outbox import fill
from api.control.billing.sending import Sender
from tests.integration.driving import installation_in
installation = installation_in(Path({str(stage.installation.home.path)!r}), **{settings!r})
fill(installation)
Sender(installation).once()
"""
    environment = os.environ | {"SLICEHOUSE_FAILPOINT": "stripe.sent", "PYTHONPATH": str(Path.cwd())}
    assert subprocess.run([sys.executable, "-c", command], env=environment, check=False).returncode == 137
    assert ([r.state for r in stage.rows()], stage.fake.sum_of("cus_1", "queries")) == (["sending"], 1)
    stage.later(timedelta(minutes=2))
    stage.send()
    assert ([r.state for r in stage.rows()], stage.fake.sum_of("cus_1", "queries"), len(stage.fake.calls)) == (["sent"], 1, 2)


# ── everything at once ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(3))
def test_invoice_from_the_events_is_what_stripe_has_summed_whatever_failed(stage: Stage, seed: int) -> None:
    chance = random.Random(seed)
    rate = chance.choice([0.3, 0.6, 0.9])
    stage.fake.fails = lambda: chance.choice(FAILURES) if chance.random() < rate else ""

    def point(name: str) -> None:
        if name == "stripe.sent" and chance.random() < 0.2:
            raise Killed

    object.__setattr__(stage.installation, "failpoint", point)
    for step in range(36):
        if step == 14:
            rate = 1.0  # nothing works for two days
            stage.later(timedelta(hours=1))
        if step == 22:
            rate = 0.4
        for tenant in ("tn_1", "tn_2", "tn_3"):
            for _ in range(chance.randrange(3)):
                late = timedelta(hours=chance.choice([0, 0, 0, 1, 9]))
                stage.use(tenant, at=stage.now - late, bytes=chance.randrange(5_000), cpu_us=chance.randrange(40_000))
        with suppress(Killed):
            stage.send()
        stage.later(timedelta(minutes=chance.choice([2, 20, 90, 300])))
    rate = 0.0
    object.__setattr__(stage.installation, "failpoint", lambda _: None)
    stage.later(5 * HOUR)
    stage.send()
    for _ in range(60):
        if {r.state for r in stage.rows()} <= {"sent", "nothing"}:
            break
        stage.later(timedelta(minutes=70))
        stage.send()
    assert {r.state for r in stage.rows()} <= {"sent", "nothing"}
    assert _invoice(stage) == {(c, n): stage.fake.sum_of(c, n) for c in ("cus_1", "cus_2") for n in ("queries", "kilobytes", "cpu")}
    for row in stage.rows():
        start = int(row.hour.timestamp())
        assert stage.fake.sum_of(row.customer_id, row.event_name, start, start + 3_600) == row.value


def _invoice(stage: Stage) -> dict[tuple[str, str], int]:
    """Whole units by customer and meter, added up from the usage events alone."""
    sums: Counter[tuple[str, str]] = Counter()
    with stage.installation.catalog.read() as session:
        for row in session.scalars(select(UsageRow).where(UsageRow.tenant_id != "tn_3", UsageRow.counted_in >= hour_of(START))):
            customer = row.tenant_id.replace("tn", "cus")
            sums[customer, "queries"] += row.data["quantity"]
            sums[customer, "kilobytes"] += row.data.get("bytes", 0)
            sums[customer, "cpu"] += row.data.get("cpu_us", 0)
    units = {"queries": 1, "kilobytes": 1_000, "cpu": 7_000}
    return {(customer, name): value // units[name] for (customer, name), value in sums.items()}
