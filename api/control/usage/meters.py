"""What is counted of a fact, and the sums of the hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engine.catalog.tables import UsageHourRow

CLOSED_AFTER = timedelta(hours=1)
"""An hour is closed that long after its end: what comes later counts in the hour that it comes in."""
UNITS = {"queries": 1, "rows": 1, "bytes": 1, "cpu_ms": 1_000, "exports": 1, "downloads": 1, "refreshes": 1, "storage_bytes": 1}
"""Meters that can be billed, and how many of their smallest unit are one."""
_NAMES = {"export": "exports", "refresh": "refreshes", "storage": "storage_bytes"}


def meters_of(type_: str, count: int, rows: int, bytes_: int, cpu_us: int) -> dict[str, int]:
    """What facts of a type count of each meter; time of a processor is `cpu_us`, of which a thousand are one of `cpu_ms`."""
    if type_ == "query":
        return {"queries": count, "rows": rows, "bytes": bytes_, "cpu_us": cpu_us}
    if type_ == "download":
        return {"downloads": count, "bytes": bytes_}
    return {_NAMES.get(type_, type_): count}


def hour_of(moment: datetime) -> datetime:
    """The UTC hour of a moment."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def used_since(session: Session, tenant_id: str, start: datetime, end: datetime | None = None) -> Mapping[str, int]:
    """A tenant's meters over the hours since `start`, before `end`: their sums, and of what is stored the most that was there on a day."""
    h = UsageHourRow
    query = select(h.type, func.sum(h.count), func.sum(h.rows), func.sum(h.bytes), func.sum(h.cpu_us), func.max(h.count))
    query = query.where(h.tenant_id == tenant_id, h.hour >= hour_of(start)).group_by(h.type)
    query = query if end is None else query.where(h.hour < end)
    found: Counter[str] = Counter()
    for type_, count, rows, bytes_, cpu_us, most in session.execute(query):
        found.update(meters_of(type_, int(most if type_ == "storage" else count), int(rows), int(bytes_), int(cpu_us)))
    return found


def used_of(sums: Mapping[str, int], meter: str) -> int:
    """What sums say of a quota's meter."""
    return sums.get("cpu_us", 0) // 1_000 if meter == "cpu_ms" else sums.get(meter, 0)
