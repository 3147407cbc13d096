"""Makes an installation of an archive: everything is read and checked first, into a folder beside the home; then folders are renamed.

Whatever fails before that leaves everything as it was. A catalog in PostgreSQL is filled in one transaction, which is committed last.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from engine.catalog import Catalog, audit, is_filled, open_catalog, versions
from engine.catalog.copying import Copied, copy_in, rows_in
from engine.catalog.database import is_known, migrate_on, set_aside
from engine.catalog.tables import WorkspaceRow
from engine.clock import Clock, rfc3339, utc_now
from engine.errors import Busy, ConfigurationError, StorageError
from slices.backup.archive import Reader, not_whole
from slices.backup.manifest import Archive
from slices.installation import derived_key
from slices.layout import Home
from slices.locking import is_held


@dataclass(frozen=True, slots=True)
class Target:
    """Where an installation is made: its home folder, and PostgreSQL's URI where the catalog is there. `force`: what is there is set aside."""

    home: Path
    catalog: str | None = None
    force: bool = False


@dataclass(slots=True)
class Restored:
    """What was made, and what a person should know: where workspace files are, what was set aside."""

    made_at: datetime
    versions: int
    rows: int
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Unpacked:
    """An archive that was read and checked: `folder` has catalog/, home/ and files/."""

    archive: Archive
    folder: Path
    tables: dict[str, Copied]


def restore(file: Path, target: Target, actor: audit.Actor, clock: Clock = utc_now) -> Restored:
    """Makes the installation. Raises ConfigurationError (no whole archive, a target that is filled), Busy, StorageError: nothing is changed then."""
    home = Home(target.home.resolve())
    _require_free(home, target)
    try:
        home.path.parent.mkdir(parents=True, exist_ok=True)
        with _aside(home) as folder:
            unpacked = _unpack(file, folder)
            return _made(unpacked, home, target, actor, clock())
    except OSError as error:
        raise StorageError(
            f"The installation cannot be restored: {os.strerror(error.errno or 0)}. Nothing was changed.",
            hint="Free space, or name another --home.",
        ) from error


def _require_free(home: Home, target: Target) -> None:
    """Raises Busy where something is at work there, ConfigurationError where something is there that nobody gave up."""
    at_work = [home.scheduler_lock, home.serving_lock, home.backup_lock, *home.path.glob("workspaces/ws_*/refresh.lock")]
    if any(is_held(lock) for lock in at_work):
        raise Busy(f"A server, a refresh or a backup is at work in {home.path}.", hint="End it first.")
    if not target.force and home.path.exists() and (not home.path.is_dir() or any(home.path.iterdir())):
        raise ConfigurationError(
            f"{home.path} is not empty.", hint="--home DIR names another; --force sets what is there aside.", code="not_empty"
        )
    if not target.force and target.catalog is not None and is_filled(target.catalog):
        raise ConfigurationError(
            "The catalog of that address belongs to an installation.",
            hint="--catalog URL names another database; --force sets its tables aside in a schema of their own.",
            code="not_empty",
        )


@contextmanager
def _aside(home: Home) -> Iterator[Path]:
    """A folder beside the home folder, on the same disk; removed at the end."""
    folder = home.path.with_name(f".{home.path.name}.restoring-{os.getpid()}")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _unpack(file: Path, folder: Path) -> _Unpacked:
    try:
        opened = file.open("rb")
    except OSError:
        raise ConfigurationError(f"There is no file {file} that can be read.", hint="Name the archive of slicehouse backup.") from None
    with opened:
        reader = Reader(opened)
        archive = reader.manifest()
        _check(archive, folder)
        for member in archive.members:
            reader.member(member, folder / member.path)
        reader.end()
    tables = {n: Copied(dict(t.columns), t.rows, folder / "catalog" / f"{n}.jsonl") for n, t in archive.tables.items()}
    unpacked = _Unpacked(archive, folder, tables)
    _check_versions(unpacked)
    return unpacked


def _check(archive: Archive, folder: Path) -> None:
    """What can be said by the manifest alone. Raises ConfigurationError, StorageError."""
    names = {m.name for m in archive.members}
    if not is_known(archive.revision):
        raise ConfigurationError("The archive is of a later release of Slicehouse.", hint="Restore it with that release.", code="archive")
    if "home/secret" not in names or {f"catalog/{n}.jsonl" for n in archive.tables} != {n for n in names if n.startswith("catalog/")}:
        raise not_whole("it lacks the secret, or a table of the catalog")
    if any(n.startswith("home/catalog.sqlite") for n in names):
        raise not_whole("it holds a catalog's file, which none has")
    needed = sum(m.bytes for m in archive.members)
    if needed > shutil.disk_usage(folder).free:
        raise StorageError(f"The archive holds {needed:,} bytes, and there is less room.", hint="Free space, or name another --home.")


def _check_versions(unpacked: _Unpacked) -> None:
    """Every version that answers or is kept has its file and its manifest, and the file is the one that was published."""
    members = {m.name: m for m in unpacked.archive.members}
    for row in _rows(unpacked, "slice_versions"):
        if row.get("state") not in versions.LIVE:
            continue
        name = f"home/workspaces/{row['workspace_id']}/tenants/{row['tenant_id']}/{row['id']}"
        found = members.get(f"{name}.duckdb")
        if found is None or f"{name}.json" not in members or (found.bytes, found.sha256) != (row["bytes"], row["sha256"]):
            raise not_whole("a version that its catalog names is not in it")


def _rows(unpacked: _Unpacked, table: str) -> Iterator[dict[str, Any]]:
    """The rows of a table, as they were counted."""
    found, count = unpacked.tables.get(table), 0
    if found is None:
        raise not_whole(f"its catalog has no table {table}")
    try:
        for row in rows_in(found):
            count += 1
            yield row
    except (ValueError, TypeError, KeyError):
        raise not_whole(f"the rows of {table} cannot be read") from None
    if count != found.rows:
        raise not_whole(f"{table} has not as many rows as were written")


# ── making ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _made(unpacked: _Unpacked, home: Home, target: Target, actor: audit.Actor, now: datetime) -> Restored:
    archive, made = unpacked.archive, unpacked.folder / "home"
    count = sum(row.get("state") in versions.LIVE for row in _rows(unpacked, "slice_versions"))
    found = Restored(archive.made_at, count, sum(t.rows for t in unpacked.tables.values()))
    paths = _places(unpacked, home, found)
    key = derived_key((made / "secret").read_bytes(), "audit")
    entry = audit.Entry("installation.restore", "installation", after={"made_at": rfc3339(archive.made_at)})
    with ExitStack() as undo:
        with _filled(unpacked, Home(made), target, f"before_{now:%Y%m%d%H%M%S}", found) as session:
            for workspace_id, path in paths.items():
                session.execute(update(WorkspaceRow).where(WorkspaceRow.id == workspace_id).values(path=str(path)))
            audit.append(session, key, actor, entry, now)
            session.flush()
            if target.catalog is not None:  # its commit comes last
                _place(unpacked, home, paths, now, found, undo)
        if target.catalog is None:
            _place(unpacked, home, paths, now, found, undo)
        undo.pop_all()
    return found


@contextmanager
def _filled(unpacked: _Unpacked, made: Home, target: Target, schema: str, found: Restored) -> Iterator[Session]:
    """A session on the filled catalog, in the transaction that fills it. Raises ConfigurationError, StorageError where it does not fit."""
    catalog: Catalog = open_catalog(target.catalog or made.catalog, migrate=False)
    try:
        with catalog.write() as session:
            connection = session.connection()
            if target.catalog is not None and is_filled(target.catalog):
                set_aside(connection, schema)
                found.notes.append(f"The catalog's tables that were there are in the schema {schema}.")
            _fill(connection, unpacked)
            yield session
    except SQLAlchemyError as error:
        raise StorageError(
            "The catalog does not take what the archive holds. Nothing was changed.",
            hint="The role must be able to make tables; a text with a NUL fits no PostgreSQL.",
            code="catalog",
        ) from error
    finally:
        catalog.close()


def _fill(connection: Connection, unpacked: _Unpacked) -> None:
    """The tables as they were in the release that made the archive, then brought up to date."""
    migrate_on(connection, unpacked.archive.revision)
    try:
        copy_in(connection, unpacked.tables)
    except (ValueError, TypeError, KeyError):
        raise not_whole("the rows of its catalog cannot be read") from None
    migrate_on(connection)


def _places(unpacked: _Unpacked, home: Home, found: Restored) -> dict[str, Path]:
    """Where each workspace's file is from now on: in the new home, where it was if it is there, else beside the home folder."""
    was, paths = Path(unpacked.archive.home), {}
    for workspace_id, copy in unpacked.archive.workspaces.items():
        path = Path(copy.path)
        if path.is_relative_to(was):
            paths[workspace_id] = home.path / path.relative_to(was)
        elif path.is_file() or copy.file is None:
            found.notes.append(
                f"{copy.slug}: its workspace file is {path}{'' if path.is_file() else ', which is not there, and not in the archive'}."
            )
        else:
            paths[workspace_id] = home.path.parent / (
                path.relative_to(was.parent) if path.is_relative_to(was.parent) else Path(copy.slug, copy.file)
            )
    return paths


def _place(unpacked: _Unpacked, home: Home, paths: dict[str, Path], now: datetime, found: Restored, undo: ExitStack) -> None:
    """Renames what was made into its place; `undo` takes it back."""
    for workspace_id, path in paths.items():
        if (unpacked.folder / "files" / workspace_id).is_dir():
            _place_files(unpacked, workspace_id, path, found, undo)
    os.sync()
    if home.path.exists() and any(home.path.iterdir()):
        before = home.path.with_name(f"{home.path.name}.before-{now:%Y%m%d%H%M%S}")
        home.path.rename(before)
        undo.callback(before.rename, home.path)
        found.notes.append(f"What was in {home.path} is in {before}: remove it when all is well.")
    (unpacked.folder / "home").rename(home.path)
    undo.callback(home.path.rename, unpacked.folder / "home")


def _place_files(unpacked: _Unpacked, workspace_id: str, path: Path, found: Restored, undo: ExitStack) -> None:
    """A workspace's file, lock and dashboards beside the home folder; what is there stays."""
    source, slug = unpacked.folder / "files" / workspace_id, unpacked.archive.workspaces[workspace_id].slug
    written: list[Path] = []
    for file in sorted(p for p in source.rglob("*") if p.is_file()):
        to = path.parent / file.relative_to(source)
        if not to.exists():
            _make_folder(to.parent, undo)
            shutil.copyfile(file, to)
            undo.callback(to.unlink, missing_ok=True)
            written.append(to)
    found.notes.append(f"{slug}: its workspace file is {path}; {len(written)} files were written there, what was there stayed.")


def _make_folder(path: Path, undo: ExitStack) -> None:
    """Makes a folder and those above it that are not there."""
    for folder in reversed([p for p in (path, *path.parents) if not p.exists()]):
        folder.mkdir()
        undo.callback(folder.rmdir)
