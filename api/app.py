"""create_app(settings): the API over one installation, and the pages."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy import func, select
from starlette.exceptions import HTTPException

from api.endpoints import administration, data
from api.endpoints.context import Context
from api.serving.opened import OpenSlices
from api.serving.problems import FieldError, Problem
from engine.catalog.tables import RunRow, TenantRow
from engine.errors import SlicehouseError
from engine.settings import Settings
from slices.installation import open_installation

_WEB = Path(__file__).parent / "web"
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
log = logging.getLogger("slicehouse.api")


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; the catalog is migrated already (`slicehouse serve` does so before it starts workers)."""
    chosen = settings or Settings()
    installation = open_installation(chosen)
    app = FastAPI(title="Slicehouse", version="1", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    slices = OpenSlices(chosen.open_slices, chosen.statement_memory, chosen.statement_seconds)
    app.state.context = Context(
        installation, slices, ThreadPoolExecutor(chosen.concurrency, "answer"), etag_key=installation.derived_key("etag")
    )
    app.include_router(data.router)
    app.include_router(administration.router)
    _health(app)
    _problems(app)
    _pages(app)
    return app


def _health(app: FastAPI) -> None:
    @app.get("/healthz", include_in_schema=False)
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> dict[str, Any]:
        """200 while slices can be served; a failed run is in the body, not in the status."""
        context: Context = app.state.context
        with context.installation.catalog.read() as session:
            newest = select(func.max(RunRow.id)).where(RunRow.state.in_(("succeeded", "failed", "stopped"))).group_by(RunRow.workspace_id)
            states = [s for (s,) in session.execute(select(RunRow.state).where(RunRow.id.in_(newest)))]
            withheld = session.scalar(select(func.count()).select_from(TenantRow).where(TenantRow.state == "withheld"))
            served = session.scalar(select(func.count()).select_from(TenantRow).where(TenantRow.version_id.is_not(None)))
        return {"status": "ready", "slices": served, "withheld": withheld, "last_runs_failed": sum(s != "succeeded" for s in states)}


def _problems(app: FastAPI) -> None:
    def body(request: Request, problem: Problem) -> Response:
        headers = {"Cache-Control": "no-store"} | ({"Retry-After": str(problem.retry_after)} if problem.retry_after else {})
        if problem.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(problem.body(request.state.request_id), problem.status, headers, "application/problem+json")

    @app.middleware("http")
    async def _request(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        given = request.headers.get("x-request-id", "")
        request.state.request_id = given if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given) else uuid.uuid4().hex
        try:
            response = await call_next(request)
        except Exception as error:
            log.error("unexpected", extra={"request_id": request.state.request_id, "error": type(error).__name__})
            response = body(request, Problem("internal"))
        response.headers["X-Request-Id"] = request.state.request_id
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response

    @app.exception_handler(Problem)
    def _problem(request: Request, error: Problem) -> Response:
        return body(request, error)

    @app.exception_handler(SlicehouseError)
    def _ours(request: Request, error: SlicehouseError) -> Response:
        log.error("failed", extra={"request_id": request.state.request_id, "code": error.code})
        return body(request, Problem("slice_unusable" if error.code == "slice_unusable" else "internal"))

    @app.exception_handler(RequestValidationError)
    def _invalid(request: Request, error: RequestValidationError) -> Response:
        fields = [FieldError("/" + "/".join(str(p) for p in e["loc"][1:]), str(e["type"]), str(e["msg"])) for e in error.errors()]
        return body(request, Problem("validation", errors=fields))

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> Response:
        return body(request, Problem({404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "syntax")))


def _pages(app: FastAPI) -> None:
    app.mount("/static", StaticFiles(directory=_WEB), name="static")

    @app.get("/", include_in_schema=False)
    def index() -> Response:
        return FileResponse(
            _WEB / "index.html", headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache", "Referrer-Policy": "no-referrer"}
        )
