"""Runs: queued, at work, ended; their stages and verdicts; snapshots. One at a time per workspace, asked-for ones coalesced."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from engine.catalog.outbox import Outbox
from engine.catalog.tables import RunRow, RunTableRow, SnapshotRow, StageRow
from engine.ids import new_id

# The event that each end of a run is. What the run says in words is for those who may ask for it.
_TOLD = {"failed": "refresh.failed", "stopped": "routing.review_required"}


def request_run(session: Session, workspace_id: str, trigger: str, options: dict[str, Any], now: datetime) -> RunRow:
    """A queued run; one that is queued already with the same options is returned instead (coalesced)."""
    for row in session.scalars(select(RunRow).where(RunRow.workspace_id == workspace_id, RunRow.state == "queued")):
        if row.options == options:
            return row
    row = RunRow(id=new_id("rn"), workspace_id=workspace_id, state="queued", trigger=trigger, options=options, requested_at=now, totals={})
    session.add(row)
    session.flush()
    return row


def start_run(session: Session, run_id: str, pid: int, routing_id: str | None, now: datetime) -> None:
    """The run is at work."""
    session.execute(update(RunRow).where(RunRow.id == run_id).values(state="running", pid=pid, routing_id=routing_id, started_at=now))


def end_run(
    session: Session,
    run_id: str,
    state: str,
    now: datetime,
    *,
    totals: dict[str, Any] | None = None,
    code: str | None = None,
    error: str | None = None,
) -> None:
    """The run has ended: succeeded, failed or stopped."""
    values: dict[str, Any] = {"state": state, "finished_at": now, "error_code": code, "error": error}
    if totals is not None:
        values["totals"] = totals
    session.execute(update(RunRow).where(RunRow.id == run_id).values(**values))
    if state in _TOLD:
        run = session.get_one(RunRow, run_id)
        outbox = Outbox(session, run.workspace_id, now)
        outbox.tell(_TOLD[state], {"run": run_id, "trigger": run.trigger, "code": code})


def add_stage(
    session: Session, run_id: str, position: int, name: str, *, seconds: float, cpu_seconds: float, rows: int, peak_mb: int
) -> None:
    """One finished stage of a run."""
    session.add(StageRow(run_id=run_id, position=position, name=name, seconds=seconds, cpu_seconds=cpu_seconds, rows=rows, peak_mb=peak_mb))


def add_verdicts(session: Session, run_id: str, verdicts: dict[str, dict[str, Any]]) -> None:
    """The verdicts of each table of a run."""
    session.add_all(RunTableRow(run_id=run_id, table_name=table, verdicts=counts) for table, counts in verdicts.items())


def run_of(session: Session, workspace_id: str, run_id: str) -> RunRow | None:
    """A run of that workspace."""
    return session.scalar(select(RunRow).where(RunRow.workspace_id == workspace_id, RunRow.id == run_id))


def runs_of(session: Session, workspace_id: str, limit: int = 25, before: str | None = None) -> list[RunRow]:
    """Runs, newest first; `before` is a run's id."""
    query = select(RunRow).where(RunRow.workspace_id == workspace_id).order_by(RunRow.id.desc()).limit(limit)
    return list(session.scalars(query if before is None else query.where(RunRow.id < before)))


def queued_runs(session: Session) -> list[RunRow]:
    """Queued runs of all workspaces, oldest first."""
    return list(session.scalars(select(RunRow).where(RunRow.state == "queued").order_by(RunRow.id)))


def running_runs(session: Session, workspace_id: str | None = None) -> list[RunRow]:
    """Runs that say they are at work."""
    query = select(RunRow).where(RunRow.state == "running")
    return list(session.scalars(query if workspace_id is None else query.where(RunRow.workspace_id == workspace_id)))


def stages_of(session: Session, run_id: str) -> list[StageRow]:
    """The stages of a run in their order."""
    return list(session.scalars(select(StageRow).where(StageRow.run_id == run_id).order_by(StageRow.position)))


def verdicts_of(session: Session, run_id: str) -> dict[str, dict[str, Any]]:
    """The verdicts of a run by table."""
    return {r.table_name: r.verdicts for r in session.scalars(select(RunTableRow).where(RunTableRow.run_id == run_id))}


def add_snapshot(
    session: Session, workspace_id: str, snapshot_id: str, source: str, *, as_of: datetime, landed_at: datetime, rows: int, size: int
) -> None:
    """A landed snapshot, not used by a run yet."""
    number = session.scalar(select(func.max(SnapshotRow.number)).where(SnapshotRow.workspace_id == workspace_id)) or 0
    session.add(
        SnapshotRow(
            id=snapshot_id,
            number=number + 1,
            workspace_id=workspace_id,
            source=source,
            as_of=as_of,
            landed_at=landed_at,
            rows=rows,
            bytes=size,
            state="landed",
        )
    )


def newest_snapshots(
    session: Session, workspace_id: str, sources: list[str], *, state: str | None = None, since: datetime | None = None
) -> list[SnapshotRow] | None:
    """The snapshot of each source that was landed last, or None where one has none (in that state, landed since then).

    Last is what was noted last: ids hold the time, and a clock may go back.
    """
    found = []
    for source in sources:
        query = select(SnapshotRow).where(
            SnapshotRow.workspace_id == workspace_id, SnapshotRow.source == source, SnapshotRow.state != "removed"
        )
        query = query if state is None else query.where(SnapshotRow.state == state)
        query = query if since is None else query.where(SnapshotRow.landed_at >= since)
        row = session.scalar(query.order_by(SnapshotRow.number.desc()).limit(1))
        if row is None:
            return None
        found.append(row)
    return found


def stale_snapshots(session: Session, workspace_id: str, keep: list[str], now: datetime) -> list[SnapshotRow]:
    """Snapshots that nothing needs: not in `keep`, and used already, older than an hour, or older than what is kept: they may hold
    in clear what has been masked since."""
    rows = session.scalars(select(SnapshotRow).where(SnapshotRow.workspace_id == workspace_id, SnapshotRow.state != "removed")).all()
    limit = max([now - timedelta(hours=1), *(r.landed_at for r in rows if r.id in keep)])
    return [r for r in rows if r.id not in keep and (r.state != "landed" or r.landed_at < limit)]
