"""What happens to every request: its id, the size of its body, OPTIONS, the headers that all answers have, and its figures.

Plain ASGI, so that a body is streamed and a caller's going away reaches the endpoint.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable, Iterable
from urllib.parse import unquote

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.serving.metrics import Metrics
from api.serving.problems import RETRY, Problem

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
SLASH = "\ufdd0"
"""A slash within a part of a path: no character of any text (Unicode has it as none), so no name has it."""
_READABLE = "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, Server-Timing, X-Request-Id, X-Slice-As-Of, X-Slice-Version"
log = logging.getLogger("slicehouse.api")


def problem_response(problem: Problem, request_id: str, headers: dict[str, str] | None = None) -> Response:
    """application/problem+json, never stored."""
    found = {"Cache-Control": "no-store"} | (headers or {})
    wait = problem.retry_after or RETRY.get(problem.code)
    if wait is not None:
        found["Retry-After"] = str(wait)
    if problem.status == 401:
        found["WWW-Authenticate"] = "Bearer"
    return JSONResponse(problem.body(request_id), problem.status, found, "application/problem+json")


def allowed_methods(routes: Iterable[Route], path: str) -> list[str]:
    """The methods of all routes of a path, OPTIONS among them; nothing where no route has it."""
    methods = {m for route in routes if route.path_regex.match(path) for m in route.methods or ()}
    return sorted(methods | {"OPTIONS"}) if methods else []


class Requests:
    """The outermost layer. `routes` are all of the application's; `most` bytes of body are read; pages of an allowed origin may ask."""

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, routes: list[Route], most: int, is_allowed_origin: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._app, self._metrics, self._routes, self._most, self._is_allowed_origin = app, metrics, routes, most, is_allowed_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = _with_slashes_kept(scope)
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        out = _Out(send, request_id, scope)
        began = time.perf_counter()
        try:
            early = self._early(scope, headers)
            if early is not None:
                await early(scope, receive, out.send)
            else:
                await self._app(scope, _bounded(receive, self._most), out.send)
        except Exception as error:
            log.error("unexpected", extra={"request_id": request_id, "error": type(error).__name__})
            if out.status is None:
                await self._problem(Problem("internal"), request_id)(scope, receive, out.send)
        finally:
            route = scope.get("route")
            template = getattr(route, "path_format", None) or getattr(route, "path", None) or "unmatched"
            self._metrics.request(scope["method"], template, out.status or 499, time.perf_counter() - began)

    def _early(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer of what no endpoint sees: OPTIONS, a NUL in an address, and a body that says that it is too long."""
        request_id = scope["state"]["request_id"]
        if "\0" in scope["path"]:  # nothing has one in its name, and PostgreSQL cannot even look for it
            return self._not_found(request_id)
        if b"%00" in scope.get("query_string", b""):
            return self._problem(Problem("validation", "A NUL is part of no value."), request_id)
        if scope["method"] == "OPTIONS":
            methods = allowed_methods(self._routes, scope["path"])
            if not methods:
                return self._not_found(request_id)
            return Response(status_code=204, headers={"Allow": ", ".join(methods)} | self._preflight(headers, methods))
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most:
            return self._problem(Problem("request_too_large", f"A body has at most {self._most} bytes."), request_id)
        return None

    def _preflight(self, headers: Headers, methods: list[str]) -> dict[str, str]:
        """What a page of another origin may send (Fetch, 4.8), where a tenant allows that origin; the token decides then."""
        origin = headers.get("origin")
        if origin is None or "access-control-request-method" not in headers or not self._is_allowed_origin(origin):
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match, Idempotency-Key, X-Request-Id",
            "Access-Control-Max-Age": "600",
            "Vary": "Origin",
        }

    def _not_found(self, request_id: str) -> Response:
        return self._problem(Problem("not_found"), request_id)

    def _problem(self, problem: Problem, request_id: str) -> Response:
        self._metrics.refused(problem.code)
        return problem_response(problem, request_id)


def _with_slashes_kept(scope: Scope) -> str:
    """The path decoded once, where a slash that was percent-encoded is a part of a name, not the end of one: it stands as SLASH."""
    raw: bytes | None = scope.get("raw_path")
    path: str = scope["path"] if raw is None or b"%" not in raw else raw.decode("latin-1").split("?")[0]
    return "/".join(unquote(part).replace(SLASH, "\ufffd").replace("/", SLASH) for part in path.split("/")) if "%" in path else path


class _Out:
    """Adds headers to the start of an answer, and remembers its status."""

    def __init__(self, send: Send, request_id: str, scope: Scope) -> None:
        self._send, self._request_id, self._scope = send, request_id, scope
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        """Sends a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            headers.setdefault("X-Content-Type-Options", "nosniff")
            if self._scope["path"].startswith("/v1/"):
                headers.setdefault("Cache-Control", "no-store")
            room = self._scope["state"].get("room")
            if room is not None:
                headers["RateLimit-Policy"] = f'"{room.name}";q={max(1, round(room.limit))};w=1'
                headers["RateLimit"] = f'"{room.name}";r={room.remaining};t={room.resets}'
            origin = self._scope["state"].get("readable_by")
            if origin is not None:
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Expose-Headers"] = _READABLE
                headers.add_vary_header("Origin")
        await self._send(message)


def _bounded(receive: Receive, most: int) -> Receive:
    """Counts a body that comes in chunks without a length."""
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            raise HTTPException(413)
        return message

    return bounded
