"""The faults of faults.jsonl that refreshes, files and the API can meet; SHOWN says which test shows which, NOT_YET what is not there."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import httpx
import psycopg
import pytest
from sqlalchemy import event, select

from api.control.tenants.reading import slice_of
from api.serving.answer import Limits, answer
from api.serving.opened import OpenSlices, SliceRef
from api.serving.problems import Problem
from engine import duck
from engine.catalog import versions
from engine.catalog.tables import RunRow
from engine.errors import Busy, SlicehouseError, SourceError, StorageError
from slices.building import builders
from slices.installation import Installation
from slices.locking import is_held
from slices.progress import Silent
from slices.proving.audit import verify_published
from slices.publishing.publish import rollback
from slices.refresh import refresh
from slices.reviewing.routings import workspace_row
from tests.attacks.running import ROOT, free_port, running
from tests.attacks.stage import Stage, attacks, offer_rows, staged
from tests.integration.driving import accept, answering, installation_in, workspace_of
from tests.integration.killed import offer_generation, workspace_in
from tests.integration.test_kill import assert_nothing_is_left_over, generations

KILLS = 12
FLIPS = 80

SHOWN: dict[str, str] = {
    "FAULT-01": "test_refresh_killed_at_any_step_leaves_the_old_or_the_new_set",
    "FAULT-02": "tests/integration/test_kill.py",
    "FAULT-04": "test_torn_file_is_refused_or_answers_what_it_held",
    "FAULT-05": "test_flipped_bit_is_refused_or_answers_what_it_held",
    "FAULT-06": "test_sync_that_fails_publishes_nothing",
    "FAULT-07": "test_disk_full_while_building_leaves_the_old_set",
    "FAULT-08": "tests/attacks/test_sql.py: callers have no spill; what exceeds its memory is refused, the next is answered",
    "FAULT-09": "test_disk_full_while_building_leaves_the_old_set",
    "FAULT-10": "test_locked_catalog_is_read_and_not_written",
    "FAULT-11": "test_second_refresh_of_a_workspace_is_busy",
    "FAULT-12": "test_paused_holder_keeps_the_lock_and_a_dead_one_does_not",
    "FAULT-13": "test_source_that_ends_or_falls_silent_within_a_table_publishes_nothing",
    "FAULT-14": "test_source_that_ends_or_falls_silent_within_a_table_publishes_nothing",
    "FAULT-17": "test_source_that_changes_while_it_is_read_is_one_cut",
    "FAULT-18": "tests/integration/test_postgres.py: test_column_of_another_type_stops, test_dropped_table_stops",
    "FAULT-19": "tests/integration/test_row_rule.py",
    "FAULT-20": "tests/integration/test_postgres.py: test_hostile_tenant_keys_each_get_their_own_slice",
    "FAULT-21": "test_clock_that_goes_back_changes_nothing_of_what_answers",
    "FAULT-22": "test_killed_api_is_started_again",
    "FAULT-25": "test_answer_during_publications_is_of_one_version",
    "FAULT-26": "test_few_file_handles_are_enough_for_many_slices",
    "FAULT-27": "test_slice_asked_by_many_at_once_is_opened_once",
    "FAULT-28": "test_lost_secret_is_not_replaced",
    "FAULT-29": "test_what_lies_beside_a_slice_closes_it",
    "FAULT-30": "test_caller_who_leaves_frees_the_place",
    "FAULT-31": "test_catalog_and_files_of_different_days_serve_nothing_wrong",
    "FAULT-32": "test_file_of_a_newer_engine_is_refused",
}
NOT_YET: dict[str, str] = {
    "FAULT-03": "a model of what a loss of power drops; syncs are shown by FAULT-06 alone",
    "FAULT-15": "a limit of time for a source that is slow and never silent",
    "FAULT-16": "sources of files",
    "FAULT-23": "cells: a statement that does not end is killed with its process",
    "FAULT-24": "cells: memory that ends with one tenant's process",
}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of three tenants, refreshed once."""
    home = tmp_path_factory.mktemp("faults") / "home"
    installation = installation_in(home, builders=1)
    offer_generation(1)
    accept(installation, workspace_in(home))
    assert refresh(installation, workspace_in(home)).built == 3
    installation.catalog.close()
    return home


@pytest.fixture
def home(first: Path, tmp_path: Path) -> Path:
    return shutil.copytree(first, tmp_path / "home")


@pytest.fixture
def installation(home: Path) -> Installation:
    return installation_in(home, builders=1)


def again(installation: Installation, home: Path, generation: int) -> None:
    """A refresh that nothing disturbs heals whatever was."""
    offer_generation(generation)
    assert refresh(installation, workspace_in(home)).failed == 0
    assert generations(installation, home) == {"A": {str(generation)}, "B": {str(generation)}, "C": {"0"}}
    assert_nothing_is_left_over(installation, home)


def ref_of(installation: Installation, home: Path, key: str) -> SliceRef:
    row = workspace_row(installation, workspace_in(home))
    with installation.catalog.read() as session:
        tenant = versions.find_tenant(session, row.id, key)
    assert tenant is not None
    return slice_of(installation, row, tenant)[0]


def asked(ref: SliceRef, sql: str = "select body from notes order by id") -> list[Any] | str:
    """The rows, or the problem's code: what a process answers that opens the slice now."""
    try:
        found = answer(OpenSlices(1, "256MB", 10.0), ref, sql, {}, Limits())
    except Problem as problem:
        return problem.code
    return [list(r.values()) for r in found.rows.to_pylist()]


# ── refreshes that end early ──────────────────────────────────────────────────────────────────────────────────────────


def test_refresh_killed_at_any_step_leaves_the_old_or_the_new_set(home: Path, installation: Installation) -> None:
    command = [sys.executable, "-m", "tests.attacks.struck", str(home)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def strike(generation: int, at: int) -> tuple[int, int]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{generation} {at}\n")
            process.stdin.flush()
            status, steps = process.stdout.readline().split()
            return int(status), int(steps)

        status, steps = strike(2, 0)
        assert (status, steps > 20) == (0, True)
        current = 2
        for at in sorted(random.Random(7).sample(range(1, steps), KILLS)):
            status, came_to = strike(current + 1, at)
            found = generations(installation, home)
            assert (status, came_to) == (-signal.SIGKILL, at)
            assert found["C"] == {"0"}
            assert found["A"] == found["B"]
            assert found["A"] in ({str(current)}, {str(current + 1)}), at
            current = int(found["A"].pop())
        assert process.stdin is not None
        process.stdin.close()
    again(installation, home, current + 1)


@pytest.mark.parametrize("call", [0, 4])
def test_sync_that_fails_publishes_nothing(home: Path, installation: Installation, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """The first sync is of what is landed, later ones are of what is placed; none is tried a second time."""
    real, calls = os.fsync, []

    def failing(handle: int) -> None:
        calls.append(handle)
        if len(calls) > call:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    before = {k: t.version for k, t in answering(installation, workspace_in(home)).items()}
    offer_generation(2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises((StorageError, OSError)):
            refresh(installation, workspace_in(home))
    assert len(calls) == call + 1
    assert {k: t.version for k, t in answering(installation, workspace_in(home)).items()} == before
    again(installation, home, 2)


def test_disk_full_while_building_leaves_the_old_set(home: Path, installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A builder may write files of 100,000 bytes: the kernel refuses the rest, as a full disk does."""
    bounded = partial(subprocess.Popen, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)))
    before = {k: t.version for k, t in answering(installation, workspace_in(home)).items()}
    offer_generation(2)
    with monkeypatch.context() as patch:
        patch.setattr(builders.subprocess, "Popen", bounded)
        result = refresh(installation, workspace_in(home))
    assert (result.built, result.failed, result.unchanged) == (0, 2, 1)
    assert {k: t.version for k, t in answering(installation, workspace_in(home)).items()} == before
    assert_nothing_is_left_over(installation, home)
    again(installation, home, 2)


def test_second_refresh_of_a_workspace_is_busy(home: Path, installation: Installation) -> None:
    second: list[str] = []

    def at_work(name: str) -> None:
        if name == "publish.verified":
            with pytest.raises(Busy):
                refresh(installation_in(home, builders=1), workspace_in(home))
            second.append(name)

    offer_generation(2)
    refresh(replace(installation, failpoint=at_work), workspace_in(home))
    assert second == ["publish.verified"]
    assert generations(installation, home) == {"A": {"2"}, "B": {"2"}, "C": {"0"}}
    with installation.catalog.read() as session:
        assert {r.state for r in session.scalars(select(RunRow))} == {"succeeded"}


def test_paused_holder_keeps_the_lock_and_a_dead_one_does_not(home: Path, installation: Installation) -> None:
    """There is no lease that could run out: who is paused and goes on still has the lock."""
    lock = installation.home.workspace(workspace_row(installation, workspace_in(home)).id).lock
    code = f"from pathlib import Path\nfrom slices.locking import exclusive\nwith exclusive(Path({str(lock)!r})):\n print('held', flush=True)\n input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGSTOP)
        with pytest.raises(Busy):
            refresh(installation, workspace_in(home))
        holder.kill()
    assert not is_held(lock)


def test_locked_catalog_is_read_and_not_written(home: Path, installation: Installation) -> None:
    import sqlite3

    @event.listens_for(installation.catalog.engine, "connect")
    def _impatient(connection: sqlite3.Connection, record: Any) -> None:
        connection.execute("PRAGMA busy_timeout=50")

    installation.catalog.close()
    ref = ref_of(installation, home, "A")
    tenant, row = ref.tenant, ref.workspace
    offer_generation(2)
    with sqlite3.connect(installation.home.catalog, isolation_level=None) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with installation.catalog.read() as session:
            found = versions.find_tenant(session, row, tenant)
        assert found is not None
        assert asked(ref) == [[f"A {i} 1"] for i in range(0, 30, 3)]
        with pytest.raises(StorageError):
            refresh(installation, workspace_in(home))
        holder.execute("ROLLBACK")


def test_source_that_changes_while_it_is_read_is_one_cut(database: str, tmp_path: Path) -> None:
    """Every order goes to the other tenant, and back, while tables are read: each is in one slice, and with its lines."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "create table orgs (id text primary key);"
            "create table orders (id int primary key, org_id text references orgs);"
            "create table lines (id int primary key, order_id int references orders, org_id text references orgs);"
            "insert into orgs values ('a'), ('b');"
            "insert into orders select i, 'a' from generate_series(1, 20000) i;"
            "insert into lines select i, i, 'a' from generate_series(1, 20000) i"
        )
    ended = threading.Event()

    def move() -> None:
        with psycopg.connect(database) as moving:
            while not ended.is_set():
                for table in ("orders", "lines"):
                    moving.execute(f"update {table} set org_id = case org_id when 'a' then 'b' else 'a' end")
                moving.commit()

    workspace, installation = workspace_of(tmp_path, "postgres", database), installation_in(tmp_path / "home", builders=1)
    accept(installation, workspace)
    mover = threading.Thread(target=move)
    mover.start()
    try:
        result = refresh(installation, workspace)
    finally:
        ended.set()
        mover.join()
    found = answering(installation, workspace)
    counts = {k: t.rows("select (select count(*) from orders), (select count(*) from lines)")[0] for k, t in found.items()}
    assert result.quarantined == 0
    assert sorted(counts.values()) == [(0, 0), (20_000, 20_000)]


class Disturbing(Silent):
    """Disturbs every other session of the database once, when the first rows of `lines` have come."""

    def __init__(self, database: str, how: str) -> None:
        self.database, self.how, self.pids = database, how, list[int]()

    def step(self, text: str, done: int, total: int | None = None) -> None:
        if text == "lines" and done and not self.pids:
            with psycopg.connect(self.database, autocommit=True) as connection:
                others = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
                self.pids = [pid for (pid,) in connection.execute(f"select pid {others}")]
                if self.how == "reset":
                    connection.execute(f"select pg_terminate_backend(pid) {others}")
            if self.how == "paused":
                self.signal(signal.SIGSTOP)

    def signal(self, what: signal.Signals) -> None:
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, what)


@pytest.mark.parametrize("how", ["reset", "paused"])
def test_source_that_ends_or_falls_silent_within_a_table_publishes_nothing(database: str, tmp_path: Path, how: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "create table orgs (id text primary key); create table lines (id int primary key, org_id text references orgs, body text);"
            "insert into orgs values ('a'), ('b'); insert into lines values (0, 'a', 'first')"
        )
    workspace = workspace_of(tmp_path, "postgres", database)
    installation = installation_in(tmp_path / "home", builders=1, readers=1, batch_bytes=1 << 16, idle_timeout=2)
    accept(installation, workspace)
    refresh(installation, workspace)
    before = {k: t.version for k, t in answering(installation, workspace).items()}
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("insert into lines select i, 'a', repeat('x', 200) from generate_series(1, 60000) i")
    disturbing = Disturbing(database, how)
    try:
        with pytest.raises(SourceError):
            refresh(installation, workspace, progress=disturbing)
    finally:
        disturbing.signal(signal.SIGCONT)
    assert disturbing.pids
    assert {k: t.version for k, t in answering(installation, workspace).items()} == before
    refresh(installation, workspace)
    found = answering(installation, workspace)
    assert {k: t.rows("select count(*) from lines") for k, t in found.items()} == {"a": [(60_001,)], "b": [(0,)]}


# ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def clock_moved(installation: Installation, by: timedelta) -> Iterator[Installation]:
    """The installation's clock and the clock of new ids, moved."""
    real = time.time_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.ids.time.time_ns", lambda: real() + int(by.total_seconds() * 1e9))
        yield replace(installation, clock=lambda: datetime.now(UTC) + by)


@pytest.mark.parametrize("by", [timedelta(hours=-1), timedelta(days=366)], ids=str)
def test_clock_that_goes_back_changes_nothing_of_what_answers(home: Path, installation: Installation, by: timedelta) -> None:
    offer_generation(2)
    with clock_moved(installation, by) as moved:
        assert refresh(moved, workspace_in(home)).built == 2
        assert generations(moved, home) == {"A": {"2"}, "B": {"2"}, "C": {"0"}}
    offer_generation(3)
    assert refresh(installation, workspace_in(home)).built == 2
    assert generations(installation, home) == {"A": {"3"}, "B": {"3"}, "C": {"0"}}


def test_rollback_after_a_clock_that_went_back_goes_to_the_version_before(home: Path, installation: Installation) -> None:
    before = answering(installation, workspace_in(home))["A"]
    offer_generation(2)
    with clock_moved(installation, timedelta(hours=-1)) as moved:
        refresh(moved, workspace_in(home))
    rollback(installation, workspace_row(installation, workspace_in(home)).id, before.id, None)
    assert answering(installation, workspace_in(home))["A"].version == before.version


# ── files that are not what was published ─────────────────────────────────────────────────────────────────────────────


def damaged(ref: SliceRef, folder: Path, name: str, change: Callable[[bytearray], object]) -> SliceRef:
    """A copy of the slice, of the size that its catalog says or not, changed."""
    data = bytearray(ref.path.read_bytes())
    change(data)
    path = folder / f"{name}.duckdb"
    path.write_bytes(data)
    return replace(ref, path=path, version=name)


def truncate(data: bytearray, by: int) -> None:
    del data[len(data) - by :]


def zero(data: bytearray, last: int) -> None:
    data[len(data) - last :] = bytes(last)


def test_torn_file_is_refused_or_answers_what_it_held(home: Path, installation: Installation, tmp_path: Path) -> None:
    ref = ref_of(installation, home, "A")
    whole, size = asked(ref), ref.path.stat().st_size
    assert len(whole) == 10
    for by in (1, 4_096, size // 2, size - 1, size):
        assert asked(damaged(ref, tmp_path, f"short{by}", lambda d, by=by: truncate(d, by))) == "slice_unusable", by
    assert asked(damaged(ref, tmp_path, "longer", lambda d: d.extend(b"x"))) == "slice_unusable"
    zeroed = [asked(damaged(ref, tmp_path, f"zero{last}", lambda d, last=last: zero(d, last))) for last in (512, 4_096, size // 2, size)]
    assert all(z in (whole, "slice_unusable") for z in zeroed), zeroed
    assert zeroed[-1] == "slice_unusable"


def test_flipped_bit_is_refused_or_answers_what_it_held(home: Path, installation: Installation, tmp_path: Path) -> None:
    ref = ref_of(installation, home, "A")
    everything = "select n.id, n.org_id, n.body, o.id, (select count(*) from _slice.manifest) from notes n, orgs o order by n.id"
    whole, size, draw = asked(ref, everything), ref.path.stat().st_size, random.Random(11)
    refused = 0
    for i in range(FLIPS):
        at, bit = draw.randrange(size), 1 << draw.randrange(8)

        def flip(data: bytearray, at: int = at, bit: int = bit) -> None:
            data[at] ^= bit

        found = asked(damaged(ref, tmp_path, f"flip{i}", flip), everything)
        assert found in (whole, "slice_unusable"), (at, bit, found)
        refused += found != whole
    assert refused > 0


def test_flipped_bit_is_told_by_verify_and_healed_by_a_full_refresh(home: Path, installation: Installation) -> None:
    from slices.refresh import Options

    path = ref_of(installation, home, "A").path
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    results = {line["tenant"]: line["result"] for line in verify_published(installation, workspace_in(home), None)}
    assert results == {"A": "content changed", "B": "whole", "C": "whole"}
    refresh(installation, workspace_in(home), Options(full=True))
    assert {line["result"] for line in verify_published(installation, workspace_in(home), None)} == {"whole"}


def test_file_of_a_newer_engine_is_refused(home: Path, installation: Installation, tmp_path: Path) -> None:
    """Bytes 12 to 19 of a DuckDB file are the version of its storage."""
    ref = ref_of(installation, home, "A")
    assert int.from_bytes(ref.path.read_bytes()[12:20], "little") < 200

    def newer(data: bytearray) -> None:
        data[12:20] = (9_999).to_bytes(8, "little")

    assert asked(damaged(ref, tmp_path, "newer", newer)) == "slice_unusable"
    assert (
        asked(damaged(ref, tmp_path, "foreign", lambda d: d.__setitem__(slice(0, 100), b"SQLite format 3\0" + bytes(84))))
        == "slice_unusable"
    )


def forged_wal(ref: SliceRef, folder: Path) -> bytes:
    """A WAL that adds a row to this very file, made where the file may be written."""
    copy = folder / "forged.duckdb"
    shutil.copyfile(ref.path, copy)
    code = (
        "import duckdb, os, sys\nc = duckdb.connect(sys.argv[1], config={'checkpoint_threshold': '1TB'})\n"
        "c.execute(\"insert into notes values (99, 'A', 'forged')\")\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(copy)], check=True)
    return copy.with_name("forged.duckdb.wal").read_bytes()


def test_what_lies_beside_a_slice_closes_it(home: Path, installation: Installation, tmp_path: Path) -> None:
    ref = ref_of(installation, home, "A")
    whole, forged = asked(ref), forged_wal(ref, tmp_path)
    beside = ref.path.with_name(ref.path.name + ".wal")
    beside.write_bytes(forged)
    with duckdb.connect(str(ref.path), read_only=True) as connection:
        assert connection.execute("select count(*) from notes where body = 'forged'").fetchall() == [(1,)], "the attack must work"
    assert asked(ref) == "slice_unusable"
    beside.unlink()
    for name in (".wal", ".checkpoint.wal", ".tmp"):
        beside = ref.path.with_name(ref.path.name + name)
        for plant in (lambda p: p.write_bytes(b""), lambda p: p.symlink_to("/nowhere"), lambda p: p.mkdir()):
            plant(beside)
            assert asked(ref) == "slice_unusable", name
            beside.rmdir() if beside.is_dir() else beside.unlink()
    assert asked(ref) == whole
    other = ref_of(installation, home, "B")
    aside = ref.path.rename(tmp_path / "aside.duckdb")
    for target in (other.path, aside, Path("/dev/zero"), Path("/etc/passwd")):
        ref.path.symlink_to(target)
        assert asked(ref) == "slice_unusable", target
        ref.path.unlink()
    assert asked(ref) == "slice_unusable"


def test_foreign_files_in_the_folders_are_swept_and_never_served(home: Path, installation: Installation) -> None:
    ref = ref_of(installation, home, "A")
    foreign = [ref.path.parent / "sv_00000000000000000000000000.duckdb", ref.path.parent / "sv_00000000000000000000000001.json"]
    foreign[0].write_bytes(ref.path.read_bytes())
    foreign[1].write_text("{}")
    again(installation, home, 2)
    assert [f.name for f in foreign if f.exists()] == []


def test_catalog_and_files_of_different_days_serve_nothing_wrong(
    first: Path, home: Path, installation: Installation, tmp_path: Path
) -> None:
    offer_generation(2)
    refresh(installation, workspace_in(home))
    installation.catalog.close()
    (ws,) = [p.name for p in (home / "workspaces").iterdir()]

    def mixed(name: str, catalog: Path, files: Path) -> Path:
        made = shutil.copytree(catalog, tmp_path / name / "home")
        shutil.rmtree(made / "workspaces" / ws / "tenants")
        shutil.copytree(files / "workspaces" / ws / "tenants", made / "workspaces" / ws / "tenants")
        return made

    new_catalog, old_catalog = mixed("new", home, first), mixed("old", first, home)
    reader = installation_in(new_catalog, builders=1)
    assert asked(ref_of(reader, new_catalog, "A")) == "slice_unusable"
    assert asked(ref_of(reader, new_catalog, "C")) == [[f"C {i} 0"] for i in range(2, 30, 3)]
    assert refresh(reader, workspace_in(new_catalog)).built == 2
    assert generations(reader, new_catalog) == {"A": {"2"}, "B": {"2"}, "C": {"0"}}
    reader = installation_in(old_catalog, builders=1)
    assert asked(ref_of(reader, old_catalog, "A")) == [[f"A {i} 1"] for i in range(0, 30, 3)]


def test_lost_secret_is_not_replaced(home: Path, installation: Installation) -> None:
    """Keyed masks and ETags hang on it: a new one made in silence would change them."""
    installation.catalog.close()
    secret = installation.home.secret
    kept = secret.read_bytes()
    for broken in (None, b"", b"short"):
        secret.unlink()
        if broken is not None:
            secret.write_bytes(broken)
        with pytest.raises(SlicehouseError):
            installation_in(home)
        assert (secret.read_bytes() if secret.exists() else None) == broken
        secret.write_bytes(kept)
    assert installation_in(home).secret == kept


# ── the API ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return staged(tmp_path_factory.mktemp("served"))


COUNT = {"sql": "select count(*) from orders"}


def test_answer_during_publications_is_of_one_version(stage: Stage) -> None:
    expected = {stage.tenant("a").version: "1"}
    found: list[tuple[str, set[str]]] = []
    ended = threading.Event()
    with running(stage.home, open_slices=1) as server:

        def read() -> None:
            with httpx.Client(base_url=server.url, timeout=30) as client:
                while not ended.wait(0.03):
                    got = client.post("/v1/query", json={"sql": "select note from orders"}, headers=stage.as_("a"))
                    assert got.status_code == 200, got.text
                    found.append((got.headers["x-slice-version"], {r[0].split()[1] for r in got.json()["rows"]}))

        with ThreadPoolExecutor(2) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            try:
                for generation in (2, 3):
                    offer_rows(f"{stage.root}/w", ["a", "b"], secret="theirs", generation=generation)
                    refresh(stage.installation, stage.workspace)
                    expected[stage.tenant("a").version] = str(generation)
            finally:
                ended.set()
            for reader in readers:
                reader.result()
    assert len(expected) == 3
    assert len({version for version, _ in found}) > 1
    assert all(bodies == {expected[version]} for version, bodies in found)


def test_few_file_handles_are_enough_for_many_slices(stage: Stage) -> None:
    """64 handles, one slice held open, two asked in turn."""
    with running(stage.home, files=64, open_slices=1) as server:
        assert server.process is not None
        handles = Path(f"/proc/{server.process.pid}/fd")
        seen = []
        for _ in range(12):
            for key in ("a", "b"):
                assert httpx.post(server.url + "/v1/query", json=COUNT, headers=stage.as_(key)).json()["rows"] == [["40"]]
            seen.append(len(list(handles.iterdir())))
        assert max(seen[6:]) <= max(seen[:6]), seen


def test_caller_who_leaves_frees_the_place(stage: Stage) -> None:
    """There is one place, and a statement in it that would take a minute."""
    with running(stage.home, concurrency=1, statement_seconds=60) as server:
        long = {"sql": "select count(*) from range(100000000000)"}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(server.url + "/v1/query", json=long, headers=stage.as_("a"), timeout=1)
        assert httpx.post(server.url + "/v1/query", json=COUNT, headers=stage.as_("b"), timeout=30).status_code == 200
        slow = socket.create_connection(("127.0.0.1", server.port))
        slow.sendall(b"GET /v1/schema HTTP/1.1\r\nHost: x\r\n")
        assert httpx.post(server.url + "/v1/query", json=COUNT, headers=stage.as_("b"), timeout=30).status_code == 200
        slow.close()


def test_killed_api_is_started_again(stage: Stage) -> None:
    port = free_port()
    command = [str(Path(sys.executable).with_name("slicehouse")), "serve", "-w", str(stage.workspace.path), "--home", str(stage.home)]
    with subprocess.Popen(
        [*command, "--port", str(port), "--no-scheduler"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as supervisor:
        try:
            assert wait_for(port, stage.as_("a")) == [["40"]]
            (api,) = children_of(supervisor.pid)
            os.kill(api, signal.SIGKILL)
            assert wait_for(port, stage.as_("a")) == [["40"]]
        finally:
            supervisor.terminate()
            supervisor.wait(30)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/healthz")


def test_one_scheduler_a_home_and_none_that_outlives_its_supervisor(stage: Stage) -> None:
    command = [str(Path(sys.executable).with_name("slicehouse")), "serve", "-w", str(stage.workspace.path), "--home", str(stage.home)]
    lock = stage.home / "scheduler.lock"
    with subprocess.Popen([*command, "--port", str(free_port())], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as supervisor:
        children: list[int] = []
        try:
            within(30, lambda: is_held(lock))
            children = children_of(supervisor.pid)
            second = subprocess.run([*command, "--port", str(free_port())], capture_output=True, text=True, check=False, timeout=60)
            assert (second.returncode, "Traceback" in second.stderr) == (1, False)
            assert "A server runs on this home already." in second.stderr
            supervisor.kill()
            supervisor.wait(30)
            within(30, lambda: not is_held(lock))
        finally:
            supervisor.kill()
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)


def within(seconds: float, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


def children_of(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(port: int, headers: dict[str, str]) -> Any:
    """The rows of the first answer; the port may be closed for a while."""
    until = time.monotonic() + 60
    while True:
        try:
            return httpx.post(f"http://127.0.0.1:{port}/v1/query", json=COUNT, headers=headers, timeout=30).json()["rows"]
        except httpx.TransportError:
            assert time.monotonic() < until, "the API was not started again"
            time.sleep(0.1)


def test_slice_asked_by_many_at_once_is_opened_once(home: Path, installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    ref, opened, real = ref_of(installation, home, "A"), [], duck.serve

    def counted(path: Path, **more: Any) -> duck.Connection:
        opened.append(path)
        return real(path, **more)

    monkeypatch.setattr(duck, "serve", counted)
    slices = OpenSlices(4, "256MB", 10.0)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: answer(slices, ref, "select count(*) from notes", {}, Limits()).rows.to_pylist(), range(64)))
    assert len(opened) == 1
    assert all(list(rows[0].values()) == [10] for rows in found)


def test_every_fault_of_the_list_is_shown_or_named() -> None:
    assert set(SHOWN) | set(NOT_YET) == {a["id"] for a in attacks("faults")}
    assert not set(SHOWN) & set(NOT_YET)
    assert all(name in globals() or name.startswith("tests/") for name in SHOWN.values())
