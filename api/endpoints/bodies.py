"""Bodies that are sent and answered alike by several resources."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi.responses import JSONResponse, Response
from pydantic import AfterValidator, Field, StringConstraints

from api.control.access.permissions import PERMISSIONS
from api.control.idempotency import Reply


def _permission(text: str) -> str:
    if text not in PERMISSIONS:
        raise ValueError("must be a permission of docs/permissions.md")
    return text


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("must say its zone: 2026-01-31T00:00:00Z")
    if not 1900 <= moment.year < 3000:  # so that no zone leads beyond what a date can be
        raise ValueError("must lie in the years 1900 to 2999")
    return moment.astimezone(UTC)


Permissions = Annotated[list[Annotated[str, AfterValidator(_permission)]], Field(max_length=len(PERMISSIONS))]
Scope = Annotated[str, StringConstraints(max_length=1_100), Field(description="workspace, subtree:T or tenant:T; T is an id or a key")]
Moment = Annotated[datetime, AfterValidator(_in_utc), Field(description="RFC 3339")]


def created(reply: Reply) -> Response:
    """What a POST has made, and where; a secret the first time alone."""
    return JSONResponse(reply.body | reply.once, reply.status, {"Location": reply.location or ""})
