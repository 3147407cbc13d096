"""Partition broken on purpose: no wrong slice is published, the proof says why. What it cannot see by nature, the oracle does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from slices.building import builders
from tests.proof.mutations import MUTATIONS, Mutation
from tests.proof.telling import SLICES, InProcess, again, first


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which every slice is right."""
    home = tmp_path_factory.mktemp("right") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builders, "_Builder", InProcess)
        first(home)
    return home


@pytest.fixture
def home(right: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(builders, "_Builder", InProcess)
    return shutil.copytree(right, tmp_path / "home")


def test_unbroken_code_publishes_what_the_oracle_says(home: Path) -> None:
    done = again(home)
    assert (done.slices, done.reasons, done.refused) == (SLICES, [], None)


@pytest.mark.parametrize("mutation", [m for m in MUTATIONS if m.seen_by == "verify"], ids=lambda m: m.name)
def test_proof_keeps_what_broken_code_has_built_from_publication(mutation: Mutation, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation.apply(monkeypatch)
    done = again(home)
    assert done.slices == SLICES, "the last good slices answer"
    assert done.reasons, f"nobody has seen it: {done.refused}"
    assert all(reason.startswith("verify: ") for reason in done.reasons)
    assert any(mutation.words in reason for reason in done.reasons), done.reasons


CLEAR = [m for m in MUTATIONS if "landed values of" in m.words]


def landed_in(home: Path) -> set[Path]:
    return set(home.glob("workspaces/*/snapshots/*/*.parquet"))


@pytest.mark.parametrize("mutation", CLEAR, ids=lambda m: m.name)
def test_snapshot_whose_masks_do_not_hold_is_not_kept(mutation: Mutation, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = landed_in(home)
    assert before
    with monkeypatch.context() as patch:
        mutation.apply(patch)
        assert again(home).reasons
        assert landed_in(home) <= before, "what was landed in clear is gone with the refresh that saw it"
    monkeypatch.setattr(builders, "_Builder", InProcess)
    done = again(home)
    assert (done.slices, done.reasons, done.refused) == (SLICES, [], None)
    assert landed_in(home), "the next refresh lands anew"


@pytest.mark.parametrize("mutation", [m for m in MUTATIONS if m.seen_by == "landing"], ids=lambda m: m.name)
def test_other_rows_than_the_source_has_sent_stop_the_refresh(mutation: Mutation, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation.apply(monkeypatch)
    done = again(home)
    assert (done.slices, done.reasons, done.refused) == (SLICES, [], "rows_landed")


@pytest.mark.parametrize("mutation", [m for m in MUTATIONS if m.seen_by == "accounting"], ids=lambda m: m.name)
def test_rows_without_a_verdict_stop_the_refresh(mutation: Mutation, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation.apply(monkeypatch)
    done = again(home)
    assert (done.slices, done.reasons, done.refused) == (SLICES, [], "verdicts")


@pytest.mark.parametrize("mutation", [m for m in MUTATIONS if m.seen_by == "oracle"], ids=lambda m: m.name)
def test_oracle_sees_what_both_halves_of_the_proof_read_alike(mutation: Mutation, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation.apply(monkeypatch)
    done = again(home)
    assert (done.reasons, done.refused) == ([], None), "the proof sees it by now: say so in mutations.py"
    assert done.slices != SLICES
