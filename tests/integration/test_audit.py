"""The audit's chain: whole as it is, broken by any change, removal or addition, on both kinds of catalog."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from api.cli.main import main
from api.control.retention import AuditRetention, retain_audit
from engine.catalog import Catalog, audit, open_catalog
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import AuditRow
from engine.errors import StorageError
from engine.settings import Settings
from slices.installation import Installation, open_installation
from slices.layout import Home
from tests.integration.driving import postgres_url

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = bytes(range(32))
WHO = Actor("key", "ky_1", ip="10.0.0.1")


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalog]:
    where = tmp_path / "catalog.sqlite" if request.param == "sqlite" else postgres_url(request.getfixturevalue("database"))
    opened = open_catalog(where)
    with opened.write() as session:
        for day in range(5):
            entry = Entry("tenants.update", f"tn_{day}", "ws_1", f"tn_{day}", before={"name": "Ä"}, after={"name": "B", "n": day})
            audit.append(session, KEY, WHO, entry, NOW + timedelta(days=day))
    yield opened
    opened.close()


def chain(catalog: Catalog, key: bytes = KEY) -> audit.Chain:
    with catalog.read() as session:
        return audit.verify(session, key)


def test_chain_is_whole_and_says_how_long_it_is(catalog: Catalog) -> None:
    found = chain(catalog)
    assert (found.records, found.broken) == (5, None)
    with catalog.read() as session:
        rows = list(session.scalars(select(AuditRow).order_by(AuditRow.number)))
    assert found.head == rows[-1].hash
    assert [r.prev_hash for r in rows] == [audit.START, *(r.hash for r in rows[:-1])]
    assert chain(catalog, bytes(32)).broken == 1, "another key makes other hashes"


@pytest.mark.parametrize(
    "change",
    [{"after": {"name": "C", "n": 2}}, {"before": None}, {"actor_id": "ky_2"}, {"outcome": "denied"}, {"occurred_at": NOW}, {"reason": "x"},
     {"context": {}}, {"target": "tn_9"}, {"action": "tenants.get"}, {"tenant_id": "tn_9"}, {"workspace_id": None}, {"prev_hash": "1" * 64},
     {"actor_type": "user"}, {"id": "au_1"}],
)  # fmt: skip
def test_changed_record_breaks_it(catalog: Catalog, change: dict[str, Any]) -> None:
    with catalog.write() as session:
        session.execute(update(AuditRow).where(AuditRow.number == 3).values(**change))
    assert chain(catalog).broken == 3


@pytest.mark.parametrize(("gone", "broken"), [([3], 4), ([2, 3], 4), ([1], 2), ([1, 2], 3)])
def test_removed_record_breaks_it(catalog: Catalog, gone: list[int], broken: int) -> None:
    with catalog.write() as session:
        session.execute(delete(AuditRow).where(AuditRow.number.in_(gone)))
    assert chain(catalog).broken == broken


def test_record_put_in_without_the_key_breaks_it(catalog: Catalog) -> None:
    with catalog.write() as session:
        audit.append(session, bytes(32), WHO, Entry("tenants.update", "tn_1"), NOW)
    assert chain(catalog).broken == 6


def test_retention_removes_the_oldest_and_says_so(catalog: Catalog) -> None:
    with catalog.write() as session:
        assert audit.remove_before(session, KEY, WHO, NOW + timedelta(days=2), NOW + timedelta(days=9)) == 2
    found = chain(catalog)
    assert (found.records, found.broken) == (4, None)
    with catalog.write() as session:
        assert audit.remove_before(session, KEY, WHO, NOW + timedelta(days=2), NOW + timedelta(days=9)) == 0
        session.execute(delete(AuditRow).where(AuditRow.number == 3))
    assert chain(catalog).broken == 4, "more is gone than retention says"


def test_retention_where_all_are_old_begins_the_chain_anew(catalog: Catalog) -> None:
    for day in (100, 200):
        with catalog.write() as session:
            removed = audit.remove_before(session, KEY, WHO, NOW + timedelta(days=day - 30), NOW + timedelta(days=day))
        assert removed == (5 if day == 100 else 1)
        assert chain(catalog) == audit.Chain(1, chain(catalog).head)
    with catalog.write() as session:
        audit.append(session, KEY, WHO, Entry("x", "y"), NOW + timedelta(days=201))
        assert audit.remove_before(session, KEY, WHO, NOW + timedelta(days=199), NOW + timedelta(days=201)) == 0
    assert chain(catalog) == audit.Chain(2, chain(catalog).head)


@pytest.fixture
def kept(catalog: Catalog, tmp_path: Path) -> tuple[Installation, list[datetime]]:
    """An installation on that catalog which keeps its audit for 30 days, and its clock: the last of the moments."""
    moments = [NOW + timedelta(days=5)]
    settings = Settings(home=tmp_path, audit_days=30)
    installation = Installation(settings, Home(tmp_path), catalog, bytes(range(32)), clock=lambda: moments[-1])
    with catalog.write() as session:
        session.execute(delete(AuditRow))
        for day in range(5):
            audit.append(session, installation.derived_key("audit"), WHO, Entry("x", "y"), NOW + timedelta(days=day))
    return installation, moments


def numbers(catalog: Catalog) -> list[int]:
    with catalog.read() as session:
        return list(session.scalars(select(AuditRow.number).order_by(AuditRow.number)))


def test_scheduler_keeps_the_audit_as_long_as_the_setting_says(kept: tuple[Installation, list[datetime]]) -> None:
    installation, moments = kept
    retention = AuditRetention(installation)
    retention.step()
    assert numbers(installation.catalog) == [1, 2, 3, 4, 5], "none is that old"
    moments.append(NOW + timedelta(days=32))
    retention.step()
    assert numbers(installation.catalog) == [3, 4, 5, 6]
    moments.append(NOW + timedelta(days=32, hours=23))
    retention.step()
    assert numbers(installation.catalog) == [3, 4, 5, 6], "it was done that day"
    moments.append(NOW + timedelta(days=33, seconds=1))
    retention.step()
    assert numbers(installation.catalog) == [5, 6, 7]
    found = chain(installation.catalog, installation.derived_key("audit"))
    assert (found.records, found.broken) == (3, None)
    with installation.catalog.read() as session:
        last = session.scalars(select(AuditRow).order_by(AuditRow.number.desc())).first()
    assert last is not None
    assert (last.action, last.actor_type, last.after) == (audit.RETENTION, "scheduler", {"kept_from": 5, "removed": 2})


def test_retention_that_fails_is_tried_again_within_the_hour(
    kept: tuple[Installation, list[datetime]], monkeypatch: pytest.MonkeyPatch
) -> None:
    installation, moments = kept
    moments.append(NOW + timedelta(days=33))
    retention = AuditRetention(installation)

    def refused(*_: Any) -> int:
        raise StorageError("The catalog cannot be written.")

    with monkeypatch.context() as patch:
        patch.setattr("api.control.retention.retain_audit", refused)
        retention.step()
    moments.append(NOW + timedelta(days=33, minutes=59))
    retention.step()
    assert len(numbers(installation.catalog)) == 5
    moments.append(NOW + timedelta(days=33, minutes=61))
    retention.step()
    assert numbers(installation.catalog) == [5, 6]


def test_without_the_setting_all_is_kept(kept: tuple[Installation, list[datetime]]) -> None:
    installation, moments = kept
    moments.append(NOW + timedelta(days=10_000))
    assert retain_audit(replace(installation, settings=Settings(home=installation.home.path))) == 0
    assert len(numbers(installation.catalog)) == 5


@pytest.mark.parametrize("days", ["0", "29", "-1", "36501", "x"])
def test_setting_that_keeps_too_little_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, days: str) -> None:
    monkeypatch.setenv("SLICEHOUSE_AUDIT_DAYS", days)
    assert main(["audit", "verify", "--home", str(tmp_path / "home"), "-w", str(tmp_path / "w.yaml")]) == 2
    monkeypatch.setenv("SLICEHOUSE_AUDIT_DAYS", "30")
    assert Settings().audit_days == 30


def test_scheduler_process_applies_it(tmp_path: Path) -> None:
    """The process itself, with the machine's own clock."""
    installation = open_installation(Settings(home=tmp_path / "home"))
    with installation.catalog.write() as session:
        audit.append(session, installation.derived_key("audit"), WHO, Entry("x", "y"), datetime(2020, 1, 1, tzinfo=UTC))
    environment = os.environ | {"SLICEHOUSE_HOME": str(tmp_path / "home"), "SLICEHOUSE_AUDIT_DAYS": "30"}
    with subprocess.Popen([sys.executable, "-m", "api.scheduler"], env=environment) as scheduler:
        until = time.monotonic() + 60
        while numbers(installation.catalog) != [2]:
            assert time.monotonic() < until, "the scheduler has not removed it"
            assert scheduler.poll() is None
            time.sleep(0.05)
        scheduler.terminate()
    found = chain(installation.catalog, installation.derived_key("audit"))
    assert (found.records, found.broken) == (1, None)
    installation.catalog.close()


def test_command_writes_down_what_it_does_to_keys_and_looks_at_the_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path)]

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main([*arguments, *home])
        return status, *capsys.readouterr()

    made = json.loads(run("keys", "create", "--scope", "installation", "--json")[1])
    assert run("keys", "rotate", made["id"])[0] == 0
    assert run("keys", "revoke", made["id"])[0] == 0
    records = [json.loads(line) for line in run("audit", "export")[1].splitlines()]
    assert [(r["action"], r["target"], r["actor"]["type"]) for r in records] == [
        (f"keys.{a}", made["id"], "command") for a in ("create", "rotate", "revoke")
    ]
    assert made["key"].split("_")[2] not in json.dumps(records)
    status, head, told = run("audit", "verify")
    assert (status, head.strip()) == (0, records[-1]["hash"])
    assert "3 records, whole" in told
    assert run("audit", "verify", "--head", head.strip())[0] == 0
    with open_catalog(tmp_path / "catalog.sqlite").write() as session:
        session.execute(delete(AuditRow).where(AuditRow.number == 3))
    status, _, told = run("audit", "verify", "--head", head.strip())
    assert (status, "removed from its end" in told) == (1, True)
    with open_catalog(tmp_path / "catalog.sqlite").write() as session:
        session.execute(update(AuditRow).where(AuditRow.number == 1).values(target="ky_other"))
    status, _, told = run("audit", "verify")
    assert (status, "broken at record 1" in told) == (1, True)
