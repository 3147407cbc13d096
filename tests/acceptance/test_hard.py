"""The hard cases through the whole pipeline, as `python -m bench.hard` measures them; and cases that are odd in other ways."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.hard import Score, outcomes, score

ROOT = Path(__file__).resolve().parents[2]
HARD = ROOT.parent / "shared" / "graph" / "hard"
PASSED = 45
ORGS = "create table orgs(rid int, id int); insert into orgs values (1, 1), (2, 2);"


@pytest.mark.skipif(not HARD.is_dir(), reason="no hard cases beside the repository (../shared/graph/hard)")
def test_hard_cases_leak_nothing_and_are_right() -> None:
    scores = [score(case, states) for case, states in outcomes(HARD)]
    failed = [s for s in scores if not s.passed]
    assert [s for s in scores if s.leaked] == []
    assert len(scores) - len(failed) >= min(PASSED, len(scores)), failed


def case(name: str, made: str, *hops: str, **more: Any) -> dict[str, Any]:
    """A case in the form of the hard ones; hops are `child.a+b->parent.c+d`."""
    keys = [_key(hop) for hop in hops]
    plain = {"tenant_table": "orgs", "config": {}, "shared": [], "quarantine": {}, "steps": [], "fks_declared": True}
    return plain | {"id": name, "sql": made, "foreign_keys": keys} | more


def _key(hop: str) -> dict[str, Any]:
    (table, columns), (parent, parent_columns) = (side.rsplit(".", 1) for side in hop.split("->"))
    return {"table": table, "columns": columns.split("+"), "ref_table": parent, "ref_columns": parent_columns.split("+")}


SCHEMAS = (
    "create schema sales; create schema hr; create table sales.orgs(rid int, id int); insert into sales.orgs values (1, 1), (2, 2);"
    "create table sales.t(rid int, org_id int); insert into sales.t values (1, 1);"
    "create table hr.t(rid int, org_id int); insert into hr.t values (1, 2), (2, 2);"
    'create table hr."Odd Name"(rid int, id int, org_id int, up int); insert into hr."Odd Name" values (1, 1, 2, null), (2, 2, null, 1);'
)
SCHEMA_HOPS = ("sales.t.org_id->sales.orgs.id", "hr.t.org_id->sales.orgs.id", "hr.Odd Name.org_id->sales.orgs.id")
TREE = "hr.Odd Name.up->hr.Odd Name.id"
IN_SCHEMAS = {"sales.orgs": {"1": [1], "2": [2]}, "sales.t": {"1": [1]}, "hr.t": {"2": [1, 2]}, "hr.Odd Name": {"2": [1, 2]}}

ODD = [
    case(
        "several_schemas",
        SCHEMAS,
        *SCHEMA_HOPS,
        TREE,
        tenant_table="sales.orgs",
        config={"paths": {"hr.Odd Name": [TREE, "hr.Odd Name.org_id->sales.orgs.id"]}},
        expect=IN_SCHEMAS,
    ),
    case("several_schemas_not_declared", SCHEMAS, *SCHEMA_HOPS, TREE, tenant_table="sales.orgs", fks_declared=False, expect=IN_SCHEMAS),
    case(
        "types",
        "create type mood as enum ('a''b', 'c'); create table orgs(rid int, id decimal(10, 2) primary key, name text not null);"
        "insert into orgs values (1, 1.50, 'x'), (2, 2, 'y');"
        "create table t(rid int, org_id decimal(12, 4), m mood, b boolean, x blob, j json, s struct(a int), l int[], ts timestamptz,"
        " i interval, d double, tm time, e varchar[]);"
        "insert into t values (1, 1.5, 'a''b', true, '\\xAA\\x00'::blob, '{\"a\": 1}', {'a': 1}, [1, null], '2024-01-01',"
        " interval 1 day, 'nan', '12:00', ['a,\"b']);"
        "insert into t(rid, org_id) values (2, 3);",
        "t.org_id->orgs.id",
        expect={"orgs": {"1.50": [1], "2.00": [2]}, "t": {"1.50": [1]}},
        quarantine={"t": [2]},
    ),
    case(
        "steps_change_the_shape_and_the_tenants",
        f"{ORGS} create table t(rid int, id int, org_id int); insert into t values (1, 1, 1); create view v as select * from t;",
        "t.org_id->orgs.id",
        "u.t_id->t.id",
        expect={"orgs": {"1": [1], "2": [2]}, "t": {"1": [1]}},
        steps=[
            {
                "sql": "drop view v; alter table t add column more text; insert into t values (2, 2, 2, 'x');"
                "create table u(rid int, t_id int); insert into u values (1, 1);",
                "expect": {"orgs": {"1": [1], "2": [2]}, "t": {"1": [1], "2": [2]}},
                "quarantine": {"u": [1]},
            },
            {
                "sql": "delete from orgs where id = 2; insert into orgs values (3, 3); update t set org_id = 3 where rid = 2;",
                "expect": {"orgs": {"1": [1], "3": [3]}, "t": {"1": [1], "3": [2]}},
                "quarantine": {"u": [1]},
            },
        ],
    ),
    case(
        "partitions_one_of_them_empty",
        f"{ORGS} create table pay(rid int, id int, org_id int, region text); create table pay_n as from pay; create table pay_s as from pay;"
        "create table pay_rest as from pay; insert into pay_n values (1, 1, 1, 'n'), (2, 2, 2, 'n');"
        "insert into pay_s values (3, 3, 1, 's'), (4, 4, null, 's'); insert into pay from pay_n; insert into pay from pay_s;"
        "create table lines(rid int, pay_id int); insert into lines values (1, 1), (2, 3), (3, 9);",
        "pay.org_id->orgs.id",
        "lines.pay_id->pay.id",
        config={"partitions": {"pay": ["pay_n", "pay_s", "pay_rest"]}, "null_is_shared": {"pay": "region = 's'"}},
        expect={"orgs": {"1": [1], "2": [2]}, "pay": {"1": [1, 3, 4], "2": [2, 4]}, "lines": {"1": [1, 2]}},
        quarantine={"lines": [3]},
    ),
    case("a_key_twice_is_refused", "create table orgs(rid int, id int); insert into orgs values (1, 1), (2, 1);", expect={}),
]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Score]:
    folder = tmp_path_factory.mktemp("odd")
    for made in ODD:
        (folder / f"{made['id']}.json").write_text(json.dumps(made))
    return {c.id: score(c, states) for c, states in outcomes(folder)}


@pytest.mark.parametrize("name", [made["id"] for made in ODD])
def test_odd_case_is_measured_right(odd: dict[str, Score], name: str) -> None:
    assert odd[name] == Score(name, True, 0, 0, "")


def test_score_tells_leaked_from_lost(tmp_path: Path) -> None:
    wrong = case(
        "wrong",
        f"{ORGS} create table t(rid int, org_id int); insert into t values (1, 1), (2, 2);",
        "t.org_id->orgs.id",
        expect={"orgs": {"1": [1], "2": [2]}, "t": {"1": [1, 2]}},
        quarantine={"t": [2]},
    )
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    [found] = [score(c, states) for c, states in outcomes(tmp_path)]
    assert (found.passed, found.leaked, found.lost) == (False, 1, 1)
    assert found.why == "1 rows of t too many in 2; 1 rows of t missing in 1; quarantine of t: []"


def test_prediction_needs_no_expectation(tmp_path: Path) -> None:
    made = case("blind", f"{ORGS} create table t(rid int, org_id int); insert into t values (1, 1), (2, null);", "t.org_id->orgs.id")
    made["steps"] = [{"sql": "update t set org_id = 2 where rid = 1;"}]
    for word in ("shared", "quarantine"):
        del made[word]
    cases, file = tmp_path / "cases", tmp_path / "found.json"
    cases.mkdir()
    (cases / "blind.json").write_text(json.dumps(made))
    subprocess.run([sys.executable, "-m", "bench.hard", "--cases", str(cases), "--predict", str(file)], cwd=ROOT, check=True)
    assert json.loads(file.read_text()) == {
        "blind": [
            {"slices": {"1": {"orgs": [1], "t": [1]}, "2": {"orgs": [2], "t": []}}, "quarantine": {"t": [2]}},
            {"slices": {"1": {"orgs": [1], "t": []}, "2": {"orgs": [2], "t": [1]}}, "quarantine": {"t": [2]}},
        ]
    }
