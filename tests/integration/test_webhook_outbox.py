"""The outbox of webhooks on both kinds of catalog: written with what it tells of or not at all, claimed by one, tried again, dead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.control.usage.alerts import look_at_quotas
from api.control.usage.collecting import count_new
from api.control.usage.journal import Fact
from engine.catalog import Catalog, deliveries, open_catalog, versions
from engine.catalog.deliveries import DELAYS, FAILING, LEASE, Claimed, Outcome
from engine.catalog.outbox import Outbox, put
from engine.catalog.runs import end_run, request_run
from engine.catalog.tables import DeliveryRow, MessageRow, TenantRow, TierRow, WebhookRow, WorkspaceRow
from engine.ids import new_id
from engine.settings import Settings
from slices.installation import Installation
from slices.layout import Home
from tests.integration.driving import postgres_url

NOW = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
REFUSED = Outcome(500, "refused")


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    return tmp_path / "catalog.sqlite" if request.param == "sqlite" else postgres_url(request.getfixturevalue("database"))


@pytest.fixture
def catalog(where: Path | str) -> Iterator[Catalog]:
    """A catalog with two workspaces; ws has tenant 1, and 2 below it."""
    made = open_catalog(where)
    with made.write() as session:
        for id_ in ("ws", "other"):
            session.add(WorkspaceRow(id=id_, slug=id_, name=id_, timezone="UTC", path="", created_at=NOW))
        session.flush()
        versions.ensure_tenants(session, "ws", [("1", "One", None), ("2", "Two", "1")], NOW)
    yield made
    made.close()


def subscribed(catalog: Catalog, workspace: str = "ws", tenant: str | None = None, scope: str = "workspace", *events: str) -> str:
    with catalog.write() as session:
        row = WebhookRow(
            id=new_id("wh"), workspace_id=workspace, tenant_id=tenant, scope=scope, url="https://h.example/", events=list(events) or ["*"], description="",
            tags={}, is_enabled=True, sealed=b"", created_by="x", created_at=NOW, revision=1,
        )  # fmt: skip
        session.add(row)
        return row.id


def put_many(catalog: Catalog, webhook: str, many: int) -> None:
    with catalog.write() as session:
        row = session.get_one(WebhookRow, webhook)
        for number in range(many):
            put(session, [row], "webhook.test", {"n": number}, NOW)


def claim(catalog: Catalog, now: datetime = NOW, room: int = 8, most: int = 2, **at_work: int) -> list[Claimed]:
    with catalog.write() as session:
        return deliveries.claim(session, now, room, at_work, most)


def settle(catalog: Catalog, claimed: Claimed, outcome: Outcome, now: datetime = NOW) -> str | None:
    with catalog.write() as session:
        return deliveries.settle(session, claimed, outcome, now)


def rows(catalog: Catalog) -> list[DeliveryRow]:
    with catalog.read() as session:
        return list(session.query(DeliveryRow).order_by(DeliveryRow.message_id))


def told(catalog: Catalog) -> list[str]:
    with catalog.read() as session:
        return sorted(m.type for m in session.query(MessageRow))


def tenants(catalog: Catalog) -> dict[str, str]:
    with catalog.read() as session:
        return {t.key: t.id for t in versions.tenants_of(session, "ws")}


# ── written ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def failing_run(catalog: Catalog, *, then: bool = True) -> None:
    with catalog.write() as session:
        end_run(session, request_run(session, "ws", "api", {}, NOW).id, "failed", NOW, code="source")
        if not then:
            raise ZeroDivisionError


def test_event_is_written_with_what_it_tells_of_or_not_at_all(catalog: Catalog) -> None:
    failing_run(catalog)
    assert told(catalog) == [], "nobody subscribed"
    webhook = subscribed(catalog)
    with pytest.raises(ZeroDivisionError):
        failing_run(catalog, then=False)
    assert told(catalog) == []
    failing_run(catalog)
    assert told(catalog) == ["refresh.failed"]
    assert [(r.webhook_id, r.state, r.next_attempt_at) for r in rows(catalog)] == [(webhook, "waiting", NOW)]


@pytest.mark.parametrize(("state", "event"), [("failed", ["refresh.failed"]), ("stopped", ["routing.review_required"]), ("succeeded", [])])
def test_each_end_of_a_run_has_its_event(catalog: Catalog, state: str, event: list[str]) -> None:
    subscribed(catalog)
    with catalog.write() as session:
        end_run(session, request_run(session, "ws", "api", {}, NOW).id, state, NOW)
    assert told(catalog) == event


def test_tenants_that_the_source_brings_are_told_to_those_above_them_alone(catalog: Catalog) -> None:
    known = tenants(catalog)
    hears = {
        subscribed(catalog): {"3", "4"},
        subscribed(catalog, "other"): set(),
        subscribed(catalog, "ws", known["2"], "subtree"): {"3"},
        subscribed(catalog, "ws", known["1"], "subtree"): {"3"},
        subscribed(catalog, "ws", known["2"], "tenant"): set(),
    }
    with catalog.write() as session:
        versions.ensure_tenants(session, "ws", [("1", "One", None), ("2", "Two", "1"), ("3", "Three", "2"), ("4", "Four", None)], NOW)
    with catalog.read() as session:
        keys = {t.id: t.key for t in versions.tenants_of(session, "ws")}
        heard = Counter((r.webhook_id, keys[str(session.get_one(MessageRow, r.message_id).tenant_id)]) for r in session.query(DeliveryRow))
    assert heard == Counter((w, k) for w, expected in hears.items() for k in expected)


def test_tenant_of_another_workspace_is_told_to_nobody(catalog: Catalog) -> None:
    subscribed(catalog, "other")
    with catalog.write() as session:
        outbox = Outbox(session, "other", NOW)
        outbox.tell("tenant.created", {}, session.get_one(TenantRow, tenants(catalog)["1"]))
    assert told(catalog) == []


def test_quota_is_told_once_a_window(catalog: Catalog) -> None:
    one = tenants(catalog)["1"]
    with catalog.write() as session:
        quotas = {"queries": {"limit": 3, "per": "day", "hard": False}, "rows": {"limit": 1_000, "per": "month", "hard": True}}
        session.add(
            TierRow(
                id=new_id("ti"), workspace_id="ws", slug="free", version=1, name="Free", is_default=True, features={}, quotas=quotas, rates={},
                prices=[], tags={}, created_at=NOW,
            )
        )  # fmt: skip
    subscribed(catalog)

    def use(at: datetime, many: int) -> None:
        facts: list[dict[str, Any]] = [Fact("query", "ws", one, "1", at, rows=2).facts() for _ in range(many)]
        installation = Installation(Settings(), Home(Path("nowhere")), catalog, b"secret" * 6, clock=lambda: at)
        with catalog.write() as session:
            look_at_quotas(session, installation, count_new(session, facts, at))

    use(NOW, 2)
    assert told(catalog) == []
    use(NOW, 1)
    use(NOW + timedelta(hours=1), 5)
    assert told(catalog) == ["quota.reached"]
    use(NOW + timedelta(days=1), 3)
    assert told(catalog) == ["quota.reached"] * 2


# ── claimed ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_delivery_is_claimed_by_one_of_many_processes(catalog: Catalog, where: Path | str) -> None:
    for _ in range(3):
        put_many(catalog, subscribed(catalog), 20)
    others = [open_catalog(where, migrate=False) for _ in range(6)]

    def work(mine: Catalog) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        while len(found) <= 60 and (more := claim(mine, room=5, most=3)):
            found += [(c.webhook.id, c.message.id) for c in more]
        return found

    with ThreadPoolExecutor(6) as pool:
        claimed = [one for found in pool.map(work, others) for one in found]
    for other in others:
        other.close()
    assert len(claimed) == len(set(claimed)) == 60
    assert claim(catalog) == []


def test_no_webhook_takes_all_the_room(catalog: Catalog) -> None:
    slow, other = subscribed(catalog), subscribed(catalog)
    put_many(catalog, slow, 50)
    put_many(catalog, other, 1)
    assert Counter(c.webhook.id for c in claim(catalog)) == {slow: 2, other: 1}
    assert [c.webhook.id for c in claim(catalog, **{slow: 2})] == []
    assert [c.webhook.id for c in claim(catalog, room=1)] == [slow]


def test_lease_that_ran_out_is_somebody_elses_and_the_first_writes_nothing_any_more(catalog: Catalog) -> None:
    put_many(catalog, subscribed(catalog), 1)
    (first,) = claim(catalog)
    assert claim(catalog, NOW + LEASE - timedelta(seconds=1)) == []
    (second,) = claim(catalog, NOW + LEASE)
    assert (first.message.id, second.attempt) == (second.message.id, 2)
    settle(catalog, first, REFUSED, NOW + LEASE)
    assert [(r.state, r.last_reason) for r in rows(catalog)] == [("waiting", None)]
    settle(catalog, second, Outcome(200), NOW + LEASE)
    settle(catalog, first, REFUSED, NOW + LEASE)
    assert [(r.state, r.last_status, r.leased_until) for r in rows(catalog)] == [("delivered", 200, None)]


# ── tried again, dead, disabled ───────────────────────────────────────────────────────────────────────────────────────


def test_delivery_goes_through_the_schedule_and_dies_at_its_end(catalog: Catalog) -> None:
    put_many(catalog, subscribed(catalog), 1)
    at = NOW
    for delay in (*DELAYS, None):
        (one,) = claim(catalog, at)
        assert settle(catalog, one, REFUSED, at) is None
        (row,) = rows(catalog)
        if delay is not None:
            assert row.next_attempt_at is not None
            assert at + delay <= row.next_attempt_at <= at + delay * 1.1
            at = row.next_attempt_at
    assert (row.state, row.attempts, row.next_attempt_at) == ("dead", 10, None)
    assert timedelta(hours=75) < at - NOW < timedelta(hours=84)


@pytest.mark.parametrize(("status", "after", "why"), [(410, timedelta(0), "gone"), (500, FAILING, "failing"), (500, FAILING / 2, None)])
def test_webhook_that_is_gone_or_fails_for_days_is_disabled_with_what_is_on_its_way(
    catalog: Catalog, status: int, after: timedelta, why: str | None
) -> None:
    webhook = subscribed(catalog)
    put_many(catalog, webhook, 3)
    first, second = claim(catalog)
    if after:
        settle(catalog, first, REFUSED)
    assert settle(catalog, second, Outcome(status, "refused"), NOW + after) == why
    with catalog.read() as session:
        row = session.get_one(WebhookRow, webhook)
        assert (row.is_enabled, row.disabled_reason) == (why is None, why)
    states = {r.state for r in rows(catalog)}
    assert states == ({"waiting"} if why is None else {"dead"})


def test_what_arrives_ends_the_days_of_failing(catalog: Catalog) -> None:
    webhook = subscribed(catalog)
    put_many(catalog, webhook, 3)
    first, second = claim(catalog)
    settle(catalog, first, REFUSED)
    settle(catalog, second, Outcome(204), NOW + timedelta(days=4))
    (third,) = [c for c in claim(catalog, NOW + timedelta(days=4)) if c.message.id not in (first.message.id, second.message.id)]
    assert settle(catalog, third, REFUSED, NOW + FAILING) is None


def test_message_and_deliveries_are_forgotten_after_their_time(catalog: Catalog) -> None:
    put_many(catalog, subscribed(catalog), 2)
    with catalog.write() as session:
        assert deliveries.forget(session, NOW + deliveries.KEPT) == 0
        assert deliveries.forget(session, NOW + deliveries.KEPT + timedelta(seconds=1)) == 2
    assert rows(catalog) == []
