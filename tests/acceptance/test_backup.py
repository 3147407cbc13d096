"""Backups, by restoring them: into a SQLite file and into PostgreSQL, taken while everybody works, cut off, changed, and from nowhere."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, func, select, text

from api.app import create_app
from api.cli.main import main
from api.control.usage.collecting import collect
from engine.catalog import audit, versions
from engine.catalog.tables import AuditRow, Base, RunRow, UsageHourRow, UsageRow, VersionRow, WorkspaceRow
from engine.errors import Busy, ConfigurationError, SlicehouseError, SliceUnusable, StorageError
from engine.settings import Settings
from engine.workspace import read_workspace
from slices.backup import taking
from slices.backup.archive import MANIFEST, SEAL, header
from slices.backup.restoring import Restored, Target, restore
from slices.backup.taking import Taken, take
from slices.building.build import file_digest
from slices.installation import Installation, open_installation
from slices.locking import exclusive, serving
from slices.proving.audit import verify_published
from tests.acceptance.http_world import PANEL, SOURCE, World, tables
from tests.integration.driving import offer_tables, postgres_url

ACTOR = audit.Actor("command", "ada")


@dataclass
class Made:
    """An installation that was made of an archive, and a client of its API."""

    installation: Installation
    client: TestClient

    def tables(self) -> dict[str, list[Any]]:
        """Every row of the catalog, but for the audit's."""
        return rows_of(self.installation)

    def verify_audit(self) -> audit.Chain:
        with self.installation.catalog.read() as session:
            return audit.verify(session, self.installation.derived_key("audit"))


def rows_of(installation: Installation) -> dict[str, list[Any]]:
    with installation.catalog.read() as session:
        found = {t.name: [tuple(r) for r in session.execute(select(t).order_by(*t.primary_key))] for t in Base.metadata.sorted_tables}
    del found["audit"]
    return found


def live_versions(installation: Installation) -> list[VersionRow]:
    with installation.catalog.read() as session:
        return list(session.scalars(select(VersionRow).where(VersionRow.state.in_(versions.LIVE))))


@pytest.fixture
def opened() -> Iterator[Callable[..., Made]]:
    """Opens an installation at a home folder, in a catalog of either kind; closed after the test."""
    with ExitStack() as stack:

        def at(home: Path, catalog: str | None = None) -> Made:
            app = create_app(Settings(home=home, catalog=catalog))
            installation = app.state.context.installation
            stack.callback(installation.catalog.close)
            stack.callback(app.state.context.pool.shutdown, wait=False)
            return Made(installation, TestClient(app))

        yield at


@pytest.fixture
def databases(database: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases; dropped after the test."""
    made: list[str] = []

    def make() -> str:
        name = f"{psycopg.conninfo.conninfo_to_dict(database)['dbname']}_{len(made)}"
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"create database {name}".encode())
        made.append(name)
        return postgres_url(psycopg.conninfo.make_conninfo(database, dbname=name))

    yield make
    with psycopg.connect(database, autocommit=True) as connection:
        for name in made:
            connection.execute(f"drop database {name} with (force)".encode())


def backed_up(installation: Installation, file: Path) -> Taken:
    return take(installation, file, ACTOR)


def restored(file: Path, home: Path, catalog: str | None = None, *, force: bool = False) -> Restored:
    return restore(file, Target(home, catalog, force), ACTOR)


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Nothing below the folder is other than before, and nothing is added."""

    def look() -> dict[str, str]:
        return {str(p.relative_to(folder)): file_digest(p) if p.is_file() else "" for p in sorted(folder.rglob("*"))}

    before = look()
    yield
    assert look() == before


@pytest.fixture
def archive(world: World, tmp_path: Path) -> Path:
    """An archive of the world, whose home has no company."""
    (tmp_path / "archives").mkdir()
    backed_up(world.installation, tmp_path / "archives" / "a.tar")
    return tmp_path / "archives" / "a.tar"


# ── back and forth ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("to", ["sqlite", "postgresql"])
@pytest.mark.parametrize("of", ["sqlite", "postgresql"])
@pytest.mark.parametrize("name", ["a.tar", "a.tar.zst"])
def test_restored_installation_is_the_one_that_was_backed_up(
    world: World, tmp_path: Path, databases: Callable[[], str], opened: Callable[..., Made], of: str, to: str, name: str
) -> None:
    boss, first, second = world.key("workspace"), world.key(), world.key(tenant="2")
    world.client.patch(
        f"{world.base}/tenants/1", json={"attributes": {"a": None, "b": [1.5, "ä", 2**40]}, "metadata": {"x": "y"}}, headers=boss
    )
    world.client.put(f"{world.base}/tiers/pro", json={"name": "Pro", "features": {"sql": True}}, headers=boss)
    world.client.post(f"{world.base}/signing-keys", json={"algorithm": "HS256"}, headers=boss)
    world.client.post(f"{world.base}/refreshes", json={"tenants": ["1"]}, headers=boss | {"Idempotency-Key": "k"})
    world.client.get(PANEL, headers=first)
    world.app.state.context.denials.write()
    world.app.state.context.collector.once()
    source = world.installation
    if of == "postgresql":
        catalog = databases()
        backed_up(source, tmp_path / "zero.tar")
        restored(tmp_path / "zero.tar", tmp_path / "zero", catalog)
        source = opened(tmp_path / "zero", catalog).installation
    before = rows_of(source)
    backed_up(source, tmp_path / name)
    catalog_of = databases() if to == "postgresql" else None
    found = restored(tmp_path / name, tmp_path / "new", catalog_of)
    made = opened(tmp_path / "new", catalog_of)
    assert made.tables() == before
    assert found.versions == 2
    for headers, notes in ((first, ["acme-a", "acme-b", "acme-c"]), (second, ["bolt-a", "bolt-b"])):
        was, now = world.client.get(PANEL, headers=headers), made.client.get(PANEL, headers=headers)
        assert (now.status_code, now.json(), now.headers["etag"]) == (200, was.json(), was.headers["etag"])
        assert [r[3] for r in now.json()["rows"]] == notes
    assert made.client.get(PANEL, headers=first | {"X-Tenant-ID": world.tenants["2"]}).json()["code"] == "tenant_mismatch"
    proofs = verify_published(made.installation, world.workspace, None)
    assert [p["result"] for p in proofs] == ["whole", "whole"]
    assert made.verify_audit().broken is None
    with made.installation.catalog.read() as session:
        assert session.scalars(select(AuditRow.action).order_by(AuditRow.number.desc())).first() == "installation.restore"


def test_restored_installation_refreshes_on(world: World, archive: Path, tmp_path: Path, opened: Callable[..., Made]) -> None:
    from slices.refresh import Options, refresh

    restored(archive, tmp_path / "new")
    made = opened(tmp_path / "new")
    offer_tables(SOURCE, tables())
    done = refresh(made.installation, world.workspace, Options())
    assert (done.unchanged, done.built, done.failed) == (2, 0, 0)


def test_commands_say_what_they_did(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, home = tmp_path / "b.tar.zst", tmp_path / "made" / "home"
    assert main(["backup", "-o", str(file), "-w", str(world.file), "--home", str(world.home)]) == 0
    assert "2 slice files" in capsys.readouterr().err
    assert main(["restore", str(file), "--home", str(home)]) == 0
    assert str(world.file) in capsys.readouterr().err
    for verb in (["audit", "verify"], ["verify", "-w", str(world.file)], ["status", "-w", str(world.file)]):
        assert main([*verb, "--home", str(home)]) == 0
    assert main(["restore", str(file), "--home", str(home)]) == 2
    assert main(["backup", "-o", str(file), "-w", str(world.file), "--home", str(world.home)]) == 2


def test_archive_is_its_owners_alone_and_other_tars_list_it(archive: Path, tmp_path: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as found:
        names = found.getnames()
    assert names[0] == MANIFEST
    assert names[-1] == SEAL
    assert len(names) == len(set(names))
    restored(archive, tmp_path / "new")
    assert {p.stat().st_mode & 0o077 for p in (tmp_path / "new").rglob("*") if p.is_file() and p.suffix != ".sqlite"} == {0}


def test_header_of_a_member_beyond_eight_gibibytes_is_read_by_other_tars() -> None:
    for size in (0, 1, 8**11 - 1, 8**11, 2**50):
        block = header("home/workspaces/" + "x" * 80 + "/" + "y" * 90, size)
        assert len(block) == 512
        assert tarfile.TarInfo.frombuf(block, "utf-8", "strict").size == size


# ── what is in it ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_workspace_files_that_are_gone_are_written_beside_the_home_and_those_that_are_there_stay(
    world: World, archive: Path, tmp_path: Path, opened: Callable[..., Made]
) -> None:
    first = restored(archive, tmp_path / "one" / "home")
    assert "its workspace file is " + str(world.file) in first.notes[0]
    before = {n: (world.folder / n).read_text() for n in ("slicehouse.yaml", "routes.lock", "dashboards/sales.yaml")}
    for name in before:
        (world.folder / name).unlink()
    (tmp_path / "two" / "dashboards").mkdir(parents=True)
    (tmp_path / "two" / "dashboards" / "sales.yaml").write_text("mine")
    second = restored(archive, tmp_path / "two" / "home")
    made = opened(tmp_path / "two" / "home")
    with made.installation.catalog.read() as session:
        assert session.scalars(select(WorkspaceRow.path)).all() == [str(tmp_path / "two" / "slicehouse.yaml")]
    assert {n: (tmp_path / "two" / n).read_text() for n in before} == before | {"dashboards/sales.yaml": "mine"}
    assert "2 files were written" in second.notes[0]
    assert not world.file.exists()
    assert read_workspace(tmp_path / "two").workspace == "acme"


def test_workspace_file_in_the_home_folder_moves_with_it(world: World, tmp_path: Path, opened: Callable[..., Made]) -> None:
    folder = world.home / "workspaces" / world.workspace_id / "definition"
    (folder / "dashboards").mkdir(parents=True)
    shutil.copy(world.file, folder / "slicehouse.yaml")
    shutil.copy(world.folder / "dashboards" / "sales.yaml", folder / "dashboards" / "sales.yaml")
    (world.home / "logos" / "a").mkdir(parents=True)
    (world.home / "logos" / "a" / "b.png").write_bytes(b"\x89PNG")
    with world.installation.catalog.write() as session:
        session.get_one(WorkspaceRow, world.workspace_id).path = str(folder / "slicehouse.yaml")
    backed_up(world.installation, tmp_path / "b.tar")
    restored(tmp_path / "b.tar", tmp_path / "new")
    shutil.rmtree(world.home)
    made = opened(tmp_path / "new")
    assert made.client.get(PANEL, headers=world_key(made)).status_code == 200
    assert (tmp_path / "new" / "logos" / "a" / "b.png").read_bytes() == b"\x89PNG"


def world_key(made: Made) -> dict[str, str]:
    """A new key of the restored installation's tenant 1."""
    from api.control.access.permissions import usual
    from engine.catalog.keys import create_key

    with made.installation.catalog.write() as session:
        row = session.scalars(select(WorkspaceRow)).one()
        tenant = versions.find_tenant(session, row.id, "1")
        assert tenant is not None
        key = create_key(
            session, scope="tenant", permissions=usual("tenant"), now=made.installation.clock(), workspace_id=row.id, tenant_id=tenant.id
        )
    return {"Authorization": f"Bearer {key.text}"}


def test_usage_that_is_not_counted_yet_is_counted_once(
    world: World, tmp_path: Path, opened: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some is counted before, some between the copy of the journals and that of the catalog, some not at all."""
    key, collector = world.key(), world.app.state.context.collector
    world.client.get(PANEL, headers=key)
    collector.once()
    world.client.get(PANEL, headers=key)
    fixed = taking._fixed
    monkeypatch.setattr(taking, "_fixed", lambda *given: collector.once() and fixed(*given))
    backed_up(world.installation, tmp_path / "b.tar")
    monkeypatch.undo()
    world.client.get(PANEL, headers=key)
    backed_up(world.installation, tmp_path / "c.tar")
    for name, count in (("b", 2), ("c", 3)):
        restored(tmp_path / f"{name}.tar", tmp_path / name)
        made = opened(tmp_path / name)
        collect(made.installation)
        with made.installation.catalog.read() as session:
            assert session.scalar(select(func.sum(UsageHourRow.count))) == session.scalar(select(func.count(UsageRow.id))) == count


# ── while it serves ───────────────────────────────────────────────────────────────────────────────────────────────────


def require_whole(made: Made) -> list[VersionRow]:
    """Every version that the catalog names has its file, its manifest and its digest; the audit has no gap."""
    found = live_versions(made.installation)
    for version in found:
        folder = made.installation.home.workspace(version.workspace_id)
        path = folder.slice(version.tenant_id, version.id)
        assert (path.stat().st_size, file_digest(path)) == (version.bytes, version.sha256)
        assert json.loads(folder.manifest(version.tenant_id, version.id).read_bytes())["version"] == version.id
    assert made.verify_audit().broken is None
    return found


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_backup_is_one_state_while_writers_and_refreshes_are_at_work(
    make_world: Callable[..., World], tmp_path: Path, databases: Callable[[], str], opened: Callable[..., Made], kind: str
) -> None:
    world = make_world(keep_versions=1, keep_hours=0)
    if kind == "postgresql":
        catalog = databases()
        backed_up(world.installation, tmp_path / "zero.tar")
        restored(tmp_path / "zero.tar", tmp_path / "zero", catalog)
        settings = {"keep_versions": 1, "keep_hours": 0, "catalog": catalog}
        installation = open_installation(Settings(home=tmp_path / "zero", **settings))  # type: ignore[arg-type]
    else:
        installation = world.installation
    app = create_app(installation.settings)
    client, ended, errors = TestClient(app), threading.Event(), []
    made_key = world_key(Made(installation, client))
    boss = {"n": 0}

    def patching() -> None:
        while not ended.is_set():
            boss["n"] += 1
            with installation.catalog.write() as session:
                tenant = versions.find_tenant(session, world.workspace_id, "1")
                assert tenant is not None
                tenant.revision, tenant.tags = boss["n"], {"n": str(boss["n"])}
                entry = audit.Entry("tenants.update", tenant.id, world.workspace_id, tenant.id, after={"n": boss["n"]})
                audit.append(session, installation.derived_key("audit"), ACTOR, entry, installation.clock())

    def refreshing() -> None:
        from slices.refresh import Options, refresh

        while not ended.is_set():
            offer_tables(SOURCE, tables())
            refresh(installation, world.workspace, Options(full=True))

    def asking() -> None:
        while not ended.is_set():
            assert client.get(PANEL, headers=made_key).status_code == 200
            app.state.context.collector.once()

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in (patching, refreshing, asking)]
    for thread in threads:
        thread.start()
    seen: set[frozenset[str]] = set()
    try:
        for n in range(60):
            if len(seen) >= 3:
                break
            backed_up(installation, tmp_path / f"{n}.tar")
            restored(tmp_path / f"{n}.tar", tmp_path / f"home{n}")
            made = opened(tmp_path / f"home{n}")
            seen.add(frozenset(v.id for v in require_whole(made)))
            with made.installation.catalog.read() as session:
                tenant = versions.find_tenant(session, world.workspace_id, "1")
                assert tenant is not None
                assert tenant.tags in ({}, {"n": str(tenant.revision)})
                last = session.scalar(select(AuditRow.after).where(AuditRow.action == "tenants.update").order_by(AuditRow.number.desc()))
                assert last is None or last == {"n": tenant.revision}
                current = [t.version_id for t in versions.tenants_of(session, world.workspace_id)]
            assert set(current) <= {v.id for v in live_versions(made.installation)}
            collect(made.installation)
            with made.installation.catalog.read() as session:
                assert (session.scalar(select(func.sum(UsageHourRow.count))) or 0) == session.scalar(select(func.count(UsageRow.id)))
    finally:
        ended.set()
        for thread in threads:
            thread.join(60)
        app.state.context.pool.shutdown(wait=False)
        installation.catalog.close()
    assert errors == []
    assert len(seen) >= 3, "no refresh has published meanwhile"
    assert not installation.home.backup.exists()


def test_what_is_removed_after_the_state_is_fixed_is_in_it(
    make_world: Callable[..., World], tmp_path: Path, opened: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention unlinks every file of the state that is being copied, before the first of them is written down."""
    world = make_world(keep_versions=1, keep_hours=0)
    before = {v.id for v in live_versions(world.installation)}
    copy_out = taking.copy_out

    def meanwhile(*given: Any) -> Any:
        for _ in range(2):
            world.refresh(full=True)
        assert not before & {v.id for v in live_versions(world.installation)}
        return copy_out(*given)

    monkeypatch.setattr(taking, "copy_out", meanwhile)
    backed_up(world.installation, tmp_path / "b.tar")
    restored(tmp_path / "b.tar", tmp_path / "new")
    made = opened(tmp_path / "new")
    assert {v.id for v in require_whole(made)} == before
    assert [p["result"] for p in verify_published(made.installation, world.workspace, None)] == ["whole", "whole"]


def test_run_that_was_at_work_is_ended_by_the_next_refresh(world: World, tmp_path: Path, opened: Callable[..., Made]) -> None:
    with world.installation.catalog.write() as session:
        row = session.scalars(select(RunRow)).first()
        assert row is not None
        row.state, row.finished_at = "running", None
    backed_up(world.installation, tmp_path / "b.tar")
    restored(tmp_path / "b.tar", tmp_path / "new")
    from slices.refresh import refresh

    offer_tables(SOURCE, tables())
    made = opened(tmp_path / "new")
    refresh(made.installation, world.workspace)
    with made.installation.catalog.read() as session:
        assert set(session.scalars(select(RunRow.state))) == {"failed", "succeeded"}


def test_backup_that_is_killed_leaves_no_archive_and_the_next_one_takes_its_place(world: World, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "api.cli.main",
        "backup",
        "-o",
        str(tmp_path / "b.tar"),
        "-w",
        str(world.file),
        "--home",
        str(world.home),
    ]
    done = subprocess.run(command, env=os.environ | {"SLICEHOUSE_FAILPOINT": "backup.fixed"}, check=False)
    assert done.returncode == 137
    assert world.installation.home.backup.exists()
    assert not list(tmp_path.glob("b.tar*"))
    assert world.client.get(PANEL, headers=world.key()).status_code == 200
    world.refresh(full=True)
    assert backed_up(world.installation, tmp_path / "b.tar").versions == 4
    assert not world.installation.home.backup.exists()


def test_one_backup_at_a_time(world: World, tmp_path: Path) -> None:
    with exclusive(world.installation.home.backup_lock), pytest.raises(Busy):
        backed_up(world.installation, tmp_path / "b.tar")
    assert not (tmp_path / "b.tar").exists()


# ── what is not taken ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_damaged_slice_is_not_backed_up(world: World, tmp_path: Path) -> None:
    version = live_versions(world.installation)[0]
    path = world.installation.home.workspace(version.workspace_id).slice(version.tenant_id, version.id)
    whole = path.read_bytes()
    for damaged in (whole[:-1] + bytes([whole[-1] ^ 1]), whole + b"x", whole[:-1], None):
        path.unlink(missing_ok=True)
        if damaged is not None:
            path.write_bytes(damaged)
        with pytest.raises(SliceUnusable):
            backed_up(world.installation, tmp_path / "b.tar")
        assert not list(tmp_path.glob("b.tar*"))
        assert not world.installation.home.backup.exists()


def test_backup_is_not_written_into_the_home_nor_over_a_file(world: World, tmp_path: Path) -> None:
    (tmp_path / "there.tar").write_text("mine")
    for place in (world.home / "b.tar", world.home / "usage" / "b.tar", tmp_path / "there.tar", tmp_path / "nowhere" / "b.tar"):
        with pytest.raises(ConfigurationError):
            backed_up(world.installation, place)
    assert (tmp_path / "there.tar").read_text() == "mine"


@pytest.mark.parametrize("name", ["a.tar", "a.tar.zst"])
def test_archive_that_is_cut_off_anywhere_changes_nothing(world: World, tmp_path: Path, name: str) -> None:
    (tmp_path / "there").mkdir()
    backed_up(world.installation, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    cuts = {0, 1, 3, 4, 511, 512, 513, len(content) - 1, len(content) - 512, *range(0, len(content), max(1, len(content) // 60))}
    for cut in sorted(cuts):
        (tmp_path / "cut.tar").write_bytes(content[:cut])
        with unchanged(tmp_path / "there"), pytest.raises(ConfigurationError, match="not a whole archive"):
            restored(tmp_path / "cut.tar", tmp_path / "there" / "home")
    (tmp_path / "cut.tar").write_bytes(content + b"\0" * 512)
    with pytest.raises(ConfigurationError, match="not a whole archive"):
        restored(tmp_path / "cut.tar", tmp_path / "there" / "home")


@pytest.mark.parametrize("name", ["a.tar", "a.tar.zst"])
def test_archive_with_any_byte_changed_changes_nothing(world: World, tmp_path: Path, name: str) -> None:
    (tmp_path / "there").mkdir()
    backed_up(world.installation, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    places = sorted({*range(0, min(len(content), 3_000), 37), *range(0, len(content), max(1, len(content) // 60)), len(content) - 1})
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 0x41
        (tmp_path / "changed.tar").write_bytes(changed)
        with unchanged(tmp_path / "there"), pytest.raises(ConfigurationError):
            restored(tmp_path / "changed.tar", tmp_path / "there" / "home")


def members_of(archive: Path) -> list[tuple[str, bytes]]:
    with tarfile.open(archive) as found:
        return [(m.name, found.extractfile(m).read()) for m in found]  # type: ignore[union-attr]


def forged(archive: Path, to: Path, change: Callable[[dict[str, Any], dict[str, bytes]], None]) -> Path:
    """An archive with a manifest and members of somebody's own, whose digests fit."""
    found = members_of(archive)
    manifest, content = json.loads(found[0][1]), dict(found[1:-1])
    change(manifest, content)
    listed = {m["name"]: m for m in manifest["members"]}
    for name, data in content.items():
        if name in listed and "kept" not in listed[name]:
            listed[name] |= {"bytes": len(data), "sha256": sha256(data).hexdigest()}
    for member in manifest["members"]:
        member.pop("kept", None)
    first = json.dumps(manifest).encode()
    return written([(MANIFEST, first), *content.items(), (SEAL, sha256(first).hexdigest().encode())], to)


def written(members: list[tuple[str, bytes]], to: Path, **more: Any) -> Path:
    with tarfile.open(to, "w", format=tarfile.USTAR_FORMAT) as out:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for field, value in more.get(name, {}).items():
                setattr(info, field, value)
            out.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return to


def add(name: str, data: bytes = b"x") -> Callable[[dict[str, Any], dict[str, bytes]], None]:
    def change(manifest: dict[str, Any], content: dict[str, bytes]) -> None:
        manifest["members"].append({"name": name, "bytes": 0, "sha256": "0" * 64})
        content[name] = data

    return change


def _without(suffix: str, within: str = "") -> Callable[[dict[str, Any], dict[str, bytes]], None]:
    def change(manifest: dict[str, Any], content: dict[str, bytes]) -> None:
        name = next(n for n in content if n.endswith(suffix) and within in n)
        del content[name]
        manifest["members"] = [m for m in manifest["members"] if m["name"] != name]

    return change


def _other_rows(table: str, edit: Callable[[str], str]) -> Callable[[dict[str, Any], dict[str, bytes]], None]:
    def change(manifest: dict[str, Any], content: dict[str, bytes]) -> None:
        name = f"catalog/{table}.jsonl"
        content[name] = edit(content[name].decode()).encode()

    return change


def _grown(manifest: dict[str, Any], content: dict[str, bytes]) -> None:
    manifest["members"][-1] |= {"bytes": 2**62, "kept": True}


def _unlisted(manifest: dict[str, Any], content: dict[str, bytes]) -> None:
    content["home/more"] = b"x"


def _later(manifest: dict[str, Any], content: dict[str, bytes]) -> None:
    manifest["revision"] = "9999"


HOSTILE: dict[str, Callable[[dict[str, Any], dict[str, bytes]], None]] = {
    "parent": add("../outside"),
    "parent within": add("home/../../outside"),
    "parent of files": add("files/../outside"),
    "absolute": add("/tmp/outside"),
    "another room": add("etc/outside"),
    "doubled slash": add("home//outside"),
    "dot": add("home/./outside"),
    "backslash": add("home/..\\outside"),
    "control character": add("home/a\nb"),
    "a catalog's file": add("home/catalog.sqlite"),
    "no table of the catalog": add("catalog/more.jsonl"),
    "a file where a folder is": add("home/workspaces"),
    "more than any disk holds": _grown,
    "a member that is not listed": _unlisted,
    "a later release": _later,
    "without the secret": _without("home/secret"),
    "without a slice": _without(".duckdb"),
    "without its manifest": _without(".json", "tenants/"),
    "without a table": _without("catalog/keys.jsonl"),
    "rows that are none": _other_rows("tenants", lambda rows: "[1]\n" + rows),
    "rows of no table": _other_rows("tenants", lambda rows: rows.replace('"slug"', '"slgu"')),
    "a row too many": _other_rows("tenants", lambda rows: rows + rows.splitlines()[0] + "\n"),
    "a row too few": _other_rows("slice_versions", lambda rows: "".join(rows.splitlines(keepends=True)[1:])),
    "rows of no parent": _other_rows("tenants", lambda rows: rows.replace('"workspace_id":"ws_0', '"workspace_id":"ws_1')),
    "another digest": _other_rows("slice_versions", lambda rows: rows.replace('"sha256":"', '"sha256":"0')),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_archive_that_somebody_made_changes_nothing(archive: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "there").mkdir()
    forged(archive, tmp_path / "forged.tar", HOSTILE[kind])
    with unchanged(tmp_path / "there"), pytest.raises(SlicehouseError) as refused:
        restored(tmp_path / "forged.tar", tmp_path / "there" / "home")
    assert isinstance(refused.value, ConfigurationError | StorageError)
    assert not Path("/tmp/outside").exists()
    assert not list(tmp_path.rglob("outside"))


def test_forgery_without_a_change_is_taken(archive: Path, tmp_path: Path) -> None:
    """Else the test above could not fail."""
    forged(archive, tmp_path / "forged.tar", lambda manifest, content: None)
    assert restored(tmp_path / "forged.tar", tmp_path / "home").versions == 2


@pytest.mark.parametrize(
    "type_",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME],
)
def test_member_that_is_no_file_is_refused(archive: Path, tmp_path: Path, type_: bytes) -> None:
    found = members_of(archive)
    name = next(n for n, _ in found if n.endswith("secret"))
    more = {name: {"type": type_, "linkname": "/etc/passwd"}}
    written([(n, b"" if n == name else data) for n, data in found], tmp_path / "forged.tar", **more)
    with pytest.raises(ConfigurationError, match="not a whole archive"):
        restored(tmp_path / "forged.tar", tmp_path / "home")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("content", [b"", b"\0" * 10_240, b"x" * 20_000, b"\x28\xb5\x2f\xfd" + b"x" * 100, b"PK\x03\x04"])
def test_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "none.tar").write_bytes(content)
    with pytest.raises(ConfigurationError, match="not a whole archive"):
        restored(tmp_path / "none.tar", tmp_path / "home")
    with pytest.raises(ConfigurationError, match="no file"):
        restored(tmp_path / "nothing.tar", tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_archive_of_an_earlier_release_is_brought_up_to_date(archive: Path, tmp_path: Path, opened: Callable[..., Made]) -> None:
    """Before 0012 there was no billing, and usage events had no number."""
    later = ("leases", "stripe_accounts", "usage_cursors", "usage_sinks", "stripe_events", "stripe_meter_events", "usage_alerts")

    def earlier(manifest: dict[str, Any], content: dict[str, bytes]) -> None:
        manifest["revision"] = "0011"
        _other_rows("usage_events", lambda text: re.sub(r', ?"number": ?\d+|"number": ?\d+, ?', "", text))(manifest, content)
        for table in later:
            del manifest["tables"][table]
            _without(f"catalog/{table}.jsonl")(manifest, content)

    forged(archive, tmp_path / "forged.tar", earlier)
    restored(tmp_path / "forged.tar", tmp_path / "home")
    made = opened(tmp_path / "home")
    assert len(made.tables()["slice_versions"]) == 2
    assert set(later) <= set(made.tables())


# ── where it is made ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_home_that_is_not_empty_stays_unless_it_is_given_up(archive: Path, tmp_path: Path, opened: Callable[..., Made]) -> None:
    (tmp_path / "there" / "home").mkdir(parents=True)
    (tmp_path / "there" / "home" / "mine").write_text("mine")
    with unchanged(tmp_path / "there"), pytest.raises(ConfigurationError, match="not empty"):
        restored(archive, tmp_path / "there" / "home")
    found = restored(archive, tmp_path / "there" / "home", force=True)
    (before,) = (tmp_path / "there").glob("home.before-*")
    assert (before / "mine").read_text() == "mine"
    assert any(str(before) in note for note in found.notes)
    assert len(require_whole(opened(tmp_path / "there" / "home"))) == 2


def test_empty_home_is_taken(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    restored(archive, tmp_path / "home")
    assert (tmp_path / "home" / "secret").is_file()


@pytest.mark.parametrize("lock", ["server", "scheduler", "refresh", "backup"])
def test_home_that_is_at_work_is_refused_whatever_is_given_up(world: World, archive: Path, tmp_path: Path, lock: str) -> None:
    home = world.installation.home
    held = {
        "server": serving(home),
        "scheduler": exclusive(home.scheduler_lock),
        "refresh": exclusive(home.workspace(world.workspace_id).lock),
        "backup": exclusive(home.backup_lock),
    }[lock]
    with held, pytest.raises(Busy):
        restored(archive, world.home, force=True)
    assert world.client.get(PANEL, headers=world.key()).status_code == 200


def test_catalog_in_postgresql_that_is_used_is_refused_or_set_aside(
    world: World, archive: Path, tmp_path: Path, databases: Callable[[], str], opened: Callable[..., Made]
) -> None:
    catalog = databases()
    restored(archive, tmp_path / "one", catalog)
    with pytest.raises(ConfigurationError, match="belongs to an installation"):
        restored(archive, tmp_path / "two", catalog)
    assert not (tmp_path / "two").exists()
    found = restored(archive, tmp_path / "two", catalog, force=True)
    schema = next(n.split()[-1].rstrip(".") for n in found.notes if "schema" in n)
    made = opened(tmp_path / "two", catalog)
    assert len(require_whole(made)) == 2
    with made.installation.catalog.read() as session:
        for table in ("workspaces", "slice_versions", "alembic_version"):
            assert session.scalar(text(f"select count(*) from {schema}.{table}")) == session.scalar(text(f"select count(*) from {table}"))


def test_catalog_in_postgresql_is_as_it_was_where_the_archive_does_not_fit(
    archive: Path, tmp_path: Path, databases: Callable[[], str]
) -> None:
    """A text with a NUL is none in PostgreSQL; SQLite takes it."""
    catalog = databases()
    forged(archive, tmp_path / "forged.tar", _other_rows("tenants", lambda rows: rows.replace('"slug":"acme"', '"slug":"ac\\u0000me"')))
    with pytest.raises(StorageError, match="Nothing was changed"):
        restored(tmp_path / "forged.tar", tmp_path / "home", catalog)
    assert not (tmp_path / "home").exists()
    with psycopg.connect(catalog) as connection:
        assert connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone() == (0,)
    restored(archive, tmp_path / "home", catalog)


def test_home_is_as_it_was_where_the_catalog_cannot_commit(
    world: World, archive: Path, tmp_path: Path, databases: Callable[[], str]
) -> None:
    """The commit in PostgreSQL comes last: where it fails, folders are renamed back, and workspace files that were written are gone again."""
    world.file.unlink()
    home, catalog, seen = tmp_path / "there" / "home", databases(), []
    home.mkdir(parents=True)
    (home / "mine").write_text("mine")

    def commit(connection: Any) -> None:
        if connection.engine.dialect.name != "postgresql":
            return  # of another test's installation, whose keys are noted as used a minute late
        seen.append((home / "secret").exists())
        raise OSError(5, "the network is gone")

    with unchanged(tmp_path / "there"):
        event.listen(Engine, "commit", commit)
        with pytest.raises(StorageError):
            restored(archive, home, catalog, force=True)
        event.remove(Engine, "commit", commit)
    assert seen == [True], "it was in its place before the commit"
    restored(archive, home, catalog, force=True)


# ── a disk that is full ───────────────────────────────────────────────────────────────────────────────────────────────


def _with_little_room(arguments: list[str], most: int) -> subprocess.CompletedProcess[str]:
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # noqa: E731
    return subprocess.run([sys.executable, "-m", "api.cli.main", *arguments], preexec_fn=limit, capture_output=True, text=True, check=False)


def test_full_disk_leaves_no_archive(world: World, tmp_path: Path) -> None:
    done = _with_little_room(["backup", "-o", str(tmp_path / "b.tar"), "-w", str(world.file), "--home", str(world.home)], 200_000)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "cannot be written" in done.stderr
    assert not list(tmp_path.glob("b.tar*"))
    assert not world.installation.home.backup.exists()


def test_full_disk_leaves_no_home(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with unchanged(tmp_path / "there"):
        done = _with_little_room(["restore", str(archive), "--home", str(tmp_path / "there" / "home")], 60_000)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "Nothing was changed" in done.stderr


def test_archive_larger_than_the_disk_is_refused_before_anything_is_written(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("slices.backup.restoring.shutil.disk_usage", lambda _: usage._replace(free=1_000))
    with pytest.raises(StorageError, match="less room"):
        restored(archive, tmp_path / "home")


def test_sqlite_of_a_restored_home_is_whole(archive: Path, tmp_path: Path) -> None:
    restored(archive, tmp_path / "home")
    assert sorted(p.name for p in (tmp_path / "home").glob("catalog*")) == ["catalog.sqlite"]
    with closing(sqlite3.connect(tmp_path / "home" / "catalog.sqlite")) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert connection.execute("pragma foreign_key_check").fetchall() == []
