"""`slicehouse query --format json` writes what the API writes, in parts of bounded size."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import duckdb
import msgspec
import pytest

from api.cli.reading import json_parts
from api.serving.answer import Answer, Limits, answer
from api.serving.formats import json_object
from api.serving.opened import OpenSlices, SliceRef

META = {"slice_version": "sv", "as_of": "2026-01-01T00:00:00Z"}
EVERY_TYPE = """
    select i as big, i::int as small, i / 7 as ratio, (i / 3)::decimal(18, 4) as exact, 'text "quoted" ' || i as body, i % 2 = 0 as flag,
      timestamp '2026-01-01' + to_hours(i::int) as at, timestamptz '2026-01-01 00:00:00+00' as instant, date '2026-01-01' as day,
      [timestamp '2026-01-01', null] as times, {'a': i} as pair, 'x'::blob as raw, to_days(i::int) as span, nullif(i % 3, 0) as maybe
    from range($n) t(i)
"""


@pytest.fixture
def slices(tmp_path: Path) -> tuple[OpenSlices, SliceRef]:
    path = tmp_path / "empty.duckdb"
    duckdb.connect(str(path)).close()
    return OpenSlices(1, "512MB", 60.0), SliceRef("ws", "tn", "sv", path, path.stat().st_size, "", "UTC")


def asked(slices: tuple[OpenSlices, SliceRef], sql: str, rows: int) -> Answer:
    return answer(*slices, sql, {"n": rows}, Limits(rows=2**31, cut=False))


@pytest.mark.parametrize("rows", [0, 1, 9_999, 10_000, 10_001, 25_000])
def test_parts_are_the_object_of_the_api(slices: tuple[OpenSlices, SliceRef], rows: int) -> None:
    found = asked(slices, EVERY_TYPE, rows)
    assert b"".join(json_parts(found, META)) == msgspec.json.encode(json_object(found, META))


def test_memory_of_python_does_not_grow_with_the_rows(slices: tuple[OpenSlices, SliceRef]) -> None:
    peaks = []
    for rows in (20_000, 400_000):
        found = asked(slices, "select i, i / 7 as x, 'note ' || i as body from range($n) t(i)", rows)
        tracemalloc.start()
        written = sum(len(part) for part in json_parts(found, META))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert written > rows * 20
    assert peaks[1] < peaks[0] * 2, peaks
