"""Usage reports: the sums of the hours, put together by day or month in a time zone, and by what they are grouped by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from api.control.usage.meters import hour_of, meters_of
from engine.catalog.tables import TenantRow, UsageHourRow, UsageRow
from engine.clock import rfc3339
from engine.errors import ConfigurationError
from slices.installation import Installation

Granularity = Literal["hour", "day", "month"]
Group = Literal["tenant", "user", "dashboard", "panel", "host", "door"]
COLUMNS = {g: getattr(UsageHourRow, "tenant_id" if g == "tenant" else g) for g in ("tenant", "user", "dashboard", "panel", "host", "door")}
METERS = ("queries", "rows", "bytes", "cpu_ms", "cached", "exports", "downloads", "refreshes", "storage_bytes", "seats")


@dataclass(frozen=True, slots=True)
class ReportWanted:
    """From a moment (included) to a moment (excluded), by hour, day or month of a zone, grouped."""

    start: datetime
    end: datetime
    granularity: Granularity
    groups: tuple[Group, ...]
    zone: str


def report(session: Session, wanted: ReportWanted, tenants: Select[tuple[str]]) -> list[dict[str, Any]]:
    """Rows of `start, end`, the groups, and METERS, by time and group; only what is not nothing. Of the tenants alone that are selected."""
    sums = _of_events if _is_uneven(wanted) else _of_hours
    found: dict[tuple[Any, ...], Counter[str]] = {}
    for moment, type_, group, counts in sums(session, wanted, tenants):
        start, end = _bucket(moment, wanted)
        meters = meters_of(type_, *counts[:4])
        if type_ == "query":
            meters["cached"] = counts[4]
        found.setdefault((start, end, *group), Counter()).update(meters)
    return [_row(key, sums_, wanted.groups) for key, sums_ in sorted(found.items(), key=lambda item: tuple(map(str, item[0])))]


def report_by_command(
    installation: Installation,
    workspace_id: str,
    span: tuple[datetime | None, datetime | None],
    granularity: Granularity,
    groups: str,
    zone: str,
) -> tuple[list[str], list[dict[str, Any]]]:
    """The columns and rows of a report on all tenants of a workspace; of the last thirty days where no span is said. Raises ConfigurationError."""
    now = installation.clock()
    start, end = span[0] or now - timedelta(days=30), span[1] or now + timedelta(hours=1)
    chosen: list[Any] = [g for g in groups.split(",") if g]
    if zone not in available_timezones() or end <= start or not set(chosen) <= set(COLUMNS) or len(set(chosen)) != len(chosen):
        raise ConfigurationError(
            "There is no such report.",
            hint=f"--from lies before --to, groups are {', '.join(COLUMNS)}, a zone is one of IANA's.",
            code="usage",
        )
    wanted = ReportWanted(hour_of(start), hour_of(end), granularity, tuple(chosen), zone)
    with installation.catalog.read() as session:
        rows = report(session, wanted, select(TenantRow.id).where(TenantRow.workspace_id == workspace_id))  # type: ignore[arg-type]
    return ["start", "end", *chosen, *METERS], rows


def _of_hours(
    session: Session, wanted: ReportWanted, tenants: Select[tuple[str]]
) -> list[tuple[datetime, str, tuple[str, ...], Sequence[int]]]:
    h = UsageHourRow
    groups = [COLUMNS[g] for g in wanted.groups]
    query = select(h.hour, h.type, *groups, func.sum(h.count), func.sum(h.rows), func.sum(h.bytes), func.sum(h.cpu_us), func.sum(h.kept))
    query = query.where(h.hour >= wanted.start, h.hour < wanted.end, h.tenant_id.in_(tenants)).group_by(h.hour, h.type, *groups)
    return [(r[0], r[1], tuple(r[2:-5]), [int(v) for v in r[-5:]]) for r in session.execute(query)]


def _of_events(
    session: Session, wanted: ReportWanted, tenants: Select[tuple[str]]
) -> list[tuple[datetime, str, tuple[str, ...], Sequence[int]]]:
    """Where days do not begin at a full hour of UTC the events themselves are added up; one of a closed hour counts where it was counted."""
    query = select(UsageRow).where(UsageRow.counted_in >= wanted.start - timedelta(hours=1), UsageRow.counted_in < wanted.end)
    found: list[tuple[datetime, str, tuple[str, ...], Sequence[int]]] = []
    for row in session.scalars(query.where(UsageRow.tenant_id.in_(tenants)).execution_options(yield_per=2_000)):
        hour = row.occurred_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        moment = row.occurred_at if hour == row.counted_in else row.counted_in
        if wanted.start <= moment < wanted.end:
            d = row.data
            group = tuple(row.tenant_id if g == "tenant" else str(d.get(g, "")) for g in wanted.groups)
            counts = [d["quantity"], d.get("rows", 0), d.get("bytes", 0), d.get("cpu_us", 0), int(d.get("kept", False))]
            found.append((moment, row.type, group, counts))
    return found


def _is_uneven(wanted: ReportWanted) -> bool:
    """Whether the zone is off UTC by part of an hour, or the span does not begin and end at full hours."""
    zone = ZoneInfo(wanted.zone)
    offsets = [(m.astimezone(zone).utcoffset() or timedelta()).total_seconds() for m in (wanted.start, wanted.end)]
    return any(o % 3_600 for o in offsets) or any(m.minute or m.second or m.microsecond for m in (wanted.start, wanted.end))


def _bucket(moment: datetime, wanted: ReportWanted) -> tuple[datetime, datetime]:
    """The hour, day or month that a moment lies in; a day of the zone may have 23 or 25 hours."""
    zone = ZoneInfo(wanted.zone)
    if wanted.granularity == "hour":
        hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return hour, hour + timedelta(hours=1)
    day = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    first = day if wanted.granularity == "day" else day.replace(day=1)
    after = first + timedelta(days=1) if wanted.granularity == "day" else (first + timedelta(days=32)).replace(day=1)
    return first.replace(tzinfo=zone).astimezone(UTC), after.replace(tzinfo=zone).astimezone(UTC)


def _row(key: tuple[Any, ...], sums: Counter[str], groups: Sequence[Group]) -> dict[str, Any]:
    start, end, *group = key
    meters = {m: sums["cpu_us"] // 1_000 if m == "cpu_ms" else sums[m] for m in METERS}
    return {"start": rfc3339(start), "end": rfc3339(end)} | dict(zip(groups, group, strict=True)) | meters


def month_of(text: str, zone: str) -> datetime:
    """The first moment of `YYYY-MM` in a zone. Raises ValueError."""
    year, month = text.split("-")
    return datetime(int(year), int(month), 1, tzinfo=ZoneInfo(zone))
