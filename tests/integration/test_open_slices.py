"""Slices that are opened: once, bounded in number, and none of them in the way of another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest

from api.serving.opened import OpenSlices, SliceRef
from engine import duck
from engine.errors import SliceUnusable

WAIT = 30.0  # seconds after which a test that hangs is over


def slice_ref(folder: Path, tenant: str) -> SliceRef:
    path = folder / f"{tenant}.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table notes as select 1 as id")
    return SliceRef("ws", tenant, "sv", path, path.stat().st_size, "", "UTC")


class Slow:
    """Opens as the engine does, but holds the files of these names until it is let go."""

    def __init__(self, *names: str) -> None:
        self.names, self.opened = names, list[str]()
        self.began, self.go_on = threading.Event(), threading.Event()
        self._real = duck.serve

    def __call__(self, path: Path, **more: Any) -> duck.Connection:
        self.opened.append(path.stem)
        if path.stem in self.names:
            self.began.set()
            assert self.go_on.wait(WAIT)
        return self._real(path, **more)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    found = Slow("a")
    monkeypatch.setattr(duck, "serve", found)
    yield found
    found.go_on.set()


def test_slice_that_opens_slowly_holds_up_nobody_elses(tmp_path: Path, slow: Slow) -> None:
    a, b, c = (slice_ref(tmp_path, t) for t in "abc")
    slices = OpenSlices(1, "64MB", 10.0)
    slices.get(b)
    with ThreadPoolExecutor(2) as pool:
        first: Future[Any] = pool.submit(slices.get, a)
        assert slow.began.wait(WAIT)
        for ref in (b, c):  # open already; opened, and another closed for it
            assert pool.submit(slices.get, ref).result(WAIT).tables == {("main", "notes")}
        slices.drop(b)
        assert not first.done()
        slow.go_on.set()
        assert first.result(WAIT).tables == {("main", "notes")}
    assert len(slices) == 1


def test_all_who_ask_for_a_slice_that_opens_get_the_one_instance(tmp_path: Path, slow: Slow) -> None:
    a = slice_ref(tmp_path, "a")
    slices = OpenSlices(4, "64MB", 10.0)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(slices.get, a) for _ in range(8)]
        assert slow.began.wait(WAIT)
        slow.go_on.set()
        found = [f.result(WAIT) for f in asked]
    assert slow.opened == ["a"]
    assert all(f is found[0] for f in found)


def test_slice_that_could_not_be_opened_can_be_once_it_is_whole(tmp_path: Path) -> None:
    ref = slice_ref(tmp_path, "a")
    whole = ref.path.read_bytes()
    slices = OpenSlices(4, "64MB", 10.0)
    ref.path.write_bytes(whole[:-1])
    for _ in range(2):
        with pytest.raises(SliceUnusable):
            slices.get(ref)
    ref.path.write_bytes(whole)
    assert slices.get(ref).tables == {("main", "notes")}
    assert not slices._opening
