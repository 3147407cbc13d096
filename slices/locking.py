"""One refresh at a time per workspace, one scheduler an installation: a file lock that ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from engine.errors import Busy
from slices.layout import Home


@contextmanager
def exclusive(
    path: Path,
    taken: str = "Another refresh of this workspace is at work.",
    hint: str = "slicehouse status shows it; try again when it has ended.",
) -> Iterator[None]:
    """Holds the lock while the block runs. Raises Busy with those words where another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(taken, hint=hint) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def one_scheduler(home: Home) -> AbstractContextManager[None]:
    """The lock of an installation's one scheduler. Raises Busy."""
    return exclusive(
        home.scheduler_lock, "A server runs on this home already.", "End that one; or serve beside it with slicehouse serve --no-scheduler."
    )


@contextmanager
def serving(home: Home) -> Iterator[None]:
    """Held by every server of an installation while it runs, several at once."""
    home.path.mkdir(parents=True, exist_ok=True)
    with home.serving_lock.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock now."""
    if not path.exists():
        return False
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
