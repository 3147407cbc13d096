"""The generated schema of `bench.infer`, small: the same every time, what is said of it is true, and checks grow with columns."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from bench.infer import look
from bench.infer_case import generate, relation, write
from engine.sql import name, read_parquet


@pytest.mark.parametrize(("tables", "columns"), [(60, 600), (120, 1200)])
def test_most_is_found_and_checks_grow_with_columns(tables: int, columns: int, tmp_path: Path) -> None:
    generated = generate(tables, columns, tables * 500)
    write(generated, tmp_path)
    found = look(generated, tmp_path)
    assert (found["tables"], found["columns"]) == (tables, columns)
    assert found["true"] > tables
    assert found["precision"] >= 0.98
    assert found["recall"] >= 0.9
    assert found["sure_precision"] >= 0.99
    assert 0.2 * columns < found["checks"] < 0.6 * columns
    assert found["keys_found"] > tables // 8


def test_the_truth_is_true(tmp_path: Path) -> None:
    generated = generate(40, 400, 20_000)
    write(generated, tmp_path)
    with duckdb.connect() as connection:
        for (child, column), (parent, key) in generated.truth.items():
            here, there = (read_parquet([relation(tmp_path, t)]) for t in (child, parent))
            orphans = f"select count(*) from {here} c where {name(column)} is not null and {name(column)} not in (select {name(key)} from {there})"
            assert connection.execute(orphans).fetchone() == (0,), (child, column)
        for table in generated.tables:
            file = read_parquet([relation(tmp_path, table.name)])
            counted = connection.execute(f"select count(*), count(distinct {name(table.key[0])}) from {file}").fetchone()
            assert counted == (table.rows, table.rows)


def test_the_same_numbers_give_the_same_schema() -> None:
    assert generate(50, 500, 10_000) == generate(50, 500, 10_000)
    assert generate(50, 500, 10_000) != generate(50, 500, 10_000, seed=2)
    assert len({t.name for t in generate(1000, 10_000, 10_000_000).tables}) == 1000
