"""Which errors are the file's: by their class, or by the file's own bytes, never by words that a caller may have chosen."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import duckdb
import pytest

from api.serving.answer import Limits, answer
from api.serving.opened import OpenSlices, SliceRef
from api.serving.problems import Problem

ROWS = 60_000
LATE = "Corrupt database file: computed checksum"
"""In the body of the last row: rows stream before it is read."""


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("damage") / "whole.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create table notes as select i as id, i::varchar || ' ' || hash(i)::varchar as body from range({ROWS}) t(i)")
        connection.execute(f"insert into notes values ({ROWS}, '{LATE}')")
    return path


def ref_of(path: Path, published: bytes) -> SliceRef:
    return SliceRef("ws", "tn", path.stem, path, len(published), sha256(published).hexdigest(), "UTC")


def code(slices: OpenSlices, ref: SliceRef, sql: str) -> str:
    try:
        answer(slices, ref, sql, {}, Limits(rows=10**6))
    except Problem as problem:
        return problem.code
    return "answered"


def test_callers_words_are_no_damage(notes: Path) -> None:
    slices, ref = OpenSlices(1, "64MB", 30.0), ref_of(notes, notes.read_bytes())
    opened = slices.get(ref)
    assert code(slices, ref, "select case when id < 60000 then 1 else body::int end from notes") == "statement_failed"
    assert code(slices, ref, "select (body || 'x')::int from notes where id = 60000") == "statement_failed"
    assert slices.get(ref) is opened


@pytest.mark.parametrize("sql", ["select * from notes", "select max(body) from notes", "select body from notes order by 1"])
def test_damaged_block_is_damage_however_it_is_read(notes: Path, tmp_path: Path, sql: str) -> None:
    whole = notes.read_bytes()
    data, path = bytearray(whole), tmp_path / "flipped.duckdb"
    for i in range(len(data) // 2, len(data) // 2 + 64):
        data[i] ^= 0xFF
    path.write_bytes(data)
    slices, ref = OpenSlices(1, "64MB", 30.0), ref_of(path, whole)
    assert code(slices, ref, sql) == "slice_unusable"
    assert len(slices) == 0, "a damaged slice does not stay open"
