"""A hundred more random cases of the row rule, with roll-up, references, types and normalised keys, through the whole pipeline: files and accounting are what the oracle says."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.integration.pipeline import foreseen, one_builder, published
from tests.rowrule.case import Case, Column, Edge, Table
from tests.rowrule.strategies import cases

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@pytest.fixture(scope="module", autouse=True)
def _builder() -> Iterator[None]:
    with one_builder():
        yield


@given(cases(later=True))
@seed(2)
@settings(max_examples=100, deadline=None, database=None, suppress_health_check=QUIET, phases=[Phase.generate])
def test_files_and_accounting_are_what_the_oracle_says(case: Case) -> None:
    with tempfile.TemporaryDirectory() as name:
        assert published(case, Path(name)) == foreseen(case)


def test_what_everybodys_rows_point_at_is_shared_where_nobody_has_a_slice() -> None:
    case = Case(
        tables=(
            Table("orgs", (Column("id", "int"), Column("gone", "bool")), ((1, True),), (("id",),)),
            Table("countries", (Column("id", "int"),), ((1,), (2,)), (("id",),)),
            Table("plans", (Column("id", "int"), Column("org", "int"), Column("country", "int")), ((1, None, 1),), (("id",),)),
        ),
        edges=(Edge("plans", ("org",), "orgs", ("id",)), Edge("plans", ("country",), "countries", ("id",))),
        tenant_table="orgs",
        tenant_key="id",
        shared=frozenset({"countries"}),
        referenced=frozenset({"countries"}),
        soft_delete={"orgs": "gone"},
        unassigned_shared={"plans": None},
    )
    with tempfile.TemporaryDirectory() as name:
        found = published(case, Path(name))
    assert found == foreseen(case)
    assert found.slices == {}
    assert found.counts["countries"].unreferenced == 1
