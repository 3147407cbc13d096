"""Counts usage: takes what the journals hold into the catalog, each file once, and adds it up by the hour."""

from __future__ import annotations

import fcntl
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.control.usage.alerts import look_at_quotas
from api.control.usage.journal import Journal, closed, facts_in
from api.control.usage.meters import CLOSED_AFTER, hour_of
from engine.catalog.tables import UsageFileRow, UsageHourRow, UsageRow
from engine.errors import SlicehouseError
from slices.installation import Installation

_REMEMBERED = timedelta(days=7)
_AT_ONCE = 200
_GROUPED = ("tenant_id", "hour", "type", "door", "user", "dashboard", "panel", "host")
_SUMMED = ("count", "rows", "bytes", "cpu_us", "kept")
log = logging.getLogger("slicehouse.usage")


def collect(installation: Installation) -> int:
    """Takes every file that nobody writes; how many facts. One process at a time; the others leave it to that one."""
    folder = installation.home.usage
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "collect.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        paths = closed(folder)
        return sum(_take(installation, paths[first : first + _AT_ONCE]) for first in range(0, len(paths), _AT_ONCE))


def _take(installation: Installation, paths: Sequence[Path]) -> int:
    """Counts some files in one transaction, then removes them; a file that was counted before is removed alone."""
    read = {path.name: facts for path in paths if (facts := _read(path)) is not None}
    with installation.catalog.write(quiet=True) as session:
        now = installation.clock()  # within the transaction: whoever finds an hour closed after it finds all that counts in it
        known = set(session.scalars(select(UsageFileRow.name).where(UsageFileRow.name.in_(read))))
        session.add_all(UsageFileRow(name=name, taken_at=now) for name in read if name not in known)
        facts = [fact for name, found in read.items() if name not in known for fact in found]
        look_at_quotas(session, installation, count(session, facts, now))
        session.execute(delete(UsageFileRow).where(UsageFileRow.taken_at < now - _REMEMBERED))
    installation.failpoint("usage.counted")
    for path in paths:
        path.unlink(missing_ok=True)
    return len(facts)


def _read(path: Path) -> list[dict[str, Any]] | None:
    """The facts of a file; one that cannot be read is put aside and kept."""
    try:
        return facts_in(path)
    except ValueError:
        log.error("a journal cannot be read, and is kept", extra={"journal": path.name})
        path.rename(path.with_suffix(".bad"))
        return None


def count(session: Session, facts: Sequence[dict[str, Any]], now: datetime) -> dict[str, set[datetime]]:
    """Adds facts that are not known yet, and their sums; in which hours of which tenants they count."""
    if not facts:
        return {}
    rows = _numbered(session, [_row(fact, now) for fact in facts])
    session.execute(UsageRow.__table__.insert(), rows)  # type: ignore[attr-defined]
    sums: dict[tuple[Any, ...], Counter[str]] = {}
    workspaces: dict[tuple[Any, ...], str] = {}
    for row, fact in zip(rows, facts, strict=True):
        group = (row["tenant_id"], row["counted_in"], row["type"], *(str(fact.get(g, ""))[:255] for g in _GROUPED[3:]))
        workspaces[group] = row["workspace_id"]
        one = {"count": fact["quantity"], "kept": int(fact.get("kept", False))} | {s: fact.get(s, 0) for s in ("rows", "bytes", "cpu_us")}
        sums.setdefault(group, Counter()).update(one)
    values = [
        dict(zip(_GROUPED, group, strict=True)) | {"workspace_id": workspaces[group]} | {s: sum_[s] for s in _SUMMED}
        for group, sum_ in sums.items()
    ]
    _add(session, values)
    hours: dict[str, set[datetime]] = {}
    for row in rows:
        hours.setdefault(row["tenant_id"], set()).add(row["counted_in"])
    return hours


def _numbered(session: Session, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the next numbers of their workspaces; only one transaction writes at a time."""
    for workspace_id in {row["workspace_id"] for row in rows}:
        last = session.scalar(select(func.max(UsageRow.number)).where(UsageRow.workspace_id == workspace_id)) or 0
        for number, row in enumerate((r for r in rows if r["workspace_id"] == workspace_id), last + 1):
            row["number"] = number
    return rows


def _add(session: Session, values: Iterable[dict[str, Any]]) -> None:
    """Adds to the sums of the hours."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    insert = dialect.insert(UsageHourRow)
    upsert = insert.on_conflict_do_update(
        index_elements=list(_GROUPED), set_={s: getattr(UsageHourRow, s) + getattr(insert.excluded, s) for s in _SUMMED}
    )
    session.execute(upsert, list(values))


def _row(fact: dict[str, Any], now: datetime) -> dict[str, Any]:
    at = datetime.fromisoformat(fact["at"]).astimezone(UTC)
    hour = hour_of(at)
    return {
        "id": fact["id"],
        "workspace_id": fact["workspace_id"],
        "tenant_id": fact["tenant_id"],
        "type": fact["type"],
        "occurred_at": at,
        "counted_in": hour if now < hour + timedelta(hours=1) + CLOSED_AFTER else hour_of(now),
        "data": fact,
    }


def count_new(session: Session, facts: Sequence[dict[str, Any]], now: datetime) -> dict[str, set[datetime]]:
    """Adds those facts that are not there yet, by their ids; in which hours of which tenants they count."""
    known: set[str] = set()
    for first in range(0, len(facts), 500):
        known |= set(session.scalars(select(UsageRow.id).where(UsageRow.id.in_([f["id"] for f in facts[first : first + 500]]))))
    new = [f for f in facts if f["id"] not in known]
    return count(session, new, now)


class Collector:
    """A thread that ends this process's file each second and counts what there is; `also` is done each second too."""

    def __init__(self, installation: Installation, journal: Journal, every: float = 1.0, also: Callable[[], None] = lambda: None) -> None:
        self._installation, self._journal, self._every, self._also = installation, journal, every, also
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Counts once more, and ends."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            self.once()
        self.once()

    def once(self) -> int:
        """Ends the file at work and counts; what fails is tried again."""
        try:
            self._also()
            self._journal.rotate()
            return collect(self._installation)
        except (SlicehouseError, SQLAlchemyError, OSError, ValueError) as error:
            log.warning("usage not counted", extra={"error": type(error).__name__})
            return 0
