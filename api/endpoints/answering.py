"""From a statement to bytes: kept answers first, then the one door in the bounded executor, each part timed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response

from api.control.usage.journal import Fact
from api.endpoints.context import Asked
from api.serving.answer import Cancel, Limits, answer
from api.serving.formats import MEDIA, encode
from api.serving.gate import check
from api.serving.narrow import narrowed
from api.serving.problems import Problem
from engine.errors import SliceUnusable

DEFAULT_ROWS, MOST_ROWS = 10_000, 1_000_000
FILES = ("csv", "parquet")
"""Formats that are exports."""


@dataclass(frozen=True, slots=True)
class Door:
    """By which way a statement came, for the usage: panel, data, options, sql."""

    name: str = "sql"
    dashboard: str = ""
    panel: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """What is asked of the slice, and by which door. JSON is cut at `limit` rows, other formats are refused beyond it."""

    sql: str
    bound: Mapping[str, Any]
    limit: int = DEFAULT_ROWS
    format: str = "json"
    door: Door = Door()

    def etag(self, found: Asked) -> str:
        """Of its answer."""
        return found.etag(self.sql, sorted(self.bound.items()), self.limit, self.format)


@dataclass(frozen=True, slots=True)
class Body:
    """An encoded answer; `etag` is None where the next call may answer something else. `cpu_us`: what it cost, nothing where it was kept."""

    content: bytes
    etag: str | None
    rows: int = 0
    cpu_us: int = 0
    kept: bool = False


def most(found: Asked, limit: int = DEFAULT_ROWS) -> int:
    """How many rows an answer may have: what is asked, or less where a token says so."""
    grant = found.principal.grant
    return limit if grant is None or grant.rows is None else min(limit, grant.rows)


def given(found: Asked) -> dict[str, Any]:
    """The parameters that every statement has."""
    return {"as_of": found.as_of, "timezone": found.ref.timezone}


def kept(found: Asked, statement: Statement) -> Body | None:
    """The answer, if it is kept."""
    etag = statement.etag(found)
    known = found.context.results.get(found.tenant.id, etag)
    found.context.metrics.looked_up(known is not None)
    found.timing.kept = known is not None
    return None if known is None else Body(known.body, etag, known.rows, kept=True)


def computed(found: Asked, statement: Statement, cancel: Cancel) -> Body:
    """The answer, through gate and door; it blocks. Kept, unless it may change from call to call. Raises Problem."""
    slices, timing, began = found.context.slices, found.timing, time.thread_time_ns()
    settings = found.context.installation.settings
    with timing.part("open"):
        try:
            opened = slices.get(found.ref)
        except SliceUnusable:
            raise Problem("slice_unusable", retry_after=30) from None
    with timing.part("gate"):
        sql, bound, rules = statement.sql, statement.bound, found.principal.rules
        if rules is not None:
            sql, bound = narrowed(sql, opened.tables, opened.views, rules), {**bound, **rules.values()}
        changing = check(sql, opened.tables).changing
    limits = Limits(statement.limit, settings.answer_bytes, settings.statement_seconds, statement.format == "json")
    with timing.part("execute"):
        result = answer(slices, found.ref, sql, bound, limits, cancel)
    with timing.part("encode"):
        content = encode(result, statement.format, found.meta())
    rows, cpu_us = result.rows.num_rows, (time.thread_time_ns() - began) // 1_000
    if changing:
        return Body(content, None, rows, cpu_us)
    etag = statement.etag(found)
    found.context.results.put(found.tenant.id, etag, content, rows)
    return Body(content, etag, rows, cpu_us)


async def body_of(request: Request, found: Asked, statement: Statement) -> Body:
    """The answer, kept or computed."""
    body = kept(found, statement)
    return body if body is not None else await found.context.run(request, lambda cancel: computed(found, statement, cancel))


async def answered(request: Request, found: Asked, statement: Statement) -> Response:
    """The whole response, metered. An ETag that the caller has is one that we gave for this very question: nothing is computed then."""
    admit(request, found, "queries", "rows", "bytes", "cpu_ms", *(["exports"] if statement.format in FILES else []))
    same = found.unchanged(request, statement.etag(found))
    if same is not None:
        note(request, found, statement.door, Body(b"", None, kept=True))
        return same
    body = await body_of(request, found, statement)
    note(request, found, statement.door, body)
    if statement.format in FILES:
        note(request, found, statement.door, body, "export")
    return found.respond(request, body.content, MEDIA[statement.format], body.etag)


def admit(request: Request, found: Asked, *meters: str) -> None:
    """Raises Problem where a rate or a quota of the tenant is used up; not for those who run the workspace."""
    if found.entitlements is None:
        return
    gauge = found.context.gauge
    request.state.room = gauge.take(found.tenant.id, found.entitlements, "queries")
    gauge.require(found.tenant.id, found.entitlements, *meters)


def note(request: Request, found: Asked, door: Door, body: Body, type_: str = "query", size: int | None = None) -> None:
    """Writes down what was answered, before it goes out; `size` in bytes where it is no body of ours. Raises Problem `busy` where that fails."""
    principal, grant = found.principal, found.principal.grant
    origin = urlsplit(request.headers.get("origin", "")).netloc
    fact = Fact(
        type_, found.workspace.id, found.tenant.id, found.tenant.key, found.context.installation.clock(), door=door.name,
        principal=principal.id, user=grant.sub if grant is not None else "", dashboard=door.dashboard, panel=door.panel, host=origin[:255],
        rows=body.rows, bytes=len(body.content) if size is None else size, cpu_us=body.cpu_us if type_ == "query" else 0, duration_us=found.timing.microseconds,
        kept=body.kept, request=request.state.request_id,
    )  # fmt: skip
    found.context.gauge.note(fact)
