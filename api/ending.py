"""What tells a process to end: Ctrl-C, a supervisor, the terminal that closes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType


def on_ending(handler: Callable[[int, FrameType | None], None]) -> None:
    """Runs `handler` on SIGINT, SIGTERM and SIGHUP; what is ignored, as nohup leaves SIGHUP, stays so. In the main thread alone."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(name) is not signal.SIG_IGN:
            signal.signal(name, handler)
