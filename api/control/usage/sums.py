"""Sums of usage: the hours of the catalog, and what facts count of each meter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engine.catalog.tables import UsageHourRow


def hour_of(moment: datetime) -> datetime:
    """The UTC hour of a moment."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def meters_of(type_: str, count: int, rows: int, bytes_: int, cpu_us: int) -> dict[str, int]:
    """What facts of a type count of each meter."""
    if type_ == "query":
        return {"queries": count, "rows": rows, "bytes": bytes_, "cpu_us": cpu_us}
    if type_ == "download":
        return {"downloads": count, "bytes": bytes_}
    return {{"export": "exports", "refresh": "refreshes"}.get(type_, type_): count}


def sums_since(session: Session, tenant_id: str, start: datetime) -> Mapping[str, int]:
    """A tenant's meters over the hours since `start`."""
    h = UsageHourRow
    query = select(h.type, func.sum(h.count), func.sum(h.rows), func.sum(h.bytes), func.sum(h.cpu_us))
    query = query.where(h.tenant_id == tenant_id, h.hour >= hour_of(start)).group_by(h.type)
    found: Counter[str] = Counter()
    for type_, count, rows, bytes_, cpu_us in session.execute(query):
        found.update(meters_of(type_, int(count), int(rows), int(bytes_), int(cpu_us)))
    return found


def used_of(sums: Mapping[str, int], meter: str) -> int:
    """What sums say of a quota's meter."""
    return sums.get("cpu_us", 0) // 1_000 if meter == "cpu_ms" else sums.get(meter, 0)
