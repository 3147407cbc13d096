"""Where the allocator setting has no effect: the builder's canary notices, and a fresh process builds each tenant."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from extract.types import landed_type
from slices.building.builders import builder_environment, run_tasks
from slices.building.task import BuildTask, SliceStyle, TaskColumn, TaskTable, TaskTenant
from tests.integration.test_foreign_bytes import alphabet, tenants_in

TENANTS = 4
BIG = 60_500  # rows of a tenant: blocks of 256 KiB from 60,001 on
COLUMNS = [
    TaskColumn(landed="c0", shown="id", type="BIGINT"),
    TaskColumn(landed="c1", shown="body", type="VARCHAR"),
    TaskColumn(landed="c2", shown="more", type="VARCHAR"),
]

COUNTED = """
import os, sys
import slices.building.builder as builder
forks, real = [], os.fork
def fork():
    child = real()
    forks.append(child)
    return child
os.fork = fork
builder.main()
print("forks", len(forks), file=sys.stderr)
"""

LIMITED = """
import resource
import slices.building.builder as builder
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
builder._canary_fails = lambda *_: {one_by_one}
builder.main()
"""

TOGETHER = """
import sys
import slices.building.builder as builder
builder._canary_fails = lambda *_: False
builder.main()
"""


def words(tenant: int, rows: int) -> tuple[list[str], list[str]]:
    """Two columns of one to three words of the tenant's letters, hardly any alike."""
    draw = random.Random(tenant)
    letters = "".join(draw.choices(alphabet(tenant), k=50_000))

    def word() -> str:
        start = draw.randrange(len(letters) - 100)
        return letters[start : start + draw.randint(20, 90)]

    return [word() for _ in range(rows)], [f"{word()} {word()}" for _ in range(rows)]


def a_task(folder: Path, rows: int, storage_version: str, compression: str) -> BuildTask:
    """One bucket of TENANTS tenants with a table of that many rows each."""
    schema = pa.schema([("t", pa.int32()), *((c.landed, landed_type(c.type)) for c in COLUMNS)])
    path = folder / "bucket.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for tenant in range(TENANTS):
            body, more = words(tenant, rows)
            writer.write_batch(pa.record_batch([[tenant] * rows, list(range(rows)), body, more], schema=schema))
    return BuildTask(
        style=SliceStyle(timezone="UTC", storage_version=storage_version, compression=compression, relationships=[], readme=[]),
        tables=[TaskTable(number=0, schema_="main", name="words", columns=COLUMNS)],
        tenants=[TaskTenant(number=n, tenant=f"tn_{n}", version=f"sv_{n}", path=folder / f"{n}.duckdb", rows=rows) for n in range(TENANTS)],
        files={0: path},
    )


def builder(code: str, task: BuildTask, folder: Path) -> subprocess.CompletedProcess[str]:
    """A builder without the allocator setting that is handed that one task."""
    path = folder / "task.json"
    path.write_text(task.model_dump_json())
    return subprocess.run(
        [sys.executable, "-c", code],
        input=f"{path}\n",
        env=builder_environment(allocator=False),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )


def foreign(task: BuildTask) -> dict[int, set[int]]:
    """Per tenant, the others of whose letters its file holds a run."""
    return {t.number: tenants_in(t.path.read_bytes()) - {t.number} for t in task.tenants}


def assert_clean_and_whole(task: BuildTask, rows: int) -> None:
    assert foreign(task) == {n: set() for n in range(TENANTS)}
    for tenant in task.tenants:
        with duckdb.connect(str(tenant.path), read_only=True) as connection:
            assert connection.execute("select count(*), count(distinct id), min(id) from words").fetchone() == (rows, rows, 0)
            (text,) = connection.execute("select string_agg(body, '') from (from words order by id limit 100)").fetchone() or ("",)
        assert tenants_in(text.encode()) == {tenant.number}


@pytest.mark.parametrize(("rows", "storage_version", "compression"), [(BIG, "v1.4.0", "light"), (3_000, "v1.0.0", "small")])
def test_without_the_allocator_setting_each_tenant_is_built_by_a_fork_and_its_file_is_clean(
    tmp_path: Path, rows: int, storage_version: str, compression: str
) -> None:
    task = a_task(tmp_path, rows, storage_version, compression)
    done = builder(COUNTED, task, tmp_path)
    assert '"together": false' in done.stdout.splitlines()[0]
    assert done.stderr.strip() == f"forks {1 + TENANTS}"  # the canary's, and one a tenant
    assert done.stdout.count('"error": null') == TENANTS
    assert_clean_and_whole(task, rows)


def test_without_the_setting_and_in_one_process_files_hold_foreign_letters(tmp_path: Path) -> None:
    """What the fork prevents; without this the test before could not fail."""
    task = a_task(tmp_path, BIG, "v1.4.0", "light")
    builder(TOGETHER, task, tmp_path)
    assert any(foreign(task).values())


def test_builders_go_on_one_by_one_where_the_setting_has_no_effect(tmp_path: Path) -> None:
    task = a_task(tmp_path, 500, "v1.4.0", "light")
    built = run_tasks([task], tmp_path, 1, environment=builder_environment(allocator=False))
    assert [(b.tenant, b.error, b.rows) for b in built] == [(f"tn_{n}", None, {"main.words": 500}) for n in range(TENANTS)]
    assert_clean_and_whole(task, 500)


@pytest.mark.parametrize("allocator", [True, False])
def test_a_bucket_that_cannot_be_read_fails_its_tenants_and_no_other_bucket(tmp_path: Path, allocator: bool) -> None:
    folders = [tmp_path / "bad", tmp_path / "good"]
    for folder in folders:
        folder.mkdir()
    bad, good = (a_task(folder, 500, "v1.4.0", "light") for folder in folders)
    bad.files[0].write_bytes(b"no Arrow file")
    built = run_tasks([bad, good], tmp_path, 1, environment=builder_environment(allocator))
    assert [(b.error, b.detail) for b in built[:TENANTS]] == [("engine", "the builder ended")] * TENANTS
    assert [b.error for b in built[TENANTS:]] == [None] * TENANTS
    assert not any(t.path.exists() for t in bad.tenants)
    assert_clean_and_whole(good, 500)


@pytest.mark.parametrize("one_by_one", [False, True])
def test_tenant_that_the_disk_refuses_is_told_and_leaves_no_file_and_the_next_is_built(tmp_path: Path, one_by_one: bool) -> None:
    folders = [tmp_path / "big", tmp_path / "small"]
    for folder in folders:
        folder.mkdir()
    big, small = (a_task(folder, rows, "v1.4.0", "light") for folder, rows in zip(folders, (20_000, 500), strict=True))
    for folder, task in zip(folders, (big, small), strict=True):
        (folder / "task.json").write_text(task.model_dump_json())
    done = subprocess.run(
        [sys.executable, "-c", LIMITED.format(one_by_one=one_by_one)],
        input="".join(f"{folder / 'task.json'}\n" for folder in folders),
        env=builder_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    built = [line for line in said if "tenant" in line]
    assert [b["error"] for b in built] == ["storage"] * TENANTS + [None] * TENANTS
    assert {b["detail"] for b in built[:TENANTS]} == {"The disk refused a slice."}
    assert not [p for t in big.tenants for p in t.path.parent.glob(f"{t.path.name}*")]
    assert_clean_and_whole(small, 500)


@pytest.mark.parametrize("storage_version", ["v1.0.0", "v1.4.0", "v1.5.0"])
@pytest.mark.parametrize("compression", ["light", "small"])
def test_canary_of_each_style_is_quiet_with_the_allocator_setting(tmp_path: Path, compression: str, storage_version: str) -> None:
    code = "import sys, pathlib; from slices.building.canary import memory_crosses; print(memory_crosses(pathlib.Path(sys.argv[1]), *sys.argv[2:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "canary"), compression, storage_version],
        env=builder_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.strip() == "False"
    assert not list((tmp_path / "canary").iterdir())
