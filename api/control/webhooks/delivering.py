"""Delivers what is due: a thread that looks each second, and a few that send. Several processes may; each delivery is claimed by one."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from api.control.outgoing import client
from api.control.webhooks.sending import send
from engine.catalog import audit, deliveries
from engine.catalog.audit import Actor, Entry
from engine.catalog.deliveries import Claimed, Outcome
from engine.errors import SlicehouseError
from slices.installation import Installation

SENDERS = 8
"""At a time, in one process."""
MOST_EACH = 2
"""Of these for one webhook, so that a slow one leaves room for the others."""
_FORGET_EVERY = timedelta(hours=1)
log = logging.getLogger("slicehouse.webhooks")


class Deliverer:
    """`start` and `stop` it, or do `once` what is due now."""

    def __init__(self, installation: Installation, every: float = 1.0) -> None:
        self._installation, self._every = installation, every
        self._client = client(installation)
        self._pool = ThreadPoolExecutor(SENDERS, "webhook")
        self._lock, self._at_work = threading.Lock(), Counter[str]()
        self._jobs: set[Future[None]] = set()
        self._ended, self._look = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._forgot: datetime | None = None

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; what is under way is given the time that an attempt has."""
        self._ended.set()
        self._look.set()
        if self._thread.is_alive():
            self._thread.join(10)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._client.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._look.clear()
            self.once()
            self._look.wait(self._every)

    def once(self) -> int:
        """Claims what is due and there is room for, and has it sent; how many. What fails is tried again."""
        try:
            self._forget()
            claimed = self._claim()
        except (SlicehouseError, SQLAlchemyError) as error:
            log.warning("webhooks not looked at", extra={"error": type(error).__name__})
            return 0
        self._installation.failpoint("webhooks.claimed")
        for one in claimed:
            job = self._pool.submit(self._deliver, one)
            with self._lock:
                self._jobs.add(job)
            job.add_done_callback(self._done)
        return len(claimed)

    def settle(self, seconds: float = 60) -> None:
        """Waits until nothing is under way."""
        with self._lock:
            jobs = set(self._jobs)
        wait(jobs, seconds)

    def _claim(self) -> list[Claimed]:
        catalog, now = self._installation.catalog, self._installation.clock()
        with self._lock:
            at_work = Counter(self._at_work)
        room = SENDERS - at_work.total()
        with catalog.read() as session:
            if room <= 0 or not deliveries.is_due(session, now):
                return []
        with catalog.write(quiet=True) as session:
            claimed = deliveries.claim(session, now, room, at_work, MOST_EACH)
        with self._lock:
            self._at_work.update(c.webhook.id for c in claimed)
        return claimed

    def _deliver(self, claimed: Claimed) -> None:
        """In a thread of the pool: one attempt, and what came of it. An attempt that nobody could write down comes again after its lease."""
        try:
            self._settle(claimed, send(self._installation, self._client, claimed))
        except (SlicehouseError, SQLAlchemyError) as error:
            log.warning("a delivery not written down", extra={"webhook": claimed.webhook.id, "error": type(error).__name__})
        finally:
            with self._lock:
                self._at_work[claimed.webhook.id] -= 1

    def _settle(self, claimed: Claimed, outcome: Outcome) -> None:
        now, webhook = self._installation.clock(), claimed.webhook
        with self._installation.catalog.write(quiet=True) as session:
            disabled = deliveries.settle(session, claimed, outcome, now)
            if disabled is not None:
                entry = Entry(
                    "webhooks.disable", webhook.id, webhook.workspace_id, webhook.tenant_id, reason=disabled, after={"enabled": False}
                )
                audit.append(session, self._installation.derived_key("audit"), Actor("scheduler", "webhooks"), entry, now)
        if disabled is not None:
            log.warning("a webhook is disabled", extra={"webhook": webhook.id, "workspace": webhook.workspace_id, "reason": disabled})

    def _done(self, job: Future[None]) -> None:
        with self._lock:
            self._jobs.discard(job)
        error = None if job.cancelled() else job.exception()
        if error is not None:
            log.error("a delivery broke off", extra={"error": type(error).__name__})
        self._look.set()

    def _forget(self) -> None:
        """Now and then removes what is old."""
        now = self._installation.clock()
        if self._forgot is not None and now - self._forgot < _FORGET_EVERY:
            return
        with self._installation.catalog.write(quiet=True) as session:
            deliveries.forget(session, now)
        self._forgot = now
