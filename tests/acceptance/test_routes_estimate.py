"""`slicehouse routes --estimate`: what is about so, without landing or scanning anything, and nothing that could be accepted."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

import extract.samples
from api.cli.main import main
from engine.graph import Edge
from engine.schema import Schema
from engine.settings import Settings
from engine.workspace import SourceConfig
from extract.postgres import PostgresSource
from extract.samples import SampledTables
from extract.source import ReadRequest

pytestmark = pytest.mark.acceptance
Run = Callable[..., tuple[int, str, str]]
BIG, NEVER_ANALYSED = 30_000, 40
LOADED = f"""
    create table orgs(id int primary key, name text);
    create table projects(id int primary key, org_id int references orgs);
    create table tickets(id int, project_id int not null, org_id int);
    create table readings(id int primary key, ticket_id int, org_id int not null references orgs);
    create table countries(code text primary key);
    create table recent(id int primary key, org_id int not null references orgs);
    create table endless(id int primary key, org_id int not null references orgs);
    alter table recent set (autovacuum_enabled = off);
    alter table endless set (autovacuum_enabled = off);
    insert into orgs select n, n::text from generate_series(1, 20) n;
    insert into projects select n, case when n % 4 > 0 then 1 + n % 20 end from generate_series(1, 400) n;
    insert into tickets select n, 1 + n % 400, 1 + n % 20 from generate_series(1, {BIG}) n;
    insert into readings select n, 1 + n % {BIG}, 1 + n % 20 from generate_series(1, {BIG}) n;
    insert into countries values ('AT');
    analyze;
    insert into recent select n, 1 + n % 20 from generate_series(1, {NEVER_ANALYSED}) n;
    insert into endless select n, 1 + n % 20 from generate_series(1, 2000) n
"""
TABLES = {"countries": "shared"}
COUNTS = ("owned", "shared", "unreferenced", "filtered", "quarantined", "excluded")


@pytest.fixture
def loaded(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in LOADED.split(";"):
            connection.execute(statement.encode())
    return database


@pytest.fixture
def run(loaded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `routes` on a workspace of the database; status, stdout, stderr."""
    facts = {"version": 1, "workspace": "w", "sources": {"app": {"kind": "postgres", "url": loaded}}, "tenants": {"table": "orgs"}}
    (tmp_path / "slicehouse.yaml").write_text(json.dumps(facts | {"tables": TABLES}))

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["routes", "-w", str(tmp_path / "slicehouse.yaml"), *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def by_table(out: str) -> dict[str, dict[str, Any]]:
    return {r["table"]: r for r in json.loads(out)}


def test_counts_are_those_of_the_source_and_shares_those_of_a_sample(run: Run) -> None:
    status, out, _ = run("--estimate", "100", "--json")
    assert status == 0
    found = by_table(out)
    assert all(r["estimate"] is True for r in found.values())
    known = [r for r in found.values() if r["rows"] is not None]
    assert all(sum(r[c] for c in COUNTS) == r["rows"] for r in known)
    projects, readings = found["projects"], found["readings"]
    assert (projects["rows"], projects["owned"], projects["quarantined"]) == (400, 300, 100)
    assert projects["reasons"] == {"unassigned": 100}
    (sample,) = projects["samples"]
    assert sample == {"edge": "projects.org_id->orgs.id", "sampled": 100, "with_key": 75, "null": 25, "found": 75, "orphans": 0}
    assert readings["rows"] == readings["owned"] == BIG
    assert (found["countries"]["rows"], found["countries"]["shared"]) == (1, 1)


def test_a_table_that_nobody_analysed_is_counted_where_the_sample_is_all_of_it(run: Run) -> None:
    found = by_table(run("--estimate", "100", "--json")[1])
    assert (found["recent"]["rows"], found["recent"]["owned"]) == (NEVER_ANALYSED, NEVER_ANALYSED)
    assert (found["endless"]["rows"], found["endless"]["owned"]) == (None, None)
    assert found["endless"]["samples"][0]["sampled"] == 100


def test_rows_whose_parent_is_gone_are_told(run: Run, loaded: str) -> None:
    with psycopg.connect(loaded, autocommit=True) as connection:
        connection.execute("alter table projects drop constraint projects_org_id_fkey")
        connection.execute("update projects set org_id = 99 where id % 20 = 1")
        connection.execute("vacuum full analyze projects")
    found = by_table(run("--estimate", "400", "--json")[1])["projects"]
    assert (found["decision"], found["excluded"]) == ("review", 400)
    assert [(s["edge"], s["orphans"]) for s in found["samples"]] == [("projects.org_id->orgs.id", 20)]
    with psycopg.connect(loaded, autocommit=True) as connection:
        connection.execute("alter table projects add foreign key (org_id) references orgs not valid")
    found = by_table(run("--estimate", "400", "--json")[1])["projects"]
    assert (found["quarantined"], found["reasons"]) == (120, {"orphan": 20, "unassigned": 100})
    assert found["samples"][0]["orphans"] == 20


def test_it_has_the_shape_and_the_routes_of_a_review(run: Run) -> None:
    about, exact = by_table(run("--estimate", "--json")[1]), by_table(run("--json")[1])
    assert {t: (r["route"], r["path"], r["decision"]) for t, r in about.items()} == {
        t: (r["route"], r["path"], r["decision"]) for t, r in exact.items()
    }
    known = about.keys() - {"endless"}
    assert all(about[t]["owned"] >= exact[t]["owned"] and about[t]["quarantined"] <= exact[t]["quarantined"] for t in known)
    assert exact["tickets"]["reasons"].keys() == {"parent_quarantined", "two_tenants"}
    assert all(about[t].keys() - exact[t].keys() == {"estimate", "samples"} and exact[t].keys() <= about[t].keys() for t in exact)


def test_text_says_about(run: Run) -> None:
    status, out, err = run("--estimate", "100")
    assert status == 0
    assert out.startswith("An estimate: nothing was landed.")
    assert "owned is at most, quarantined at least" in " ".join(out.split())
    assert "about rows  about owned" in out
    assert "projects: about 100 of 400 rows (100 unassigned)" in out
    assert "; 1 table of unknown size besides." in out
    assert [line.split() for line in out.splitlines() if "projects.org_id->orgs.id" in line] == [
        ["projects.org_id->orgs.id", "100", "75", "25", "75", "0"]
    ]
    assert "--accept" not in err
    assert "about 300 owned" in run("--estimate", "100", "--table", "projects")[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--estimate", "--accept"),
        ("--estimate", "100", "--accept", "projects"),
        ("--estimate", "--diff"),
        ("--estimate", "0"),
        ("--estimate", "10000000"),
        ("--estimate", "1", "2"),
        ("--estimate", "many"),
    ],
)
def test_nothing_is_accepted_or_compared_and_a_size_is_a_size(arguments: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    status, out, _ = run(*arguments)
    assert (status, out) == (2, "")
    assert not (tmp_path / "routes.lock").exists()


def test_nothing_is_landed_or_kept(run: Run, tmp_path: Path) -> None:
    assert run("--estimate")[0] == 0
    assert not list(tmp_path.rglob("*.parquet"))
    assert not (tmp_path / "routes.lock").exists()
    assert "No routing has been accepted yet" in run("--diff")[1]


def test_no_table_is_scanned(run: Run, loaded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract.samples, "SMALL", 1_000)
    with psycopg.connect(loaded, autocommit=True) as connection:
        before = settled_reads(connection)
        assert run("--estimate", "100", "--json")[0] == 0
        after = settled_reads(connection, more_than=sum(before.values()))
        assert 0 < after["tickets"] - before["tickets"] <= 200
        assert 0 < after["readings"] - before["readings"] <= 200
        assert run("--json")[0] == 0
        assert settled_reads(connection, more_than=sum(after.values()) + 2 * BIG - 1)["tickets"] - after["tickets"] >= BIG


def settled_reads(connection: psycopg.Connection[Any], more_than: int = -1) -> Counter[str]:
    """Rows that scans have read, by table, once the server has counted them: it does when a connection ends."""
    last: Counter[str] = Counter()
    for _ in range(100):
        connection.execute("select pg_stat_clear_snapshot()")
        rows = connection.execute("select relname, seq_tup_read from pg_stat_user_tables").fetchall()
        found = Counter(dict(rows))
        if found == last and found.total() > more_than:
            return found
        last = found
        time.sleep(0.1)
    raise AssertionError(f"the server has counted {last}")


# ── samples ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_table_is_read_once_for_all_its_columns(loaded: str) -> None:
    with counted(loaded) as (snapshot, requests):
        schema = Schema.of(snapshot.describe())
        names = {t.name.table: t.name for t in schema}
        edges = [
            Edge(names["tickets"], ("project_id",), names["projects"], ("id",), "inferred", confidence=0.9),
            Edge(names["tickets"], ("org_id",), names["orgs"], ("id",), "inferred", confidence=0.9),
            Edge(names["projects"], ("org_id",), names["orgs"], ("id",), "inferred", confidence=0.9),
        ]
        samples = SampledTables({"app": snapshot}, schema, 50)
        weighed = samples.weigh(edges)
        assert all("values are there" in e.evidence for e in weighed)
        assert samples.rows(names["tickets"], ("org_id", "project_id"))[0] == ("2", "2")
        assert samples.values(names["tickets"], "org_id") == samples.values(names["tickets"], "org_id")
    assert sorted((r.table.name.table, tuple(c.name for c in r.columns), r.limit) for r in requests) == [
        ("projects", ("org_id",), 50),
        ("tickets", ("org_id", "project_id"), 50),
    ]


@contextmanager
def counted(url: str) -> Iterator[tuple[Any, list[ReadRequest]]]:
    """A snapshot, and what is read of it."""
    requests: list[ReadRequest] = []
    with PostgresSource("app", SourceConfig(kind="postgres", url=url), Path(), Settings()).snapshot() as snapshot:
        read = snapshot.read

        def counting(request: ReadRequest) -> Any:
            requests.append(request)
            return read(request)

        snapshot.read = counting  # type: ignore[method-assign]
        yield snapshot, requests
