"""From a statement to bytes: kept answers first, then the one door in the bounded executor, each part timed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response

from api.endpoints.context import Asked
from api.serving.answer import Cancel, Limits, answer
from api.serving.formats import MEDIA, encode
from api.serving.gate import check
from api.serving.problems import Problem
from engine.errors import SliceUnusable

DEFAULT_ROWS, MOST_ROWS = 10_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Statement:
    """What is asked of the slice. JSON is cut at `limit` rows, other formats are refused beyond it."""

    sql: str
    bound: Mapping[str, Any]
    limit: int = DEFAULT_ROWS
    format: str = "json"

    def etag(self, found: Asked) -> str:
        """Of its answer."""
        return found.etag(self.sql, sorted(self.bound.items()), self.limit, self.format)


@dataclass(frozen=True, slots=True)
class Body:
    """An encoded answer; `etag` is None where the next call may answer something else."""

    content: bytes
    etag: str | None


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
    content = found.context.results.get(found.tenant.id, etag)
    found.context.metrics.looked_up(content is not None)
    found.timing.kept = content is not None
    return None if content is None else Body(content, etag)


def computed(found: Asked, statement: Statement, cancel: Cancel) -> Body:
    """The answer, through gate and door; it blocks. Kept, unless it may change from call to call. Raises Problem."""
    slices, timing = found.context.slices, found.timing
    settings = found.context.installation.settings
    with timing.part("open"):
        try:
            tables = slices.get(found.ref).tables
        except SliceUnusable:
            raise Problem("slice_unusable", retry_after=30) from None
    with timing.part("gate"):
        changing = check(statement.sql, tables).changing
    limits = Limits(statement.limit, settings.answer_bytes, settings.statement_seconds, statement.format == "json")
    with timing.part("execute"):
        result = answer(slices, found.ref, statement.sql, statement.bound, limits, cancel)
    with timing.part("encode"):
        content = encode(result, statement.format, found.meta())
    if changing:
        return Body(content, None)
    etag = statement.etag(found)
    found.context.results.put(found.tenant.id, etag, content)
    return Body(content, etag)


async def body_of(request: Request, found: Asked, statement: Statement) -> Body:
    """The answer, kept or computed."""
    body = kept(found, statement)
    return body if body is not None else await found.context.run(request, lambda cancel: computed(found, statement, cancel))


async def answered(request: Request, found: Asked, statement: Statement) -> Response:
    """The whole response. An ETag that the caller has is one that we gave for this very question: nothing is computed then."""
    same = found.unchanged(request, statement.etag(found))
    if same is not None:
        return same
    body = await body_of(request, found, statement)
    return found.respond(request, body.content, MEDIA[statement.format], body.etag)
