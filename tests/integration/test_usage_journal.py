"""Usage is journalled before the answer goes out and counted once: by threads, over kills, whatever dies when, on both kinds of catalog."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from api.control.usage.collecting import Collector, collect, count_new
from api.control.usage.journal import Fact, Journal, closed, line_of
from engine.catalog.tables import UsageHourRow, UsageRow, WorkspaceRow
from slices.installation import Installation
from tests.integration.driving import installation_in, postgres_url

NOW = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    more = {"catalog": postgres_url(request.getfixturevalue("database"))} if request.param == "postgresql" else {}
    made = installation_in(tmp_path / "home", **more)
    object.__setattr__(made, "clock", lambda: NOW)
    with made.catalog.write() as session:
        session.add(WorkspaceRow(id="ws", slug="w", name="w", timezone="UTC", path="", created_at=NOW))
    yield made
    made.catalog.close()


def fact(at: datetime = NOW, tenant: str = "tn_1", **more: object) -> Fact:
    return Fact("query", "ws", tenant, "1", at, **({"rows": 3, "bytes": 100, "cpu_us": 7, "door": "panel"} | more))  # type: ignore[arg-type]


def totals(installation: Installation) -> tuple[int, int, int]:
    """Events, and the sums of what they count and of their rows."""
    with installation.catalog.read() as session:
        events = session.scalar(select(func.count(UsageRow.id)))
        found = session.execute(select(func.sum(UsageHourRow.count), func.sum(UsageHourRow.rows))).one()
    return int(events or 0), int(found[0] or 0), int(found[1] or 0)


def test_every_fact_of_many_threads_is_counted_once(installation: Installation) -> None:
    journal = Journal(installation.home.usage)
    collector = Collector(installation, journal)

    def work(number: int) -> None:
        for _ in range(200):
            journal.append(line_of(fact(tenant=f"tn_{number % 3}", kept=number == 0)))
        collector.once()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    collector.once()
    assert totals(installation) == (1600, 1600, 4800)
    with installation.catalog.read() as session:
        kept = session.scalar(select(func.sum(UsageHourRow.kept)))
        assert {r.tenant_id: r.count for r in session.scalars(select(UsageHourRow))} == {"tn_0": 600, "tn_1": 600, "tn_2": 400}
    assert kept == 200
    assert list(installation.home.usage.glob("*.jsonl*")) == []


def test_file_that_is_at_work_is_left_alone(installation: Installation) -> None:
    journal = Journal(installation.home.usage)
    journal.append(line_of(fact()))
    assert closed(installation.home.usage) == []
    assert collect(installation) == 0
    journal.rotate()
    assert collect(installation) == 1
    assert totals(installation) == (1, 1, 3)


def test_file_that_was_counted_and_not_removed_is_not_counted_again(installation: Installation) -> None:
    journal = Journal(installation.home.usage)
    name = journal.append(line_of(fact()))
    journal.rotate()
    content = (installation.home.usage / name).read_bytes()
    assert collect(installation) == 1
    (installation.home.usage / name).write_bytes(content)
    assert collect(installation) == 0
    assert totals(installation) == (1, 1, 3)
    assert list(installation.home.usage.glob("*.jsonl")) == []


def test_line_without_its_end_was_never_answered_for(installation: Installation) -> None:
    (installation.home.usage).mkdir(parents=True)
    (installation.home.usage / "a.jsonl").write_bytes(line_of(fact()) + line_of(fact())[:-9])
    assert collect(installation) == 1
    assert totals(installation) == (1, 1, 3)


def test_journal_that_cannot_be_read_is_kept_and_holds_up_no_other(installation: Installation) -> None:
    (installation.home.usage).mkdir(parents=True)
    (installation.home.usage / "a.jsonl").write_bytes(b"nonsense\n")
    (installation.home.usage / "b.jsonl").write_bytes(line_of(fact()))
    assert collect(installation) == 1
    assert (installation.home.usage / "a.bad").read_bytes() == b"nonsense\n"


def test_fact_of_a_closed_hour_counts_in_the_hour_that_it_comes_in(installation: Installation) -> None:
    with installation.catalog.write() as session:
        early = [fact(NOW - timedelta(hours=h)) for h in (0, 1, 2, 30)]
        assert set(count_new(session, [e.facts() for e in early], NOW)) == {"tn_1"}
        assert count_new(session, [e.facts() for e in early], NOW) == {}
    with installation.catalog.read() as session:
        hours = {r.hour: r.count for r in session.scalars(select(UsageHourRow))}
    hour = NOW.replace(minute=0)
    assert hours == {hour: 3, hour - timedelta(hours=1): 1}, "an hour is closed an hour after its end"


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from api.control.usage.journal import Fact, Journal, line_of
journal = Journal(Path(sys.argv[1]))
while sys.stdin.read(1):
    journal.append(line_of(Fact("query", "ws", "tn_1", "1", datetime.now(UTC), rows=3)))
    sys.stdout.write(".")
    sys.stdout.flush()
    if "r" in sys.argv[2]:
        journal.rotate()
"""


@pytest.mark.parametrize("how", ["one file", "rotate"])
def test_what_a_killed_process_answered_for_is_counted_exactly(installation: Installation, how: str) -> None:
    folder = installation.home.usage
    folder.mkdir(parents=True)
    said = 0
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(folder), how[0]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdin is not None
            writer.stdin.write(b"x" * 120)
            writer.stdin.flush()
            for _ in range(100):
                assert writer.stdout.read(1) == b"."
                said += 1
                if said % 50 == 0:
                    collect(installation)
            writer.send_signal(signal.SIGKILL)
            said += len(writer.stdout.read())
    collect(installation)
    events, counted, _ = totals(installation)
    assert events == counted
    assert said <= counted <= said + 3, "what was written and not answered for yet may be one a process"


def test_counter_that_is_killed_after_the_commit_counts_nothing_twice(installation: Installation, tmp_path: Path) -> None:
    journal = Journal(installation.home.usage)
    for _ in range(5):
        journal.append(line_of(fact()))
    journal.rotate()
    command = "import sys; from tests.integration.driving import installation_in; from pathlib import Path; from api.control.usage.collecting import collect"
    command += "; import os; more = {'catalog': os.environ['AT']} if os.environ.get('AT') else {}; collect(installation_in(Path(sys.argv[1]), **more))"
    at = installation.settings.catalog or ""
    environment = os.environ | {"SLICEHOUSE_FAILPOINT": "usage.counted", "AT": at, "PYTHONPATH": str(Path.cwd())}
    ended = subprocess.run([sys.executable, "-c", command, str(installation.home.path)], env=environment, check=False)
    assert ended.returncode == 137
    assert len(list(installation.home.usage.glob("*.jsonl"))) == 1
    assert collect(installation) == 0
    assert totals(installation) == (5, 5, 15)


def test_facts_wait_while_the_disk_takes_none(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(installation.home.usage)
    real = os.write

    def full(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    def half(file: int, data: bytes) -> int:
        return real(file, bytes(data[:10]))

    for write in (full, half, real):
        monkeypatch.setattr("api.control.usage.journal.os.write", write)
        journal.append(line_of(fact()))
    journal.rotate()
    assert collect(installation) == 3
    assert totals(installation) == (3, 3, 9)
