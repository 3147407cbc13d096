"""Free SQL, where the workspace allows it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.endpoints.answering import DEFAULT_ROWS, MOST_ROWS, Statement, answered, given, most
from api.endpoints.context import asked, enter, permission, wanted_format
from api.endpoints.shapes import Data
from api.serving.formats import MEDIA
from api.serving.problems import Problem

router = APIRouter(prefix="/v1", tags=["data"], dependencies=[Depends(enter)])


class QueryRequest(BaseModel):
    """One SELECT; `$name` are its parameters, `$as_of` and `$timezone` are given."""

    model_config = ConfigDict(extra="forbid")
    sql: str
    parameters: dict[str, str | int | float | bool | None] = {}
    limit: int = Field(default=DEFAULT_ROWS, ge=1, le=MOST_ROWS)


@router.post("/query", **permission("query:sql", Data))
async def post_query(
    request: Request,
    body: QueryRequest,
    format: Annotated[str | None, Query(description="else by Accept", json_schema_extra={"enum": [*MEDIA, None]})] = None,
) -> Response:
    """One SELECT on the caller's slice."""
    found = asked(request)
    found.principal.require_whole()
    if not found.definition.caller_sql:
        raise Problem("caller_sql_off", "caller_sql is false in this workspace.")
    return await answered(
        request,
        found,
        Statement(body.sql, given(found) | body.parameters, most(found, body.limit), wanted_format(request, found)),
    )
