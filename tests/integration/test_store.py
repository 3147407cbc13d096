"""The store and rollback where the disk refuses, or where files are not what was published."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import ReviewRequired, StorageError
from engine.ids import new_id
from slices.installation import Installation
from slices.layout import Home
from slices.publishing.publish import rollback, sweep
from slices.publishing.store import LocalStore
from slices.refresh import refresh
from slices.reviewing.routings import workspace_row
from tests.integration.driving import accept, answering, installation_in
from tests.integration.killed import offer_generation, workspace_in


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(Home(tmp_path / "home").workspace(new_id("ws")))


def placed(store: LocalStore, folder: Path) -> tuple[str, str]:
    """A tenant and a version whose file the store has placed."""
    tenant, version, built = new_id("tn"), new_id("sv"), folder / "built"
    built.write_bytes(b"slice")
    store.place(tenant, version, built, b"{}", b"{}")
    return tenant, version


def test_folder_that_cannot_be_synced_is_a_storage_error(store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed(store, tmp_path)

    def failing(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StorageError):
        store.settle()


def test_what_was_planted_beside_a_version_is_removed_with_it(store: LocalStore, tmp_path: Path) -> None:
    tenant, version = placed(store, tmp_path)
    path = store.path(tenant, version)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    Path(f"{path}.wal").write_bytes(b"planted")
    Path(f"{path}.checkpoint.wal").symlink_to(outside)
    Path(f"{path}.tmp").mkdir()
    Path(f"{path}.tmp", "spill").touch()
    store.remove(tenant, version)
    assert not path.parent.exists()
    assert (outside / "kept").exists(), "a link is removed, not what it leads to"


def test_manifest_and_proof_without_their_file_are_swept(tmp_path: Path) -> None:
    home = tmp_path / "home"
    installation, workspace = installation_in(home), workspace_in(home)
    offer_generation(1)
    accept(installation, workspace)
    row = workspace_row(installation, workspace)
    lost = LocalStore(installation.home.workspace(row.id)).path(new_id("tn"), new_id("sv"))
    lost.parent.mkdir(parents=True)
    for kind in (".json", ".proof.json", ".proof.json.part"):
        lost.with_suffix(kind).write_bytes(b"{}")
    assert sweep(installation, row.id) == 3
    assert list(lost.parent.iterdir()) == []


DAMAGE: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "other bytes": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"X"),
    "company": lambda path: Path(f"{path}.wal").write_bytes(b"planted"),
}


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of three tenants, refreshed twice."""
    home = tmp_path_factory.mktemp("twice") / "home"
    installation = installation_in(home, builders=1)
    offer_generation(1)
    accept(installation, workspace_in(home))
    refresh(installation, workspace_in(home))
    offer_generation(2)
    refresh(installation, workspace_in(home))
    return home


@pytest.mark.parametrize("damage", DAMAGE)
def test_rollback_to_a_file_that_is_not_what_was_published_is_refused(twice: Path, damage: str) -> None:
    installation: Installation = installation_in(twice)
    workspace = workspace_row(installation, workspace_in(twice)).id
    now = answering(installation, workspace_in(twice))["A"]
    assert now.path is not None
    (before,) = (p for p in now.path.parent.glob("*.duckdb") if p != now.path)
    kept = before.read_bytes()
    DAMAGE[damage](before)
    with pytest.raises(ReviewRequired) as refused:
        rollback(installation, workspace, now.id, None)
    assert (refused.value.code, refused.value.exit_status) == ("version_unusable", 3)
    assert answering(installation, workspace_in(twice))["A"].version == now.version
    Path(f"{before}.wal").unlink(missing_ok=True)
    before.write_bytes(kept)
    assert rollback(installation, workspace, now.id, None).id == before.stem
    rollback(installation, workspace, now.id, now.version)
