"""The product against the oracle of the row rule: both judges on random cases, and the built files of the hard ones."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.integration.pipeline import Verdicts, both_verdicts, landed, one_builder, published
from tests.rowrule import hard
from tests.rowrule.case import Case, Column, Edge, Polymorphic, Table
from tests.rowrule.oracle import outcome
from tests.rowrule.strategies import cases

HARD_CASES = sorted(hard.FOLDER.glob("*.json"))
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@pytest.fixture(scope="module", autouse=True)
def _builder() -> Iterator[None]:
    with one_builder():
        yield


def expected(case: Case) -> Verdicts:
    found = outcome(case)
    return Verdicts(found.slices, found.quarantine, found.excluded)


@given(cases())
@settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=QUIET)
def test_both_judges_agree_with_the_oracle(case: Case) -> None:
    with tempfile.TemporaryDirectory() as name:
        by_duckdb, by_polars = both_verdicts(landed(case, Path(name)), Path(name))
    assert by_duckdb == expected(case)
    assert by_polars == expected(case)


@given(cases(later=True))
@settings(max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=QUIET)
def test_both_judges_agree_on_types_roll_up_references_and_normalised_keys(case: Case) -> None:
    with tempfile.TemporaryDirectory() as name:
        by_duckdb, by_polars = both_verdicts(landed(case, Path(name)), Path(name))
    assert by_duckdb == expected(case)
    assert by_polars == expected(case)


@pytest.mark.skipif(not HARD_CASES, reason="no hard cases beside the repository (../shared/graph/hard)")
@pytest.mark.parametrize("path", HARD_CASES, ids=lambda path: path.stem)
def test_files_hold_what_a_hard_case_says(path: Path, tmp_path: Path) -> None:
    states = hard.translate(hard.load(path))
    for number, state in enumerate(states):
        found = published(state.case, tmp_path, first=number == 0).slices
        by_rid = {
            tenant: {t: sorted(state.rids[t][i] for i in rows) for t, rows in tables.items() if rows} for tenant, tables in found.items()
        }
        assert by_rid == state.slices


def test_type_that_nobody_mapped_is_a_fault_without_an_id_too(tmp_path: Path) -> None:
    pair = Polymorphic("notes", "kind", "of", (("Deal", ("deals", "id")),))
    notes = (Column("kind", "text"), Column("of", "int"), Column("org_id", "int"))
    case = Case(
        tables=(
            Table("orgs", (Column("id", "int"),), ((1,),), (("id",),)),
            Table("deals", (Column("id", "int"), Column("org_id", "int")), ((1, 1),), (("id",),)),
            Table("notes", notes, (("Other", None, 1),)),
        ),
        edges=(Edge("deals", ("org_id",), "orgs", ("id",)), Edge("notes", ("org_id",), "orgs", ("id",)), *pair.edges),
        tenant_table="orgs",
        tenant_key="id",
        polymorphic=(pair,),
    )
    assert both_verdicts(landed(case, tmp_path), tmp_path) == (expected(case), expected(case))
