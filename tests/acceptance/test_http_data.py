"""Every data answer: its headers, its formats, its ETag; and the file, with ranges."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import duckdb
import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.catalog.tables import VersionRow
from tests.acceptance.http_world import PANEL, World

VARY = "Authorization, X-API-Key, X-Tenant-ID, X-Workspace-ID, Accept, Origin"
DURATION = r"[a-z]+;dur=\d+\.\d+"
CALLS: dict[str, Callable[[World, dict[str, str]], httpx.Response]] = {
    "dashboards": lambda w, h: w.client.get("/v1/dashboards", headers=h),
    "dashboard": lambda w, h: w.client.get("/v1/dashboards/sales", headers=h),
    "panel": lambda w, h: w.client.get(PANEL, headers=h),
    "panel csv": lambda w, h: w.client.get(PANEL + "?format=csv", headers=h),
    "data": lambda w, h: w.client.post("/v1/dashboards/sales/data", json={"panels": ["orders", "total"]}, headers=h),
    "query": lambda w, h: w.client.post("/v1/query", json={"sql": "select count(*) from orders"}, headers=h),
    "schema": lambda w, h: w.client.get("/v1/schema", headers=h),
    "slice": lambda w, h: w.client.get("/v1/slice", headers=h),
}
GETS = [name for name in CALLS if name not in ("data", "query")]


def file_of(world: World, key: dict[str, str]) -> str:
    found = world.client.get("/v1/slice/file", headers=key, follow_redirects=False)
    assert (found.status_code, found.headers["cache-control"]) == (307, "no-store")
    return found.headers["location"]


@pytest.mark.parametrize("name", CALLS)
def test_every_data_answer_has_its_headers(world: World, name: str) -> None:
    key = world.key()
    current = world.client.get("/v1/slice", headers=key).json()["version"]
    for answer in (CALLS[name](world, key), CALLS[name](world, key)):  # computed, and kept
        assert answer.status_code == 200
        assert re.fullmatch(r'"[0-9a-f]{40}"', answer.headers["etag"])
        assert answer.headers["x-slice-version"] == current
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", answer.headers["x-slice-as-of"])
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["vary"] == VARY
        timing = answer.headers["server-timing"].split(", ")
        assert [t.split(";")[0] for t in timing][:5] == ["total", "gate", "open", "execute", "encode"]
        assert all(re.fullmatch(DURATION, t) for t in timing[:5])
        spent = {t.split(";")[0]: float(t.split("=")[1]) for t in timing[:5]}
        assert sum(v for k, v in spent.items() if k != "total") <= spent["total"] + 0.01


def test_timing_says_what_was_done_and_what_was_kept(world: World) -> None:
    key = world.key()
    first, second = (world.client.get(PANEL, headers=key).headers["server-timing"] for _ in range(2))
    assert "cache" not in first
    assert "execute;dur=0.000" not in first
    assert second.endswith('cache;desc="hit"')
    assert "execute;dur=0.000" in second


@pytest.mark.parametrize("name", GETS)
def test_what_the_caller_has_is_304_with_the_same_headers(world: World, name: str) -> None:
    key = world.key()
    first = CALLS[name](world, key)
    for sent in (first.headers["etag"], f'"x", W/{first.headers["etag"]}'):
        again = CALLS[name](world, key | {"If-None-Match": sent})
        assert (again.status_code, again.content) == (304, b"")
        for header in ("etag", "vary", "cache-control", "x-slice-version", "x-slice-as-of"):
            assert again.headers[header] == first.headers[header]
        assert "server-timing" in again.headers
    assert CALLS[name](world, key | {"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", ["data", "query"])
def test_a_post_with_an_etag_that_is_there_is_412(world: World, name: str) -> None:
    key = world.key()
    answer = CALLS[name](world, key | {"If-None-Match": CALLS[name](world, key).headers["etag"]})
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")


def test_304_comes_after_access_was_decided(world: World) -> None:
    key = world.key()
    etag = {"If-None-Match": world.client.get(PANEL, headers=key).headers["etag"]}
    assert world.client.get(PANEL, headers=etag).status_code == 401
    assert world.client.get(PANEL, headers=world.key(permissions=["schema:view"]) | etag).status_code == 403
    other = world.client.get(PANEL, headers=world.key(tenant="2") | etag)
    assert (other.status_code, "bolt-a" in other.text) == (200, True)


def test_etags_differ_by_everything_that_an_answer_depends_on(world: World) -> None:
    key = world.key()
    boss = world.key("workspace", permissions=["query:panel", "query:sql"])
    found = [
        world.client.get(PANEL, headers=key),
        world.client.get(PANEL + "?p.floor=15", headers=key),
        world.client.get(PANEL + "?p.status=open", headers=key),
        world.client.get(PANEL + "?limit=2", headers=key),
        world.client.get(PANEL + "?format=csv", headers=key),
        world.client.get(PANEL + "?format=arrow", headers=key),
        world.client.get(PANEL, headers=world.key(tenant="2")),
        world.client.get(PANEL, headers=boss | {"X-Tenant-ID": "1"}),
        world.client.post("/v1/query", json={"sql": "select $x", "parameters": {"x": 1}}, headers=key),
        world.client.post("/v1/query", json={"sql": "select $x", "parameters": {"x": 1.0}}, headers=key),
        world.client.post("/v1/query", json={"sql": "select $x", "parameters": {"x": True}}, headers=key),
        world.client.post("/v1/query", json={"sql": "select $x", "parameters": {"x": "1"}}, headers=key),
    ]
    assert {a.status_code for a in found} == {200}
    assert len({a.headers["etag"] for a in found}) == len(found)


def test_a_changing_statement_has_no_etag(world: World) -> None:
    key = world.key()
    for _ in range(2):
        assert "etag" not in world.client.get("/v1/dashboards/sales/panels/now", headers=key).headers
    many = world.client.post("/v1/dashboards/sales/data", json={"panels": ["orders", "now"]}, headers=key)
    assert "etag" not in many.headers


@pytest.mark.parametrize(
    "sql",
    [
        "select current_timestamp::text",
        "select localtime",
        "select Current_Date",
        "select count(*) from orders where date '2026-01-01' < current_date",
        "with t as (select localtimestamp as x) select x from t",
        "select now()::text",
        "select random()",
        "select * from orders using sample 2",
        "select note from orders tablesample reservoir(1)",
        "select uuid()",
    ],
)
def test_no_statement_that_changes_has_an_etag(world: World, sql: str) -> None:
    answer = world.client.post("/v1/query", json={"sql": sql}, headers=world.key())
    assert (answer.status_code, "etag" in answer.headers, len(world.app.state.context.results)) == (200, False, 0)


def test_a_new_version_has_new_etags(world: World) -> None:
    key = world.key()
    first = world.client.get(PANEL, headers=key)
    world.refresh(full=True)
    second = world.client.get(PANEL, headers=key | {"If-None-Match": first.headers["etag"]})
    assert second.status_code == 200
    assert second.headers["x-slice-version"] != first.headers["x-slice-version"]
    assert second.headers["etag"] != first.headers["etag"]


# ── formats ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/html, */*;q=0.8", "application/json"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/json;q=0.5, text/csv", "text/csv; charset=utf-8"),
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
        ("Application/Vnd.Apache.Parquet", "application/vnd.apache.parquet"),
        ("text/csv;q=0, application/json;q=0.1", "application/json"),
    ],
)
def test_the_format_is_what_is_accepted(world: World, accept: str, media: str) -> None:
    assert world.client.get(PANEL, headers=world.key() | {"Accept": accept}).headers["content-type"] == media


@pytest.mark.parametrize("accept", ["text/html", "text/csv;q=0", "text/csv;q=nonsense", ""])
def test_no_such_format_is_406(world: World, accept: str) -> None:
    answer = world.client.get(PANEL, headers=world.key() | {"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


def test_all_formats_hold_the_same_rows(world: World) -> None:
    key = world.key()
    rows = world.client.get(PANEL, headers=key).json()["rows"]
    arrow = pa.ipc.open_stream(world.client.get(PANEL + "?format=arrow", headers=key).content).read_all()
    parquet = pq.read_table(io.BytesIO(world.client.get(PANEL + "?format=parquet", headers=key).content))
    text = world.client.get(PANEL + "?format=csv", headers=key).text.splitlines()
    assert [[str(r["id"]), r["status"], r["amount"], r["note"]] for r in arrow.to_pylist()] == rows
    assert parquet.to_pylist() == arrow.to_pylist()
    assert text[0] == '"id","status","amount","note"' or text[0] == "id,status,amount,note"
    assert len(text) == len(rows) + 1


def test_json_is_cut_and_says_so_while_the_others_are_refused(world: World) -> None:
    key, many = world.key(), "/v1/dashboards/sales/panels/many"
    cut = world.client.get(many + "?limit=5", headers=key).json()
    assert (len(cut["rows"]), cut["meta"]["row_count"], cut["meta"]["truncated"]) == (5, 5, True)
    assert len(world.client.get(many, headers=key).json()["rows"]) == 10_000
    for format_ in ("csv", "arrow", "parquet"):
        refused = world.client.get(f"{many}?limit=5&format={format_}", headers=key)
        assert (refused.status_code, refused.json()["code"]) == (413, "answer_too_large")
        assert world.client.get(f"{many}?limit=1000000&format={format_}", headers=key).status_code == 200


def test_many_panels_in_one_answer(world: World) -> None:
    key = world.key()
    one = world.client.get(PANEL, headers=key).json()
    many = world.client.post("/v1/dashboards/sales/data", json={"panels": ["orders", "broken", "orders"]}, headers=key)
    assert many.json()["panels"]["orders"] == one
    problem = many.json()["panels"]["broken"]["problem"]
    assert (problem["code"], problem["request_id"]) == ("statement_failed", many.headers["x-request-id"])
    assert "etag" not in many.headers
    unknown = world.client.post("/v1/dashboards/sales/data", json={"panels": ["orders", "none"]}, headers=key)
    assert unknown.status_code == 404


def test_sql_is_shown_to_editors_alone(world: World) -> None:
    hidden = world.client.get("/v1/dashboards/sales", headers=world.key(permissions=["dashboard:view"]))
    assert "sql" not in hidden.json()["panels"]["total"]
    assert "count(*)" not in hidden.text
    shown = world.client.get("/v1/dashboards/sales", headers=world.key(permissions=["dashboard:view", "dashboard:edit"]))
    assert shown.json()["panels"]["total"]["sql"] == "select count(*) as n from orders"
    assert [o["value"] for o in shown.json()["parameters"]["status"]["options"]] == ["open", "paid"]


def test_dashboards_are_listed_in_pages(world: World) -> None:
    key = world.key()
    for name in ("a", "b", "t"):
        (world.folder / "dashboards" / f"{name}.yaml").write_text(
            f"{{version: 1, slug: {name}, title: T, panels: {{p: {{title: P, sql: select 1}}}}}}"
        )
    found, cursor = [], ""
    while True:
        page = world.client.get(f"/v1/dashboards?limit=2{cursor}", headers=key).json()
        found += [d["slug"] for d in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == ["a", "b", "sales", "t"]
    assert page["next_cursor"] is None
    for wrong in ("limit=0", "limit=101", "cursor=nothing"):
        assert world.client.get(f"/v1/dashboards?{wrong}", headers=key).status_code == 422


# ── the file ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_file_is_the_slice(world: World, tmp_path: Any) -> None:
    key = world.key()
    manifest = world.client.get("/v1/slice", headers=key).json()
    answer = world.client.get(file_of(world, key), headers=key)
    assert sha256(answer.content).hexdigest() == manifest["sha256"]
    headers = answer.headers
    assert headers["etag"] == f'"{manifest["sha256"]}"'
    assert headers["cache-control"] == "private, max-age=31536000, immutable"
    assert (headers["accept-ranges"], headers["content-length"]) == ("bytes", str(manifest["bytes"]))
    assert re.fullmatch(r'attachment; filename="acme-\d{8}T\d{6}Z\.duckdb"', headers["content-disposition"])
    assert (headers["x-slice-version"], headers["vary"]) == (manifest["version"], VARY)
    assert {"x-slice-as-of", "server-timing"} <= headers.keys()
    (tmp_path / "pulled.duckdb").write_bytes(answer.content)
    with duckdb.connect(str(tmp_path / "pulled.duckdb"), read_only=True) as connection:
        assert connection.execute("select note from orders order by id").fetchall() == [("acme-a",), ("acme-b",), ("acme-c",)]


def test_ranges_of_the_file(world: World) -> None:
    key = world.key()
    place = file_of(world, key)
    whole = world.client.get(place, headers=key)
    part = world.client.get(place, headers=key | {"Range": "bytes=8-19"})
    assert (part.status_code, part.content) == (206, whole.content[8:20])
    assert part.headers["content-range"] == f"bytes 8-19/{len(whole.content)}"
    last = world.client.get(place, headers=key | {"Range": "bytes=-10"})
    assert last.content == whole.content[-10:]
    beyond = world.client.get(place, headers=key | {"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416
    same = world.client.get(place, headers=key | {"Range": "bytes=0-3", "If-Range": whole.headers["etag"]})
    other = world.client.get(place, headers=key | {"Range": "bytes=0-3", "If-Range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)


def test_head_and_304_of_the_file(world: World) -> None:
    key = world.key()
    place = file_of(world, key)
    whole = world.client.get(place, headers=key)
    head = world.client.head(place, headers=key)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", whole.headers["content-length"])
    again = world.client.get(place, headers=key | {"If-None-Match": whole.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", whole.headers["etag"])
    assert world.client.get(place + "?format=csv", headers=key | {"Accept": "text/csv"}).headers["content-type"] == "application/vnd.duckdb"


def test_a_file_of_another_tenant_is_not_found(world: World) -> None:
    place, stranger = file_of(world, world.key()), world.key(tenant="2")
    refused = world.client.get(place, headers=stranger)
    unknown = world.client.get(re.sub("sv_[0-9a-z]+", "sv_" + "0" * 26, place), headers=stranger)
    assert (refused.status_code, unknown.status_code) == (404, 404)
    assert {k: v for k, v in refused.json().items() if k != "request_id"} == {k: v for k, v in unknown.json().items() if k != "request_id"}
    assert world.client.get(place, headers=world.key(permissions=["query:panel"])).status_code == 403


def test_a_replaced_version_stays_and_a_withdrawn_one_does_not(world: World) -> None:
    key = world.key()
    old = file_of(world, key)
    world.refresh(full=True)
    assert file_of(world, key) != old
    assert world.client.get(old, headers=key).status_code == 200
    with world.installation.catalog.write() as session:
        session.get_one(VersionRow, old.split("/")[3]).state = "withdrawn"
    gone = world.client.get(old, headers=key)
    assert (gone.status_code, gone.json()["code"]) == (404, "version_withdrawn")
