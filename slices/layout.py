"""The only place that knows paths and names of files. Names are made from our own ids alone, never from a tenant's key.

home/
  catalog.sqlite              the catalog, unless SLICEHOUSE_CATALOG names a PostgreSQL database
  secret                      the installation's own key (0600)
  scheduler.lock              one scheduler at a time
  serving.lock                held by servers, so that nothing is restored below them
  backup.lock, backup/        one backup at a time, and what it works on
  usage/….jsonl               usage that is not counted yet, a file a process and second
  postgres/ …                 the demo's server, where it runs
  workspaces/ws_…/
    definition/slicehouse.yaml  the file of a workspace that was made by program, its routes.lock beside it
    refresh.lock              one refresh at a time
    snapshots/sn_…/           landed Parquet and snapshot.json
    held/rn_…/                hashes of the row keys that each version of that run holds
    runs/rn_…/                work of a refresh; removed when it ends
    tenants/tn_…/sv_….duckdb  a version; sv_….json, its manifest; sv_….proof.json, what proved it
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from engine.errors import StorageError
from engine.ids import is_id

_OF_A_HOME = ("catalog.sqlite*", "*.lock", "*.part", "usage", "postgres", "workspaces", "backup")
_OF_A_WORKSPACE = ("*.lock", "*.part", "snapshots", "held", "runs", "tenants")


def _children(folder: Path, known: tuple[str, ...]) -> list[Path]:
    """What lies in a folder under other names than these."""
    return [p for p in sorted(folder.iterdir()) if not p.is_symlink() and not any(p.match(k) for k in known)]


@dataclass(frozen=True, slots=True)
class Home:
    """The folders and files of one installation."""

    path: Path

    @property
    def catalog(self) -> Path:
        """The SQLite catalog."""
        return self.path / "catalog.sqlite"

    @property
    def secret(self) -> Path:
        """The installation's key: 32 random bytes, readable by its owner alone."""
        return self.path / "secret"

    @property
    def usage(self) -> Path:
        """The journals of usage that are not counted yet."""
        return self.path / "usage"

    @property
    def scheduler_lock(self) -> Path:
        """Held while a scheduler fires this installation's schedules."""
        return self.path / "scheduler.lock"

    @property
    def serving_lock(self) -> Path:
        """Held while a server runs on this installation."""
        return self.path / "serving.lock"

    @property
    def backup_lock(self) -> Path:
        """Held while a backup is taken."""
        return self.path / "backup.lock"

    @property
    def backup(self) -> Path:
        """What a backup works on; removed when it ends."""
        return self.path / "backup"

    def others(self) -> list[Path]:
        """Files of the home folder that are neither the catalog, the secret, usage, published or landed, nor of something at work."""
        found = [p for p in _children(self.path, _OF_A_HOME) if p.name != self.secret.name]
        for folder in sorted((self.path / "workspaces").glob("ws_*")):
            found += _children(folder, _OF_A_WORKSPACE)
        return [f for p in found for f in ([p] if p.is_file() else sorted(p.rglob("*"))) if f.is_file() and not f.is_symlink()]

    def workspace(self, workspace: str) -> WorkspaceFolder:
        """The folder of a workspace; `workspace` is its ws_… id."""
        if not is_id(workspace, "ws"):
            raise StorageError("That is no workspace id.", code="layout")
        return WorkspaceFolder(self.path / "workspaces" / workspace)

    def managed(self, file: Path) -> str | None:
        """The ws_… id of the workspace whose definition that file is, where it is one of this home."""
        folder = file.parent.parent
        is_ours = folder.parent == self.path / "workspaces" and is_id(folder.name, "ws")
        return folder.name if is_ours and file == WorkspaceFolder(folder).definition else None


@dataclass(frozen=True, slots=True)
class WorkspaceFolder:
    """Everything of one workspace."""

    path: Path

    @property
    def definition(self) -> Path:
        """The workspace file of a workspace that was made by program."""
        return self.path / "definition" / "slicehouse.yaml"

    @property
    def lock(self) -> Path:
        """Held while a refresh is at work."""
        return self.path / "refresh.lock"

    @property
    def snapshots(self) -> Path:
        """One folder a snapshot."""
        return self.path / "snapshots"

    @property
    def runs(self) -> Path:
        """One folder a refresh at work."""
        return self.path / "runs"

    @property
    def held(self) -> Path:
        """One folder a run: what its versions hold, as hashes of row keys."""
        return self.path / "held"

    @property
    def tenants(self) -> Path:
        """One folder a tenant."""
        return self.path / "tenants"

    def run(self, run: str) -> Path:
        """The work folder of a run."""
        return self.runs / _checked(run, "rn")

    def slice(self, tenant: str, version: str) -> Path:
        """The file of one version of one tenant."""
        return self.tenants / _checked(tenant, "tn") / f"{_checked(version, 'sv')}.duckdb"

    def manifest(self, tenant: str, version: str) -> Path:
        """The manifest of one version of one tenant."""
        return self.slice(tenant, version).with_suffix(".json")

    def proof(self, tenant: str, version: str) -> Path:
        """The proof of one version of one tenant."""
        return self.slice(tenant, version).with_suffix(".proof.json")


def _checked(text: str, prefix: str) -> str:
    if re.fullmatch(r"[a-z]{2}_[0-9a-z]{26}", text) is None or not text.startswith(prefix):
        raise StorageError(f"{prefix}_… was expected.", code="layout")
    return text
