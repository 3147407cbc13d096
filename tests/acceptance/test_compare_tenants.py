"""The comparison itself: what it says where an answer is wrong, and whom it asks."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx
import pytest

from tests.acceptance.differential import Tally, compare, postgres, sample
from tests.acceptance.served import Api
from tests.differential.cases import Query
from tests.differential.cells import Side

NOTES = Query(
    "notes by text", slice="select text from notes", postgres="select text from notes where org = %(tenant)s order by 1", ordered=True
)


@dataclass(frozen=True, slots=True)
class _OneWrongRow(Api):
    """Answers as tenant 1's slice ought to, but for one row; and so to everybody."""

    client: httpx.Client = field(default_factory=httpx.Client)
    tenants: dict[str, str] = field(default_factory=lambda: {"1": "tn_of_1"})

    def ask(self, tenant: str, sql: str, format_: str = "json") -> Side:
        assert (tenant, sql) == ("tn_of_1", NOTES.slice)
        return [("a",), ("B",), ("c",)]


def test_difference_names_tenant_query_format_and_first_row(database: str) -> None:
    with postgres(database) as connection:
        connection.execute("create table notes(org int, text text); insert into notes values (1, 'a'), (1, 'b'), (1, 'c'), (2, 'x')")
        tally = compare(_OneWrongRow(), connection, "notes", [NOTES], {1: ("arrow",)})
    with pytest.raises(AssertionError, match="1 of 1 answers differ") as raised:
        tally.check()
    said = str(raised.value)
    assert "notes, tenant 1, query 'notes by text', arrow: 3 rows on the left, 3 on the right; 1 differ in their place" in said
    assert "row 2\n  left  ('B')\n  right ('b')" in said


def test_query_without_a_row_anywhere_shows_nothing() -> None:
    tally = Tally("notes", answers=1)
    tally.rows["silent"] = 0
    with pytest.raises(AssertionError, match="silent"):
        tally.check()


def test_sample_has_the_biggest_the_smallest_an_empty_one_and_the_odd() -> None:
    sizes = {n: n for n in range(100)}
    asked = sample(sizes, [50])
    assert {99, 1, 0, 50} < set(asked)
    assert {key for key, formats in asked.items() if "arrow" in formats} == {99, 1, 0}
    assert all("json" in formats for formats in asked.values())
    assert asked == sample(sizes, [50])
