"""Refreshes over HTTP: queued once, listed in pages, watched as they go."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, inspect, text

from api.control.access.principal import Principal
from api.control.idempotency import Reply, once
from api.endpoints import stream
from api.serving.problems import Problem
from engine.catalog import idempotency, runs
from engine.catalog.database import migrate_catalog
from engine.catalog.keys import revoke_key
from engine.catalog.tables import Base
from tests.acceptance.http_world import World
from tests.acceptance.live import live, serving


def queue(world: World, **options: Any) -> str:
    with world.installation.catalog.write() as session:
        return runs.request_run(session, world.workspace_id, "api", options, world.installation.clock()).id


def start(world: World, run: str) -> None:
    with world.installation.catalog.write() as session:
        runs.start_run(session, run, 1, None, world.installation.clock())


def stage(world: World, run: str, position: int, name: str) -> None:
    with world.installation.catalog.write() as session:
        runs.add_stage(session, run, position, name, seconds=1.0, cpu_seconds=0.5, rows=7, peak_mb=9)


def end(world: World, run: str, state: str = "succeeded") -> None:
    with world.installation.catalog.write() as session:
        runs.end_run(session, run, state, world.installation.clock())


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Events and comments of a stream, as they come."""
    found: dict[str, Any] = {}
    for line in lines:
        if line.startswith(":"):
            yield {"comment": line}
        elif line == "" and found:
            yield found
            found = {}
        elif line:
            name, _, value = line.partition(": ")
            found[name] = json.loads(value) if name == "data" else value


def told(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(e["id"], e["event"]) for e in events(iter(answer.text.split("\n"))) if "id" in e]


# ── starting, and the same request twice ──────────────────────────────────────────────────────────────────────────────


def test_post_is_202_with_a_location_that_answers(world: World) -> None:
    key = world.key("workspace")
    answer = world.client.post(f"{world.base}/refreshes", json={"full": True}, headers=key)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{world.base}/refreshes/{answer.json()['id']}"
    again = world.client.get(answer.headers["location"], headers=key)
    assert (again.json()["state"], again.json()["id"]) == ("queued", answer.json()["id"])


def test_the_same_wish_is_coalesced(world: World) -> None:
    key = world.key("workspace")
    ids = {world.client.post(f"{world.base}/refreshes", json={"full": True}, headers=key).json()["id"] for _ in range(2)}
    assert len(ids) == 1


def test_the_same_idempotency_key_is_done_once(world: World) -> None:
    key = world.key("workspace") | {"Idempotency-Key": "abc-1"}
    first = world.client.post(f"{world.base}/refreshes", json={"full": True}, headers=key)
    start(world, first.json()["id"])  # so that nothing is coalesced
    second = world.client.post(f"{world.base}/refreshes", json={"full": True}, headers=key)
    assert (second.status_code, second.json(), second.headers["location"]) == (202, first.json(), first.headers["location"])
    other = world.client.post(f"{world.base}/refreshes", json={"full": True}, headers=key | {"Idempotency-Key": "abc-2"})
    assert other.json()["id"] != first.json()["id"]


def test_another_body_with_the_same_key_is_422(world: World) -> None:
    key = world.key("workspace") | {"Idempotency-Key": "abc"}
    world.client.post(f"{world.base}/refreshes", json={"full": True}, headers=key)
    answer = world.client.post(f"{world.base}/refreshes", json={"full": False}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")


def test_idempotency_keys_are_of_one_principal(world: World) -> None:
    with_key = {"Idempotency-Key": "abc"}
    first = world.client.post(f"{world.base}/refreshes", json={"full": True}, headers=world.key("workspace") | with_key)
    other = world.client.post(f"{world.base}/refreshes", json={"tenants": ["1"]}, headers=world.key("workspace") | with_key)
    assert (first.status_code, other.status_code) == (202, 202)
    assert first.json()["id"] != other.json()["id"]


@pytest.mark.parametrize("key", ["", " ", "é", "x" * 256])
def test_a_malformed_idempotency_key_is_422(world: World, key: str) -> None:
    headers = world.key("workspace") | {"Idempotency-Key": key.encode("latin-1")}
    assert world.client.post(f"{world.base}/refreshes", json={}, headers=headers).status_code == 422  # type: ignore[arg-type]


def _principal(world: World) -> Principal:
    id_ = world.key_id(world.key("workspace"))
    return Principal(id_, "key", "", "workspace", world.workspace_id, None, frozenset())


def test_the_same_key_while_the_first_is_at_work_is_409(world: World) -> None:
    principal = _principal(world)

    def work() -> Reply:
        with pytest.raises(Problem) as refused:
            once(world.installation, principal, "k", {"a": 1}, lambda: Reply(202, None, {}))
        assert (refused.value.status, refused.value.code) == (409, "idempotency_running")
        return Reply(202, "/there", {"done": True})

    assert once(world.installation, principal, "k", {"a": 1}, work).body == {"done": True}
    assert once(world.installation, principal, "k", {"a": 1}, lambda: Reply(500, None, {})) == Reply(202, "/there", {"done": True})


def test_work_that_fails_frees_its_key(world: World) -> None:
    principal = _principal(world)

    def fails() -> Reply:
        raise Problem("busy")

    with pytest.raises(Problem):
        once(world.installation, principal, "k", 1, fails)
    assert once(world.installation, principal, "k", 1, lambda: Reply(202, None, {"n": 2})).body == {"n": 2}


def test_a_key_is_forgotten_after_a_day_and_a_dead_claim_after_a_minute(world: World) -> None:
    principal, now = _principal(world), world.installation.clock()
    catalog = world.installation.catalog
    with catalog.write() as session:
        assert idempotency.claim(session, principal.id, "k", "d", now) is None
        assert idempotency.claim(session, principal.id, "k", "d", now + timedelta(seconds=59)) is not None
        assert idempotency.claim(session, principal.id, "k", "d", now + timedelta(seconds=61)) is None
        idempotency.keep(session, principal.id, "k", 202, None, {})
    with catalog.write() as session:
        assert idempotency.claim(session, principal.id, "k", "d", now + timedelta(hours=24)) is not None
        assert idempotency.claim(session, principal.id, "k", "other", now + timedelta(hours=25)) is None


def test_migrations_make_the_tables_that_the_code_has(tmp_path: Path) -> None:
    migrated, made = (create_engine(f"sqlite:///{tmp_path / n}.sqlite") for n in ("migrated", "made"))
    migrate_catalog(migrated, "0001")
    with migrated.begin() as connection:
        connection.execute(text("insert into workspaces values ('ws_1', 'a', 'A', 'UTC', '/a', '2026-01-01 00:00:00')"))
    migrate_catalog(migrated)
    Base.metadata.create_all(made)
    columns = [{t: {c["name"]: c["nullable"] for c in inspect(e).get_columns(t)} for t in Base.metadata.tables} for e in (migrated, made)]
    assert columns[0] == columns[1]
    with migrated.connect() as connection:
        assert connection.execute(text("select count(*) from workspaces")).scalar() == 1


# ── lists ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_is_walked_by_cursor_in_both_directions(world: World) -> None:
    key = world.key("workspace")
    made = [queue(world, tenants=[str(n)]) for n in range(5)]
    first = world.client.get(f"{world.base}/refreshes", headers=key).json()["data"][-1]["id"]  # the fixture's own
    for sort, wanted in (("-created_at", [*reversed(made), first]), ("created_at", [first, *made])):
        found, cursor = [], None
        while True:
            query = {"limit": 2, "sort": sort} | ({"cursor": cursor} if cursor else {})
            page = world.client.get(f"{world.base}/refreshes", params=query, headers=key).json()
            assert set(page) == {"data", "has_more", "next_cursor"}
            found += [r["id"] for r in page["data"]]
            cursor = page["next_cursor"]
            assert page["has_more"] == (cursor is not None)
            if cursor is None:
                break
        assert sorted(found) == sorted(wanted)
        assert found == sorted(found, reverse=sort.startswith("-"))


def test_runs_are_filtered_by_state(world: World) -> None:
    run = queue(world)
    page = world.client.get(f"{world.base}/refreshes?state=queued", headers=world.key("workspace")).json()
    assert [r["id"] for r in page["data"]] == [run]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "sort=state", "cursor=abc", "state=odd", "color=red"])
@pytest.mark.parametrize("place", ["refreshes", "tenants"])
def test_what_a_list_does_not_know_is_422(world: World, place: str, query: str) -> None:
    answer = world.client.get(f"{world.base}/{place}?{query}", headers=world.key("workspace"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/" + query.split("=")[0]


def test_tenants_are_listed_in_pages(world: World) -> None:
    key = world.key("workspace")
    one = world.client.get(f"{world.base}/tenants?limit=1&sort=created_at", headers=key).json()
    two = world.client.get(f"{world.base}/tenants?limit=1&sort=created_at&cursor={one['next_cursor']}", headers=key).json()
    assert [one["data"][0]["key"], two["data"][0]["key"]] == ["1", "2"] or [one["data"][0]["key"], two["data"][0]["key"]] == ["2", "1"]
    assert (one["has_more"], two["has_more"]) == (True, False)
    assert world.client.get(f"{world.base}/tenants?state=gone", headers=key).json()["data"] == []


# ── progress ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_events_of_a_run_that_has_ended(world: World) -> None:
    answer = world.client.get(f"{world.base}/refreshes?state=succeeded", headers=world.key("workspace"))
    run = answer.json()["data"][0]
    streamed = world.client.get(f"{world.base}/refreshes/{run['id']}/events", headers=world.key("workspace"))
    assert streamed.headers["content-type"].startswith("text/event-stream")
    found = [e for e in events(iter(streamed.text.split("\n"))) if "id" in e]
    assert [e["event"] for e in found] == ["queued", "running", *["stage"] * len(run["stages"]), "ended"]
    assert [e["data"]["name"] for e in found if e["event"] == "stage"] == [s["name"] for s in run["stages"]]
    assert found[-1]["data"] == run


def test_a_stream_goes_on_where_it_was(world: World) -> None:
    run = queue(world)
    start(world, run)
    stage(world, run, 1, "extract")
    stage(world, run, 2, "partition")
    end(world, run, "failed")
    key = world.key("workspace")
    place = f"{world.base}/refreshes/{run}/events"
    assert told(world.client.get(place, headers=key)) == [
        ("1", "queued"),
        ("2", "running"),
        ("3", "stage"),
        ("4", "stage"),
        ("1000", "ended"),
    ]
    assert told(world.client.get(place, headers=key | {"Last-Event-ID": "3"})) == [("4", "stage"), ("1000", "ended")]
    assert world.client.get(place, headers=key | {"Last-Event-ID": "1000"}).status_code == 204
    assert told(world.client.get(place, headers=key | {"Last-Event-ID": "nonsense"}))[0] == ("1", "queued")


def test_events_come_as_the_run_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "POLL", 0.02)
    monkeypatch.setattr(stream, "HEARTBEAT", 0.05)
    run = queue(world)
    with (
        live(world.app) as base,
        httpx.stream("GET", f"{base}{world.base}/refreshes/{run}/events", headers=world.key("workspace")) as answer,
    ):
        found = (e for e in events(answer.iter_lines()) if "retry" not in e)
        assert next(found)["event"] == "queued"
        assert next(found)["comment"].startswith(":")  # nothing happens: a heartbeat
        start(world, run)
        assert next(e for e in found if "id" in e)["event"] == "running"
        stage(world, run, 1, "extract")
        assert next(e for e in found if "id" in e)["data"]["name"] == "extract"
        end(world, run)
        assert next(e for e in found if "id" in e)["event"] == "ended"
        assert list(found) == []  # and the stream ends


def test_a_revoked_key_sees_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "POLL", 0.02)
    run, key = queue(world), world.key("workspace")
    with live(world.app) as base, httpx.stream("GET", f"{base}{world.base}/refreshes/{run}/events", headers=key) as answer:
        found = (e for e in events(answer.iter_lines()) if "id" in e)
        assert next(found)["event"] == "queued"
        with world.installation.catalog.write() as session:
            revoke_key(session, world.key_id(key), world.installation.clock())
        assert list(found) == []  # ended, though the run goes on


def test_a_caller_who_goes_away_ends_the_stream(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "POLL", 0.02)
    run, context = queue(world), world.app.state.context
    ended = threading.Event()
    with live(world.app) as base:
        with httpx.stream("GET", f"{base}{world.base}/refreshes/{run}/events", headers=world.key("workspace")) as answer:
            lines = answer.iter_lines()
            next(lines)
            assert context.streams == 1
        for _ in range(500):
            if context.streams == 0:
                break
            ended.wait(0.02)
        assert context.streams == 0


def test_head_of_a_stream_does_not_wait_for_the_run(world: World) -> None:
    answer = world.client.head(f"{world.base}/refreshes/{queue(world)}/events", headers=world.key("workspace"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_an_open_stream_does_not_keep_the_server_from_ending(world: World) -> None:
    with serving(world, 1) as (base, pid):
        key, place = world.key("workspace"), f"{world.base}/refreshes/{queue(world)}/events"
        with httpx.stream("GET", base + place, headers=key, timeout=30) as answer:
            lines = answer.iter_lines()
            next(lines)
            os.kill(pid, signal.SIGTERM)
            with contextlib.suppress(httpx.RemoteProtocolError):
                for _ in lines:
                    pass
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{base}/healthz")


def test_too_many_streams_are_busy(world: World) -> None:
    world.app.state.context.streams = 100
    answer = world.client.get(f"{world.base}/refreshes/{queue(world)}/events", headers=world.key("workspace"))
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "busy", "5")


@pytest.mark.parametrize("scope", ["tenant", "workspace"])
def test_events_need_what_the_run_needs(world: World, scope: str) -> None:
    key = world.key(scope, permissions=["routes:view"] if scope == "tenant" else ["refresh:run"])
    run = queue(world)
    seen = [world.client.get(f"{world.base}/refreshes/{run}{end}", headers=key) for end in ("", "/events")]
    assert [a.status_code for a in seen] == [403, 403]
    assert world.client.get(f"{world.base}/refreshes/{run}/events").status_code == 401


def test_a_run_elsewhere_is_not_found(world: World) -> None:
    key = world.key("workspace")
    answers = [world.client.get(f"{world.base}/refreshes/{r}/events", headers=key).json() for r in ("rn_00000000000000000000000000", "x")]
    for answer in answers:
        answer.pop("request_id")
    assert answers[0] == answers[1]
    assert answers[0]["code"] == "not_found"
