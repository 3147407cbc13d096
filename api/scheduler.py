"""The one scheduler process: fires schedules into the queue of runs, and runs each queued refresh as a child process; it delivers webhooks, and keeps the audit
as long as it is to be kept.

The schedules are those of all workspaces of the catalog, as their files say them now: a workspace that is made by program, or applied while
it runs, is among them within seconds.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

from api.control.retention import AuditRetention
from api.control.webhooks.delivering import Deliverer
from api.control.working import Worker
from api.ending import on_ending
from api.serving.definitions import Stamp, read_stamped, stamp_of
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
        for file in sys.argv[1:]:
            workspace_row(installation, read_workspace(Path(file)))
        schedules = Schedules(installation, Schedule())
        schedules.look()
        schedules.schedule.start()
        deliverer = Deliverer(installation)
        deliverer.start()
        worker = Worker(installation)
        worker.start()
        children: dict[str, subprocess.Popen[bytes]] = {}
        retention = AuditRetention(installation)
        while not ended.wait(0.5) and os.getppid() == parent:
            schedules.look()
            _start_queued(installation, children)
            retention.step()
        schedules.schedule.stop()
        deliverer.stop()
        worker.stop()
        for child in children.values():
            child.terminate()
            child.wait()
    return 0


class Schedules:
    """The jobs of all workspaces, looked at again where a file changed, a workspace is new or was archived."""

    def __init__(self, installation: Installation, schedule: Schedule) -> None:
        self.schedule = schedule
        self._installation = installation
        self._known: dict[str, tuple[str, tuple[Path, ...], Stamp]] = {}
        self._jobs: dict[str, set[str]] = {}

    def look(self) -> None:
        """Brings the jobs up to date with the catalog and the files."""
        with self._installation.catalog.read() as session:
            rows = {w.id: w.path for w in workspaces.all_workspaces(session)}
        for gone in self._jobs.keys() - rows.keys():
            self._set(gone, None)
            self._known.pop(gone, None)
        for id_, path in rows.items():
            known = self._known.get(id_)
            if known is None or known[0] != path or known[2] != stamp_of(known[1]):
                self._read(id_, path)

    def _read(self, workspace_id: str, path: str) -> None:
        """A file that cannot be read leaves its jobs as they are: each run then says why it fails."""
        before = stamp_of([Path(path)])
        try:
            stamp, workspace = read_stamped(Path(path))
        except (SlicehouseError, OSError) as error:
            log.warning("schedule not read", extra={"workspace": workspace_id, "error": type(error).__name__})
            self._known[workspace_id] = path, (Path(path),), before
            return
        self._known[workspace_id] = path, workspace.files, stamp
        self._set(workspace_id, workspace)

    def _set(self, workspace_id: str, workspace: Workspace | None) -> None:
        """One job a source that has a schedule: a refresh is of the whole workspace."""
        sources = workspace.sources if workspace is not None else {}
        zone = workspace.timezone if workspace is not None else "UTC"
        wanted = {f"{workspace_id}:{n}": s.schedule for n, s in sources.items() if s.schedule is not None}
        for job in self._jobs.get(workspace_id, set()) - wanted.keys():
            self.schedule.remove(job)
        for job, line in wanted.items():
            try:
                self.schedule.add(job, line, zone, lambda: _request(self._installation, workspace_id))
            except SlicehouseError as error:
                log.warning("no schedule", extra={"workspace": workspace_id, "error": error.code})
        self._jobs[workspace_id] = set(wanted)


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
        if workspace_id not in rows:  # archived meanwhile
            continue
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
