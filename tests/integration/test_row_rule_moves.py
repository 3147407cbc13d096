"""Three refreshes of random cases whose rows move between them: after each, files and accounting are what the oracle says of the rows as they are."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from engine.errors import ReviewRequired
from tests.integration.pipeline import Published, foreseen, one_builder, published
from tests.rowrule.case import Case
from tests.rowrule.moves import later
from tests.rowrule.strategies import cases


@pytest.fixture(scope="module", autouse=True)
def _builder() -> Iterator[None]:
    with one_builder():
        yield


def refreshed(case: Case, home: Path, *, first: bool) -> Published:
    """What a refresh published; where more rows than before are everybody's it stops, and is accepted anew."""
    try:
        return published(case, home, first=first)
    except ReviewRequired:
        return published(case, home, first=True)


@given(cases(later=True))
@seed(3)
@settings(max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_each_refresh_gives_what_the_oracle_says(case: Case) -> None:
    random_ = random.Random(repr(case))
    with tempfile.TemporaryDirectory() as name:
        for step in range(3):
            assert refreshed(case, Path(name), first=step == 0) == foreseen(case)
            case = later(case, random_)
