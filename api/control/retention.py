"""How long the audit is kept: once a day the scheduler removes what is older than the setting says."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from engine.catalog import audit
from engine.catalog.audit import Actor
from engine.errors import SlicehouseError
from slices.installation import Installation

_EVERY, _AGAIN = timedelta(days=1), timedelta(hours=1)
log = logging.getLogger("slicehouse.retention")


def retain_audit(installation: Installation) -> int:
    """Removes the records that are older than `audit_days`, and records that; how many they were. Without the setting all are kept."""
    days = installation.settings.audit_days
    if days is None:
        return 0
    now = installation.clock()
    with installation.catalog.write(quiet=True) as session:
        return audit.remove_before(session, installation.derived_key("audit"), Actor("scheduler", ""), now - timedelta(days=days), now)


class AuditRetention:
    """Does so at once, and every day from then on; an hour after it could not."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._next: datetime | None = None

    def step(self) -> None:
        """Looks whether it is time."""
        now = self._installation.clock()
        if self._next is not None and now < self._next:
            return
        self._next = now + _EVERY
        try:
            removed = retain_audit(self._installation)
        except SlicehouseError as error:
            self._next = now + _AGAIN
            log.warning("the audit's retention failed", extra={"code": error.code})
            return
        if removed:
            log.info("old records of the audit are removed", extra={"records": removed})
