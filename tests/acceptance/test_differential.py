"""Real databases through the command into slices, asked over HTTP: the same rows as PostgreSQL gives with an explicit tenant filter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.cli.main import main
from engine.settings import Settings
from slices.locking import exclusive
from tests.acceptance.datasets import DATASETS
from tests.acceptance.differential import compare_dataset
from tests.conftest import COMPARED


@pytest.mark.parametrize("name", ["chinook", "northwind"])
def test_slices_answer_as_postgres_with_a_tenant_filter(
    name: str, database: str, tmp_path: Path, all_tenants: bool, record_property: Callable[[str, object], None]
) -> None:
    tally = compare_dataset(DATASETS[name], database, tmp_path, all_tenants=all_tenants)
    record_property(COMPARED, str(tally))
    tally.check()


def test_a_tenant_key_reaches_nothing_else(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table orgs(id int primary key, name text); insert into orgs values (1, 'A'), (2, 'B')")
        connection.execute("create table notes(id int primary key, org_id int references orgs, body text)")
        connection.execute("insert into notes values (1, 1, 'of A'), (2, 2, 'of B')")
    file = tmp_path / "slicehouse.yaml"
    assert main(["init", "--url", database, "--tenant-table", "orgs", "-o", str(file)]) == 0
    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboards" / "d.yaml").write_text(
        "{version: 1, slug: d, title: D, panels: {p: {title: P, sql: 'select body from notes order by id'}}}"
    )
    at = ["-w", str(file)]
    assert main(["refresh", *at]) == 3  # nothing accepted yet
    with exclusive(next((tmp_path / ".slicehouse" / "workspaces").iterdir()) / "refresh.lock"):
        assert main(["routes", *at]) == 1  # a refresh is at work
    assert [main([*verb, *at]) for verb in (["routes", "--accept"], ["refresh"])] == [0, 0]
    capsys.readouterr()
    assert main(["keys", "create", "--scope", "tenant:1", "--json", *at]) == 0
    made = json.loads(capsys.readouterr().out)
    client = TestClient(create_app(Settings(home=tmp_path / ".slicehouse")))
    headers = {"Authorization": f"Bearer {made['key']}"}
    panel = "/v1/dashboards/d/panels/p"
    answer = client.get(panel, headers=headers)
    assert answer.json()["rows"] == [["of A"]]
    again = client.get(panel, headers={**headers, "If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    for format_ in ("csv", "arrow", "parquet"):
        body = client.get(f"{panel}?format={format_}", headers=headers)
        assert body.status_code == 200
        assert b"of B" not in body.content
    for other in ("2", "key:2", "nobody"):
        refused = client.get(panel, headers={**headers, "X-Tenant-ID": other})
        assert (refused.status_code, refused.json()["code"]) == (403, "tenant_mismatch")
    assert client.post("/v1/query", json={"sql": "select 1"}, headers=headers).json()["code"] == "caller_sql_off"
    assert client.get("/v1/workspaces/other/tenants", headers=headers).json()["code"] == "tenant_mismatch"
    assert client.get(panel).status_code == 401
    assert client.get(panel, headers={"Authorization": f"Bearer {made['key'][:-1]}x"}).status_code == 401
    assert main(["keys", "revoke", made["id"], *at]) == 0
    assert client.get(panel, headers=headers).json()["code"] == "credential_invalid"


ATTACKS = [
    "select * from read_csv('/etc/passwd')",
    "select * from '/etc/passwd'",
    "copy (select 1) to '/tmp/x.wal'",
    "attach '/tmp/other.duckdb'",
    "select 1; select 2",
    "with x as (delete from notes returning *) select * from x",
    "with x as (from duckdb_databases), duckdb_databases as (select 1) select * from x",
    "select current_setting('temp_directory')",
    "select * from duckdb_settings()",
    "select * from query('select 1')",
    "set threads = 8",
    "with recursive duckdb_databases as (select path from duckdb_databases union all select 'x') select * from duckdb_databases",
    "with recursive other as (select * from other union all select 1) select * from other",
    "select invoke(lambda x: x, 1)",
    "",
]


@pytest.mark.parametrize("sql", ATTACKS)
def test_gate_refuses(sql: str) -> None:
    from api.serving.gate import check
    from api.serving.problems import Problem

    with pytest.raises(Problem):
        check(sql, frozenset({("main", "notes")}))


def test_gate_lets_recursion_over_its_own_rows_pass() -> None:
    from api.serving.gate import check

    sql = "with recursive r as (select 1 as n union all select n + 1 from r where n < 3), s as (select n from r) select sum(n) from s join notes on true"
    assert check(sql, frozenset({("main", "notes")})).parameters == frozenset()
