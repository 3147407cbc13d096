"""Every error becomes a problem of the closed list; no exception's text reaches a caller."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.routing import Route

from api.control.access.denials import OF_CONSEQUENCE
from api.control.access.principal import Principal
from api.middleware import SLASH, allowed_methods, problem_response
from api.serving.metrics import Metrics
from api.serving.problems import FieldError, Problem
from engine.catalog.audit import Actor
from engine.errors import SlicehouseError


def _note(request: Request, problem: Problem) -> None:
    """For the audit: who was refused what."""
    principal: Principal | None = getattr(request.state, "principal", None)
    address = request.client.host if request.client else None
    agent = request.headers.get("user-agent", "")[:200] or None
    actor = Actor(principal.type, principal.id, address, agent) if principal is not None else Actor("nobody", "", address, agent)
    name = getattr(request.scope.get("route"), "name", "unmatched")
    request.app.state.context.denials.note(actor, principal, name, request.url.path.replace(SLASH, "/"), problem.code)


_HTTP = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}
log = logging.getLogger("slicehouse.api")


def install(app: FastAPI, metrics: Metrics, routes: list[Route]) -> None:
    """Handlers of all exceptions that endpoints raise."""

    def refuse(request: Request, problem: Problem, headers: dict[str, str] | None = None) -> Response:
        metrics.refused(problem.code)
        if problem.code in OF_CONSEQUENCE:
            _note(request, problem)
        return problem_response(problem, request.state.request_id, headers)

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return refuse(request, error)

    @app.exception_handler(SlicehouseError)
    async def _ours(request: Request, error: SlicehouseError) -> Response:
        log.error("failed", extra={"request_id": request.state.request_id, "code": error.code})
        return refuse(request, Problem("slice_unusable" if error.code == "slice_unusable" else "internal"))

    @app.exception_handler(DataError)
    async def _unfit(request: Request, error: DataError) -> Response:
        """A text or number that the shapes let through and that PostgreSQL does not take: it was the caller's."""
        log.warning("a value does not fit the catalog", extra={"request_id": request.state.request_id})
        return refuse(request, Problem("validation"))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        found = error.errors()
        if any(e["type"] == "json_invalid" for e in found):
            return refuse(request, Problem("syntax", "The body is no JSON."))
        fields = [FieldError("/" + "/".join(str(p) for p in e["loc"][1:]), str(e["type"]), str(e["msg"])) for e in found]
        return refuse(request, Problem("validation", errors=fields))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        headers = {"Allow": ", ".join(allowed_methods(routes, request.url.path))} if error.status_code == 405 else None
        return refuse(request, Problem(_HTTP.get(error.status_code, "syntax")), headers)
