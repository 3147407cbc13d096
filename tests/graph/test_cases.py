"""The cases in bench/cases are sound: every name exists, types agree, and the scorer finds no fault in the truth itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "bench" / "cases"
SCORER = Path(__file__).parents[3] / "shared" / "graph" / "score.py"
FILES = sorted(FOLDER.glob("*.json"))
OWNED = ("direct", "path", "coalesce")
KINDS = ("tenant", *OWNED, "shared", "unknown")

Case = dict[str, Any]


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def case(request: pytest.FixtureRequest) -> Case:
    """One case; its name is its file's."""
    found: Case = json.loads(request.param.read_text())
    assert found["name"] == request.param.stem
    return found


def hop(edge: Case) -> str:
    """A true edge as a hop of a way: `child.a+b->parent.c+d`."""
    return f"{edge['table']}.{'+'.join(edge['columns'])}->{edge['ref_table']}.{'+'.join(edge['ref_columns'])}"


def owner_edges(case: Case, table: str) -> list[str]:
    """The first hops of a table's ways, without those that the scorer's generator cannot fill.

    It writes the table's own key into every key column, so a second owner edge that lies in the primary key, and one of several columns,
    lead to no row there. Both are true all the same.
    """
    ways = [way[0] for way in case["truth"]["tenant_path"][table]["accept"]]
    firsts = list(dict.fromkeys(first for first in ways if "+" not in first))
    key = case["tables"][table]["primary_key"]
    columns = {first: first.split("->")[0].rsplit(".", 1)[1] for first in firsts}
    return [first for place, first in enumerate(firsts) if place == 0 or columns[first] not in key]


def test_there_are_cases() -> None:
    assert len(FILES) >= 16


def test_every_name_exists_and_types_agree(case: Case) -> None:
    tables = case["tables"]
    assert case["tenant_table"] in tables
    assert case["source"]
    assert case["notes"]
    for table in tables.values():
        columns = set(table["columns"])
        assert set(table["primary_key"]) <= set(table["not_null"]) <= columns
        assert all(set(unique) <= columns for unique in table["unique"])
    seen = set()
    for edge in case["truth"]["foreign_keys"]:
        child, parent = tables[edge["table"]]["columns"], tables[edge["ref_table"]]["columns"]
        assert len(edge["columns"]) == len(edge["ref_columns"]) > 0
        for column, ref_column in zip(edge["columns"], edge["ref_columns"], strict=True):
            assert child[column] == parent[ref_column], f"{hop(edge)}: {child[column]} and {parent[ref_column]}"
        seen.add(hop(edge))
    assert len(seen) == len(case["truth"]["foreign_keys"]), "an edge twice"


def test_declared_keys_are_the_declared_truth(case: Case) -> None:
    declared = {hop(edge) for edge in case["truth"]["foreign_keys"] if edge["declared"]}
    recorded = {hop({"table": name, **key}) for name, table in case["tables"].items() for key in table["foreign_keys"]}
    assert recorded == declared


def test_neutral_and_polymorphic_name_columns_and_are_no_truth(case: Case) -> None:
    tables, truth = case["tables"], case["truth"]
    single = {(e["table"], e["columns"][0], e["ref_table"], e["ref_columns"][0]) for e in truth["foreign_keys"] if len(e["columns"]) == 1}
    for table, column, parent, ref_column in truth["neutral"]:
        assert column in tables[table]["columns"]
        assert ref_column in tables[parent]["columns"]
        assert (table, column, parent, ref_column) not in single
    for pair in truth["polymorphic"]:
        assert {pair["type_column"], pair["id_column"]} <= set(tables[pair["table"]]["columns"])


def test_every_table_has_a_way_and_every_way_is_made_of_true_edges(case: Case) -> None:
    paths, edges = case["truth"]["tenant_path"], {hop(edge): edge for edge in case["truth"]["foreign_keys"]}
    assert set(paths) == set(case["tables"])
    assert [table for table, path in paths.items() if path["kind"] == "tenant"] == [case["tenant_table"]]
    for table, path in paths.items():
        assert path["kind"] in KINDS
        if path["kind"] not in OWNED:
            assert "accept" not in path
            assert path["kind"] != "unknown" or path["why"]
            continue
        assert path["accept"]
        assert len(path["complete"]) == len(path["accept"])
        assert path["always_present"] == any(path["complete"])
        for way, complete in zip(path["accept"], path["complete"], strict=True):
            at = table
            for step in way:
                assert edges[step]["table"] == at
                at = edges[step]["ref_table"]
                assert at == case["tenant_table"] or paths[at]["kind"] in OWNED
            assert at == case["tenant_table"]
            assert complete == all(set(edges[step]["columns"]) <= set(case["tables"][edges[step]["table"]]["not_null"]) for step in way)


def test_the_scorer_agrees_with_the_truth(tmp_path: Path) -> None:
    if not SCORER.exists():
        pytest.skip(f"needs {SCORER}, which is not here")
    said = {}
    for file in FILES:
        case = json.loads(file.read_text())
        routes: dict[str, Case] = {}
        for table, path in case["truth"]["tenant_path"].items():
            if path["kind"] in OWNED:
                route = "direct" if len(path["accept"][0]) == 1 else "indirect"
                routes[table] = {"route": route, "owner_edges": owner_edges(case, table), "review": False}
            else:
                route = {"shared": "shared", "tenant": "tenant", "unknown": "excluded"}[path["kind"]]
                routes[table] = {"route": route, "owner_edges": [], "review": False}
        said[case["name"]] = {"relationships": [{**edge, "confidence": 1} for edge in case["truth"]["foreign_keys"]], "routes": routes}
    predictions = tmp_path / "predictions.json"
    predictions.write_text(json.dumps(said))
    command = [sys.executable, str(SCORER), "--cases", str(FOLDER), "--predictions", str(predictions), "--json"]
    scores = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for score in scores["cases"]:
        assert score["f1"] == 1, score
        assert (score["wrong"], score["lossy"], score["missed"]) == (0, 0, 0), score
    assert scores["micro_f1"] == 1
