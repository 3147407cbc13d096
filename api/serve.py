"""The supervisor: migrates once, starts the API workers and one scheduler process, starts anew what dies, ends both together."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from api.ending import on_ending
from api.serving.metrics import FOLDER
from engine.errors import WorkFailed
from slices.layout import Home
from slices.locking import one_scheduler, serving

# Seconds that open answers, streams among them, have when a worker is told to end.
_GRACE = 5


@dataclass(slots=True)
class _Child:
    """A process that is kept running; five deaths within a minute are too many."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)

    def keep(self) -> None:
        """Starts it where it does not run. Raises WorkFailed where it dies again and again."""
        if self.process is not None and self.process.poll() is None:
            return
        now = time.monotonic()
        if self.process is not None:
            self.deaths = [d for d in self.deaths if now - d < 60] + [now]
        if len(self.deaths) >= 5:
            raise WorkFailed(
                f"The {self.name} process ends again and again.", hint="slicehouse doctor; another server on that port?", code="supervisor"
            )
        self.process = subprocess.Popen(self.command, env=self.environment)

    def end(self) -> None:
        """Ends it, at the latest after ten seconds."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def server_command(host: str, port: int, workers: int) -> list[str]:
    """The command that runs the API alone."""
    # Whoever runs on this machine could say that it comes from elsewhere; an operator with a proxy names the proxy.
    proxy = [] if "FORWARDED_ALLOW_IPS" in os.environ else ["--no-proxy-headers"]
    where = ["--host", host, "--port", str(port), "--workers", str(workers)]
    quiet = ["--no-server-header", "--log-level", "warning", "--timeout-graceful-shutdown", str(_GRACE)]
    return [sys.executable, "-m", "uvicorn", "api.app:create_app", "--factory", *where, *quiet, *proxy]


def supervise(home: Path, files: Sequence[Path], *, host: str, port: int, workers: int, scheduler: bool) -> None:
    """Runs API and scheduler until it is told to end. Raises Busy where a scheduler runs on that home, WorkFailed."""
    if scheduler:
        with one_scheduler(Home(home)):
            pass
    figures = tempfile.mkdtemp(prefix="slicehouse-metrics-")
    environment = os.environ | {"SLICEHOUSE_HOME": str(home.resolve()), FOLDER: figures, "SLICEHOUSE_WORKERS": str(workers)}
    children = [_Child("API", server_command(host, port, workers), environment)]
    if scheduler:
        children.append(_Child("scheduler", [sys.executable, "-m", "api.scheduler", *(str(f.resolve()) for f in files)], environment))
    ended = threading.Event()
    on_ending(lambda *_: ended.set())
    try:
        with serving(Home(home)):
            while True:
                for child in children:
                    child.keep()
                if ended.wait(0.5):
                    return
    finally:
        for child in reversed(children):
            child.end()
        shutil.rmtree(figures, ignore_errors=True)
