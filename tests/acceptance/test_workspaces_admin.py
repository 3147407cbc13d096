"""Workspaces made over HTTP: from nothing to a panel against a real PostgreSQL; sealed URLs, guarded addresses, archived ones shut."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest

from api.cli.main import main
from engine.catalog import audit
from engine.errors import ConfigurationError
from engine.settings import Settings
from engine.workspace.models import SourceConfig
from extract.reachable import checked_url
from extract.source import open_source
from slices.reviewing.review import review
from tests.acceptance.forwarding import reachable
from tests.acceptance.http_world import World
from tests.acceptance.test_scenario_saas import DASHBOARD, PANEL, SCHEMA, until
from tests.attacks.running import free_port
from tests.conftest import PASSWORD
from tests.integration.driving import postgres_url

DEFINITION = {"workspace": "vega", "name": "Vega", "tenants": {"table": "organizations", "name": "name"}, "caller_sql": True}
LOCAL = {"network_allow": ["127.0.0.0/8"]}
PUBLIC = "postgresql://u:hunter2@8.8.8.8/d"


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def pointers(answer: Any) -> set[tuple[str, str]]:
    assert code(answer) == (422, "validation"), answer.text
    return {(e["pointer"], e["code"]) for e in answer.json()["errors"]}


@pytest.fixture
def boss(world: World) -> dict[str, str]:
    return world.key("installation")


def made(world: World, boss: dict[str, str], **more: Any) -> str:
    """The path of a new workspace."""
    answer = world.client.post("/v1/workspaces", json=DEFINITION | more, headers=boss)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def key_of(world: World, boss: dict[str, str], at: str, **body: Any) -> dict[str, str]:
    answer = world.client.post(f"{at}/keys", json=body, headers=boss)
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['key']}"}


# ── from nothing to a panel ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=["sqlite", "postgresql"])
def served(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[httpx.Client, str, Path]]:
    """A server without a workspace file, a client with a key of the installation, a database's URL over TCP, the home folder."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
    catalog = "catalog_of_" + str(psycopg.conninfo.conninfo_to_dict(database)["dbname"])
    if request.param == "postgresql":
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"create database {catalog}".encode())
        monkeypatch.setenv("SLICEHOUSE_CATALOG", postgres_url(psycopg.conninfo.make_conninfo(database, dbname=catalog)))
    monkeypatch.setenv("SLICEHOUSE_NETWORK_ALLOW", json.dumps(LOCAL["network_allow"]))
    monkeypatch.setenv("SLICEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.chdir(tmp_path)
    with redirect_stdout(io.StringIO()) as out:
        assert main(["keys", "create", "--scope", "installation", "--json"]) == 0
    headers = {"Authorization": f"Bearer {json.loads(out.getvalue())['key']}"}
    with serving() as base, reachable(database) as url, httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False) as client:
        yield client, url, tmp_path / "home"
    if request.param == "postgresql":
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"drop database {catalog} with (force)".encode())


@contextmanager
def serving() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "api.cli.main", "serve", "--port", str(port)]
    with subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.DEVNULL) as server:
        try:
            base = f"http://127.0.0.1:{port}"
            until(lambda: httpx.get(f"{base}/readyz", trust_env=False).status_code == 200, 60)
            yield base
        finally:
            server.send_signal(signal.SIGTERM)


def test_workspace_is_made_over_http_and_answers_its_own_customers_alone(served: tuple[httpx.Client, str, Path]) -> None:
    client, url, home = served
    vega = client.post("/v1/workspaces", json=DEFINITION).headers["location"]
    other = client.post("/v1/workspaces", json=DEFINITION | {"workspace": "other"}).headers["location"]
    assert code(client.post(f"{vega}/routes/accept")) == (409, "conflict")
    source = client.put(f"{vega}/sources/app", json={"url": url, "schemas": ["public"]})
    assert source.status_code == 201, source.text
    looked = client.post(f"{vega}/routes/accept?preview=true").json()
    assert (looked["accepted"], looked["routing"], looked["tables"]) == (False, None, 2)
    assert client.get(f"{vega}/routes").json()["is_accepted"] is False
    assert client.post(f"{vega}/routes/accept").json()["routing"] == 1
    boards = home / "workspaces" / vega.rpartition("/")[2] / "definition" / "dashboards"
    boards.mkdir()
    (boards / "sales.yaml").write_text(DASHBOARD)
    run = client.post(f"{vega}/refreshes").headers["location"]
    until(lambda: client.get(run).json()["state"] == "succeeded", 60)
    key = client.post(f"{vega}/keys", json={"scope": "tenant:1"}).json()["key"]
    mine = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=client.base_url, headers=mine, timeout=60, trust_env=False) as customer:
        assert customer.get(PANEL).json()["rows"] == [["2", "12.50"]]
        assert customer.post("/v1/query", json={"sql": "select count(*) as n from orders"}).json()["rows"] == [["2"]]
        foreign = {"Authorization": f"Bearer {client.post(f'{other}/keys', json={'scope': 'workspace'}).json()['key']}"}
        for path in ("", "/sources", "/sources/app", "/tenants", "/routes", "/refreshes", "/keys", "/audit"):
            answer = client.get(f"{vega}{path}", headers=foreign)
            assert code(answer) == (404, "not_found"), path
        assert [w["slug"] for w in client.get("/v1/workspaces", headers=foreign).json()["data"]] == ["other"]
        for method, path, body in (("PUT", "/sources/app", {"url": url}), ("PATCH", "", {"name": "x"}), ("POST", "/routes/accept", {})):
            assert code(client.request(method, f"{vega}{path}", json=body, headers=foreign)) == (404, "not_found"), path
        assert client.delete(vega).status_code == 204
        assert code(customer.get(PANEL)) == (401, "credential_invalid")
    assert (home / "workspaces" / vega.rpartition("/")[2] / "definition" / "slicehouse.yaml").is_file()
    files = [p for p in home.rglob("*") if p.is_file()]
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        assert secret.encode() not in b"".join(p.read_bytes() for p in files)
        assert secret not in client.get(f"{other}/audit").text


def test_schedule_of_a_new_source_fires_without_a_restart(served: tuple[httpx.Client, str, Path]) -> None:
    client, url, _ = served
    at = client.post("/v1/workspaces", json=DEFINITION).headers["location"]
    assert client.put(f"{at}/sources/app", json={"url": url, "schedule": "every 1s"}).status_code == 201
    until(lambda: [r["trigger"] for r in client.get(f"{at}/refreshes").json()["data"]] != [], 30)
    assert {r["trigger"] for r in client.get(f"{at}/refreshes").json()["data"]} == {"schedule"}


# ── definitions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_everything_that_is_wrong_is_said_at_once_with_pointers(world: World, boss: dict[str, str]) -> None:
    body = {
        "workspace": "No Slug",
        "name": "a\u0000b",
        "tenants": {},
        "timezone": "Nowhere",
        "extends": "../base.yaml",
        "sources_from": "/etc/passwd",
        "dashboards": "/etc/*",
        "path": "/etc",
        "tables": {"a/b": {"vai": 1}, "c": 7},
        "sources": {"app": {"kind": "sqlite", "url": "/etc/passwd"}, "x": {"kind": "postgres", "url": "postgresql://u:p@127.0.0.1/d"}},
    }
    answer = world.client.post("/v1/workspaces", json=body, headers=boss)
    found = {p for p, _ in pointers(answer)}
    wanted = {"/workspace", "/name", "/tenants", "/timezone", "/extends", "/sources_from", "/dashboards", "/path", "/tables/a~1b/vai"}
    assert wanted | {"/tables/c", "/sources/app/kind", "/sources/x/url"} <= found
    assert [w["slug"] for w in world.client.get("/v1/workspaces", headers=boss).json()["data"]] == ["acme"]


def test_body_that_is_nested_without_end_is_refused(world: World, boss: dict[str, str]) -> None:
    at = made(world, boss)
    deep = json.loads("{" + '"a": {' * 800 + "}" * 801)
    for method, path in (("POST", "/v1/workspaces"), ("PATCH", at)):
        answer = world.client.request(
            method, path, json={"workspace": "x", "tables": deep} if method == "POST" else {"tables": deep}, headers=boss
        )
        assert {c for _, c in pointers(answer)} == {"depth"}
    for body in ([], "x", None, 7, {"sources": {"a": None}}, {"workspace": None}, {"tenants": []}, {"sources": []}):
        assert world.client.post("/v1/workspaces", json=body, headers=boss).status_code in (400, 422), body


@pytest.mark.parametrize(
    "condition",
    ["id in (select a from read_csv('/etc/passwd'))", "1) from 'other.parquet' where (1", "getenv('HOME') = 'x'", "exists (select 1 from other)", "1;drop table x"],
)  # fmt: skip
def test_condition_looks_at_nothing_but_its_own_row(world: World, boss: dict[str, str], condition: str) -> None:
    for rule in ({"where": condition}, {"unassigned": {"shared": condition}}):
        answer = world.client.post("/v1/workspaces", json=DEFINITION | {"tables": {"orders": rule}}, headers=boss)
        assert pointers(answer) == {(f"/tables/orders/{next(iter(rule))}", "sql")}


def test_condition_of_a_row_is_taken(world: World, boss: dict[str, str]) -> None:
    at = made(world, boss, tables={"orders": {"where": "created_at > $as_of - interval '2 years' and lower(kind) <> 'test'"}})
    shown = world.client.get(at, headers=boss).json()["definition"]
    assert shown["tables"]["orders"]["where"].startswith("created_at > $as_of")


def test_slug_is_taken_once_even_by_an_archived_one(world: World, boss: dict[str, str]) -> None:
    at = made(world, boss)
    assert code(world.client.post("/v1/workspaces", json=DEFINITION, headers=boss)) == (409, "conflict")
    assert world.client.delete(at, headers=boss).status_code == 204
    assert code(world.client.post("/v1/workspaces", json=DEFINITION, headers=boss)) == (409, "conflict")


def test_same_request_sent_again_makes_one_workspace(world: World, boss: dict[str, str]) -> None:
    headers = boss | {"Idempotency-Key": "k"}
    first, again = (world.client.post("/v1/workspaces", json=DEFINITION, headers=headers) for _ in range(2))
    assert (again.status_code, again.json()) == (201, first.json())
    other = world.client.post("/v1/workspaces", json=DEFINITION | {"name": "x"}, headers=headers)
    assert code(other) == (422, "idempotency_mismatch")


def test_patch_is_a_merge_patch_that_holds_its_etag(world: World, boss: dict[str, str]) -> None:
    at = made(world, boss, tables={"a": "shared", "b": "excluded"})
    own = key_of(world, boss, at, scope="workspace")
    etag = world.client.get(at, headers=own).headers["etag"]
    body = {"name": "Vega 2", "timezone": "Europe/Vienna", "tables": {"a": None}}
    answer = world.client.patch(at, json=body, headers=own | {"If-Match": etag})
    assert (answer.status_code, answer.json()["name"], answer.json()["definition"]["tables"]) == (200, "Vega 2", {"b": "excluded"})
    assert world.client.get(at, headers=own).headers["etag"] == answer.headers["etag"] != etag
    assert code(world.client.patch(at, json={"name": "x"}, headers=own | {"If-Match": etag})) == (412, "precondition_failed")
    for wrong in (
        {"workspace": "x"},
        {"sources": {}},
        {"tenants": None},
        {"timezone": "x"},
        {"extends": "x"},
        {"colour": 1},
        {"state": "active"},
    ):
        assert world.client.patch(at, json=wrong, headers=own).status_code in (403, 422), wrong
    assert world.client.get(at, headers=own).json() == answer.json()
    actions = [r["action"] for r in world.client.get(f"{at}/audit?outcome=allowed", headers=own).json()["data"]]
    assert actions == ["workspaces.update", "keys.create", "workspaces.create"]


def test_file_decides_about_a_workspace_of_a_file(world: World, boss: dict[str, str]) -> None:
    own = world.key("workspace")
    for method, path, body in (("PATCH", "", {"name": "x"}), ("PUT", "/sources/x", {"url": PUBLIC}), ("DELETE", "/sources/app", None)):
        answer = world.client.request(method, world.base + path, json=body, headers=own)
        assert code(answer) == (409, "conflict"), path
        assert "file decides" in answer.json()["detail"]
    shown = world.client.get(world.base, headers=own).json()
    assert (shown["managed_by"], shown["definition"]["sources"][0]["url"]) == ("file", None)
    assert [s["name"] for s in world.client.get(f"{world.base}/sources", headers=own).json()["data"]] == ["app"]


# ── who may ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_those_who_run_the_installation_make_list_and_archive(world: World, boss: dict[str, str]) -> None:
    at = made(world, boss)
    own = world.key("workspace", permissions=["workspace:write", "installation:admin"])
    assert code(world.client.post("/v1/workspaces", json=DEFINITION | {"workspace": "x"}, headers=own)) == (403, "forbidden")
    assert code(world.client.delete(world.base, headers=own)) == (403, "forbidden")
    assert [w["slug"] for w in world.client.get("/v1/workspaces", headers=own).json()["data"]] == ["acme"]
    assert {w["slug"] for w in world.client.get("/v1/workspaces", headers=boss).json()["data"]} == {"acme", "vega"}
    for path in (at, f"{at}/sources"):
        assert code(world.client.get(path, headers=own)) == (404, "not_found")
    reader = world.key("workspace", permissions=[])
    assert world.client.get(world.base, headers=reader).json()["definition"] is None
    assert code(world.client.get("/v1/workspaces", headers=world.key("installation", permissions=["usage:view"]))) == (403, "forbidden")
    for scope in ("tenant", "subtree"):
        key = world.key(scope)
        assert code(world.client.get("/v1/workspaces", headers=key)) == (403, "forbidden")
        assert code(world.client.get(world.base, headers=key)) == (403, "forbidden")


def test_archived_one_is_as_if_it_were_not_there_until_it_is_taken_back(world: World, boss: dict[str, str]) -> None:
    own, tenant = world.key("workspace"), world.key()
    panel = "/v1/dashboards/sales/panels/orders"
    assert world.client.get(panel, headers=tenant).status_code == 200
    assert world.client.delete(world.base, headers=boss).status_code == 204
    for key in (own, tenant):
        assert code(world.client.get("/v1/me", headers=key)) == (401, "credential_invalid")
    assert code(world.client.get(panel, headers=tenant)) == (401, "credential_invalid")
    assert code(world.client.get(world.base, headers=boss)) == (404, "not_found")
    assert code(world.client.get(panel, headers=boss | {"X-Workspace-ID": "acme", "X-Tenant-ID": "1"})) == (404, "not_found")
    assert world.client.get("/v1/workspaces", headers=boss).json()["data"] == []
    (kept,) = world.client.get("/v1/workspaces?state=archived", headers=boss).json()["data"]
    assert (kept["slug"], kept["state"]) == ("acme", "archived")
    with pytest.raises(ConfigurationError, match="archived"):
        review(world.installation, world.workspace)
    assert code(world.client.patch(world.base, json={"name": "x"}, headers=boss)) == (404, "not_found")
    assert world.client.patch(world.base, json={"state": "active"}, headers=boss).status_code == 200
    assert world.client.get(panel, headers=tenant).status_code == 200
    with world.installation.catalog.read() as session:
        assert audit.verify(session, world.installation.derived_key("audit")).broken is None


# ── sources ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_url_is_sealed_and_shown_without_its_password(world: World, boss: dict[str, str]) -> None:
    at = made(world, boss)
    put = world.client.put(f"{at}/sources/app", json={"url": PUBLIC + "?sslmode=require"}, headers=boss)
    assert (put.status_code, put.json()["url"]) == (201, "postgresql://u@8.8.8.8/d")
    etag = put.headers["etag"]
    assert world.client.get(f"{at}/sources/app", headers=boss).headers["etag"] == etag
    again = world.client.put(f"{at}/sources/app", json={"schedule": "every 1h"}, headers=boss | {"If-Match": etag})
    assert (again.status_code, again.json()["url"], again.json()["schedule"]) == (200, "postgresql://u@8.8.8.8/d", "every 1h")
    assert code(world.client.put(f"{at}/sources/app", json={}, headers=boss | {"If-Match": etag})) == (412, "precondition_failed")
    texts = [world.client.get(f"{at}{p}", headers=boss).text for p in ("", "/sources", "/sources/app", "/audit")]
    files = b"".join(p.read_bytes() for p in world.home.rglob("*") if p.is_file())
    assert "hunter2" not in "".join(texts)
    assert b"hunter2" not in files
    assert world.client.delete(f"{at}/sources/app", headers=boss).status_code == 204
    assert code(world.client.get(f"{at}/sources/app", headers=boss)) == (404, "not_found")


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql://u:p@127.0.0.1/d", "address_refused"),
        ("postgresql://u:p@169.254.169.254/d", "address_refused"),
        ("postgresql://u:p@[::1]/d", "address_refused"),
        ("postgresql://u:p@[::ffff:10.0.0.1]/d", "address_refused"),
        ("postgresql://u:p@localhost/d", "address_refused"),
        ("postgresql://u:p@2130706433/d", "address_refused"),
        ("postgresql://u:p@8.8.8.8/d?hostaddr=127.0.0.1", "source_url"),
        ("postgresql://u:p@8.8.8.8/d?host=/tmp", "source_url"),
        ("postgresql://u:p@%2Ftmp/d", "source_url"),
        ("postgresql://u:p@8.8.8.8,127.0.0.1/d", "source_url"),
        ("postgresql:///d?user=u&password=p", "source_url"),
        ("postgresql://u@8.8.8.8/d", "source_url"),
        ("service=mine", "source_url"),
        ("postgresql://u:p@8.8.8.8/d?passfile=/etc/passwd", "source_url"),
        ("postgresql://u:p@8.8.8.8/d?sslkey=/etc/key", "source_url"),
        ("postgresql://u:p@8.8.8.8/d?sslrootcert=/etc/ca", "source_url"),
        ("postgresql://u:p@8.8.8.8/d?options=-c%20a%3Db", "source_url"),
        ("postgresql://u:p@8.8.8.8:0/d", "source_url"),
        ("postgresql://u:${HOME}@8.8.8.8/d", "source_url"),
        ("${DATABASE_URL}", "source_url"),
        ("nonsense", "source_url"),
        ("", "missing"),
    ],
)
def test_url_that_leads_where_it_may_not_sets_nothing(world: World, boss: dict[str, str], url: str, wanted: str) -> None:
    at = made(world, boss)
    assert pointers(world.client.put(f"{at}/sources/app", json={"url": url}, headers=boss)) == {("/url", wanted)}
    whole = DEFINITION | {"workspace": "x", "sources": {"app": {"kind": "postgres", "url": url}}}
    assert ("/sources/app/url", wanted) in pointers(world.client.post("/v1/workspaces", json=whole, headers=boss))
    assert world.client.get(f"{at}/sources", headers=boss).json()["data"] == []


@pytest.mark.parametrize(
    "body", [{"kind": "sqlite", "url": "x"}, {"kind": "arrow", "url": "x"}, {"url": PUBLIC, "schedule": "99 * * * *"}, {"url": PUBLIC, "public_only": False}, {}]
)  # fmt: skip
def test_source_that_does_not_fit_is_refused(world: World, boss: dict[str, str], body: dict[str, Any]) -> None:
    at = made(world, boss)
    pointers(world.client.put(f"{at}/sources/app", json=body, headers=boss))


def test_address_is_looked_at_again_when_the_source_is_opened(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that turns to a private address after it was set gains nothing; the address that was looked at is the one that is connected to."""
    asked: list[str] = []
    answers = iter(["8.8.8.8", "127.0.0.1"])

    def resolved(host: str, port: int, **more: Any) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", (next(answers), port))]

    monkeypatch.setattr("engine.network.socket.getaddrinfo", resolved)
    url = "postgresql://u:p@turning.example/d"
    assert "hostaddr=8.8.8.8" in checked_url("postgres", url, [])
    source = open_source("app", SourceConfig(kind="postgres", url=url, public_only=True), world.folder, Settings())
    with pytest.raises(ConfigurationError, match="public network"), source.snapshot():
        pass
    assert asked == ["turning.example"] * 2


def test_what_cannot_be_reached_is_told_and_accepts_nothing(make_world: Callable[..., World]) -> None:
    world = make_world(**LOCAL)
    boss = world.key("installation")
    at = made(world, boss)
    port = free_port()
    body = {"url": f"postgresql://u:hunter2@127.0.0.1:{port}/d"}
    assert world.client.put(f"{at}/sources/app", json=body, headers=boss).status_code == 201
    answer = world.client.post(f"{at}/routes/accept", headers=boss)
    assert code(answer) == (503, "source_failed")
    assert "hunter2" not in answer.text
    assert world.client.get(f"{at}/routes", headers=boss).json()["accepted"] is None


def test_table_is_accepted_alone_and_an_unknown_one_is_named(make_world: Callable[..., World], database: str) -> None:
    world = make_world(**LOCAL)
    boss = world.key("installation")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
    with reachable(database) as url:
        at = made(world, boss, sources={"app": {"kind": "postgres", "url": url}})
        first = world.client.post(f"{at}/routes/accept", headers=boss)
        assert (first.status_code, first.json()["routing"]) == (200, 1), first.text
        assert world.client.patch(at, json={"tables": {"orders": "excluded"}}, headers=boss).status_code == 200
        wrong = world.client.post(f"{at}/routes/accept", json={"tables": ["nothing"]}, headers=boss)
        assert pointers(wrong) == {("/tables", "unknown")}
        second = world.client.post(f"{at}/routes/accept", json={"tables": ["orders"]}, headers=boss)
        assert (second.json()["routing"], second.json()["tables"]) == (2, 1)
    actions = [r["action"] for r in world.client.get(f"{at}/audit?outcome=allowed", headers=boss).json()["data"]]
    assert actions == ["routes.accept", "workspaces.update", "routes.accept", "workspaces.create"]
