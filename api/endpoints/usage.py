"""Usage: of a workspace by tenant and time, and of a tenant its own; its events for those who bill by them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pyarrow import csv, parquet
from pydantic import Field
from sqlalchemy import select

from api.control.access.principal import workspace_of
from api.control.access.reach import reached
from api.control.tenants.inputs import Input, zone
from api.control.usage.alerts import shown_alert
from api.control.usage.events import cloud_event
from api.control.usage.reporting import METERS, Granularity, Group, ReportWanted, month_of, report
from api.control.usage.sinks import end_sink, found_sink, put_sink, shown_sink
from api.endpoints.bodies import Moment
from api.endpoints.context import context_of, enter, named_by, permission, permitted
from api.endpoints.entering import Entered, actor_of, entered, within
from api.endpoints.lists import Paged, listed
from api.endpoints.shapes import ListOf, SinkShape, UsageAlertShape, UsageShape
from api.serving.problems import FieldError, Problem
from engine.catalog.tables import TenantRow, UsageAlertRow, UsageRow
from engine.clock import rfc3339

router = APIRouter(prefix="/v1", tags=["usage"], dependencies=[Depends(enter)])
_GROUPS = ("tenant", "user", "dashboard", "panel", "host", "door")
_MOST_DAYS = 800
_PERIOD = r"^(19|2\d)\d\d-(0[1-9]|1[0-2])$"
From = Annotated[Moment | None, Query(alias="from", description="RFC 3339, included; thirty days ago where none is said")]
To = Annotated[Moment | None, Query(description="RFC 3339, excluded; now where none is said")]
FromPeriod = Annotated[str | None, Query(pattern=_PERIOD, description="YYYY-MM, included")]
ToPeriod = Annotated[str | None, Query(pattern=_PERIOD, description="YYYY-MM, included")]
GroupBy = Annotated[str, Query(description="of tenant, user, dashboard, panel, host, door, with commas between")]
Zone = Annotated[str, Query(description="the IANA time zone of days and months")]
Format = Annotated[Literal["json", "csv", "parquet"], Query()]


@router.get("/workspaces/{ws}/usage", **permission("usage:view", UsageShape))
def get_workspace_usage(
    request: Request, ws: str, start: From = None, to: To = None, from_period: FromPeriod = None, to_period: ToPeriod = None,
    granularity: Granularity = "day", group_by: GroupBy = "tenant", time_zone: Zone = "UTC", format: Format = "json",
) -> Response:  # fmt: skip
    """Usage of the tenants within the scope, by time and group. Periods that are closed never change: corrections are new events."""
    wanted = _wanted(request, start, to, from_period, to_period, granularity, group_by, time_zone)
    return _reported(within(request, ws), wanted, format)


@router.get("/usage", **permission("usage:view", UsageShape))
def get_usage(
    request: Request, start: From = None, to: To = None, from_period: FromPeriod = None, to_period: ToPeriod = None,
    granularity: Granularity = "day", group_by: GroupBy = "", time_zone: Zone = "UTC", format: Format = "json",
) -> Response:  # fmt: skip
    """The caller's own usage: of its tenant and those below it, or of its workspace."""
    context, principal = context_of(request), permitted(request)
    workspace = workspace_of(context.installation, principal, named_by(request, "x-workspace-id"))
    found = Entered(context, principal, workspace, actor_of(request, principal))
    return _reported(found, _wanted(request, start, to, from_period, to_period, granularity, group_by, time_zone), format)


def _wanted(
    request: Request, start: datetime | None, to: datetime | None, first: str | None, last: str | None, granularity: Granularity, groups: str, name: str
) -> ReportWanted:  # fmt: skip
    try:
        zone(name)
    except ValueError as error:
        raise _wrong("time_zone", str(error)) from None
    now = context_of(request).installation.clock()
    begin = month_of(first, name) if first else start or now - timedelta(days=30)
    end = (month_of(last, name) + timedelta(days=32)).replace(day=1) if last else to or now + timedelta(hours=1)
    if not timedelta(0) < end - begin <= timedelta(days=_MOST_DAYS):
        raise _wrong("from", f"The span ends after it begins, and has at most {_MOST_DAYS} days.")
    chosen: list[Group] = [g for g in groups.split(",") if g]  # type: ignore[misc]
    if any(g not in _GROUPS for g in chosen) or len(set(chosen)) != len(chosen):
        raise _wrong("group_by", f"Groups are {', '.join(_GROUPS)}.")
    return ReportWanted(_edge(begin, first is None), _edge(end, last is None), granularity, tuple(chosen), name)


def _edge(moment: datetime, to_the_hour: bool) -> datetime:
    """Usage is summed by the hour: an edge that is said as a moment is that of its hour."""
    moment = moment.astimezone(UTC)
    return moment.replace(minute=0, second=0, microsecond=0) if to_the_hour else moment


def _wrong(name: str, detail: str) -> Problem:
    return Problem("validation", errors=[FieldError(f"/{name}", "invalid", detail)])


def _reported(found: Entered, wanted: ReportWanted, format_: str) -> Response:
    tenants = reached(found.principal, found.workspace.id).with_only_columns(TenantRow.id)
    with found.installation.catalog.read() as session:
        rows = report(session, wanted, tenants)  # type: ignore[arg-type]
    if format_ == "json":
        span = {"from": rfc3339(wanted.start), "to": rfc3339(wanted.end), "granularity": wanted.granularity, "time_zone": wanted.zone}
        return Response(json.dumps({"data": rows} | span), media_type="application/json")
    schema = pa.schema([(n, pa.string()) for n in ("start", "end", *wanted.groups)] + [(m, pa.int64()) for m in METERS])
    table, out = pa.Table.from_pylist(rows, schema), io.BytesIO()
    (csv.write_csv if format_ == "csv" else parquet.write_table)(table, out)
    media = "text/csv" if format_ == "csv" else "application/vnd.apache.parquet"
    return Response(out.getvalue(), media_type=media)


@router.get("/workspaces/{ws}/usage/events", response_class=StreamingResponse, **permission("usage:view"))
def export_usage_events(request: Request, ws: str, start: From = None, to: To = None) -> Response:
    """Usage events as CloudEvents, a line each, in the order in which they happened: an invoice can be recomputed from them."""
    found = within(request, ws)
    now = found.installation.clock()
    begin, end = start or now - timedelta(days=30), to or now + timedelta(hours=1)
    tenants = reached(found.principal, found.workspace.id).with_only_columns(TenantRow.id)
    query = select(UsageRow).where(UsageRow.tenant_id.in_(tenants), UsageRow.counted_in >= begin, UsageRow.counted_in < end)

    def lines() -> Iterator[bytes]:
        with found.installation.catalog.read() as session:
            for row in session.scalars(query.order_by(UsageRow.occurred_at, UsageRow.id).execution_options(yield_per=1_000)):
                yield json.dumps(cloud_event(row)).encode() + b"\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


@router.get("/workspaces/{ws}/usage/alerts", **permission("usage:view", ListOf[UsageAlertShape]))
def list_usage_alerts(request: Request, ws: str, page: Paged) -> dict[str, Any]:
    """Thresholds of quotas that were passed, 80 and 100 per cent, each once a period; of a tenant's scope its own and those below it."""
    found = within(request, ws)
    query = select(UsageAlertRow).where(UsageAlertRow.workspace_id == found.workspace.id)
    if found.principal.tenant_id is not None:
        own = reached(found.principal, found.workspace.id).with_only_columns(TenantRow.id)
        query = query.where(UsageAlertRow.kind == "quota", UsageAlertRow.tenant_id.in_(own))
    with found.installation.catalog.read() as session:
        rows, more = page.rows(session, query, UsageAlertRow.id, "ua")
    return listed([shown_alert(row) for row in rows], more)


class SinkInput(Input):
    """Where usage events go. With a secret each batch is signed (Standard Webhooks)."""

    url: Annotated[str, Field(max_length=2_000)]
    secret: Annotated[str, Field(max_length=500)] | None = Field(default=None, description="whsec_…; never shown again; left out: unsigned")


@router.put("/workspaces/{ws}/usage/sink", **permission("workspace:write", SinkShape, 200, 201))
def put_usage_sink(request: Request, ws: str, body: SinkInput) -> Response:
    """Has usage events delivered as they become known, as batches of CloudEvents; each at least once: an `id` that was seen is left out."""
    found = entered(request, ws)
    shown, is_new = put_sink(found.installation, found.actor, found.workspace.id, body.url, body.secret)
    return JSONResponse(shown, 201 if is_new else 200, {"Location": f"{found.path}/usage/sink"} if is_new else {})


@router.get("/workspaces/{ws}/usage/sink", **permission("workspace:write", SinkShape))
def get_usage_sink(request: Request, ws: str) -> dict[str, Any]:
    """Where usage events go, and how it does."""
    found = entered(request, ws)
    with found.installation.catalog.read() as session:
        return shown_sink(session, found_sink(session, found.workspace.id))


@router.delete("/workspaces/{ws}/usage/sink", status_code=204, **permission("workspace:write"))
def delete_usage_sink(request: Request, ws: str) -> Response:
    """Delivers no more."""
    found = entered(request, ws)
    end_sink(found.installation, found.actor, found.workspace.id)
    return Response(status_code=204)
