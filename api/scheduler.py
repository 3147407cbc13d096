"""The one scheduler process: fires schedules into the queue of runs, runs each queued refresh as a child process, and keeps the audit as long as it is to be kept."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

from api.control.retention import AuditRetention
from api.ending import on_ending
from engine.catalog import runs, workspaces
from engine.errors import SlicehouseError
from engine.settings import Settings
from engine.workspace import Workspace, read_workspace
from extract.schedule import Schedule
from slices.installation import Installation, open_installation
from slices.locking import is_held, one_scheduler
from slices.reviewing.routings import workspace_row

log = logging.getLogger("slicehouse.scheduler")


def main() -> int:
    """Runs until it is told to end, or whoever started it is gone. Raises Busy where another scheduler runs."""
    parent = os.getppid()
    installation = open_installation(Settings(), migrate=False)
    ended = threading.Event()
    on_ending(lambda *_: ended.set())
    with one_scheduler(installation.home):
        schedule = Schedule()
        for file in sys.argv[1:]:
            _add(installation, schedule, read_workspace(Path(file)))
        schedule.start()
        children: dict[str, subprocess.Popen[bytes]] = {}
        retention = AuditRetention(installation)
        while not ended.wait(0.5) and os.getppid() == parent:
            _start_queued(installation, children)
            retention.step()
        schedule.stop()
        for child in children.values():
            child.terminate()
            child.wait()
    return 0


def _add(installation: Installation, schedule: Schedule, workspace: Workspace) -> None:
    """One job a source that has a schedule: a refresh is of the whole workspace."""
    row = workspace_row(installation, workspace)
    for name, source in workspace.sources.items():
        if source.schedule is not None:
            schedule.add(f"{row.id}:{name}", source.schedule, workspace.timezone, lambda: _request(installation, row.id))


def _request(installation: Installation, workspace_id: str) -> None:
    with installation.catalog.write() as session:
        runs.request_run(session, workspace_id, "schedule", {}, installation.clock())


def _start_queued(installation: Installation, children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Starts the oldest queued run of each workspace that has none at work."""
    for workspace_id in [w for w, c in children.items() if c.poll() is not None]:
        log.info("refresh ended", extra={"workspace": workspace_id, "status": children.pop(workspace_id).returncode})
    with installation.catalog.read() as session:
        queued = {r.workspace_id: r for r in reversed(runs.queued_runs(session))}
        rows = {w.id: w for w in workspaces.all_workspaces(session)}
    for workspace_id, run in queued.items():
        busy = workspace_id in children or is_held(installation.home.workspace(workspace_id).lock)
        if not busy and _readable(installation, run.id, rows[workspace_id].path):
            tenants = [a for t in run.options.get("tenants", ()) for a in ("--tenant", t)]
            full = ["--full"] if run.options.get("full") else []
            command = [
                sys.executable,
                "-m",
                "api.cli.main",
                "refresh",
                "--run-id",
                run.id,
                "-w",
                rows[workspace_id].path,
                "--home",
                str(installation.home.path),
            ]
            children[workspace_id] = subprocess.Popen([*command, *tenants, *full])


def _readable(installation: Installation, run_id: str, path: str) -> bool:
    """Whether the workspace file can be read; a run that cannot even start ends as failed, and says why."""
    try:
        read_workspace(Path(path))
    except SlicehouseError as error:
        with installation.catalog.write() as session:
            runs.end_run(session, run_id, "failed", installation.clock(), code=error.code, error=error.message)
        return False
    return True


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SlicehouseError as problem:
        print(f"slicehouse: {problem}", file=sys.stderr)
        sys.exit(problem.exit_status)
