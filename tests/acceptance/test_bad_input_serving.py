"""Bad keys, bad statements, statements without an end, damaged slices: refused in words, and everybody else is answered."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.cli.main import main
from api.serving.answer import Limits, answer
from api.serving.opened import OpenSlices, SliceRef
from engine.settings import Settings
from tests.integration.driving import offer_tables

SOURCE = "bad-input-serving"
SECRET = "body of tenant 2"
WAL = b"\0" * 64


@dataclass(frozen=True)
class Told:
    """What a command said."""

    status: int
    out: str
    err: str


@dataclass
class Shop:
    """A copy of an installation with the tenants 1 and 2, each with 9,000 notes."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> Told:
        self.capsys.readouterr()
        status = main([*arguments, "-w", str(self.folder / "slicehouse.yaml")])
        told = Told(status, *self.capsys.readouterr())
        assert_readable(told.out + told.err, self.folder)
        return told

    def key(self, scope: str) -> dict[str, str]:
        made: dict[str, str] = json.loads(self.run("keys", "create", "--scope", scope, "--json").out)
        return made

    def client(self, **settings: Any) -> TestClient:
        return TestClient(create_app(Settings(home=self.folder / ".slicehouse", **settings)), raise_server_exceptions=False)

    def slice_of(self, tenant: str) -> Path:
        """The file that answers for a tenant."""
        facts = {t["key"]: t for t in json.loads(self.run("tenants", "--json").out)}[tenant]
        (path,) = (self.folder / ".slicehouse").glob(f"workspaces/ws_*/tenants/{facts['id']}/{facts['version']}.duckdb")
        return path


def assert_readable(text: str, folder: Path) -> None:
    assert "Traceback" not in text
    assert '.py"' not in text
    assert str(folder / ".slicehouse") not in text


def notes(tenant: int) -> list[str]:
    return [f"body of tenant {tenant}, {i}: {i * 7919 % 9973:x}" for i in range(9_000)]


def write(folder: Path, caller_sql: bool = True) -> None:
    facts = {"version": 1, "workspace": "w", "caller_sql": caller_sql, "tenants": {"table": "orgs"}}
    (folder / "slicehouse.yaml").write_text(json.dumps(facts | {"sources": {"app": {"kind": "arrow", "url": SOURCE}}}))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    rows = pa.table({"id": pa.array(range(18_000), pa.int64()), "org_id": [1] * 9_000 + [2] * 9_000, "body": notes(1) + notes(2)})
    orgs = pa.table({"id": pa.array([1, 2], pa.int64())})
    offer_tables(SOURCE, {"orgs": (orgs, []), "notes": (rows, [("org_id", "orgs")])})
    write(folder)
    at = ["-w", str(folder / "slicehouse.yaml")]
    assert main(["routes", "--accept", *at]) == 0
    assert main(["refresh", *at]) == 0
    return folder


@pytest.fixture
def shop(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shop:
    shutil.copytree(built, tmp_path / "shop")
    found = Shop(tmp_path / "shop", capsys)
    found.run("status")
    return found


def bearer(key: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} | {k.replace("_", "-"): v for k, v in more.items()}


def problem(answer: Any, status: int, code: str) -> str:
    """The detail of a problem that has that status and code, and the form of every problem."""
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["title"]
    assert "Traceback" not in answer.text
    assert ".slicehouse" not in answer.text
    assert SECRET not in answer.text
    return str(body["detail"])


# ── who asks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def malformed(key: str) -> dict[str, str]:
    """Keys that are none, made from one that is."""
    front, _, secret = key.rpartition("_")
    return {
        "empty secret": f"{front}_",
        "cut": key[:-1],
        "longer": key + "aa",
        "another secret": f"{front}_{'A' * len(secret)}",
        "another id": f"shk_{'0' * 26}_{secret}",
        "upper case": key.upper(),
        "no prefix": key.removeprefix("shk_"),
        "three keys": " ".join([key] * 3),
        "long": "shk_" + "a" * 60_000,
        "percent": "shk_%00_%2e",
        "quote": "shk_' or 1=1 --",
        "unicode": "shk_\xe9\xe8",
    }


def test_every_key_that_does_not_count_is_refused_alike(shop: Shop) -> None:
    client, made = shop.client(), shop.key("workspace")
    revoked, expired = shop.key("workspace"), shop.key("workspace")
    assert shop.run("keys", "revoke", revoked["id"]).status == 0
    assert shop.run("keys", "rotate", expired["id"], "--hours", "0").status == 0
    bad = malformed(made["key"]) | {"revoked": revoked["key"], "expired": expired["key"]}
    said = set()
    for name, key in bad.items():
        for headers in ({"Authorization": f"Bearer {key}".encode("latin-1")}, {"X-API-Key": key.encode("latin-1")}):
            answer = client.get("/v1/schema", headers={"X-Tenant-ID": "1", **headers})
            said.add(problem(answer, 401, "credential_invalid"))
            assert answer.headers["www-authenticate"] == "Bearer", name
    assert said == {"The credential is not valid."}
    assert client.get("/v1/schema", headers=bearer(made["key"], X_Tenant_ID="1")).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer  "}, {"Authorization": "Basic dTpw"}])
def test_no_key_says_how_to_send_one(shop: Shop, headers: dict[str, str]) -> None:
    assert problem(shop.client().get("/v1/schema", headers=headers), 401, "credential_missing") == "Send Authorization: Bearer <key>."


def test_key_of_another_tenant_or_workspace_learns_nothing(shop: Shop) -> None:
    other = shop.folder / "other.yaml"
    other.write_text((shop.folder / "slicehouse.yaml").read_text().replace('"w"', '"elsewhere"'))
    at = ["-w", str(other), "--home", str(shop.folder / ".slicehouse")]
    shop.capsys.readouterr()
    assert main(["keys", "create", "--scope", "workspace", *at]) == 0
    foreign = shop.capsys.readouterr().out.strip()
    client, mine = shop.client(), shop.key("tenant:1")["key"]
    for named in ("2", "key:2", "nobody"):
        detail = problem(client.get("/v1/schema", headers=bearer(mine, X_Tenant_ID=named)), 403, "tenant_mismatch")
        assert detail == "Path, header and credential name different tenants."
    problem(client.get("/v1/schema", headers=bearer(mine, X_Workspace_ID="elsewhere")), 403, "tenant_mismatch")
    there = client.get("/v1/schema", headers=bearer(foreign, X_Workspace_ID="w", X_Tenant_ID="1"))
    absent = client.get("/v1/schema", headers=bearer(foreign, X_Workspace_ID="no_such", X_Tenant_ID="1"))
    assert problem(there, 404, "not_found") == problem(absent, 404, "not_found")
    problem(client.get("/v1/schema", headers=bearer(foreign, X_Tenant_ID="1")), 404, "not_found")


def test_unknown_tenant_is_told(shop: Shop) -> None:
    client, key = shop.client(), shop.key("workspace")["key"]
    assert problem(client.get("/v1/schema", headers=bearer(key)), 400, "tenant_required") == "Say which tenant: X-Tenant-ID."
    assert problem(client.get("/v1/schema", headers=bearer(key, X_Tenant_ID="nobody")), 404, "not_found") == "There is no such thing here."
    for arguments in (("query", "nobody", "select 1"), ("pull", "nobody", "-o", str(shop.folder / "x.duckdb"))):
        told = shop.run(*arguments)
        assert told.status == 2
        assert "There is no tenant 'nobody' in this workspace." in told.err
        assert "slicehouse tenants lists them" in told.err
    assert not (shop.folder / "x.duckdb").exists()
    told = shop.run("refresh", "--tenant", "nobody")
    assert told.status == 2
    assert "There is no tenant nobody in the source." in told.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", "--scope", "galaxy"), "it is installation, workspace, subtree:T or tenant:T"),
        (("create", "--scope", "tenant:"), "it is installation, workspace, subtree:T or tenant:T"),
        (("create", "--scope", "tenant:nobody"), "There is no tenant 'nobody'"),
        (("create", "--scope", "workspace", "--permission", "fly"), "--permission fly is unknown"),
        (("revoke", "ky_nothing"), "There is no key of that id"),
        (("rotate", "ky_nothing"), "There is no key of that id"),
    ],
)
def test_wrong_use_of_keys_is_told(shop: Shop, arguments: tuple[str, ...], words: str) -> None:
    told = shop.run("keys", *arguments)
    assert (told.status, told.out) == (2, "")
    assert words in told.err


def test_key_that_has_expired_cannot_be_rotated_into_one_that_is_dead_at_birth(shop: Shop) -> None:
    made = shop.key("tenant:1")
    assert shop.run("keys", "rotate", made["id"], "--hours", "0").status == 0
    told = shop.run("keys", "rotate", made["id"])
    answers = told.status == 0 and shop.client().get("/v1/schema", headers=bearer(told.out.strip())).status_code == 200
    assert answers or told.status == 2


# ── what is asked ─────────────────────────────────────────────────────────────────────────────────────────────────────

NOT_ONE_SELECT = [
    "",
    "/* nothing */",
    "select 1; select 2",
    "delete from notes",
    "insert into notes values (1, 1, 'x')",
    "create table x as select 1",
    "drop table notes",
    "copy notes to '/tmp/x.csv'",
    "attach '/tmp/x.duckdb'",
    "install httpfs",
    "pragma version",
    "set threads = 1",
    "call pragma_version()",
    "explain select 1",
    "prepare p as select 1",
    "with x as (delete from notes returning *) select * from x",
]


def test_what_is_not_one_select_is_refused_by_command_and_http(shop: Shop) -> None:
    client, key = shop.client(), shop.key("workspace")["key"]
    for sql in NOT_ONE_SELECT:
        told = shop.run("query", "1", sql)
        assert (told.status, told.out) == (1, ""), sql
        answer = client.post("/v1/query", json={"sql": sql}, headers=bearer(key, X_Tenant_ID="1"))
        detail = problem(answer, 403, "statement_not_allowed")
        assert detail in told.err, sql
        assert "allowed" in detail, sql
    assert shop.run("query", "1", "select count(*) from notes").out.split() == ["count_star()", "9000"]


@pytest.mark.parametrize(
    ("sql", "status", "code", "words"),
    [
        ("selec 1", 400, "syntax", "no SQL that this engine reads"),
        ("select nothing from notes", 422, "statement_failed", "names a column, table or function that is not there"),
        ("select * from secrets", 403, "statement_not_allowed", "a table that the slice does not have"),
        ("select body::int from notes", 422, "statement_failed", "cannot be converted"),
        ("select case when id > 8990 then (body || 'x')::int else 1 end from notes", 422, "statement_failed", "failed"),
        ("select $who", 422, "param_unknown", "$who, which has no value"),
        ("select " + "(" * 2_000 + "1" + ")" * 2_000, 400, "syntax", "no SQL"),
        ("select " + "abs(" * 300 + "1" + ")" * 300, 403, "statement_not_allowed", "nested too deeply"),
        ("select '" + "x" * 100_001 + "'", 413, "request_too_large", "too long"),
    ],
)
def test_statement_that_cannot_be_answered_says_why(shop: Shop, sql: str, status: int, code: str, words: str) -> None:
    client, key = shop.client(), shop.key("workspace")["key"]
    answer = client.post("/v1/query", json={"sql": sql}, headers=bearer(key, X_Tenant_ID="1"))
    assert words in problem(answer, status, code)
    told = shop.run("query", "1", sql)
    assert told.status == 1
    assert words in told.err


def test_free_sql_that_is_off_is_refused_even_for_a_select(shop: Shop) -> None:
    write(shop.folder, caller_sql=False)
    client, key = shop.client(), shop.key("workspace")["key"]
    for sql in ("select 1", "drop table notes"):
        answer = client.post("/v1/query", json={"sql": sql}, headers=bearer(key, X_Tenant_ID="1"))
        assert problem(answer, 403, "caller_sql_off") == "caller_sql is false in this workspace."
    assert shop.run("query", "1", "select 1 as n").out.split() == ["n", "1"], "the operator's own command goes on"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "validation"),
        (b"{", 400, "syntax"),
        (b"\xff\xfe", 400, "syntax"),
        (b"[" * 5_000, 400, "syntax"),
        (b"[]", 422, "validation"),
        (b"{}", 422, "validation"),
        (b'{"sql": 1}', 422, "validation"),
        (b'{"sql": "select 1", "limit": 0}', 422, "validation"),
        (b'{"sql": "select 1", "limit": 1000001}', 422, "validation"),
        (b'{"sql": "select 1", "tenant": "2"}', 422, "validation"),
        (b'{"sql": "select $x", "parameters": {"x": []}}', 422, "validation"),
        (b'{"sql": "\\ud800"}', 400, "syntax"),
        (b'{"sql": "select $x", "parameters": {"x": "\\ud800"}}', 422, "statement_failed"),
        (b'{"sql": "select $x", "parameters": {"x": 1%s}}' % (b"0" * 60), 422, "statement_failed"),
    ],
)
def test_body_that_does_not_fit_is_told(shop: Shop, content: bytes, status: int, code: str) -> None:
    headers = bearer(shop.key("workspace")["key"], X_Tenant_ID="1", Content_Type="application/json")
    answer = shop.client().post("/v1/query", content=content, headers=headers)
    assert problem(answer, status, code)
    assert code != "validation" or answer.json()["errors"]


# ── what has no end ───────────────────────────────────────────────────────────────────────────────────────────────────

ENDLESS = "select count(*) from notes a, notes b, notes c where a.body || b.body || c.body = 'nothing'"


def test_cross_join_without_an_end_is_ended_and_the_next_is_answered(shop: Shop) -> None:
    client, key = shop.client(statement_seconds=1.0, concurrency=1, queue=0), shop.key("workspace")["key"]
    headers = bearer(key, X_Tenant_ID="1")
    for _ in range(2):
        answer = client.post("/v1/query", json={"sql": ENDLESS}, headers=headers)
        detail = problem(answer, 422, "statement_timeout")
        assert "took too long" in detail
        assert "Filter or aggregate earlier" in detail
        again = client.post("/v1/query", json={"sql": "select count(*) as n from notes"}, headers=headers)
        assert again.json()["rows"] == [["9000"]]


def test_command_ends_a_statement_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLICEHOUSE_STATEMENT_SECONDS", "1")
    told = shop.run("query", "1", ENDLESS)
    assert told.status == 1
    assert "took too long" in told.err


@pytest.mark.parametrize(
    "sql",
    [
        "select a.id * 10000 + b.id as k, count(*) from notes a, notes b group by k",
        "select a.body || b.body as t from notes a, notes b order by t limit 10000000",
    ],
)
def test_statement_over_the_memory_limit_is_told_and_the_next_is_answered(shop: Shop, sql: str) -> None:
    client, key = shop.client(statement_memory="64MB", concurrency=1), shop.key("workspace")["key"]
    headers = bearer(key, X_Tenant_ID="1")
    detail = problem(client.post("/v1/query", json={"sql": sql}, headers=headers), 422, "statement_memory")
    assert "more memory than it may have; aggregate or filter earlier" in detail
    assert client.post("/v1/query", json={"sql": "select count(*) from notes"}, headers=headers).json()["rows"] == [["9000"]]


TEN_MILLION = "select a.id from notes a, notes b limit 10000000"


def test_answer_of_ten_million_rows_is_cut_in_json_and_refused_elsewhere(shop: Shop) -> None:
    client, key = shop.client(), shop.key("workspace")["key"]
    headers = bearer(key, X_Tenant_ID="1")
    cut = client.post("/v1/query", json={"sql": TEN_MILLION}, headers=headers).json()
    assert (cut["meta"]["row_count"], cut["meta"]["truncated"], len(cut["rows"])) == (10_000, True, 10_000)
    for format_ in ("csv", "arrow", "parquet"):
        answer = client.post(f"/v1/query?format={format_}", json={"sql": TEN_MILLION, "limit": 1_000_000}, headers=headers)
        assert "more than 1000000 rows" in problem(answer, 413, "answer_too_large")


def test_command_refuses_an_answer_over_the_limit_of_bytes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLICEHOUSE_ANSWER_BYTES", str(1 << 20))
    for format_ in ("csv", "json", "table"):
        told = shop.run("query", "1", TEN_MILLION, "--format", format_)
        assert (told.status, told.out) == (1, "")
        assert "too big; ask for less" in told.err
        assert "Ask for fewer rows" in told.err


def test_answer_over_the_limit_of_bytes_is_refused(shop: Shop) -> None:
    client, key = shop.client(answer_bytes=1 << 20), shop.key("workspace")["key"]
    sql = "select a.body || b.body as t from notes a, notes b limit 1000000"
    answer = client.post("/v1/query", json={"sql": sql, "limit": 1_000_000}, headers=bearer(key, X_Tenant_ID="1"))
    assert "too big; ask for less" in problem(answer, 413, "answer_too_large")


def test_slice_that_left_the_pool_while_a_statement_is_at_work_opens_again(shop: Shop) -> None:
    """The engine hands out the instance that is still open; its configuration is locked already."""
    paths = {tenant: shop.slice_of(tenant) for tenant in ("1", "2")}
    refs = {t: SliceRef("ws", t, "sv", path, path.stat().st_size, "", "UTC") for t, path in paths.items()}
    pool = OpenSlices(1, "64MB", 5)
    at_work = pool.get(refs["1"]).connection.cursor()
    pool.get(refs["2"])
    assert answer(pool, refs["1"], "select count(*) from notes", {}, Limits()).rows.to_pydict() == {"count_star()": [9_000]}
    at_work.close()


# ── damage ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


def flipped(path: Path) -> None:
    data = path.read_bytes()
    overwrite(path, data[:12_288] + bytes(b ^ 0xFF for b in data[12_288:]))


def plant_a_wal(path: Path) -> None:
    path.with_name(path.name + ".wal").write_bytes(WAL)


def link_to_another(path: Path) -> None:
    other = next(p for p in path.parent.parent.glob("tn_*/*.duckdb") if p != path)
    path.unlink()
    path.symlink_to(other)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "flipped": flipped,
    "zeroed": lambda path: overwrite(path, bytes(path.stat().st_size)),
    "truncated": lambda path: overwrite(path, path.read_bytes()[:-4_096]),
    "emptied": lambda path: overwrite(path, b""),
    "missing": os.unlink,
    "wal": plant_a_wal,
    "link": link_to_another,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_slice_is_refused_at_every_door_and_healed(shop: Shop, damage: str) -> None:
    key, path = shop.key("workspace")["key"], shop.slice_of("1")
    DAMAGE[damage](path)
    client = shop.client()
    for _ in range(2):
        answer = client.post("/v1/query", json={"sql": "select max(body) from notes"}, headers=bearer(key, X_Tenant_ID="1"))
        assert "slice" in problem(answer, 503, "slice_unusable")
        assert answer.headers["retry-after"]
    told = shop.run("query", "1", "select max(body) from notes")
    assert told.status == 1
    assert "damaged, or not what was published" in told.err
    copy = shop.folder / "copy.duckdb"
    told = shop.run("pull", "1", "-o", str(copy))
    assert told.status == 1
    assert "slice" in told.err
    assert "slicehouse refresh --full" in told.err
    assert not copy.exists()
    told = shop.run("verify", "--json")
    results = {line["tenant"]: line["result"] for line in json.loads(told.out)}
    assert (told.status, results) == (1, {"1": "content changed", "2": "whole"})
    other = client.post("/v1/query", json={"sql": "select count(*) from notes"}, headers=bearer(key, X_Tenant_ID="2"))
    assert other.json()["rows"] == [["9000"]], "other tenants go on"
    told = shop.run("refresh", *(["--full"] if damage in ("flipped", "zeroed") else []))
    assert told.status == 0, told.err
    assert shop.run("verify").status == 0
    healed = client.post("/v1/query", json={"sql": "select count(*) from notes"}, headers=bearer(key, X_Tenant_ID="1"))
    assert healed.json()["rows"] == [["9000"]]


@pytest.mark.parametrize("damage", ["truncated", "missing", "wal", "link"])
def test_damaged_slice_is_not_handed_out_as_a_file(shop: Shop, damage: str) -> None:
    key, path = shop.key("workspace")["key"], shop.slice_of("1")
    DAMAGE[damage](path)
    answer = shop.client().get("/v1/slice/file", headers=bearer(key, X_Tenant_ID="1"))
    problem(answer, 503, "slice_unusable")


@pytest.mark.parametrize("damage", ["flipped", "zeroed"])
def test_file_of_the_right_size_with_other_bytes_is_not_handed_out(shop: Shop, damage: str) -> None:
    key, path = shop.key("workspace")["key"], shop.slice_of("1")
    DAMAGE[damage](path)
    answer = shop.client().get("/v1/slice/file", headers=bearer(key, X_Tenant_ID="1"))
    problem(answer, 503, "slice_unusable")
