"""The product against the oracle of the row rule: both judges on random cases, and the built files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.integration.pipeline import Verdicts, landed, slices_by_refresh, verdicts_by_judge, verdicts_by_polars
from tests.rowrule import hard
from tests.rowrule.case import Case
from tests.rowrule.oracle import outcome
from tests.rowrule.strategies import cases

HARD_CASES = sorted(hard.FOLDER.glob("*.json"))
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def expected(case: Case) -> Verdicts:
    found = outcome(case)
    return Verdicts(found.slices, found.quarantine, found.excluded)


@given(cases())
@settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=QUIET)
def test_both_judges_agree_with_the_oracle(case: Case) -> None:
    with tempfile.TemporaryDirectory() as name:
        made = landed(case, Path(name))
        assert verdicts_by_judge(made, Path(name)) == expected(case)
        assert verdicts_by_polars(made, Path(name)) == expected(case)


@given(cases())
@settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=QUIET, phases=[Phase.generate])
def test_files_hold_what_the_oracle_says(case: Case) -> None:
    with tempfile.TemporaryDirectory() as name:
        assert slices_by_refresh(case, Path(name)) == outcome(case).slices


@pytest.mark.skipif(not HARD_CASES, reason="no hard cases beside the repository (../shared/graph/hard)")
@pytest.mark.parametrize("path", HARD_CASES, ids=lambda path: path.stem)
def test_files_hold_what_a_hard_case_says(path: Path, tmp_path: Path) -> None:
    try:
        states = hard.translate(hard.load(path))
    except hard.NotTranslatable as missing:
        pytest.skip(f"a case of the row rule cannot say: {missing}")
    for number, state in enumerate(states):
        found = slices_by_refresh(state.case, tmp_path, first=number == 0)
        by_rid = {
            tenant: {t: sorted(state.rids[t][i] for i in rows) for t, rows in tables.items() if rows} for tenant, tables in found.items()
        }
        assert by_rid == state.slices
