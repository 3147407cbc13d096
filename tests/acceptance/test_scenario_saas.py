"""A SaaS company, over HTTP against `slicehouse serve` and a real PostgreSQL: a customer signs up, its back end mints a token for who is
logged in, who sees its first chart and reaches nothing else; what it used can be billed."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from api.cli.main import main
from tests.attacks.running import free_port
from tests.integration.driving import postgres_url

ORIGIN = "https://app.acme.example"
SCHEMA = """
create table organizations (id int primary key, name text not null);
create table orders (id bigint primary key, organization_id int not null references organizations, total numeric(12, 2) not null);
insert into organizations values (1, 'First'), (2, 'Second');
insert into orders values (10, 1, 5), (11, 1, 7.5), (20, 2, 100);
"""
DASHBOARD = """
version: 1
slug: sales
title: Sales
panels:
  revenue: {title: Revenue, sql: "select count(*) as orders, sum(total) as revenue from orders"}
tiles:
  - {panel: revenue, x: 0, y: 0, w: 12, h: 4}
"""
PANEL = "/v1/dashboards/sales/panels/revenue"


@pytest.fixture(params=["sqlite", "postgresql"])
def company(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[httpx.Client, str]]:
    """A server on the company's database, with a client that has a key of the workspace; and the database's URI."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
    if request.param == "postgresql":
        name = "catalog_of_" + psycopg.conninfo.conninfo_to_dict(database)["dbname"]  # type: ignore[operator]
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"create database {name}".encode())
        monkeypatch.setenv("SLICEHOUSE_CATALOG", postgres_url(psycopg.conninfo.make_conninfo(database, dbname=name)))
    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboards" / "sales.yaml").write_text(DASHBOARD)
    file = tmp_path / "slicehouse.yaml"
    facts = {
        "version": 1,
        "workspace": "acme",
        "sources": {"app": {"kind": "postgres", "url": postgres_url(database), "schemas": ["public"]}},
        "tenants": {"table": "organizations", "name": "name"},
    }
    file.write_text(json.dumps(facts))
    for verb in (["routes", "--accept"], ["refresh"]):
        assert main([*verb, "-w", str(file)]) == 0
    with redirect_stdout(io.StringIO()) as out:
        assert main(["keys", "create", "--scope", "workspace", "--json", "-w", str(file)]) == 0
    with serving(file) as base:
        headers = {"Authorization": f"Bearer {json.loads(out.getvalue())['key']}"}
        with httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False) as client:
            yield client, database
    if request.param == "postgresql":
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)".encode())


@contextmanager
def serving(file: Path) -> Iterator[str]:
    """`slicehouse serve`, its API and its scheduler."""
    port = free_port()
    command = [sys.executable, "-m", "api.cli.main", "serve", "-w", str(file), "--port", str(port)]
    with subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.DEVNULL) as server:
        try:
            base = f"http://127.0.0.1:{port}"
            until(lambda: httpx.get(f"{base}/readyz", trust_env=False).status_code == 200, 60)
            yield base
        finally:
            server.send_signal(signal.SIGTERM)


def until(holds: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.1)


class BackEnd:
    """The company's own back end: it has a private key, and mints a token for whoever is logged in."""

    def __init__(self, client: httpx.Client, base: str) -> None:
        self.private = ed25519.Ed25519PrivateKey.generate()
        pem = self.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        body = {"algorithm": "EdDSA", "public_key": pem.decode(), "permissions": ["dashboard:view", "query:panel"]}
        self.key = client.post(f"{base}/signing-keys", json=body).json()

    def token(self, customer: str, user: str) -> dict[str, str]:
        now = int(time.time())
        claims = {
            "iss": self.key["issuer"], "aud": self.key["audience"], "sub": user, "iat": now, "exp": now + 300, "jti": f"{user}-{now}",
            "tenant": f"key:{customer}", "origins": [ORIGIN], "resources": [{"dashboard": "sales"}],
        }  # fmt: skip
        return {"Authorization": "Bearer " + jwt.encode(claims, self.private, "EdDSA", {"kid": self.key["id"]}), "Origin": ORIGIN}


def test_customer_signs_up_sees_its_first_chart_within_a_minute_and_reaches_nothing_else(company: tuple[httpx.Client, str]) -> None:
    client, database = company
    workspace = client.get("/v1/me").json()["scope"]["workspace"]["id"]
    base = f"/v1/workspaces/{workspace}"
    back_end = BackEnd(client, base)
    began = time.monotonic()
    signed_up = client.put(f"{base}/tenants/key:3", json={"name": "Third", "allowed_origins": [ORIGIN]})
    assert (signed_up.status_code, signed_up.json()["state"]) == (201, "expected")
    token = back_end.token("3", "ada")
    early = client.get(PANEL, headers=token)
    assert (early.status_code, early.json()["code"]) == (503, "slice_not_ready")
    assert int(early.headers["retry-after"]) > 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("insert into organizations values (3, 'Third')")
        connection.execute("insert into orders values (30, 3, 42)")
    assert client.post(f"{base}/refreshes", json={"tenants": ["key:3"]}).status_code == 202
    until(lambda: client.get(PANEL, headers=back_end.token("3", "ada")).status_code == 200, 60)
    assert time.monotonic() - began < 60, "the first chart, a minute after sign-up at most"
    chart = client.get(PANEL, headers=back_end.token("3", "ada"))
    assert (chart.json()["rows"], chart.headers["access-control-allow-origin"]) == ([["1", "42.00"]], ORIGIN)

    mine = back_end.token("3", "ada")
    for path, expected in (
        (f"{base}/tenants", 403), (f"{base}/tenants/key:1", 403), (f"{base}/keys", 403), (f"{base}/audit", 403), (f"{base}/refreshes", 403),
        ("/v1/slice/file", 403), ("/v1/schema", 403), ("/v1/dashboards/other", 404),
    ):  # fmt: skip
        assert client.get(path, headers=mine).status_code == expected, path
    assert client.post("/v1/query", json={"sql": "select 1"}, headers=mine).status_code == 403
    for other in ("1", "key:1", "nobody"):
        answer = client.get(PANEL, headers=mine | {"X-Tenant-ID": other})
        assert (answer.status_code, answer.json()["code"]) == (403, "tenant_mismatch")
    assert client.get(PANEL, headers=mine | {"Origin": "https://evil.example"}).json()["code"] == "origin_not_allowed"

    until(lambda: any(r["queries"] for r in client.get(f"{base}/usage?group_by=tenant").json()["data"]), 10)
    bill = client.get(f"{base}/usage?group_by=tenant,user&granularity=month").json()["data"]
    assert {(r["tenant"], r["user"]) for r in bill if r["queries"]} == {(signed_up.json()["id"], "ada")}
    assert client.patch(f"{base}/tenants/key:3", json={"state": "suspended"}).status_code == 200
    assert client.get(PANEL, headers=back_end.token("3", "ada")).json()["code"] == "tenant_suspended"
    actions = [r["action"] for r in client.get(f"{base}/audit?outcome=allowed").json()["data"]]
    assert actions == ["tenants.update", "tenants.create", "signing_keys.create", "keys.create"]


def test_session_of_the_guide_does_what_it_says(company: tuple[httpx.Client, str]) -> None:
    client, database = company
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("insert into organizations values (3, 'Third')")
        connection.execute("insert into orders values (30, 3, 42)")
    guide = Path("docs/guides/saas.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    key = client.headers["authorization"].removeprefix("Bearer ")
    names: dict[str, Any] = {"server": str(client.base_url), "key": key, "customer": "3"}
    for block in blocks:
        exec(block, names)
    assert names["chart"]["rows"] == [["1", "42.00"]]
    assert names["signed_up"]["state"] in ("expected", "building")
    assert [(r["tenant"], r["user"], r["queries"]) for r in names["bill"] if r["queries"]] == [(names["signed_up"]["id"], "ada", 1)]
