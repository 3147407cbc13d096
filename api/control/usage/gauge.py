"""How much of its quotas and rates a tenant has used, now: the sums of the catalog, and what this process has journalled since.

The sums are read at most once a second and window; what other processes have journalled is seen when it is counted, within about a second.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from api.control.plans.entitlements import Entitlements, window
from api.control.usage.journal import Fact, Journal, line_of
from api.control.usage.meters import hour_of, meters_of, used_of, used_since
from api.serving.problems import Problem
from engine.catalog.tables import UsageFileRow
from slices.installation import Installation

_FRESH = 1.0
_MOST = 20_000


@dataclass(slots=True)
class _Base:
    """Sums of one tenant since the start of a window, and when they were read."""

    at: float
    sums: Counter[str]


@dataclass(slots=True)
class _Bucket:
    """A token bucket: what is in it, and when that was."""

    tokens: float
    at: float


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of a rate, for the RateLimit headers: limit a second, remaining, seconds until it is full again."""

    name: str
    limit: float
    remaining: int
    resets: int


@dataclass(slots=True)
class Gauge:
    """Of one process, which is one of `workers` that share the rates."""

    installation: Installation
    journal: Journal
    workers: int = 1
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _bases: dict[tuple[str, datetime], _Base] = field(default_factory=dict)
    _own: dict[str, dict[tuple[str, datetime], Counter[str]]] = field(default_factory=dict)  # tenant → journal and hour → meters
    _buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict)

    def note(self, fact: Fact) -> None:
        """Journals a fact, and adds it to what is used. Raises Problem `busy`."""
        name = self.journal.append(line_of(fact))
        meters = meters_of(fact.type, fact.quantity, fact.rows, fact.bytes, fact.cpu_us)
        with self._lock:
            if len(self._own) > _MOST:
                self._own.clear()
            self._own.setdefault(fact.tenant_id, {}).setdefault((name, hour_of(fact.at)), Counter()).update(meters)

    def used(self, tenant_id: str, entitlements: Entitlements) -> dict[str, int]:
        """What is used of each quota in its window."""
        now = self.installation.clock()
        found: dict[str, int] = {}
        for meter, quota in entitlements.quotas.items():
            start, _ = window(quota, entitlements, now)
            found[meter] = used_of(self._sums(tenant_id, start), meter)
        return found

    def require(self, tenant_id: str, entitlements: Entitlements, *meters: str) -> None:
        """Raises Problem `quota_exceeded` where a hard quota of one of these meters is used up, with the seconds until it begins anew."""
        wanted = {m: q for m, q in entitlements.quotas.items() if m in meters and q.hard}
        if not wanted:
            return
        used = self.used(tenant_id, entitlements)
        for meter, quota in wanted.items():
            if used[meter] >= quota.limit:
                _, resets = window(quota, entitlements, self.installation.clock())
                seconds = max(1, math.ceil((resets - self.installation.clock()).total_seconds()))
                raise Problem("quota_exceeded", f"The quota of {meter} is used up: {quota.limit:,} per {quota.per}.", retry_after=seconds)

    def take(self, tenant_id: str, entitlements: Entitlements, name: str) -> Room | None:
        """One of a rate, if the tenant has that rate. Raises Problem `rate_exceeded`."""
        rate = entitlements.rates.get(name)
        if rate is None:
            return None
        share, most, now = rate / self.workers, max(1.0, rate / self.workers), time.monotonic()
        with self._lock:
            if len(self._buckets) > _MOST:
                self._buckets.clear()
            bucket = self._buckets.setdefault((tenant_id, name), _Bucket(most, now))
            bucket.tokens, bucket.at = min(most, bucket.tokens + (now - bucket.at) * share), now
            if bucket.tokens < 1:
                wait = math.ceil((1 - bucket.tokens) / share) if share > 0 else 3_600
                raise Problem("rate_exceeded", f"At most {rate:g} {name} a second.", retry_after=max(1, wait))
            bucket.tokens -= 1
            return Room(name, rate, int(bucket.tokens), math.ceil((most - bucket.tokens) / share))

    def _sums(self, tenant_id: str, start: datetime) -> Counter[str]:
        """The catalog's sums since the start, and what this process has journalled that they do not have yet."""
        with self._lock:
            base = self._bases.get((tenant_id, start))
            if base is None or time.monotonic() - base.at > _FRESH:
                base = self._read(tenant_id, start)
            total = Counter(base.sums)
            for (_, hour), meters in self._own.get(tenant_id, {}).items():
                if hour >= hour_of(start):
                    total.update(meters)
            return total

    def _read(self, tenant_id: str, start: datetime) -> _Base:
        own = self._own.get(tenant_id, {})
        with self.installation.catalog.read() as session:
            names = {name for name, _ in own}
            counted = set(session.scalars(select(UsageFileRow.name).where(UsageFileRow.name.in_(names)))) if own else set()
            base = _Base(time.monotonic(), Counter(used_since(session, tenant_id, start)))
        for key in [k for k in own if k[0] in counted]:
            del own[key]
        if len(self._bases) > _MOST:
            self._bases.clear()
        if counted:  # the other windows of this tenant were read before these were counted
            for window_ in [k for k in self._bases if k[0] == tenant_id]:
                del self._bases[window_]
        self._bases[tenant_id, start] = base
        return base
