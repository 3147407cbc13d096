"""The API as a process of its own, as `slicehouse serve` starts it, that may be killed."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from api.serve import server_command

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """One uvicorn process on a free port of 127.0.0.1; `memory` bounds its address space in bytes."""

    def __init__(self, home: Path, *, memory: int | None = None, files: int | None = None, **settings: Any) -> None:
        self._environment = os.environ | {"PYTHONPATH": str(ROOT), "SLICEHOUSE_HOME": str(home), "PG_DSN": "BAIT-7f3c9e"}
        self._environment |= {f"SLICEHOUSE_{k.upper()}": str(v) for k, v in settings.items()}
        self._limits = {resource.RLIMIT_AS: memory, resource.RLIMIT_NOFILE: files}
        self.port = free_port()
        self.log = home.parent / f"server-{self.port}.log"
        self.starts = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                server_command("127.0.0.1", self.port, 1),
                env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=self._bound,
            )  # fmt: skip
        self.starts += 1
        until = time.monotonic() + 60
        while not self._answers():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.05)

    def _bound(self) -> None:
        for what, most in self._limits.items():
            if most is not None:
                resource.setrlimit(what, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url + "/healthz", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        self.kill()
        self.start()


@contextmanager
def running(home: Path, **more: Any) -> Iterator[Server]:
    """A started server, killed at the end."""
    server = Server(home, **more)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
