"""What an endpoint has at hand: the installation, the open slices, the bounded executor, and the request's principal and tenant."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

from fastapi import Request, Response

from api.control.access import Principal, authenticate, tenant_of, workspace_of
from api.control.tenants import slice_of
from api.serving.answer import Cancel
from api.serving.formats import MEDIA
from api.serving.metrics import Metrics
from api.serving.opened import OpenSlices, SliceRef
from api.serving.problems import FieldError, Problem
from engine.catalog.tables import TenantRow, VersionRow, WorkspaceRow
from engine.clock import rfc3339
from slices.installation import Installation

T = TypeVar("T")
VARY = "Authorization, X-API-Key, X-Tenant-ID, X-Workspace-ID, Accept, Origin"


@dataclass(slots=True)
class Context:
    """One API process."""

    installation: Installation
    slices: OpenSlices
    pool: ThreadPoolExecutor
    metrics: Metrics
    waiting: int = 0
    streams: int = 0
    etag_key: bytes = field(default=b"")

    async def run(self, request: Request, work: Callable[[Cancel], T]) -> T:
        """Runs blocking work in the bounded executor; ends it when the caller goes away. Raises Problem `busy`."""
        settings = self.installation.settings
        if self.waiting >= settings.concurrency + settings.queue:
            raise Problem("busy", retry_after=1)
        cancel = Cancel()
        self.waiting += 1
        self.metrics.queued.inc()
        job: asyncio.Future[T] = asyncio.get_running_loop().run_in_executor(self.pool, self._begun, work, cancel)
        watch: asyncio.Future[None] = asyncio.ensure_future(_gone(request))
        try:
            both: list[asyncio.Future[Any]] = [job, watch]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            while not job.done():
                cancel("disconnected")  # again and again: an interrupt that comes before the statement begins is lost
                await asyncio.wait([job], timeout=0.1)
            return await job
        finally:
            self.waiting -= 1
            watch.cancel()
            if not job.done():
                cancel("disconnected")

    def _begun(self, work: Callable[[Cancel], T], cancel: Cancel) -> T:
        """In the executor: `work`, unless nobody waits for it any more."""
        self.metrics.queued.dec()
        if cancel.reason is not None:
            raise Problem("statement_timeout", "Nobody waits for this statement.")
        self.metrics.running.inc()
        try:
            return work(cancel)
        finally:
            self.metrics.running.dec()


async def _gone(request: Request) -> None:
    """Ends when the caller has gone away."""
    with suppress(Exception):
        while (await request.receive())["type"] != "http.disconnect":
            pass


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: who asks, in which workspace, about which tenant."""

    context: Context
    principal: Principal
    workspace: WorkspaceRow
    tenant: TenantRow
    ref: SliceRef
    version: VersionRow

    def meta(self) -> dict[str, Any]:
        """`meta` of an answer."""
        return {"slice_version": self.version.id, "as_of": rfc3339(self.tenant.as_of or self.version.as_of)}

    def etag(self, *parts: Any) -> str:
        """Opaque and keyed: it says nothing, and never equals another tenant's."""
        facts = [
            self.workspace.id,
            self.tenant.id,
            self.version.id,
            str(self.tenant.as_of),
            self.principal.scope,
            self.ref.timezone,
            *parts,
        ]
        return '"' + hmac.new(self.context.etag_key, json.dumps(facts, default=str, sort_keys=True).encode(), sha256).hexdigest()[:40] + '"'

    def respond(self, request: Request, body: bytes, media: str, etag: str | None) -> Response:
        """The answer with its headers; 304 where the caller has it."""
        headers = {
            "X-Slice-Version": self.version.id,
            "X-Slice-As-Of": self.meta()["as_of"],
            "Cache-Control": "private, no-cache",
            "Vary": VARY,
        }
        if etag is not None:
            headers["ETag"] = etag
        if etag is not None and etag in [t.strip() for t in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=media, headers=headers)


def permission(name: str) -> dict[str, Any]:
    """OpenAPI's `x-permission` of an operation; `public` needs no credential, `any` a credential alone."""
    return {"x-permission": name}


def context_of(request: Request) -> Context:
    """The context of this process."""
    found: Context = request.app.state.context
    return found


def principal_of(request: Request, *, again: bool = False) -> Principal:
    """Who asks; asked of the catalog once a request, or `again` in a stream. Two credentials that differ are no credential."""
    known: Principal | None = getattr(request.state, "principal", None)
    if known is not None and not again:
        return known
    if len(request.headers.getlist("authorization")) > 1 or len(request.headers.getlist("x-api-key")) > 1:
        raise Problem("syntax", "Send one credential.")
    client = request.client.host if request.client else None
    found = authenticate(context_of(request).installation, request.headers.get("authorization"), request.headers.get("x-api-key"), client)
    request.state.principal = found
    return found


async def enter(request: Request) -> None:
    """Before every call of `/v1`: a credential, then no parameter that the call does not know."""
    principal_of(request)
    route = request.scope["route"]
    known = {p.alias for dependant in _dependants(route.dependant) for p in dependant.query_params}
    for name in request.query_params:
        if name not in known and not (name.startswith("p.") and "panel" in request.path_params):
            raise Problem("param_unknown", errors=[FieldError(f"/{name}", "param_unknown", "This call has no such parameter.")])


def _dependants(dependant: Any) -> Iterator[Any]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _dependants(inner)


@dataclass(frozen=True, slots=True)
class Entered:
    """A request about a whole workspace."""

    context: Context
    principal: Principal
    workspace: WorkspaceRow


def entered(request: Request, ws: str, needed: str, *, again: bool = False) -> Entered:
    """Principal, workspace, permission, scope: each may refuse. `again` asks the catalog anew."""
    context, principal = context_of(request), principal_of(request, again=again)
    row = workspace_of(context.installation, principal, ws)
    principal.require(needed)
    if principal.scope not in ("workspace", "installation"):
        raise Problem("forbidden", "This needs a key of the workspace.")
    return Entered(context, principal, row)


def asked(request: Request, permission: str) -> Asked:
    """Principal, then workspace, then tenant, then its current version: each step may refuse."""
    context = context_of(request)
    principal = principal_of(request)
    workspace = workspace_of(context.installation, principal, request.headers.get("x-workspace-id"))
    tenant = tenant_of(context.installation, principal, workspace, request.headers.get("x-tenant-id"))
    principal.require(permission)
    ref, version = slice_of(context.installation, workspace, tenant)
    return Asked(context, principal, workspace, tenant, ref, version)


def wanted_format(request: Request) -> str:
    """json, arrow, csv or parquet, by `?format=`, else by Accept. Raises Problem `not_acceptable`."""
    named = request.query_params.get("format")
    if named is not None:
        if named not in MEDIA:
            raise Problem("not_acceptable", "Formats are json, arrow, csv and parquet.")
        return named
    accept = request.headers.get("accept", "*/*")
    for part in accept.split(","):
        kind = part.split(";")[0].strip()
        if kind in ("*/*", "application/*", "application/json"):
            return "json"
        for name, media in MEDIA.items():
            if kind == media.split(";")[0]:
                return name
    raise Problem("not_acceptable", "Formats are json, arrow, csv and parquet.")
