"""demo: the whole thing on data that it brings itself, then serves it."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from api.cli.common import Lines, Place, open_place, say

if TYPE_CHECKING:
    from engine.workspace import Workspace
    from slices.installation import Installation


def demo(
    *,
    folder: Annotated[Path, Parameter(help="where the demo lives")] = Path("demo"),
    port: int = 8321,
    down: Annotated[bool, Parameter(negative=(), help="end a demo that runs")] = False,
) -> int:
    """Starts a PostgreSQL with a subscription business in it, refreshes, and serves; Ctrl-C ends all of it."""
    from api.control.keys import make_key
    from api.demo.business import DemoServer, fill, is_filled, write_workspace
    from api.serve import supervise
    from engine.workspace import read_workspace

    pid = folder / "demo.pid"
    if down:
        return _down(pid)
    port = _free_port(port)
    say("starting PostgreSQL …")
    server = DemoServer(folder.resolve() / "postgres")
    try:
        pid.write_text(str(os.getpid()))
        if not is_filled(server.uri):
            fill(server.uri, lambda stage, done, total: say(f"  {done:>2}/{total} {stage}"))
        path = write_workspace(folder.resolve(), server.uri)
        where = Place((path,), folder.resolve() / ".slicehouse")
        installation, workspace = open_place(where), read_workspace(path)
        _refreshed(installation, workspace)
        admin = make_key(installation, workspace, "workspace", None, "demo")
        keys = [(t, make_key(installation, workspace, f"tenant:{t}", None, "demo")) for t in ("137", "17")]
        installation.catalog.close()
        base = f"http://127.0.0.1:{port}"
        print(f"\n{base}/#key={admin.text}\n", flush=True)
        for tenant, key in keys:
            print(
                f"# tenant {tenant}\ncurl -s -H 'Authorization: Bearer {key.text}' '{base}/v1/dashboards/overview/panels/mrr_now'",
                flush=True,
            )
        say("\nCtrl-C ends the demo, its PostgreSQL too.")
        supervise(where.home, where.files, host="127.0.0.1", port=port, workers=1, scheduler=True)
    finally:
        pid.unlink(missing_ok=True)
        server.stop()
    return 0


def _refreshed(installation: Installation, workspace: Workspace) -> None:
    """Accepts the demo's routing where it is new, and refreshes."""
    from slices import routings
    from slices.refresh import refresh
    from slices.review import accept_review, review

    row = routings.workspace_row(installation, workspace)
    if routings.accepted(installation, workspace, row) is None:
        accept_review(installation, workspace, review(installation, workspace, say), "demo")
    done = refresh(installation, workspace, progress=Lines())
    say(f"{done.built} tenants built, {done.unchanged} unchanged, {done.failed} failed, {done.quarantined} rows in quarantine")


def _free_port(port: int) -> int:
    """The port, or a free one where it is taken."""
    for candidate in (port, 0):
        with socket.socket() as found:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                found.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(found.getsockname()[1])
    return port


def _down(pid: Path) -> int:
    if not pid.exists():
        say("No demo runs here.")
        return 0
    try:
        os.kill(int(pid.read_text()), signal.SIGTERM)
        say("The demo is ending.")
    except ProcessLookupError:
        pid.unlink()
    return 0


VERBS = (demo,)
