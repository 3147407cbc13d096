"""demo: the whole thing on data that it brings itself, then serves it."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from api.cli.common import Lines, Place, open_place, say
from api.ending import on_ending

if TYPE_CHECKING:
    from engine.workspace import Workspace
    from slices.installation import Installation

_TENANTS = ("137", "17")
_LONGEST_END = 60.0


def demo(
    *,
    folder: Annotated[Path, Parameter(help="where the demo lives")] = Path("demo"),
    port: Annotated[int, Parameter(help="where it is free; else any other")] = 8321,
    down: Annotated[bool, Parameter(negative=(), help="end a demo that runs")] = False,
) -> int:
    """Starts a PostgreSQL with a subscription business in it, refreshes, and serves; Ctrl-C ends all of it."""
    from api.demo.business import DemoServer, end_server
    from api.serve import supervise
    from engine.errors import Busy
    from slices.locking import exclusive, is_held

    folder = folder.resolve()
    lock, postgres = folder / "demo.lock", folder / "postgres"
    if down:
        return _down(lock, postgres)
    if is_held(lock):
        raise Busy("A demo runs in this folder already.", hint="slicehouse demo --down ends it; --folder DIR starts another.")
    signals = _Signals()
    with exclusive(lock):
        try:
            say("starting PostgreSQL …")
            with signals.held():
                server = DemoServer(postgres)
            port = _free_port(port)
            where, lines = _prepared(folder, server.uri, f"http://127.0.0.1:{port}")
            threading.Thread(target=_announce, args=(port, lines), daemon=True).start()
            supervise(where.home, where.files, host="127.0.0.1", port=port, workers=1, scheduler=True)
        finally:
            signals.hold()
            end_server(postgres)
    say("The demo has ended.")
    return 0


class _Signals:
    """What ends a process as KeyboardInterrupt, once: a second one must not cut the ending short, nor any while they are held."""

    def __init__(self) -> None:
        self._held = self._asked = False
        on_ending(self._come)

    def _come(self, *_: object) -> None:
        self._asked = True
        if not self._held:
            self._held = True
            raise KeyboardInterrupt

    def hold(self) -> None:
        """From here on they do nothing."""
        self._held = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """What comes while the block runs takes effect at its end."""
        self._held = True
        try:
            yield
        finally:
            self._held = self._asked
            if self._asked:
                raise KeyboardInterrupt


def _prepared(folder: Path, uri: str, base: str) -> tuple[Place, str]:
    """Data, workspace, slices and keys; returns where they are, and what a person needs to enter."""
    from api.control.access.keys import make_key
    from api.demo.business import fill, is_filled, write_workspace
    from engine.workspace import read_workspace

    if not is_filled(uri):
        fill(uri, lambda stage, done, total: say(f"  {done:>2}/{total} {stage}"))
    path = write_workspace(folder, uri)
    where = Place((path,), folder / ".slicehouse")
    installation, workspace = open_place(where), read_workspace(path)
    _refreshed(installation, workspace)
    admin = make_key(installation, workspace, "workspace", None, "demo")
    keys = [(t, make_key(installation, workspace, f"tenant:{t}", None, "demo")) for t in _TENANTS]
    installation.catalog.close()
    calls = [
        f"# tenant {tenant}\ncurl -s -H 'Authorization: Bearer {key.text}' '{base}/v1/dashboards/overview/panels/mrr_now'"
        for tenant, key in keys
    ]
    return where, "\n".join(["", f"{base}/#key={admin.text}", "", *calls])


def _announce(port: int, lines: str) -> None:
    """Prints the address and the calls as soon as they work."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                break
        except (OSError, HTTPException):
            time.sleep(0.1)
    print(lines, flush=True)
    say("\nCtrl-C ends the demo, its PostgreSQL too.")


def _refreshed(installation: Installation, workspace: Workspace) -> None:
    """Accepts the demo's routing where it is new, and refreshes."""
    from slices.refresh import refresh
    from slices.reviewing import routings
    from slices.reviewing.review import accept_review, review

    row = routings.workspace_row(installation, workspace)
    if routings.accepted(installation, workspace, row) is None:
        accept_review(installation, workspace, review(installation, workspace, Lines()), "demo")
    done = refresh(installation, workspace, progress=Lines())
    say(
        f"{done.built} {'tenant' if done.built == 1 else 'tenants'} built, {done.unchanged} unchanged, {done.failed} failed, {done.quarantined} rows in quarantine"
    )


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


def _down(lock: Path, postgres: Path) -> int:
    """Ends the demo that holds the lock, and waits for it; without one, the PostgreSQL that a killed demo left behind."""
    from api.demo.business import end_server
    from engine.errors import WorkFailed
    from slices.locking import is_held

    if not is_held(lock):
        say("The PostgreSQL of a demo that was killed has ended." if end_server(postgres) else "No demo runs here.")
        return 0
    say("The demo is ending …")
    process = int(lock.read_text())
    os.kill(process, signal.SIGTERM)
    until = time.monotonic() + _LONGEST_END
    while is_held(lock) or _lives(process):
        if time.monotonic() > until:
            raise WorkFailed(f"The demo did not end within {_LONGEST_END:.0f} seconds.", hint=f"Its process is {process}.")
        time.sleep(0.1)
    say("The demo has ended.")
    return 0


def _lives(process: int) -> bool:
    """Whether the process is there, and not only its entry until its parent looks."""
    try:
        return bool(Path(f"/proc/{process}/exe").readlink())
    except OSError:
        return False


VERBS = (demo,)
