"""Callers who go away, too many of them, too much of anything; parameters and fields that nobody knows; HEAD and OPTIONS."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from api.control.access.permissions import usual
from api.endpoints import answering, context
from api.openapi import operations
from api.serving.answer import Answer, Cancel
from tests.acceptance.http_world import PANEL, World, address
from tests.acceptance.live import live

SLOW = "/v1/dashboards/sales/panels/slow"


def until(holds: Callable[[], bool]) -> None:
    """Waits for what another thread does; fails after a minute."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it did not come"
        threading.Event().wait(0.01)


def gauge(world: World, name: str) -> float:
    return float(getattr(world.app.state.context.metrics, name)._value.get())


class Door:
    """Stands in for the door: statements wait in it until it is opened, and see their cancellation."""

    def __init__(self) -> None:
        self.opened, self.cancels = threading.Event(), []

    def __call__(self, slices: Any, ref: Any, sql: str, bound: Any, limits: Any, cancel: Any) -> Answer:
        self.cancels.append(cancel)
        self.opened.wait(60)
        return REAL(slices, ref, sql, bound, limits, cancel)


REAL = answering.answer


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    found = Door()
    monkeypatch.setattr(answering, "answer", found)
    yield found
    found.opened.set()


# ── callers who go away ───────────────────────────────────────────────────────────────────────────────────────────────


def go_away(base: str, path: str, key: dict[str, str]) -> socket.socket:
    """A caller that has asked and does not wait; close it to go away."""
    host, _, port = base.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {key['Authorization']}\r\n\r\n".encode())
    return connection


def test_a_statement_ends_when_its_caller_goes_away(make_world: Callable[..., World]) -> None:
    """It would run for minutes: it is interrupted, and the executor is free for the next one."""
    world = make_world(concurrency=1, statement_seconds=600)
    key = world.key()
    with live(world.app) as base:
        caller = go_away(base, SLOW, key)
        until(lambda: gauge(world, "running") == 1)
        caller.close()
        until(lambda: gauge(world, "running") == 0)
        assert httpx.get(base + PANEL, headers=key).status_code == 200
    assert (world.app.state.context.waiting, gauge(world, "queued")) == (0, 0)


def test_a_statement_that_waits_is_not_begun_for_a_caller_who_left(
    make_world: Callable[..., World], door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(concurrency=1)
    key, cancels = world.key(), []

    def noted() -> Cancel:
        cancels.append(Cancel())
        return cancels[-1]

    monkeypatch.setattr(context, "Cancel", noted)
    with live(world.app) as base:
        first = go_away(base, PANEL, key)
        until(lambda: len(door.cancels) == 1)
        second = go_away(base, PANEL + "?p.floor=1", key)
        until(lambda: len(cancels) == 2)
        second.close()
        until(lambda: cancels[1].reason == "disconnected")
        door.opened.set()
        until(lambda: world.app.state.context.waiting == 0)
        first.close()
    assert door.cancels == cancels[:1]


def test_a_statement_that_takes_too_long_is_ended(make_world: Callable[..., World]) -> None:
    world = make_world(statement_seconds=0.2)
    answer = world.client.get(SLOW, headers=world.key())
    assert (answer.status_code, answer.json()["code"]) == (422, "statement_timeout")


# ── too many of them ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_beyond_the_queue_it_is_busy_and_kept_answers_still_come(make_world: Callable[..., World], door: Door) -> None:
    world = make_world(concurrency=1, queue=1)
    key = world.key()
    door.opened.set()
    kept = world.client.get(PANEL, headers=key)
    door.opened.clear()
    with live(world.app) as base, ThreadPoolExecutor(2) as callers:
        waiting = [callers.submit(httpx.get, f"{base}{PANEL}?p.floor={n}", headers=key, timeout=60) for n in (1, 2)]
        until(lambda: world.app.state.context.waiting == 2)
        assert (gauge(world, "running"), gauge(world, "queued")) == (1, 1)
        for path in (PANEL + "?p.floor=3", "/v1/dashboards/sales/panels/total"):
            refused = httpx.get(base + path, headers=key)
            assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "busy", "1")
        assert httpx.get(base + PANEL, headers=key).content == kept.content
        assert httpx.get(f"{base}/healthz").status_code == 200
        door.opened.set()
        assert [w.result().status_code for w in waiting] == [200, 200]
        assert httpx.get(f"{base}{PANEL}?p.floor=3", headers=key).status_code == 200


def test_at_most_so_many_statements_are_at_work(make_world: Callable[..., World], door: Door) -> None:
    world = make_world(concurrency=2, queue=8)
    key = world.key()
    with live(world.app) as base, ThreadPoolExecutor(6) as callers:
        waiting = [callers.submit(httpx.get, f"{base}{PANEL}?p.floor={n}", headers=key, timeout=60) for n in range(6)]
        until(lambda: world.app.state.context.waiting == 6 and len(door.cancels) == 2)
        assert (len(door.cancels), gauge(world, "running"), gauge(world, "queued")) == (2, 2, 4)
        door.opened.set()
        assert {w.result().status_code for w in waiting} == {200}
    assert (gauge(world, "running"), gauge(world, "queued")) == (0, 0)


# ── too much ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", ["0", "-1", "1000001", "x", "1e3", ""])
def test_a_limit_that_does_not_fit_is_422(world: World, limit: str) -> None:
    answer = world.client.get(f"{PANEL}?limit={limit}", headers=world.key())
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/limit")
    assert world.client.get(PANEL + "?limit=1000000", headers=world.key()).status_code == 200


@pytest.mark.parametrize("limit", [0, -1, 1_000_001, "x", 1.5])
def test_a_limit_in_a_body_that_does_not_fit_is_422(world: World, limit: Any) -> None:
    answer = world.client.post("/v1/query", json={"sql": "select 1", "limit": limit}, headers=world.key())
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/limit")


def test_a_body_that_is_too_long_is_413_before_it_is_read(make_world: Callable[..., World]) -> None:
    world = make_world(request_bytes=1_000)
    key = world.key() | {"Content-Type": "application/json"}
    honest = world.client.post("/v1/query", content=b" " * 1_001, headers=key)
    chunks = world.client.post("/v1/query", content=iter([b" " * 600] * 3), headers=key)
    assert [(a.status_code, a.json()["code"]) for a in (honest, chunks)] == [(413, "request_too_large")] * 2
    with live(world.app) as base:
        host, _, port = base.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 413")


# ── what nobody knows ─────────────────────────────────────────────────────────────────────────────────────────────────


def places(world: World) -> Iterator[tuple[str, str, str]]:
    """(method, address, scope) of every operation that takes a credential."""
    for path, method, operation in operations(world.app.openapi()):
        if path.startswith("/v1/") and operation["x-permission"] != "public":
            scope = "tenant" if operation["x-permission"] in [*usual("tenant"), "any"] and "{ws}" not in path else "workspace"
            scope = "installation" if operation["x-permission"] == "installation:admin" else scope
            yield method, address(path, ws=world.workspace_id, t="1", slug="sales", panel="orders"), scope


def test_an_unknown_parameter_is_422_everywhere(world: World) -> None:
    keys = {scope: world.key(scope) for scope in ("tenant", "workspace", "installation")}
    asked = list(places(world))
    assert len(asked) > 12
    for method, path, scope in asked:
        body = {"sql": "select 1"} if path == "/v1/query" else {}
        for name in ("colour", "tenant", "p", "P.floor", "limit "):
            answer = world.client.request(method, path, params={name: "1"}, headers=keys[scope], json=None if method == "get" else body)
            assert (answer.status_code, answer.json()["code"]) == (422, "param_unknown"), (method, path, name)
            assert answer.json()["errors"][0]["pointer"] == f"/{name}"


def test_an_unknown_parameter_without_a_key_is_401(world: World) -> None:
    for method, path, _ in places(world):
        assert world.client.request(method, path, params={"colour": "1"}, json={"sql": ""} if method == "post" else None).status_code == 401


def test_parameters_of_panels_are_for_panels(world: World) -> None:
    assert world.client.get(PANEL + "?p.floor=1", headers=world.key()).status_code == 200
    assert world.client.get("/v1/dashboards/sales?p.floor=1", headers=world.key()).status_code == 422


@pytest.mark.parametrize(
    ("place", "body", "pointer"),
    [
        ("/v1/query", {"sql": "select 1", "tenant": "2"}, "/tenant"),
        ("/v1/query", {"sql": "select 1", "parameters": {"x": [1]}}, "/parameters/x/str"),
        ("/v1/query", {}, "/sql"),
        ("/v1/dashboards/sales/data", {"tenant": "2"}, "/tenant"),
        ("/v1/dashboards/sales/data", {"panels": "orders"}, "/panels"),
        ("{base}/refreshes", {"ful": True}, "/ful"),
        ("{base}/refreshes", {"tenants": "1"}, "/tenants"),
    ],
)
def test_an_unknown_field_is_422(world: World, place: str, body: Any, pointer: str) -> None:
    key = world.key("workspace") | ({} if "{base}" in place else {"X-Tenant-ID": "1"})
    answer = world.client.post(place.format(base=world.base), json=body, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation")
    assert answer.json()["errors"][0]["pointer"] == pointer


# ── HEAD, OPTIONS, other methods ──────────────────────────────────────────────────────────────────────────────────────


def test_head_is_get_without_the_body(world: World) -> None:
    key, boss = world.key(), world.key("workspace")
    with live(world.app) as base:
        for path, headers in [
            (PANEL, key),
            ("/v1/schema", key),
            ("/v1/me", key),
            (f"{world.base}/tenants", boss),
            ("/healthz", {}),
            ("/", {}),
        ]:
            get, head = (httpx.request(m, base + path, headers=headers) for m in ("GET", "HEAD"))
            assert (head.status_code, head.content) == (get.status_code, b"") == (200, b"")
            for name in ("content-length", "content-type", "etag", "cache-control", "vary", "x-slice-version"):
                assert head.headers.get(name) == get.headers.get(name), (path, name)
        assert httpx.head(base + PANEL).status_code == 401
        assert httpx.head(f"{base}/v1/query", headers=key).status_code == 405


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (PANEL, "GET, HEAD, OPTIONS"),
        ("/v1/query", "OPTIONS, POST"),
        ("/v1/workspaces/acme/refreshes", "GET, HEAD, OPTIONS, POST"),
        ("/v1/workspaces/no-such/tenants/nobody", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_names_the_methods_and_allows_no_other_origin(world: World, path: str, methods: str) -> None:
    answer = world.client.options(path, headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"})
    assert (answer.status_code, answer.headers["allow"], answer.content) == (204, methods, b"")
    assert not [h for h in answer.headers if h.startswith("access-control")]
    wrong = world.client.request("PROPFIND", path)
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (405, "method_not_allowed", methods)


def test_options_of_nothing_is_404(world: World) -> None:
    assert world.client.options("/v1/nowhere").status_code == 404


def test_no_answer_lets_another_origin_read_it(world: World) -> None:
    answer = world.client.get(PANEL, headers=world.key() | {"Origin": "https://evil.example"})
    assert not [h for h in answer.headers if h.startswith("access-control")]
