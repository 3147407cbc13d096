"""The demo command as a process of its own, and what is left of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

LONGEST = 300.0


@dataclass(slots=True)
class RunningDemo:
    """A demo in `folder`; its output goes to two files beside it."""

    folder: Path
    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    @property
    def address(self) -> str:
        """The address with its key."""
        return re.findall(r"^http://127\.0\.0\.1:\d+/#key=shk_\S+$", self.stdout.read_text(), re.MULTILINE)[0]

    @property
    def calls(self) -> list[str]:
        """The curl lines."""
        return [line for line in self.stdout.read_text().splitlines() if line.startswith("curl ")]

    def wait_for(self, text: str) -> None:
        """Waits until the demo has said it. Fails where it ends before."""
        until = time.monotonic() + LONGEST
        while text not in self.stderr.read_text():
            assert self.process.poll() is None, self.stderr.read_text()
            assert time.monotonic() < until, self.stderr.read_text()
            time.sleep(0.02)

    def end(self, name: signal.Signals, *, group: bool = False) -> int:
        """Sends the signal, to its whole process group where a terminal would; returns the exit status."""
        (os.killpg if group else os.kill)(self.process.pid, name)
        return self.process.wait(LONGEST)


def _hears_hangups() -> None:
    """As from a terminal, also where the tests run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def start_demo(folder: Path, log: Path) -> RunningDemo:
    """Starts it on a free port, in a session of its own."""
    log.mkdir(parents=True, exist_ok=True)
    number = len(list(log.iterdir()))
    stdout, stderr = log / f"{number}.out", log / f"{number}.err"
    with stdout.open("wb") as out, stderr.open("wb") as err:
        command = [sys.executable, "-m", "api.cli.main", "demo", "--folder", str(folder), "--port", "0"]
        process = subprocess.Popen(
            command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_hears_hangups
        )
    return RunningDemo(folder, process, stdout, stderr)


def end_by_command(folder: Path) -> str:
    """`demo --down`; returns what it said."""
    command = [sys.executable, "-m", "api.cli.main", "demo", "--down", "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=True).stderr


def left_behind(demo: RunningDemo) -> list[str]:
    """The processes of the demo's session, and those that work in its folder; a zombie is none."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            state, _, _, session = (process / "stat").read_text().rsplit(")", 1)[1].split()[:4]
            inside = (process / "cwd").readlink().is_relative_to(demo.folder)
            if process.name.isdigit() and state != "Z" and (int(session) == demo.process.pid or inside):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (OSError, ValueError, IndexError):
            continue
    return found
