"""Random cases of the row rule from a real PostgreSQL to the built files."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from psycopg import sql

from tests.conftest import uri_for
from tests.integration.in_postgres import loaded
from tests.integration.pipeline import foreseen, one_builder, published, workspace
from tests.rowrule.case import Case
from tests.rowrule.strategies import cases

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]
DECLARED: list[int] = []  # foreign keys of each example


@pytest.fixture(scope="module", autouse=True)
def _builder() -> Iterator[None]:
    with one_builder():
        yield


@given(case=cases(later=True))
@seed(3)
@settings(max_examples=10, deadline=None, database=None, suppress_health_check=QUIET, phases=[Phase.generate])
def test_files_from_postgresql_are_what_the_oracle_says(postgres: str, case: Case) -> None:
    name = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection, tempfile.TemporaryDirectory() as home:
        connection.execute(sql.SQL("create database {} encoding 'UTF8' template template0").format(sql.Identifier(name)))
        uri = uri_for(postgres, dbname=name)
        declared = loaded(case, uri)
        DECLARED.append(len(declared))
        file = workspace(case, Path(home) / "nothing", uri, "postgres", declared)
        assert published(case, Path(home), file=file) == foreseen(case)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def test_the_cases_had_foreign_keys() -> None:
    assert len(DECLARED) >= 10
    assert sum(DECLARED) >= 10
