"""A file's digest is taken once while the file stays as it is, and anew when it does not."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from engine.errors import SliceUnusable
from slices.publishing import whole

CONTENT = b"slice" * 1_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sv.duckdb"
    path.write_bytes(CONTENT)
    return path


def check(path: Path) -> None:
    whole.check_whole(path, len(CONTENT), sha256(CONTENT).hexdigest())


def test_digest_is_taken_once_for_a_file_that_stays(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Path] = []
    real = whole.file_digest
    monkeypatch.setattr(whole, "file_digest", lambda path: (taken.append(path), real(path))[1])
    for _ in range(3):
        check(file)
    assert taken == [file]
    os.utime(file)
    check(file)
    assert taken == [file, file]


@pytest.mark.parametrize("in_place", [True, False], ids=["in place", "another file under its name"])
def test_change_after_the_first_look_is_seen_though_its_time_was_set_back(file: Path, in_place: bool) -> None:
    check(file)
    before = file.stat()
    other = file if in_place else file.with_suffix(".other")
    other.write_bytes(b"X" + CONTENT[1:])
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(file)
    with pytest.raises(SliceUnusable):
        check(file)
    file.write_bytes(CONTENT)
    check(file)


def test_missing_or_longer_file_is_refused(file: Path) -> None:
    check(file)
    file.write_bytes(CONTENT + b"x")
    with pytest.raises(SliceUnusable):
        check(file)
    file.unlink()
    with pytest.raises(SliceUnusable):
        check(file)
