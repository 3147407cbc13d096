"""Takes a backup while the installation serves.

Nothing is published, removed or counted for the moment in which the catalog's state is fixed and the files that it names are linked: who does
so holds the catalog's write lock. From then on both stay as they were, whatever becomes of the originals, and are written down in peace.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.catalog import audit, versions, workspaces
from engine.catalog.copying import Copied, copy_out
from engine.catalog.database import revision_of
from engine.catalog.tables import VersionRow, WorkspaceRow
from engine.dashboards.read import dashboard_files
from engine.errors import ConfigurationError, SlicehouseError, SliceUnusable, StorageError
from engine.workspace import read_workspace
from extract.snapshot import read_snapshot
from slices.backup.archive import Writer, private
from slices.backup.manifest import Archive, Member, TableCopy, WorkspaceCopy
from slices.building.build import file_digest
from slices.installation import Installation
from slices.layout import Home
from slices.locking import exclusive


@dataclass(frozen=True, slots=True)
class Taken:
    """What an archive holds; `notes` say what it does not."""

    path: Path
    bytes: int
    versions: int
    files: int
    rows: int
    notes: Sequence[str]


@dataclass(slots=True)
class _Links:
    """Files of the home folder, linked or copied below `folder`, so that they stay. `named` are those of the archive, by their names in the
    home folder, with their SHA-256 where the catalog knows it."""

    home: Home
    folder: Path
    named: dict[str, str | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, path: Path, sha256: str | None = None) -> bool:
        """Links a file that is never changed, once; whether it is there."""
        name, target = self._at(path)
        try:
            if not target.exists():
                _link_or_copy(path, target)
        except FileNotFoundError:
            return False
        self.named[name] = sha256
        return True

    def copy(self, path: Path) -> None:
        """Copies a file that may be changed in its place."""
        name, target = self._at(path)
        with suppress(FileNotFoundError):
            shutil.copyfile(path, target)
            self.named[name] = None

    def _at(self, path: Path) -> tuple[str, Path]:
        name = path.relative_to(self.home.path).as_posix()
        target = self.folder / "home" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        return name, target


def _link_or_copy(path: Path, target: Path) -> None:
    try:
        os.link(path, target, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links
        shutil.copyfile(path, target)


def take(installation: Installation, output: Path, actor: audit.Actor) -> Taken:
    """Writes the archive, readable by its owner alone. Raises ConfigurationError, Busy, SliceUnusable, StorageError; leaves nothing then."""
    home = installation.home
    _require_new(home, output)
    try:
        with exclusive(home.backup_lock, "Another backup of this installation is at work.", "Try again when it has ended."):
            shutil.rmtree(home.backup, ignore_errors=True)  # of one that was killed
            home.backup.mkdir(mode=0o700)
            try:
                return _take(installation, output, actor)
            finally:
                shutil.rmtree(home.backup, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"The backup cannot be written: {os.strerror(error.errno or 0)}.", hint="Free space there, or name another place with -o."
        ) from error


def _require_new(home: Home, output: Path) -> None:
    if output.exists():
        raise ConfigurationError(f"{output} is there already.", hint="Name another file with -o.")
    if not output.resolve().parent.is_dir():
        raise ConfigurationError(f"There is no folder {output.parent}.", hint="Make it, or name another place with -o.")
    if output.resolve().is_relative_to(home.path):
        raise ConfigurationError("A backup within the home folder would be lost with it.", hint="Name another place with -o.")


def _take(installation: Installation, output: Path, actor: audit.Actor) -> Taken:
    home = installation.home
    journals, links = _Links(home, home.backup), _Links(home, home.backup)
    for journal in sorted(home.usage.glob("*.jsonl")):  # first: what is counted meanwhile is in both then, and counts once
        journals.copy(journal)
    with installation.catalog.read() as session:  # most of the work is done before anybody has to wait
        _link(installation, session, _Links(home, home.backup), is_final=False)
    with _fixed(installation, links, actor) as session:
        (home.backup / "catalog").mkdir()
        tables = copy_out(session, home.backup / "catalog")
        rows, live = workspaces.all_workspaces(session), len(_live(session))
        revision = revision_of(session.connection())
    installation.failpoint("backup.fixed")
    for path in [home.secret, *home.others()]:
        links.copy(path)
    links.named |= journals.named
    archive = Archive(
        made_at=installation.clock(),
        home=str(home.path),
        revision=revision or "",
        tables={name: TableCopy(columns=table.columns, rows=table.rows) for name, table in tables.items()},  # type: ignore[arg-type]
        workspaces={row.id: _beside(row, links) for row in rows},
        members=_members(home.backup, tables, links),
    )
    _write(archive, home.backup, output)
    total = sum(t.rows for t in tables.values())
    return Taken(output, output.stat().st_size, live, len(archive.members), total, links.notes)


@contextmanager
def _fixed(installation: Installation, links: _Links, actor: audit.Actor) -> Iterator[Session]:
    """A session on one state of the catalog, all of whose files are linked."""
    with installation.catalog.read() as session:
        with installation.catalog.write(quiet=True) as writing:
            _link(installation, session, links, is_final=True)  # the first look: from here on the session sees this state
            entry = audit.Entry("installation.backup", "installation")
            audit.append(writing, installation.derived_key("audit"), actor, entry, installation.clock())
        yield session


def _live(session: Session) -> list[VersionRow]:
    return list(session.scalars(select(VersionRow).where(VersionRow.state.in_(versions.LIVE))))


def _link(installation: Installation, session: Session, links: _Links, *, is_final: bool) -> None:
    """Versions that answer or are kept, what they are known to hold, and the landed snapshots that the last publication was made from."""
    home, live = installation.home, _live(session)
    for version in live:
        folder = home.workspace(version.workspace_id)
        manifest = folder.manifest(version.tenant_id, version.id)
        is_there = links.add(folder.slice(version.tenant_id, version.id), version.sha256) and links.add(manifest)
        links.add(folder.proof(version.tenant_id, version.id))
        if is_final and not is_there:
            raise SliceUnusable(
                f"A slice file of tenant {version.tenant_id} is missing.",
                hint="slicehouse verify, then slicehouse refresh --full; then again.",
            )
    for workspace_id, run in sorted({(v.workspace_id, v.run_id) for v in live}):
        for held in sorted((home.workspace(workspace_id).held / run).glob("*")):
            links.add(held)
    for row in workspaces.all_workspaces(session):
        publication = versions.newest_publication(session, row.id)
        for snapshot in publication.snapshots if publication is not None else ():
            if not _link_snapshot(home, row.id, snapshot, links) and is_final:
                links.notes.append(f"{row.slug}: the landed snapshot of the last publication is gone, so verify needs a refresh first.")


def _link_snapshot(home: Home, workspace_id: str, snapshot: str, links: _Links) -> bool:
    """A snapshot and every file that it lists, those of earlier ones among them; whether all are there."""
    folder = home.workspace(workspace_id).snapshots
    try:
        listed = [folder / file.path for table in read_snapshot(folder, snapshot).tables for file in table.files]
    except FileNotFoundError:
        return False
    missing = [path for path in (folder / snapshot / "snapshot.json", *listed) if not links.add(path)]
    return not missing


def _beside(row: WorkspaceRow, links: _Links) -> WorkspaceCopy:
    """A copy of a workspace's file, its lock and its dashboards, where they lie outside of the home folder."""
    path = Path(row.path)
    if path.is_relative_to(links.home.path):
        return WorkspaceCopy(slug=row.slug, path=row.path)
    try:
        workspace = read_workspace(path)
        found = [path, *[p for p in (workspace.lock_path, *dashboard_files(workspace)) if p.is_file() and p.is_relative_to(path.parent)]]
    except (SlicehouseError, OSError):
        links.notes.append(f"{row.slug}: its workspace file cannot be read, and is not in the backup.")
        return WorkspaceCopy(slug=row.slug, path=row.path)
    for file in found:
        target = links.folder / "files" / row.id / file.relative_to(path.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return WorkspaceCopy(slug=row.slug, path=row.path, file=path.name)


def _members(folder: Path, tables: dict[str, Copied], links: _Links) -> list[Member]:
    """The catalog first, then files beside workspaces, then the home folder's. Versions are hashed while they are written."""
    beside = sorted(p.relative_to(folder).as_posix() for p in (folder / "files").rglob("*") if p.is_file())
    names = [f"catalog/{table.path.name}" for table in tables.values()] + beside
    digests = dict.fromkeys(names) | {f"home/{name}": digest for name, digest in sorted(links.named.items())}
    return [
        Member(name=name, bytes=(folder / name).stat().st_size, sha256=digest or file_digest(folder / name))
        for name, digest in digests.items()
    ]


def _write(archive: Archive, folder: Path, output: Path) -> None:
    """Written aside, synced, renamed."""
    part = output.with_name(output.name + ".part")
    part.unlink(missing_ok=True)
    try:
        with open(part, "xb", opener=private) as file:
            writer = Writer(file, compressed=output.suffix == ".zst")
            writer.manifest(archive)
            for member in archive.members:
                writer.member(member, folder / member.path)
            writer.end()
        for path in (part, part.parent):
            _sync(path)
        part.rename(output)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
