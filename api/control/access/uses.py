"""When keys were used last, written a minute behind, for all keys of a process together: an answer never waits for it."""

from __future__ import annotations

import logging
import threading
from datetime import datetime

from engine.catalog.keys import USED_EVERY, note_uses
from engine.errors import StorageError
from slices.installation import Installation

log = logging.getLogger("slicehouse.api")


class Uses:
    """Uses that are not written yet, the last one of each key."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._lock = threading.Lock()
        self._used: dict[str, datetime] = {}

    def note(self, key: str) -> None:
        """The key of that id is used now."""
        with self._lock:
            is_first = not self._used
            self._used[key] = self._installation.clock()
        if is_first:
            timer = threading.Timer(USED_EVERY.total_seconds(), self.write)
            timer.daemon = True
            timer.start()

    def write(self) -> None:
        """Writes what was noted. Uses that the catalog refuses are lost: they are no reason to stop."""
        with self._lock:
            used, self._used = self._used, {}
        try:
            with self._installation.catalog.write(quiet=True) as session:
                note_uses(session, used)
        except StorageError as error:
            log.warning("uses not written", extra={"code": error.code, "keys": len(used)})
