"""What an endpoint has at hand: the installation, the open slices, the bounded executor, and the request's principal and tenant."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from fastapi import Request, Response

from api.control.access.decisions import Decisions
from api.control.access.denials import Denials
from api.control.access.principal import Principal, tenant_of, workspace_of
from api.control.plans.entitlements import Entitlements, resolve
from api.control.tenants.reading import require_open, slice_of
from api.control.usage.collecting import Collector
from api.control.usage.gauge import Gauge
from api.middleware import SLASH
from api.serving.answer import Cancel
from api.serving.definitions import Definitions
from api.serving.formats import MEDIA
from api.serving.metrics import Metrics
from api.serving.opened import OpenSlices, SliceRef
from api.serving.problems import FieldError, Problem
from api.serving.results import Results
from api.serving.timing import Timing
from engine.catalog.tables import TenantRow, VersionRow, WorkspaceRow
from engine.clock import rfc3339
from engine.dashboards import Dashboard
from engine.workspace import Workspace
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
    definitions: Definitions
    results: Results
    decisions: Decisions
    gauge: Gauge
    collector: Collector
    denials: Denials
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
    """One request: who asks, in which workspace, about which tenant; how long it takes. `entitlements` None: who runs the workspace asks."""

    context: Context
    principal: Principal
    workspace: WorkspaceRow
    tenant: TenantRow
    ref: SliceRef
    version: VersionRow
    timing: Timing
    entitlements: Entitlements | None = None

    @property
    def as_of(self) -> datetime:
        """The snapshot that the answer is true for."""
        return self.tenant.as_of or self.version.as_of

    @property
    def definition(self) -> Workspace:
        """What the workspace's file says now."""
        return self.context.definitions.workspace(Path(self.workspace.path))

    @property
    def dashboards(self) -> Mapping[str, Dashboard]:
        """The workspace's dashboards by slug."""
        return self.context.definitions.dashboards(Path(self.workspace.path))

    def meta(self) -> dict[str, Any]:
        """`meta` of an answer."""
        return {"slice_version": self.version.id, "as_of": rfc3339(self.as_of)}

    def etag(self, *parts: Any) -> str:
        """Opaque and keyed: it says nothing, and never equals another tenant's. Values are taken with their types."""
        scope, locale = self.principal.scope, None
        own = (self.workspace.id, self.tenant.id, self.version.id, self.as_of, scope, locale, self.ref.timezone)
        return '"' + hmac.new(self.context.etag_key, repr((own, parts)).encode(), sha256).hexdigest()[:40] + '"'

    def unchanged(self, request: Request, etag: str) -> Response | None:
        """304 where the caller has that answer (RFC 9110, 13.1.2); for what is no GET, 412 is raised."""
        given = [t.strip().removeprefix("W/") for t in request.headers.get("if-none-match", "").split(",")]
        if etag not in given:
            return None
        if request.method not in ("GET", "HEAD"):
            raise Problem("precondition_failed")
        return Response(status_code=304, headers=self._headers(etag))

    def respond(self, request: Request, body: bytes, media: str, etag: str | None) -> Response:
        """The answer with its headers; 304 where the caller has it."""
        found = self.unchanged(request, etag) if etag is not None else None
        return found or Response(body, media_type=media, headers=self._headers(etag))

    def _headers(self, etag: str | None) -> dict[str, str]:
        headers = {
            "X-Slice-Version": self.version.id,
            "X-Slice-As-Of": rfc3339(self.as_of),
            "Cache-Control": "private, no-cache",
            "Vary": VARY,
            "Server-Timing": self.timing.header(),
        }
        return headers | ({"ETag": etag} if etag is not None else {})


def permission(name: str, shape: Any = None, *statuses: int, ndjson: bool = False) -> dict[str, Any]:
    """What the API's document says of a call: `x-permission` (`public` needs no credential, `any` a credential alone), the answers' shape
    and statuses; `ndjson` where the body is lines of JSON."""
    shapes = {} if shape is None else {status: {"model": shape} for status in statuses or (200,)}
    lines = {"requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": {"type": "string"}}}}} if ndjson else {}
    return {"openapi_extra": {"x-permission": name} | lines, "response_model": None, "responses": shapes}


def context_of(request: Request) -> Context:
    """The context of this process."""
    found: Context = request.app.state.context
    return found


def principal_of(request: Request, *, again: bool = False) -> Principal:
    """Who asks; looked up once a request, or `again` in a stream. Two credentials are no credential."""
    known: Principal | None = getattr(request.state, "principal", None)
    if known is not None and not again:
        return known
    headers, context = request.headers, context_of(request)
    if len(headers.getlist("authorization")) + len(headers.getlist("x-api-key")) > 1:
        raise Problem("syntax", "Send one credential.")
    address = request.client.host if request.client else None
    found = context.decisions.principal(headers.get("authorization"), headers.get("x-api-key"), address)
    _check_origin(request, found)
    request.state.principal = found
    return found


def _check_origin(request: Request, principal: Principal) -> None:
    """A page of another origin is answered for a token that names it, and may read the answer then. Raises Problem `origin_not_allowed`."""
    origin = request.headers.get("origin")
    if principal.grant is None or origin is None or origin == f"{request.url.scheme}://{request.url.netloc}":
        return
    if origin not in principal.grant.origins:
        raise Problem("origin_not_allowed")
    request.state.readable_by = origin


def named_by(request: Request, header: str) -> str | None:
    """What a header names, percent-decoded once and read as UTF-8, as names in a path are; None where it is not there."""
    value = request.headers.get(header)
    return None if value is None else unquote_to_bytes(value.encode("latin-1")).decode(errors="replace")


def permitted(request: Request, *, again: bool = False) -> Principal:
    """Who asks, if it has the permission that the call's `x-permission` names: the one place where that is decided."""
    principal = principal_of(request, again=again)
    needed: str = request.scope["route"].openapi_extra["x-permission"]
    if needed != "any":
        principal.require(needed)
    return principal


def _require_own_names(request: Request, principal: Principal) -> None:
    """Raises Problem `tenant_mismatch` where path or headers name another workspace or tenant than the one of a scope of one tenant."""
    if principal.scope != "tenant":
        return
    path, installation = request.path_params, context_of(request).installation
    workspaces = [n for n in (path.get("ws"), named_by(request, "x-workspace-id")) if n is not None]
    tenants = [n for n in (path.get("t"), named_by(request, "x-tenant-id")) if n is not None]
    if not workspaces and not tenants:
        return
    own = [workspace_of(installation, principal, name.replace(SLASH, "/")) for name in workspaces] or [
        workspace_of(installation, principal, None)
    ]
    for name in tenants:
        tenant_of(installation, principal, own[0], name.replace(SLASH, "/"))


def _require_open(context: Context, principal: Principal) -> None:
    """Raises Problem where the tenant of a scope has been suspended, has left, or its subscription closes every door."""
    if principal.tenant_id is None:
        return

    def decide() -> tuple[None, datetime | None]:
        with context.installation.catalog.read() as session:
            tenant = session.get(TenantRow, principal.tenant_id)
        if tenant is None:
            raise Problem("not_found")
        require_open(tenant)
        found = entitled(context, principal, tenant)
        return None, found.until if found is not None else None

    context.decisions.once(("open", principal.tenant_id), decide)


async def enter(request: Request) -> None:
    """Before every call of `/v1`, and before its body is looked at: a credential, no name but its own for a scope of one tenant, a tenant
    that is neither suspended nor gone, the permission, no parameter that the call does not know."""
    _require_own_names(request, principal_of(request))
    route = request.scope["route"]
    if route.openapi_extra["x-permission"] != "any":
        _require_open(context_of(request), principal_of(request))
    permitted(request)
    known = {p.alias for dependant in _dependants(route.dependant) for p in dependant.query_params}
    for name in request.query_params:
        if name not in known and not (name.startswith("p.") and "panel" in request.path_params):
            raise Problem("param_unknown", errors=[FieldError(f"/{name}", "param_unknown", "This call has no such parameter.")])


def _dependants(dependant: Any) -> Iterator[Any]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _dependants(inner)


def asked(request: Request) -> Asked:
    """Principal, then workspace, then tenant, then its current version: each step may refuse."""
    timing, context, principal = Timing(), context_of(request), permitted(request)
    named = named_by(request, "x-workspace-id"), named_by(request, "x-tenant-id")

    def decide() -> tuple[tuple[WorkspaceRow, TenantRow, SliceRef, VersionRow, Entitlements | None], datetime | None]:
        workspace = workspace_of(context.installation, principal, named[0])
        tenant = tenant_of(context.installation, principal, workspace, named[1])
        allowed = entitled(context, principal, tenant)
        return (workspace, tenant, *slice_of(context.installation, workspace, tenant), allowed), None if allowed is None else allowed.until

    # One decision, not several: parts of different age could add up to an access that never was.
    workspace, tenant, ref, version, allowed = context.decisions.once(("asked", principal, named), decide)
    if allowed is not None:
        allowed.require(request.scope["route"].openapi_extra["x-permission"])
    return Asked(context, principal, workspace, tenant, ref, version, timing, allowed)


def entitled(context: Context, principal: Principal, tenant: TenantRow) -> Entitlements | None:
    """What the tenant may do by its tier; None for those who run the workspace. Raises Problem where its subscription closes every door."""
    if principal.tenant_id is None:
        return None
    with context.installation.catalog.read() as session:
        found = resolve(session, tenant, context.installation.clock())
    found.require_open()
    return found


def wanted_format(request: Request, asked_: Asked) -> str:
    """json, arrow, csv or parquet, by `?format=`, else by Accept (RFC 9110, 12.5.1); what is a file needs the permission to export.

    Raises Problem `not_acceptable`, `forbidden`.
    """
    found = _format(request)
    if found in ("csv", "parquet"):
        asked_.principal.require("export:data")
        if asked_.entitlements is not None:
            asked_.entitlements.require("export:data")
    return found


def _format(request: Request) -> str:
    named = request.query_params.get("format")
    if named is not None:
        if named not in MEDIA:
            raise Problem("not_acceptable", "Formats are json, arrow, csv and parquet.")
        return named
    offered = {media.split(";")[0]: name for name, media in MEDIA.items()}
    offered |= {"*/*": "json", "application/*": "json", "text/*": "csv"}
    wanted = [_weighed(part) for part in request.headers.get("accept", "*/*").split(",")]
    for kind, _ in sorted((w for w in wanted if w[1] > 0), key=lambda w: -w[1]):
        if kind in offered:
            return offered[kind]
    raise Problem("not_acceptable", "Formats are json, arrow, csv and parquet.")


def _weighed(part: str) -> tuple[str, float]:
    """A media range and its quality; a quality that is no number counts as none."""
    kind, *parameters = (p.strip() for p in part.split(";"))
    quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
    try:
        return kind.lower(), float(quality)
    except ValueError:
        return kind.lower(), 0.0
