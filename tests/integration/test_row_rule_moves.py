"""Three refreshes of random cases whose rows move between them: after each, files and accounting are what the oracle says of the rows as they are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.integration.pipeline import one_builder, refreshes
from tests.rowrule.case import Case
from tests.rowrule.strategies import cases


@pytest.fixture(scope="module", autouse=True)
def _builder() -> Iterator[None]:
    with one_builder():
        yield


@given(cases(later=True))
@seed(3)
@settings(max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_each_refresh_gives_what_the_oracle_says(case: Case) -> None:
    with tempfile.TemporaryDirectory() as name:
        for now, there, wanted in refreshes(case, Path(name)):
            assert there == wanted, now
