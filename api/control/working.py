"""What goes on beside the answers: usage is measured, put into Stripe's outbox, sent, and delivered to sinks. A thread of the scheduler."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.control.billing.outbox import fill
from api.control.billing.sending import Sender
from api.control.usage.measuring import measure
from api.control.usage.sinks import Deliverer
from engine.errors import SlicehouseError
from slices.installation import Installation

log = logging.getLogger("slicehouse.usage")


class Worker:
    """Does each job every second; what fails is tried again the next time, and holds up no other."""

    def __init__(self, installation: Installation, every: float = 1.0) -> None:
        self._every, self._ended = every, threading.Event()
        self._sender = Sender(installation, self._ended.is_set)
        self._deliverer = Deliverer(installation, self._ended.is_set)
        self._jobs: tuple[tuple[str, Callable[[], Any]], ...] = (
            ("measure", partial(measure, installation)),
            ("fill", partial(fill, installation)),
            ("send", self._sender.once),
            ("deliver", self._deliverer.once),
        )
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the call that is under way."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            self.once()
        self._do("send", self._sender.end)
        self._do("deliver", self._deliverer.end)

    def once(self) -> None:
        """Each job once."""
        for name, job in self._jobs:
            self._do(name, job)

    def _do(self, name: str, job: Callable[[], Any]) -> None:
        try:
            job()
        except (SlicehouseError, SQLAlchemyError, OSError, ValueError) as error:
            log.warning("not done, tried again", extra={"job": name, "error": type(error).__name__})
