"""Refreshes that are killed at a step of their own: `python -m tests.attacks.struck HOME`, then lines "generation step" on its input.

Each line forks a child that refreshes and kills itself (SIGKILL) at that step; step 0 never comes. A step is a file opened for writing,
a folder made, a rename, a removal, a change of mode, or a process started, as Python's audit hooks tell them. The answer to a line is
the child's exit status and the number of steps that it came to.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from slices.refresh import refresh
from tests.integration.driving import installation_in
from tests.integration.killed import offer_generation, workspace_in

_STEPS = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "subprocess.Popen", "sqlite3.connect")


def is_step(event: str, arguments: tuple[Any, ...]) -> bool:
    """`open` has the path, the mode and the flags."""
    if event == "open":
        return isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return event in _STEPS


def strike(home: Path, generation: int, at: int, pipe: int) -> None:
    """Refreshes in this process; tells every step to the pipe, and dies at step `at`."""
    seen = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if is_step(event, arguments):
            seen += 1
            os.write(pipe, b".")
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)

    offer_generation(generation)
    installation = installation_in(home, builders=1)
    sys.addaudithook(hook)
    refresh(installation, workspace_in(home))


def main(home: Path) -> None:
    for line in sys.stdin:
        generation, at = (int(word) for word in line.split())
        out, into = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(out)
            status = 1
            try:
                strike(home, generation, at, into)
                status = 0
            finally:
                os._exit(status)
        os.close(into)
        with os.fdopen(out, "rb") as pipe:
            steps = len(pipe.read())
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), steps, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
