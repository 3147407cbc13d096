"""What was refused, for the audit: noted as it happens, written within about a second, alike ones of that second together.

A refusal changes nothing, so it waits for no disk; a process that is killed takes the last second of them along.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import replace

from api.control.access.principal import Principal
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.errors import StorageError
from slices.installation import Installation

OF_CONSEQUENCE = frozenset(
    {
        "credential_invalid",
        "too_many_attempts",
        "request_forged",
        "forbidden",
        "tenant_mismatch",
        "tenant_suspended",
        "feature_not_in_tier",
        "origin_not_allowed",
        "partial_scope",
    }
    | {"param_locked", "caller_sql_off", "statement_not_allowed", "quota_exceeded"}
)
"""Codes of refusals that are written down; what is merely not there, or does not fit, is not."""
_MOST = 1_000
log = logging.getLogger("slicehouse.api")


class Denials:
    """Refusals that are not written yet; beyond so many different ones in a second only their number is kept."""

    def __init__(self, installation: Installation) -> None:
        self._installation, self._lock = installation, threading.Lock()
        self._noted: Counter[tuple[Actor, Entry]] = Counter()
        self._more = 0

    def note(self, actor: Actor, principal: Principal | None, action: str, target: str, code: str) -> None:
        """One refusal. Of many alike the first request is the one that is named."""
        entry = Entry(
            action, target[:500], principal.workspace_id if principal else None, principal.tenant_id if principal else None, "denied", code
        )
        alike = replace(actor, request_id=None)
        with self._lock:
            if (alike, entry) in self._noted or len(self._noted) < _MOST:
                self._noted[alike, entry] += 1
            else:
                self._more += 1

    def write(self) -> None:
        """Appends what was noted to the audit. Where the catalog refuses it waits for the next time."""
        with self._lock:
            noted, self._noted, more, self._more = self._noted, Counter(), self._more, 0
        if not noted:
            return
        now, key = self._installation.clock(), self._installation.derived_key("audit")
        try:
            with self._installation.catalog.write(quiet=True) as session:
                for (actor, entry), times in noted.items():
                    after = {"times": times} if times > 1 else None
                    audit.append(session, key, actor, replace(entry, after=after), now)
                if more:
                    audit.append(session, key, Actor("nobody", ""), Entry("denials", "more", outcome="denied", after={"times": more}), now)
        except StorageError as error:
            log.warning("refusals not written", extra={"code": error.code, "refusals": len(noted)})
            with self._lock:
                self._noted.update(noted)
                self._more += more
