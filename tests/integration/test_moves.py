"""A row that goes from one tenant to another: in one publication, without a trace, whatever fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine.errors import ReviewRequired
from slices import refresh as refreshing
from slices.building.task import Built
from slices.publishing.publish import rollback
from slices.refresh import Result, refresh
from slices.reviewing.routings import workspace_row
from tests.integration.driving import Answering, accept, answering, installation_in, offer_tables, workspace_of

CANARY = "qzjxkvwyhgfqbnmplkjh"
MOVING = 7


def note_rows(moved: bool) -> pa.Table:
    """60 notes of three tenants; the moving one is A's, or B's."""
    ids = list(range(60))
    owners = ["ABC"[i % 3] if i != MOVING else "B" if moved else "A" for i in ids]
    return pa.table({"id": pa.array(ids, pa.int64()), "org_id": owners, "body": [CANARY if i == MOVING else f"note {i}" for i in ids]})


class Moving:
    """A workspace of three tenants whose note 7 is A's, refreshed once."""

    def __init__(self, folder: Path) -> None:
        self.url = str(folder)
        self.workspace = workspace_of(folder, "arrow", self.url)
        self.installation = installation_in(folder / "home", compression="light", builders=1)
        self.offer(moved=False)
        accept(self.installation, self.workspace)
        assert self.refresh().built == 3
        self.before = self.answering()

    def offer(self, *, moved: bool) -> None:
        offer_tables(self.url, {"orgs": (pa.table({"id": ["A", "B", "C"]}), []), "notes": (note_rows(moved), [("org_id", "orgs")])})

    def refresh(self) -> Result:
        return refresh(self.installation, self.workspace)

    def answering(self) -> dict[str, Answering]:
        return answering(self.installation, self.workspace)

    def rollback(self, key: str, version: str | None) -> None:
        rollback(self.installation, workspace_row(self.installation, self.workspace).id, self.before[key].id, version)


@pytest.fixture
def moving(tmp_path: Path) -> Moving:
    return Moving(tmp_path)


def fail_build_of(monkeypatch: pytest.MonkeyPatch, tenant: str) -> None:
    """The builder's answer for this tenant becomes an error."""
    real: Callable[..., list[Built]] = refreshing.run_tasks

    def with_a_failure(tasks: Sequence[Any], *more: Any) -> list[Built]:
        return [
            Built(tenant=b.tenant, version=b.version, error="engine", detail="made to fail") if b.tenant == tenant else b
            for b in real(tasks, *more)
        ]

    monkeypatch.setattr(refreshing, "run_tasks", with_a_failure)


def holds_it(tenant: Answering) -> bool:
    return tenant.rows(f"select count(*) from notes where id = {MOVING}") == [(1,)]


def test_row_leaves_one_and_appears_in_the_other_in_one_publication(moving: Moving) -> None:
    assert (holds_it(moving.before["A"]), holds_it(moving.before["B"])) == (True, False)
    moving.offer(moved=True)
    result = moving.refresh()
    now = moving.answering()
    assert (holds_it(now["A"]), holds_it(now["B"])) == (False, True)
    assert (result.built, result.unchanged) == (2, 1)
    assert all(now[k].version != moving.before[k].version for k in "AB")


def test_unchanged_tenants_are_not_rebuilt(moving: Moving) -> None:
    assert moving.before["C"].path is not None
    stamp = moving.before["C"].path.stat()
    moving.offer(moved=True)
    moving.refresh()
    after = moving.answering()["C"]
    assert after.version == moving.before["C"].version
    assert after.path is not None
    assert (after.path.stat().st_ino, after.path.stat().st_mtime_ns) == (stamp.st_ino, stamp.st_mtime_ns)
    result = moving.refresh()
    assert (result.built, result.unchanged) == (0, 3)


def test_raw_bytes_of_the_new_file_hold_nothing_of_the_row_that_left(moving: Moving) -> None:
    assert CANARY.encode() in moving.before["A"].bytes(), "the search must find what is there"
    moving.offer(moved=True)
    moving.refresh()
    now = moving.answering()
    assert CANARY.encode() in now["B"].bytes()
    assert CANARY.encode()[:8] not in now["A"].bytes()
    assert CANARY.encode()[-8:] not in now["A"].bytes()


def test_rollback_across_the_move_is_refused(moving: Moving) -> None:
    moving.offer(moved=True)
    moving.refresh()
    for version in (moving.before["A"].version, None):
        with pytest.raises(ReviewRequired):
            moving.rollback("A", version)
    assert not holds_it(moving.answering()["A"])
    moving.rollback("B", None)
    assert moving.answering()["B"].version == moving.before["B"].version


def test_old_file_is_removed_with_the_move(moving: Moving) -> None:
    moving.offer(moved=True)
    moving.refresh()
    assert moving.before["A"].path is not None
    assert not moving.before["A"].path.exists()


def test_receiver_that_fails_keeps_its_old_version_and_the_giver_is_new(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_build_of(monkeypatch, moving.before["B"].id)
    moving.offer(moved=True)
    result = moving.refresh()
    now = moving.answering()
    assert (result.built, result.failed, result.withheld) == (1, 1, 0)
    assert result.reasons == {moving.before["B"].id: "made to fail"}
    assert not holds_it(now["A"])
    assert now["B"].version == moving.before["B"].version
    assert now["B"].state == "active"


def test_giver_that_fails_is_withheld_until_it_builds(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        fail_build_of(patch, moving.before["A"].id)
        moving.offer(moved=True)
        result = moving.refresh()
    now = moving.answering()
    assert (result.built, result.failed, result.withheld) == (1, 1, 1)
    assert (now["A"].state, now["B"].state, now["C"].state) == ("withheld", "active", "active")
    assert holds_it(now["B"])
    with pytest.raises(ReviewRequired):
        moving.rollback("A", moving.before["A"].version)
    moving.refresh()
    healed = moving.answering()["A"]
    assert healed.state == "active"
    assert not holds_it(healed)


def test_giver_that_fails_twice_stays_withheld(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_build_of(monkeypatch, moving.before["A"].id)
    moving.offer(moved=True)
    moving.refresh()
    moving.refresh()
    assert moving.answering()["A"].state == "withheld"
