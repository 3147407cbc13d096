"""The Python client against a real server: what it asks, sends again, refuses and decodes. The network between them can be broken."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args, is_typeddict

import duckdb
import httpx
import pyarrow.parquet as pq
import pytest
import slicehouse_client as sh
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from slicehouse_client import Retries, SigningKey, Slicehouse, mint, shapes

from api.endpoints import stream
from engine.catalog import versions
from tests.acceptance.http_world import World
from tests.acceptance.live import live
from tests.acceptance.test_http_refreshes import end, stage, start
from tests.conftest import CLIENT

TYPES = """
select 9007199254740993::bigint as n, 170141183460469231731687303715::hugeint as h, 1.50::decimal(9,2) as d, date '2026-01-02' as day,
  timestamptz '2026-01-02 03:04:05.678+01' as t, timestamp '2026-01-02 03:04:05' as local, time '01:02:03' as clock, 'x'::varchar as s, true as b,
  'nan'::double as f, 'ab'::blob as raw, '5d3b1ad4-1d0b-4b43-9d12-0a6d40b1a7c1'::uuid as u, [9007199254740993, null] as many,
  {'a b': 1.25::decimal(9,2), 'days': [date '2026-01-02']} as record, map {'k': 1::bigint} as pairs, null::decimal(4,1) as nothing
"""


class Network(httpx.BaseTransport):
    """The way to the server. `sent` are the requests; `trouble` may answer in its stead, or spoil what it answers."""

    def __init__(self) -> None:
        self._wire = httpx.HTTPTransport()
        self.sent: list[httpx.Request] = []
        self.answers: list[int] = []
        self.waits: list[float] = []
        self.trouble: list[Callable[[httpx.Request, Callable[[], httpx.Response]], httpx.Response]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        ask = lambda: self._wire.handle_request(request)  # noqa: E731
        response = self.trouble.pop(0)(request, ask) if self.trouble else ask()
        self.answers.append(response.status_code)
        return response

    def close(self) -> None:
        self._wire.close()


def refused(status: int, **headers: str) -> Callable[..., httpx.Response]:
    return lambda request, ask: httpx.Response(status, headers=headers, text="a proxy's page")


def lost(request: httpx.Request, ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The server does what is asked, and its answer does not arrive."""
    response = ask()
    response.read()
    response.close()
    raise httpx.ReadError("gone")


class Short(httpx.SyncByteStream):
    """A body that breaks off after so many bytes."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body
        raise httpx.ReadError("broke off")


def broken_off(after: int) -> Callable[..., httpx.Response]:
    def handle(request: httpx.Request, ask: Callable[[], httpx.Response]) -> httpx.Response:
        response = ask()
        body = response.read()
        return httpx.Response(response.status_code, headers=response.headers, stream=Short(body[:after]))

    return handle


@pytest.fixture
def server(world: World) -> Iterator[str]:
    with live(world.app) as base:
        yield base


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def connect(world: World, server: str, network: Network) -> Iterator[Callable[..., Slicehouse]]:
    """A client with a new key of that scope."""
    made: list[Slicehouse] = []

    def make(scope: str = "workspace", tenant: str = "1", permissions: list[str] | None = None, **options: Any) -> Slicehouse:
        key = world.key(scope, tenant, permissions)["Authorization"].split()[1]
        options = {"key": key, "transport": network, "retries": Retries(sleep=network.waits.append)} | options
        made.append(Slicehouse(server, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(connect: Callable[..., Slicehouse]) -> Slicehouse:
    return connect()


# ── data ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_panel_has_exact_rows_for_its_parameters(connect: Callable[..., Slicehouse]) -> None:
    with connect("tenant") as mine:
        data = mine.dashboards.panel("sales", "orders", status=["open", "paid"], floor=Decimal("15"))
        assert data.rows == [(11, "paid", 20, "acme-b"), (12, "paid", 30, "acme-c")]
        assert [c.type for c in data.columns] == ["BIGINT", "VARCHAR", "INTEGER", "VARCHAR"]
        assert data.raw["rows"][0][0] == "11"
        assert mine.dashboards.panel("sales", "orders", {"status": "open"}).dicts()[0]["note"] == "acme-a"
        assert (len(cut := mine.dashboards.panel("sales", "many", limit=5)), cut.truncated) == (5, True)
        assert [d["slug"] for d in mine.dashboards.list()] == ["sales"]
        assert set(mine.dashboards.get("sales")["parameters"]) == {"status", "floor", "secret"}


def test_panel_that_fails_among_many_is_the_error_in_its_place(connect: Callable[..., Slicehouse]) -> None:
    found = connect("tenant").dashboards.data("sales", {"floor": 15}, ["orders", "broken"])
    assert isinstance(found["orders"], sh.Data)
    assert isinstance(found["broken"], sh.BadRequestError)
    assert (len(found["orders"]), found["broken"].code, found["broken"].status) == (2, "statement_failed", 422)


def test_every_type_is_exact_and_the_same_table_by_both_ways(client: Slicehouse) -> None:
    acme = client.for_tenant("1")
    data = acme.query(TYPES)
    (row,) = data.dicts()
    assert (row["n"], row["h"], row["d"], row["day"]) == (
        9007199254740993,
        170141183460469231731687303715,
        Decimal("1.50"),
        date(2026, 1, 2),
    )
    assert (row["t"].isoformat(), row["raw"], row["many"]) == ("2026-01-02T02:04:05.678000+00:00", b"ab", [9007199254740993, None])
    assert (row["record"], row["pairs"], row["nothing"]) == ({"a b": Decimal("1.25"), "days": [date(2026, 1, 2)]}, [("k", 1)], None)
    ours, theirs = data.to_arrow(), acme.query.arrow(TYPES)
    assert repr(ours.to_pylist()) == repr(theirs.to_pylist())  # as text: NaN is not itself
    assert [str(t) for t in ours.schema.types[:13]] == [str(t).replace("<l:", "<item:") for t in theirs.schema.types[:13]]


def test_rows_as_arrow_and_as_files(connect: Callable[..., Slicehouse], tmp_path: Path) -> None:
    mine = connect("tenant")
    assert mine.dashboards.panel_arrow("sales", "orders", floor=15).column("note").to_pylist() == ["acme-b", "acme-c"]
    mine.dashboards.save_panel("sales", "orders", tmp_path / "o.parquet", format="parquet", floor=15)
    mine.dashboards.save_panel("sales", "orders", tmp_path / "o.csv", {"floor": 15})
    assert pq.read_table(tmp_path / "o.parquet").column("id").to_pylist() == [11, 12]
    assert [r["note"] for r in csv.DictReader((tmp_path / "o.csv").open())] == ["acme-b", "acme-c"]
    assert {p.name for p in tmp_path.glob("o.*")} == {"o.parquet", "o.csv"}


def test_answer_that_is_kept_is_asked_with_its_etag(connect: Callable[..., Slicehouse], network: Network, world: World) -> None:
    mine = connect("workspace", remember=1)
    acme, bolt = mine.for_tenant("1"), mine.for_tenant("2")
    first = acme.dashboards.panel("sales", "orders")
    assert acme.dashboards.panel("sales", "orders") is first
    assert network.answers[-2:] == [200, 304]
    assert [r[3] for r in bolt.dashboards.panel("sales", "orders")] == ["bolt-a", "bolt-b"]
    assert acme.dashboards.panel("sales", "orders").rows == first.rows
    assert network.answers[-2:] == [200, 200]  # one is kept


# ── isolation ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tenants_key_asked_about_another_tenant_is_refused(connect: Callable[..., Slicehouse], world: World) -> None:
    mine = connect("tenant", "1", ["tenants:view", "query:panel", "schema:view", "export:slice"])
    for name in ("2", world.tenants["2"], "nobody"):
        other = mine.for_tenant(name)
        for ask in (
            lambda c: c.dashboards.panel("sales", "orders"),
            lambda c: c.slice.manifest(),
            lambda c: c.slice.download("never.duckdb"),
        ):
            with pytest.raises(sh.ForbiddenError) as caught:
                ask(other)
            assert (caught.value.code, caught.value.status) == ("tenant_mismatch", 403)
        with pytest.raises(sh.ForbiddenError, match="tenant_mismatch"):
            mine.tenants.get(name)
    assert not Path("never.duckdb").exists()
    assert [t["key"] for t in mine.tenants.list()] == ["1"]


def test_what_lies_outside_the_scope_is_not_found(connect: Callable[..., Slicehouse]) -> None:
    below = connect("subtree", "1")
    for name in ("2", "nobody"):
        with pytest.raises(sh.NotFoundError, match="not_found"):
            below.for_tenant(name).dashboards.panel("sales", "orders")
    with pytest.raises(sh.NotFoundError):
        connect("workspace", workspace="ws_" + "0" * 26).tenants.get("1")


def test_file_of_another_tenants_version_is_not_found(connect: Callable[..., Slicehouse], tmp_path: Path) -> None:
    theirs = connect("tenant", "2").slice.manifest()["version"]
    with pytest.raises(sh.NotFoundError):
        connect("tenant", "1").slice.download(tmp_path / "x.duckdb", theirs)
    assert not [p for p in tmp_path.iterdir() if p.is_file()]


# ── errors and retries ────────────────────────────────────────────────────────────────────────────────────────────────


def test_refusal_says_code_field_and_request(client: Slicehouse, connect: Callable[..., Slicehouse], network: Network) -> None:
    with pytest.raises(sh.BadRequestError) as caught:
        client.tenants.upsert("9", timezone="Nowhere/Here")
    assert (caught.value.code, caught.value.status, caught.value.errors[0].pointer) == ("validation", 422, "/timezone")
    assert caught.value.request_id == network.sent[-1].headers["x-request-id"]
    with pytest.raises(sh.AuthenticationError, match="credential_invalid"):
        connect(key="shk_nobody").me()
    with pytest.raises(sh.ForbiddenError, match="keys:write"):
        list(connect("tenant").keys.list())
    assert network.sent[0].headers["user-agent"].startswith(f"slicehouse-client/{sh.__version__} python/")


def test_call_that_may_be_repeated_is_sent_again_as_the_server_says(client: Slicehouse, network: Network) -> None:
    network.trouble = [refused(503, **{"Retry-After": "7"}), refused(429, **{"Retry-After": "3"})]
    assert client.me()["scope"]["type"] == "workspace"
    assert (network.answers, network.waits) == ([503, 429, 200], [7.0, 3.0])
    client.workspace  # noqa: B018
    network.trouble = [lost]
    assert client.tenants.upsert("9", name="Nine")["name"] == "Nine"
    assert len({r.headers["x-request-id"] for r in network.sent[-2:]}) == 1


def test_call_that_may_not_be_repeated_is_sent_once(client: Slicehouse, network: Network) -> None:
    for ask in (lambda: client.embed.token("ses_x"), lambda: client.tenants.patch("1", if_match='"x"', name="A")):
        client.workspace  # noqa: B018
        before, network.trouble = len(network.sent), [refused(503, **{"Retry-After": "1"})]
        with pytest.raises(sh.UnavailableError) as caught:
            ask()
        assert (caught.value.code, caught.value.retry_after, len(network.sent) - before) == ("http_503", 1.0, 1)
    network.trouble = [lost]
    with pytest.raises(sh.TransportError, match="gone"):
        client.embed.token("ses_x")


def test_wait_beyond_patience_is_not_begun(client: Slicehouse, network: Network) -> None:
    network.trouble = [refused(429, **{"Retry-After": "59"}), refused(429, **{"Retry-After": "2"})]
    with pytest.raises(sh.LimitError) as caught:
        client.me()
    assert (network.waits, caught.value.retry_after) == ([59.0], 2.0)
    network.trouble = [refused(503)] * 3
    with pytest.raises(sh.UnavailableError):
        client.me()
    assert len(network.waits) == 3


def test_what_is_made_is_made_once_however_often_it_is_sent(client: Slicehouse, network: Network, world: World) -> None:
    client.workspace  # noqa: B018
    network.trouble = [refused(503, **{"Retry-After": "1"}), lost]
    run = client.refreshes.start(full=True)
    sent = [r.headers["idempotency-key"] for r in network.sent[-3:]]
    assert len(set(sent)) == 1
    start(world, run["id"])  # so that nothing is coalesced
    assert client.refreshes.start(full=True, idempotency_key=sent[0])["id"] == run["id"]
    assert client.refreshes.start(full=True)["id"] != run["id"]


def test_key_whose_answer_was_lost_is_told_so_that_it_can_be_ended(client: Slicehouse, network: Network) -> None:
    client.workspace  # noqa: B018
    network.trouble = [lost]
    with pytest.raises(sh.SecretLost, match="its secret did not arrive") as caught:
        client.keys.create(label="back end")
    client.keys.revoke(caught.value.resource["id"])
    assert [k["revoked_at"] is not None for k in client.keys.list() if k["label"] == "back end"] == [True]
    network.trouble = [lost]
    assert client.embed.session("1", "ada")["token"]


def test_credential_goes_to_its_own_server_alone_and_is_not_shown(client: Slicehouse, network: Network, server: str) -> None:
    for path in ("https://elsewhere.example/v1/me", "//elsewhere.example/v1/me", "v1/me"):
        with pytest.raises(ValueError, match="begins with one slash"):
            client.request("GET", path)
    network.trouble = [refused(307, Location="https://elsewhere.example/v1/slices/sv_1/x.duckdb")]
    with pytest.raises(sh.UnexpectedAnswer):
        client.for_tenant("1").slice.download("never.duckdb")
    assert {r.url.host for r in network.sent} == {"127.0.0.1"}
    assert "shk_" not in repr(client)
    with pytest.raises(sh.UnexpectedAnswer, match="holds no JSON"):
        client.get(dict, "/docs")
    with pytest.raises(ValueError, match="not both"):
        Slicehouse(server, key="a", token="b")


def test_server_that_is_not_there_is_a_transport_error() -> None:
    with (
        Slicehouse("http://127.0.0.1:9", key="shk_x", retries=Retries(most=0)) as nobody,
        pytest.raises(sh.TransportError, match="ConnectError"),
    ):
        nobody.me()


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_slice_is_downloaded_checked_and_gone_on_with(connect: Callable[..., Slicehouse], network: Network, tmp_path: Path) -> None:
    mine = connect("tenant")
    straight = lambda request, ask: ask()  # noqa: E731
    network.trouble = [straight, straight, broken_off(1_000), broken_off(500)]
    file = mine.slice.download(tmp_path / "acme.duckdb")
    assert [r.headers.get("range") for r in network.sent] == [None, None, None, "bytes=1000-", "bytes=1500-"]
    assert sha256(file.read_bytes()).hexdigest() == mine.slice.manifest()["sha256"]
    with duckdb.connect(str(file), read_only=True) as slice_:
        assert slice_.execute("select note from orders order by all").fetchall() == [("acme-a",), ("acme-b",), ("acme-c",)]
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["acme.duckdb"]


def test_download_that_failed_is_gone_on_with_by_the_next_call(
    connect: Callable[..., Slicehouse], network: Network, tmp_path: Path
) -> None:
    mine = connect("tenant", retries=Retries(most=0))
    straight = lambda request, ask: ask()  # noqa: E731
    network.trouble = [straight, straight, broken_off(1_000), broken_off(0)]
    with pytest.raises(sh.TransportError, match="broke off"):
        mine.slice.download(tmp_path / "a.duckdb")
    assert [p.stat().st_size for p in tmp_path.glob("a.duckdb*")] == [1_000]
    (tmp_path / f"a.duckdb.{'0' * 16}.part").write_bytes(b"of an earlier version")
    (tmp_path / "other.duckdb.0000000000000000.part").write_bytes(b"of another file")
    mine.slice.download(tmp_path / "a.duckdb")
    assert network.sent[-1].headers["range"] == "bytes=1000-"
    assert {p.name for p in tmp_path.iterdir() if p.is_file()} == {"a.duckdb", "other.duckdb.0000000000000000.part"}


def test_file_with_other_bytes_is_refused_and_not_kept(connect: Callable[..., Slicehouse], tmp_path: Path) -> None:
    mine = connect("tenant")
    digest = mine.slice.manifest()["sha256"]
    (tmp_path / f"a.duckdb.{digest[:16]}.part").write_bytes(b"x" * 100)
    with pytest.raises(sh.ChecksumError, match=digest):
        mine.slice.download(tmp_path / "a.duckdb")
    assert not list(tmp_path.glob("a.duckdb*"))
    assert mine.slice.download(tmp_path / "a.duckdb").exists()


def test_part_of_a_version_that_was_withdrawn_is_not_kept(
    connect: Callable[..., Slicehouse], network: Network, world: World, tmp_path: Path
) -> None:
    mine = connect("tenant")
    version = mine.slice.manifest()["version"]

    def withdrawn(request: httpx.Request, ask: Callable[[], httpx.Response]) -> httpx.Response:
        response = broken_off(1_000)(request, ask)
        with world.installation.catalog.write() as session:
            row = versions.version_of(session, version)
            assert row is not None
            row.state = "withdrawn"
        return response

    network.trouble = [lambda request, ask: ask(), withdrawn]
    with pytest.raises(sh.NotFoundError, match="version_withdrawn"):
        mine.slice.download(tmp_path / "a.duckdb", version)
    assert not list(tmp_path.glob("a.duckdb*"))


# ── administration ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_batch_of_any_length_is_told_line_by_line_and_listed_page_by_page(client: Slicehouse, network: Network) -> None:
    lines = ({"key": f"k{n:04}", "name": "" if n == 1_500 else f"Customer {n}"} for n in range(2_010))
    results = list(client.tenants.batch(lines))
    assert [r.line for r in results] == list(range(1, 2_011))
    (wrong,) = [r for r in results if r.error]
    assert (wrong.line, wrong.status, wrong.error and wrong.error.errors[0].pointer) == (1_501, 422, "/name")
    assert results[0].key == "k0000"
    assert len({r.headers["idempotency-key"] for r in network.sent if "tenants:batch" in str(r.url)}) == 3
    assert len({t["key"] for t in client.tenants.list(state="expected")}) == 2_009
    assert next(client.tenants.list(sort="created_at"))["key"] in ("1", "2")


def test_tenants_are_changed_closed_and_placed(client: Slicehouse, connect: Callable[..., Slicehouse], world: World) -> None:
    odd = "a/b c+%20ü"
    assert client.tenants.upsert(odd, name="Odd", metadata={"crm": "7"})["state"] == "expected"
    assert client.tenants.get(f"key:{odd}")["metadata"] == {"crm": "7"}
    etag = client.tenants.etag("1")
    assert client.tenants.patch("1", if_match=etag, attributes={"plan": "pro"})["attributes"] == {"plan": "pro"}
    with pytest.raises(sh.ConflictError) as caught:
        client.tenants.patch("1", if_match=etag, name="Too late")
    assert (caught.value.status, caught.value.code) == (412, "precondition_failed")
    assert client.tenants.place("2", "key:1")["parent"] == world.tenants["1"]
    assert [t["key"] for t in client.tenants.list(parent="1")] == ["2"]
    mine = connect("tenant", "1")
    assert client.tenants.suspend("1", "unpaid")["reason"] == "unpaid"
    with pytest.raises(sh.ForbiddenError, match="tenant_suspended"):
        mine.dashboards.panel("sales", "orders")
    assert client.tenants.resume("1")["state"] == "active"
    assert len(mine.dashboards.panel("sales", "orders")) == 3
    client.tenants.archive(f"key:{odd}")
    assert client.tenants.get(f"key:{odd}")["state"] == "archived"


def test_plans_are_put_previewed_and_resolved(client: Slicehouse) -> None:
    tier = client.tiers.put("starter", "Starter", features={"export_data": True}, quotas={"queries": {"limit": 9}}, rates={"queries": 5})
    assert (tier["version"], client.tiers.get("starter")["name"], [t["slug"] for t in client.tiers.list()]) == (1, "Starter", ["starter"])
    with pytest.raises(sh.NotFoundError):
        client.subscriptions.get("1")
    assert client.subscriptions.put("1", "starter", preview=True, seats=3)["preview"] is True
    assert client.tenants.entitlements("1")["tier"] is None
    client.subscriptions.put("1", "starter", seats=3, current_period={"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"})
    assert (client.subscriptions.get("1")["seats"], client.tenants.entitlements("1")["tier"]) == (3, "starter")
    client.tiers.retire("starter")
    assert client.tiers.get("starter")["retired_at"] is not None


def test_usage_and_audit_are_read_and_saved(client: Slicehouse, connect: Callable[..., Slicehouse], world: World, tmp_path: Path) -> None:
    connect("tenant").dashboards.panel("sales", "orders")
    world.app.state.context.collector.once()
    span: Any = {"granularity": "month", "group_by": ["tenant", "panel"]}
    (row,) = [r for r in client.usage.report(**span)["data"] if r["queries"]]
    assert (row["tenant"], row["panel"], row["queries"]) == (world.tenants["1"], "orders", 1)
    assert client.usage.own(start=world.installation.clock() - timedelta(days=1), granularity="hour")["granularity"] == "hour"
    assert next(csv.DictReader(client.usage.save(tmp_path / "u.csv", **span).open()))["panel"] == "orders"
    assert pq.read_table(client.usage.save(tmp_path / "u.parquet", "parquet", **span)).column("queries").to_pylist() == [1]
    assert [e["subject"] for e in client.usage.events()] == [world.tenants["1"]]
    client.tenants.upsert("9", name="Nine")
    assert next(client.audit.list(action="tenants.create"))["outcome"] == "allowed"
    assert [r["number"] for r in client.audit.export()] == sorted(r["number"] for r in client.audit.list())


def test_keys_are_made_changed_rotated_and_revoked(client: Slicehouse, server: str) -> None:
    made = client.keys.create("tenant:1", permissions=("query:panel", "dashboard:view"), label="theirs")
    assert client.keys.get(made["id"])["label"] == "theirs"
    assert client.keys.change(made["id"], label="ours", expires_at="2100-01-01T00:00:00Z")["label"] == "ours"
    second = client.keys.rotate(made["id"], 0)
    with Slicehouse(server, key=made["key"]) as old, pytest.raises(sh.AuthenticationError):
        old.me()
    with Slicehouse(server, key=second["key"]) as new:
        assert len(new.dashboards.panel("sales", "orders")) == 3
        client.keys.revoke(second["id"])
        with pytest.raises(sh.AuthenticationError):
            new.me()


# ── tokens ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def pem(private: Any) -> tuple[str, bytes]:
    """The public and the private key as PEM."""
    public = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    own = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return public.decode(), own


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA", "ES256"])
def test_token_of_each_algorithm_is_taken_and_narrows(client: Slicehouse, server: str, algorithm: Any) -> None:
    private = {"EdDSA": ed25519.Ed25519PrivateKey.generate, "ES256": lambda: ec.generate_private_key(ec.SECP256R1())}.get(algorithm)
    public, own = pem(private()) if private else (None, None)
    key = SigningKey.of(client.signing_keys.create(algorithm, public_key=public, label="page"), own)
    assert [k["label"] for k in client.signing_keys.list()] == ["page"]
    said: dict[str, Any] = {"params": {"floor": 15}, "settings": {"can_export": True}, "roles": ["tenant viewer"]}
    with Slicehouse(server, token=lambda: mint(key, tenant="1", sub="ada", ttl=60, **said)) as ada:
        assert len(ada.dashboards.panel("sales", "orders")) == 2
        assert (ada.me()["principal"]["label"], ada.me()["tenant"]) == ("ada", {"id": ada.me()["tenant"]["id"], "key": "1", "name": "Acme"})
        for ask, code in (
            (lambda: ada.dashboards.panel("sales", "orders", floor=0), "param_locked"),
            (lambda: ada.for_tenant("2").dashboards.panel("sales", "orders"), "tenant_mismatch"),
            (lambda: ada.query("select 1"), "forbidden"),
        ):
            with pytest.raises(sh.ForbiddenError, match=code):
                ask()
        client.signing_keys.end(key.id)
        with pytest.raises(sh.AuthenticationError):
            ada.me()


def test_token_that_nobody_would_take_is_not_made() -> None:
    key = SigningKey("sk_1", "HS256", "ws_1", "urn:slicehouse:ws_1", "0123456789abcdefghijklmnopqrstuvwxyz")
    assert "0123456789" not in repr(key)
    for ttl in (0, 3_601):
        with pytest.raises(ValueError, match="ttl"):
            mint(key, tenant="1", sub="ada", ttl=ttl)
    with pytest.raises(ValueError, match="at least 32 bytes"):
        mint(SigningKey("sk_1", "HS256", "ws_1", "a", "short"), tenant="1", sub="ada")
    with pytest.raises(ValueError, match="algorithms are"):
        mint(SigningKey("sk_1", "none", "ws_1", "a", ""), tenant="1", sub="ada")
    with pytest.raises(ValueError, match="P-256"):
        mint(SigningKey("sk_1", "ES256", "ws_1", "a", pem(ed25519.Ed25519PrivateKey.generate())[1]), tenant="1", sub="ada")


def test_embed_session_is_exchanged_once(client: Slicehouse, server: str) -> None:
    session = client.embed.session("1", "ada", resources=[{"dashboard": "sales"}], ttl=60)
    assert client.url(session["url"]).startswith(f"{server}/embed/")
    with Slicehouse(server, token=client.embed.token(session["session"])["token"]) as ada:
        assert len(ada.dashboards.panel("sales", "orders")) == 3
    with pytest.raises(sh.ApiError) as caught:
        client.embed.token(session["session"])
    assert caught.value.status in (401, 404)


# ── refreshes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_events_are_followed_to_the_end_over_a_broken_connection(
    client: Slicehouse, network: Network, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "POLL", 0.02)
    run = client.refreshes.start(["key:1"])["id"]
    network.trouble = [broken_after_events(1)]
    events = client.refreshes.events(run)
    assert next(events).name == "queued"
    start(world, run)
    assert next(events).name == "running"
    stage(world, run, 1, "extract\u2028partition")
    found = next(events)
    assert (found.name, found.data["name"], found.data["rows"]) == ("stage", "extract\u2028partition", 7)
    end(world, run)
    assert [e.data["state"] for e in events] == ["succeeded"]
    assert [r.headers["last-event-id"] for r in network.sent if "last-event-id" in r.headers] == ["0", "1"]
    assert [e.name for e in client.refreshes.events(run, after="2")] == ["stage", "ended"]
    assert [e.name for e in client.refreshes.events(run, after="1000")] == ["ended"]
    assert next(client.refreshes.list(state="succeeded"))["id"] == run


def broken_after_events(count: int) -> Callable[..., httpx.Response]:
    """The stream breaks off once so many events have come."""

    class Until(httpx.SyncByteStream):
        def __init__(self, response: httpx.Response) -> None:
            self._response = response

        def __iter__(self) -> Iterator[bytes]:
            came = b""
            for chunk in self._response.stream:  # type: ignore[union-attr]
                came += chunk  # type: ignore[operator]
                yield chunk  # type: ignore[misc]
                if came.count(b"\nevent:") >= count:
                    raise httpx.ReadError("broke off")

        def close(self) -> None:
            self._response.close()

    def handle(request: httpx.Request, ask: Callable[[], httpx.Response]) -> httpx.Response:
        response = ask()
        return httpx.Response(response.status_code, headers=response.headers, stream=Until(response))

    return handle


def test_run_is_awaited_to_its_end_or_for_so_long(client: Slicehouse, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "POLL", 0.02)
    monkeypatch.setattr(stream, "HEARTBEAT", 0.05)
    run = client.refreshes.start()["id"]
    with pytest.raises(TimeoutError, match=f"{run} has not ended"):
        client.refreshes.wait(run, 0.2)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.refreshes.wait, run, 30)
        start(world, run)
        end(world, run, "failed")
        assert waiting.result(30)["state"] == "failed"
    with pytest.raises(sh.NotFoundError):
        client.refreshes.wait("rn_nobody", 1)


# ── the package ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_shapes_say_nothing_that_the_document_does_not(world: World) -> None:
    known = world.client.get("/openapi.json").json()["components"]["schemas"]
    names = {"NewKey": "NewKeyShape", "TenantFields": "TenantInput", "TierFields": "TierInput", "SubscriptionFields": "SubscriptionInput",
             "KeyFields": "KeyPatch", "Grant": "SessionRequest", "AuditRecord": "AuditShape"}  # fmt: skip
    found = {n: s for n, s in vars(shapes).items() if is_typeddict(s)}
    assert len(found) > 20
    for name, shape in found.items():
        of_document = next(known[n] for n in (names.get(name, name), f"{name}Shape") if n in known)
        assert set(shape.__annotations__) <= set(of_document["properties"]), name
    assert set(get_args(shapes.State)) == set(known["TenantShape"]["properties"]["state"]["enum"])


def test_what_has_no_method_is_asked_alike(world: World, client: Slicehouse, network: Network) -> None:
    for path in ("/v1/workspaces/{ws}/routes", "/healthz", "/readyz"):
        assert client.request("GET", path).status_code == 200
    assert network.sent[-3].url.path == f"{world.base}/routes"
    assert list(client.pages("/v1/workspaces/{ws}/tenants", {"state": "gone"}, limit=1)) == []
    with pytest.raises(sh.NotFoundError):
        client.request("GET", "/v1/workspaces/{ws}/nothing")


def test_tour_of_the_readme_runs(
    world: World, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    known: dict[str, Any] = {"server": server, "key": world.key("workspace")["Authorization"].split()[1]}
    for block in blocks:
        if ".events(" in block:
            start(world, known["run"]["id"])
            end(world, known["run"]["id"])
        exec(compile(block, "README.md", "exec"), known)
    known["client"].close()
    assert known["orders"].rows == [(11, "paid", 20, "acme-b"), (12, "paid", 30, "acme-c")] == known["rows"]
    assert (known["table"].num_rows, known["found"].rows[0], known["file"].exists()) == (2, ("open", 10), True)
    assert (known["refused"], set(known["active"]), known["answer"].status_code) == ([], {"1", "2"}, 200)
    assert set(known["many"]) == {"orders", "total"}
    said = capsys.readouterr().out
    assert "['queued', 'running', 'ended']" in said
    assert "not_found 404" in said


BARE = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"pyarrow", "duckdb", "cryptography", "jwt", "pandas", "numpy", "api", "engine"}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Nothing())
import json
import slicehouse_client as sh
key = sh.SigningKey("sk_1", "HS256", "ws_1", "urn:slicehouse:ws_1", "0123456789abcdefghijklmnopqrstuvwxyz")
said = []
for ask in (lambda: sh.mint(sh.SigningKey("sk_1", "EdDSA", "ws_1", "a", "pem"), tenant="1", sub="ada"), lambda: sh.Data({"columns": [], "rows": []}).to_arrow()):
    try:
        ask()
    except sh.MissingExtra as error:
        said.append(str(error))
print(json.dumps([sh.__file__, sh.mint(key, tenant="1", sub="ada", params={"region": ["EMEA"]}), said]))
"""


def test_wheel_mints_a_token_where_there_is_neither_arrow_nor_duckdb_nor_cryptography(tmp_path: Path) -> None:
    import jwt

    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(CLIENT)]
    subprocess.run(command, check=True, timeout=300)
    (built,) = tmp_path.glob("slicehouse_client-*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(tmp_path / "site")
        there = {n for n in archive.namelist() if ".dist-info/" not in n}
    assert there == {f"slicehouse_client/{p.name}" for p in (CLIENT / "slicehouse_client").iterdir() if p.is_file()}
    assert "slicehouse_client/py.typed" in there
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {"PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run([sys.executable, "-c", BARE], cwd=tmp_path, env=kept, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    file, token, said = json.loads(done.stdout)
    assert Path(file).is_relative_to(tmp_path)
    claims = jwt.decode(token, "0123456789abcdefghijklmnopqrstuvwxyz", ["HS256"], audience="urn:slicehouse:ws_1", issuer="ws_1")
    assert (claims["tenant"], claims["params"], claims["exp"] - claims["iat"]) == ("1", {"region": ["EMEA"]}, 600)
    assert (jwt.get_unverified_header(token)["kid"], [re.findall(r"\[\w+\]", s) for s in said]) == ("sk_1", [["[tokens]"], ["[arrow]"]])
