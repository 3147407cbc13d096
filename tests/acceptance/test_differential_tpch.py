"""TPC-H at scale 0.1, dealt to 100 tenants: over HTTP the same rows as PostgreSQL gives with an explicit tenant filter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.acceptance.datasets import DATASETS
from tests.acceptance.differential import compare_dataset
from tests.conftest import COMPARED


def test_slices_answer_as_postgres_with_a_tenant_filter(
    database: str, tmp_path: Path, all_tenants: bool, record_property: Callable[[str, object], None]
) -> None:
    tally = compare_dataset(DATASETS["tpch"], database, tmp_path, all_tenants=all_tenants)
    record_property(COMPARED, str(tally))
    tally.check()
