"""The proof by itself: a damaged file fails its tenant alone, chunks change nothing, and its document says what was seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from extract.snapshot import LandedColumn
from slices import refresh as refreshing
from slices.building.task import Built
from slices.proving import verify
from slices.proving.audit import verify_published
from slices.proving.hashing import row_hash
from slices.proving.proof import MaskFinding, Proof
from slices.proving.verify import SliceFile
from slices.refresh import Result, refresh
from tests.integration.driving import accept, answering, installation_in, offer_tables, workspace_of

TENANTS = [f"t{i}" for i in range(7)]
Damage = Callable[[Path], None]


def refreshed(folder: Path, monkeypatch: pytest.MonkeyPatch, damage: dict[int, Damage]) -> tuple[Result, dict[str, Proof]]:
    """A first refresh of seven tenants, some of whose built files are damaged before they are proven; the proofs by tenant id."""
    rows = pa.table({"id": list(range(700)), "org_id": [TENANTS[i % 7] for i in range(700)], "body": [f"note {i}" for i in range(700)]})
    plans = pa.table({"id": list(range(50)), "title": [f"plan {i}" for i in range(50)]})
    offer_tables(str(folder), {"orgs": (pa.table({"id": TENANTS}), []), "notes": (rows, [("org_id", "orgs")]), "plans": (plans, [])})
    file = workspace_of(folder, "arrow", str(folder), tables={"plans": {"shared": True}})
    installation = installation_in(folder / "home", builders=1)
    real_run, real_prove, proofs = refreshing.run_tasks, refreshing.prove, {}

    def run(tasks: Sequence[Any], *more: Any) -> list[Built]:
        built = real_run(tasks, *more)
        for tenant in (t for task in tasks for t in task.tenants if t.number in damage):
            tenant.path.chmod(0o644)
            damage[tenant.number](tenant.path)
        return built

    def prove(*a: Any, **k: Any) -> dict[str, Proof]:
        proofs.update(real_prove(*a, **k))
        return proofs

    monkeypatch.setattr(refreshing, "run_tasks", run)
    monkeypatch.setattr(refreshing, "prove", prove)
    accept(installation, file)
    return refresh(installation, file), proofs


def garbled(path: Path) -> None:
    """Every byte behind the headers is another."""
    body = path.read_bytes()
    path.write_bytes(body[:12_288] + bytes(b ^ 0x5A for b in body[12_288:]))


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:8_000])


def changed(statement: str) -> Damage:
    def change(path: Path) -> None:
        with duckdb.connect(str(path)) as connection:
            connection.execute(statement)

    return change


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (garbled, "verify: the file cannot be read"),
        (cut_off, "verify: the file cannot be read"),
        (changed("delete from notes where id = 3"), "verify: 1 rows of notes missing"),
        (changed("update notes set body = 'x' where id = 3"), "verify: 1 rows of notes that are not its own; 1 rows of notes missing"),
        (changed("insert into notes from notes where id = 3"), "verify: 1 rows of notes that are not its own"),
        (changed("delete from plans"), "verify: 50 rows of plans missing"),
        (changed("insert into plans from plans where id < 2"), "verify: 2 rows of plans that are not its own"),
        (changed("drop table plans"), "verify: 0 tables too many, 1 missing"),
        (changed("create schema other; create table other.x (y int)"), "verify: 1 tables too many, 0 missing"),
        (changed("alter table notes add column z int"), "verify: other columns than accepted: main.notes"),
        (changed("alter table notes rename column body to bodies"), "verify: other columns than accepted: main.notes"),
        (changed("alter table notes alter id type hugeint"), "verify: other columns than accepted: main.notes"),
    ],
)  # fmt: skip
def test_damage_fails_its_tenant_alone(damage: Damage, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = refreshed(tmp_path, monkeypatch, {3: damage})
    assert list(result.reasons.values()) == [reason]
    assert (result.built, result.failed) == (6, 1)


@pytest.mark.parametrize(("files", "rows"), [(1, 10_000), (3, 10_000), (32, 200), (32, 1)])
def test_chunks_change_nothing(files: int, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_CHUNK_FILES", files)
    monkeypatch.setattr(verify, "_CHUNK_ROWS", rows)
    monkeypatch.setattr(verify, "_BATCH", 10)
    result, proofs = refreshed(tmp_path, monkeypatch, {2: changed("delete from notes"), 5: cut_off})
    assert sorted(result.reasons.values()) == ["verify: 100 rows of notes missing", "verify: the file cannot be read"]
    whole = [p for p in proofs.values() if p.holds]
    assert [(p.tables, p.own) for p in whole] == [
        ({"notes": 100, "orgs": 1, "plans": 50}, {"notes": 100, "orgs": 1, "plans": 0})
    ] * 5  # fmt: skip


def test_chunks_are_bounded_by_files_and_by_rows() -> None:
    def table(own: int, free: int) -> verify._Table:
        series = pl.Series(range(own * 10), dtype=pl.UInt64)
        ranges = {t: (t * own, own) for t in range(10)}
        return verify._Table("x", "main", "x", [], [], series, ranges, pl.Series(range(free), dtype=pl.UInt64))

    files = [SliceFile(i, f"tn_{i}", Path(f"{i}")) for i in range(10)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "_CHUNK_FILES", 4)
        patch.setattr(verify, "_CHUNK_ROWS", 100)
        assert [len(c) for c in verify._chunks(files, [table(1, 1)])] == [4, 4, 2]
        assert [len(c) for c in verify._chunks(files, [table(10, 23)])] == [3, 3, 3, 1]
        assert [len(c) for c in verify._chunks(files, [table(500, 0)])] == [1] * 10


def test_document_says_what_was_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, proofs = refreshed(tmp_path, monkeypatch, {3: changed("delete from notes where id = 3")})
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    good, bad = ([json.loads(p.document(when)) for p in proofs.values() if p.holds is holds] for holds in (True, False))
    assert len(good) == 6
    assert (good[0]["proof"], good[0]["holds"], good[0]["proven_at"], good[0]["rows"]) == (1, True, "2026-01-02T03:04:05+00:00", 151)
    assert good[0]["version"].startswith("sv_")
    assert good[0]["tables"]["notes"] == {"rows": 100, "own": 100, "strange": 0, "missing": 0}
    assert good[0]["tables"]["plans"] == {"rows": 50, "own": 0, "strange": 0, "missing": 0}
    assert set(good[0]["engines"]) == {"files_read_by", "tenancy_derived_by"}
    assert [(b["holds"], b["tables"]["notes"]["missing"]) for b in bad] == [(False, 1)]


def test_document_lies_beside_the_version_and_the_audit_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, proofs = refreshed(tmp_path, monkeypatch, {3: changed("delete from notes where id = 3")})
    installation, file = installation_in(tmp_path / "home"), workspace_of(tmp_path, "arrow", str(tmp_path))
    served = {t.key: t for t in answering(installation, file).values() if t.path is not None}
    assert (len(served), len(result.reasons)) == (6, 1)
    assert len(list(tmp_path.rglob("*.proof.json"))) == 6
    audited = {line["tenant"]: line["proof"] for line in verify_published(installation, file, None)}
    for key, tenant in served.items():
        assert tenant.path is not None
        placed = json.loads(tenant.path.with_suffix(".proof.json").read_bytes())
        made = datetime.fromisoformat(placed["proven_at"])
        assert placed == proofs[tenant.id].facts(made)
        assert (placed["holds"], placed["tenant"], placed["version"], placed["rows"]) == (True, tenant.id, tenant.version, 151)
        assert datetime.fromisoformat(audited[key]["proven_at"]) >= made
        assert {k: v for k, v in audited[key].items() if k != "proven_at"} == {k: v for k, v in placed.items() if k != "proven_at"}


def test_mask_that_does_not_hold_is_in_words_and_document() -> None:
    proof = Proof("tn_1", masks=(MaskFinding("users.mail", "sha256", 2), MaskFinding("users.pin", "drop")))
    assert not proof.holds
    assert str(proof) == "2 landed values of users.mail are not masked by sha256"
    masks = json.loads(proof.document(datetime(2026, 1, 1, tzinfo=UTC)))["masks"]
    assert masks == {"users.mail": {"mask": "sha256", "clear": 2}, "users.pin": {"mask": "drop", "clear": 0}}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (["a>,<b", "c"], ["a", "b>,<c"]),
        (["a,b"], ["a", "b"]),
        (["1:a,1:b"], ["a", "b"]),
        ([None], ["-"]),
        ([None], None),
        ([], None),
        ([""], []),
        (["é"], ["e"]),
    ],
)
def test_no_two_lists_have_one_hash(left: list[str | None] | None, right: list[str | None] | None) -> None:
    column = LandedColumn(name="c", landed="c0", type="VARCHAR[]", source_type="text[]", treatment="keep")
    rows = pl.DataFrame({"c0": [left, right]}, schema={"c0": pl.List(pl.String)})
    assert rows.select(row_hash(["c0"], [column], landed=True)).to_series().n_unique() == 2
