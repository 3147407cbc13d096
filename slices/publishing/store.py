"""Where published files lie. `LocalStore` is a folder; object storage fits the same protocol."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Protocol

from engine.errors import SliceUnusable, StorageError
from slices.layout import WorkspaceFolder


class Store(Protocol):
    """Files of slice versions, placed whole and never changed."""

    def place(self, tenant: str, version: str, built: Path, manifest: bytes, proof: bytes) -> None:
        """Puts a built file, its manifest and its proof in place. Raises StorageError."""
        ...

    def settle(self) -> None:
        """Makes sure that what was placed survives a loss of power."""
        ...

    def path(self, tenant: str, version: str) -> Path:
        """A local path of the version's file."""
        ...

    def manifest(self, tenant: str, version: str) -> bytes:
        """The version's manifest. Raises StorageError."""
        ...

    def remove(self, tenant: str, version: str) -> None:
        """Removes a version; readers that have it open finish."""
        ...

    def versions(self) -> list[tuple[str, str]]:
        """(tenant, version) of every file that is there."""
        ...


class LocalStore:
    """A folder a tenant. Files are renamed into place and their folders synced."""

    def __init__(self, folder: WorkspaceFolder) -> None:
        self._folder = folder
        self._touched: set[Path] = set()

    def place(self, tenant: str, version: str, built: Path, manifest: bytes, proof: bytes) -> None:
        """Renames the built file (synced already) once its manifest and proof are written; `settle` makes them durable."""
        target = self.path(tenant, version)
        try:
            if not target.parent.exists():
                target.parent.mkdir(parents=True)
                self._touched.add(target.parent.parent)
            _write(self._folder.manifest(tenant, version), manifest)
            _write(self._folder.proof(tenant, version), proof)
            built.rename(target)
        except OSError as error:
            raise StorageError("The store refused a slice.", hint="Free space in the home folder, or move it with --home.") from error
        self._touched.add(target.parent)

    def settle(self) -> None:
        """Syncs every folder that something was placed in."""
        try:
            for folder in self._touched:
                _sync(folder)
        except OSError as error:
            raise StorageError("The store could not keep what was placed.", hint="slicehouse doctor; look at the disk.") from error
        self._touched.clear()

    def path(self, tenant: str, version: str) -> Path:
        """The version's file."""
        return self._folder.slice(tenant, version)

    def manifest(self, tenant: str, version: str) -> bytes:
        """The version's manifest."""
        try:
            return self._folder.manifest(tenant, version).read_bytes()
        except OSError as error:
            raise StorageError("A manifest is missing.", hint="slicehouse verify, then slicehouse refresh --full.") from error

    def remove(self, tenant: str, version: str) -> None:
        """Unlinks the file, its manifest, its proof and what was planted beside it, and the tenant's folder where it is empty."""
        path = self._folder.slice(tenant, version)
        for found in (path, self._folder.manifest(tenant, version), self._folder.proof(tenant, version), *_beside(path)):
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found, ignore_errors=True)
            else:
                found.unlink(missing_ok=True)
        folder = self._folder.tenants / tenant
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def versions(self) -> list[tuple[str, str]]:
        """Every .duckdb file."""
        return [(p.parent.name, p.stem) for p in sorted(self._folder.tenants.glob("tn_*/sv_*.duckdb"))]


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    _sync(part)
    part.rename(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _beside(path: Path) -> list[Path]:
    """What the engine would read with a slice file, or has left there: nothing that was published."""
    return [p for n in (".wal", ".checkpoint.wal", ".tmp") if os.path.lexists(p := path.with_name(path.name + n))]


def check_file(path: Path, size: int) -> None:
    """Raises SliceUnusable unless the file is regular, of that size, and alone: a WAL planted beside it would be replayed."""
    try:
        found = path.lstat()
    except OSError:
        raise SliceUnusable("A slice file is missing.", hint="slicehouse refresh --full builds it anew.") from None
    if not os.path.isfile(path) or os.path.islink(path) or found.st_size != size:
        raise SliceUnusable("A slice file is not what was published.", hint="slicehouse verify, then slicehouse refresh --full.")
    if _beside(path):
        raise SliceUnusable(
            "Something lies beside a slice file that was not published.", hint="Look at the home folder; then slicehouse refresh --full."
        )
