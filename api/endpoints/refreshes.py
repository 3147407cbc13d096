"""Refreshes of a workspace: started, listed, looked at, watched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from api.control.idempotency import Reply, once
from api.control.status import run_facts
from api.endpoints.context import enter, permission
from api.endpoints.entering import Entered, entered
from api.endpoints.lists import Paged, listed
from api.endpoints.shapes import ListOf, Run
from api.endpoints.stream import Step, stream
from api.serving.problems import Problem
from engine.catalog import runs
from engine.catalog.tables import RunRow

router = APIRouter(prefix="/v1/workspaces/{ws}/refreshes", tags=["refreshes"], dependencies=[Depends(enter)])
State = Literal["queued", "running", "succeeded", "failed", "stopped"]
# Events have numbers that any worker gives alike: queued 1, running 2, the stage at position p 2 + p, ended last of all.
_QUEUED, _RUNNING, _ENDED = 1, 2, 1_000


class RefreshRequest(BaseModel):
    """Which tenants (all where none is named), and whether unchanged ones are built too."""

    model_config = ConfigDict(extra="forbid")
    tenants: Annotated[list[Annotated[str, Field(max_length=1_000)]], Field(max_length=10_000)] = []
    full: bool = False


@router.post("", status_code=202, **permission("refresh:run", Run, 202))
def start_refresh(
    request: Request, ws: str, body: RefreshRequest | None = None, idempotency_key: Annotated[str | None, Header()] = None
) -> Response:
    """Queues a refresh; one that waits already with the same wish is returned instead."""
    found = entered(request, ws)
    installation = found.context.installation
    options = {k: v for k, v in (body or RefreshRequest()).model_dump().items() if v}

    def work() -> Reply:
        with installation.catalog.write() as session:
            run = runs.request_run(session, found.workspace.id, "api", options, installation.clock())
        return Reply(202, f"/v1/workspaces/{found.workspace.id}/refreshes/{run.id}", _facts(run, []))

    reply = once(installation, found.principal, idempotency_key, ["refreshes", found.workspace.id, options], work)
    return JSONResponse(reply.body, reply.status, {"Location": reply.location or ""})


@router.get("", **permission("routes:view", ListOf[Run]))
def list_refreshes(request: Request, ws: str, page: Paged, state: State | None = None) -> dict[str, Any]:
    """Runs, newest first."""
    found = entered(request, ws)
    query = select(RunRow).where(RunRow.workspace_id == found.workspace.id)
    query = query if state is None else query.where(RunRow.state == state)
    with found.context.installation.catalog.read() as session:
        rows, more = page.rows(session, query, RunRow.id, "rn")
        data = [_facts(r, runs.stages_of(session, r.id)) for r in rows]
    return listed(data, more)


@router.get("/{run}", **permission("routes:view", Run))
def get_refresh(request: Request, ws: str, run: str) -> dict[str, Any]:
    """One run with its stages."""
    return _read(entered(request, ws), run)


@router.get("/{run}/events", response_class=StreamingResponse, **permission("routes:view"))
async def get_refresh_events(
    request: Request, ws: str, run: str, last_event_id: Annotated[str | None, Header(description="The last event that was seen")] = None
) -> Response:
    """Progress as server-sent events: `queued`, `running`, a `stage` as each ends, `ended` with the whole run; then the stream ends."""
    found = await run_in_threadpool(entered, request, ws)
    facts = await run_in_threadpool(_read, found, run)
    seen = int(last_event_id) if last_event_id and last_event_id.isdecimal() and len(last_event_id) < 9 else 0
    if seen >= _ENDED and facts["finished_at"] is not None:
        return Response(status_code=204)  # an EventSource does not come again then

    def again() -> dict[str, Any]:
        """The run as it is now, to a caller who may still see it."""
        return _read(entered(request, ws, again=True), run)

    async def steps() -> AsyncIterator[Step]:
        now = facts
        while True:
            yield Step(_events(now), now["finished_at"] is not None)
            now = await run_in_threadpool(again)

    return stream(found.context, steps(), seen, head=request.method == "HEAD")


def _read(found: Entered, run: str) -> dict[str, Any]:
    with found.context.installation.catalog.read() as session:
        row = runs.run_of(session, found.workspace.id, run)
        if row is None:
            raise Problem("not_found")
        return _facts(row, runs.stages_of(session, row.id))


def _facts(run: RunRow, stages: list[Any]) -> dict[str, Any]:
    """A run as a resource."""
    facts = run_facts(run, stages)
    return {"id": run.id, "created_at": facts["requested_at"]} | facts


def _events(facts: dict[str, Any]) -> list[tuple[int, str, dict[str, Any]]]:
    """(number, name, data) of all that has happened so far, in order."""
    found: list[tuple[int, str, dict[str, Any]]] = [(_QUEUED, "queued", {"run": facts["id"], "at": facts["requested_at"]})]
    if facts["started_at"] is not None:
        found.append((_RUNNING, "running", {"run": facts["id"], "at": facts["started_at"]}))
    found += [(_RUNNING + i, "stage", stage) for i, stage in enumerate(facts["stages"], 1)]
    if facts["finished_at"] is not None:
        found.append((_ENDED, "ended", facts))
    return found
