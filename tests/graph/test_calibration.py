"""A confidence is a promise: of the edges given nine in ten, at least nine in ten are right, in every schema whose relationships are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.calibration import band, rule, table
from bench.graph import SCORE, calibrated, main
from engine.graph import Edge
from engine.routing import SURE
from engine.schema import TableName
from tests.differential.loaders import SAMPLES

OURS = Path(__file__).parents[2] / "bench" / "cases"
SHARED = SCORE.parent / "schemas"
WITH_DATA = ("chinook", "northwind", "sakila", "tpch")


def needed(folder: Path) -> Path:
    if not folder.exists():
        pytest.skip(f"needs {folder}, which is not here")
    return folder


def scores(capfd: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    """What bench.graph says of the reviewed schemas."""
    needed(SCORE)
    capfd.readouterr()
    assert main(["--cases", str(needed(SHARED)), "--json", *options]) == 0
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    assert len(found["cases"]) >= 6
    return found


def share(found: list[tuple[Edge, bool]], least: float) -> float:
    """Of the edges with at least that confidence, those that are right."""
    right = [good for edge, good in found if edge.confidence >= least]
    assert len(right) >= 100
    return sum(right) / len(right)


@pytest.mark.parametrize("folders", [(OURS,), (SHARED,), (OURS, SHARED)], ids=["ours", "reviewed", "all"])
def test_edges_are_right_as_often_as_their_confidence_says(folders: tuple[Path, ...]) -> None:
    found = calibrated(needed(folder) for folder in folders)
    assert share(found, 0.9) >= 0.9
    assert share(found, SURE) >= 0.97


def test_an_edge_below_what_counts_is_doubted_more_than_one_above() -> None:
    found = calibrated([OURS])
    weak = [good for edge, good in found if edge.confidence < 0.7]
    assert len(weak) >= 20
    assert sum(weak) / len(weak) < share(found, SURE)


def test_names_alone_place_the_reviewed_schemas(capfd: pytest.CaptureFixture[str]) -> None:
    found = scores(capfd)
    owned = sum(found[k] for k in ("right", "lossy", "missed", "flagged"))
    assert owned >= 150
    assert found["micro_f1"] >= 0.95
    assert found["macro_f1"] >= 0.93
    assert found["right"] / owned >= 0.95
    assert found["flagged"] / owned <= 0.05
    assert found["wrong"] == 0


def test_data_finds_nearly_all(capfd: pytest.CaptureFixture[str]) -> None:
    needed(SAMPLES)
    found = {case["name"]: case for case in scores(capfd, "--data")["cases"]}
    assert {name: found[name]["f1"] for name in WITH_DATA if found[name]["f1"] < 0.97} == {}
    assert sum(found[name]["wrong"] for name in WITH_DATA) == 0


def test_the_table_counts_every_edge_once_a_way() -> None:
    found = calibrated([OURS])
    rows = table(found)
    for by in ("confidence", "rule"):
        assert sum(r["edges"] for r in rows if r["by"] == by) == len(found)
        assert sum(r["right"] for r in rows if r["by"] == by) == sum(good for _, good in found)
    assert "another" not in {r["which"] for r in rows}


@pytest.mark.parametrize(
    ("confidence", "shown"), [(1, "0.98 to 1"), (0.98, "0.98 to 1"), (0.979, "0.95 to 0.98"), (0.9, "0.9 to 0.95"), (0.1, "below 0.7")]
)
def test_a_band_has_its_lower_end(confidence: float, shown: str) -> None:
    assert band(confidence) == shown


def test_a_rule_that_nobody_names_is_another() -> None:
    name = TableName("app", "public", "a")
    assert rule(Edge(name, ("b",), name, ("c",), "inferred", evidence="a guess")) == "another"
