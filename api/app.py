"""create_app(settings): the API over one installation, and the pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import FileResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from api import openapi, refusals
from api.control.access.decisions import Decisions
from api.control.access.denials import Denials
from api.control.usage.collecting import Collector
from api.control.usage.gauge import Gauge
from api.control.usage.journal import Journal
from api.endpoints import (
    audit,
    billing,
    branding,
    dashboards,
    embed,
    health,
    keys,
    me,
    plans,
    query,
    refreshes,
    routes,
    signing_keys,
    slices,
    tenants,
    usage,
    webhooks,
)
from api.endpoints import workspaces as installed
from api.endpoints.context import Context
from api.endpoints.people import members, providers, sessions, users
from api.middleware import Requests
from api.serving.definitions import Definitions
from api.serving.metrics import Metrics
from api.serving.opened import OpenSlices
from api.serving.results import Results
from engine.catalog import versions, workspaces
from engine.catalog.tables import ENDED, TenantRow
from engine.settings import Settings
from slices.installation import Installation, open_installation

_WEB = Path(__file__).parent / "web"
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
_ROUTERS: tuple[APIRouter, ...] = (
    *(m.router for m in (dashboards, query, slices, me, sessions, members, users, providers, plans, tenants, routes, refreshes)),
    *(m.router for m in (keys, signing_keys, embed, usage, billing, webhooks, audit, health, installed)),
    *(branding.own, branding.public, branding.router),
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; the catalog is migrated already (`slicehouse serve` does so before it starts workers)."""
    chosen = settings or Settings()
    installation = open_installation(chosen)
    app = bare_app()
    app.router.lifespan_context = _counting
    metrics = Metrics()
    decisions = Decisions(installation)
    journal = Journal(installation.home.usage)
    denials = Denials(installation)
    collector = Collector(installation, journal, also=denials.write)

    def is_allowed_origin(origin: str) -> bool:
        with installation.catalog.read() as session:
            return decisions.once(("origin", origin), lambda: (versions.is_allowed_origin(session, origin), None))

    app.state.context = Context(
        installation,
        OpenSlices(chosen.open_slices, chosen.statement_memory, chosen.statement_seconds),
        ThreadPoolExecutor(chosen.concurrency, "answer"),
        metrics,
        Definitions(),
        Results(chosen.cache_bytes),
        decisions,
        Gauge(installation, journal, chosen.workers),
        collector,
        denials,
        etag_key=installation.derived_key("etag"),
    )
    _pages(app)
    routes = [r for router in (*_ROUTERS, app.router) for r in router.routes if isinstance(r, Route)]
    refusals.install(app, metrics, routes)
    app.add_middleware(Requests, metrics=metrics, routes=routes, most=chosen.request_bytes, is_allowed_origin=is_allowed_origin)
    return app


@asynccontextmanager
async def _counting(app: FastAPI) -> AsyncIterator[None]:
    """While the server runs, usage is counted each second; at its end once more."""
    collector: Collector = app.state.context.collector
    collector.start()
    yield
    await run_in_threadpool(collector.stop)


def bare_app() -> FastAPI:
    """The calls and their document, over no installation yet."""
    # A redirect to the path without its slash would be built from the Host header, which is whoever asks.
    app = FastAPI(
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        generate_unique_id_function=lambda route: route.name,
    )
    for router in _ROUTERS:
        app.include_router(router)
    openapi.install(app)
    return app


def _answer_head(routers: tuple[APIRouter, ...]) -> None:
    """What answers GET answers HEAD (RFC 9110); the server sends no body then."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.methods and "GET" in route.methods:
                route.methods.add("HEAD")


_answer_head(_ROUTERS)


def _pages(app: FastAPI) -> None:
    app.mount("/static", StaticFiles(directory=_WEB), name="static")

    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache", "Referrer-Policy": "no-referrer"}

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def index() -> Response:
        return FileResponse(_WEB / "index.html", headers=headers)

    @app.api_route("/console/routes", methods=["GET", "HEAD"], include_in_schema=False)
    def console_routes() -> Response:
        return FileResponse(_WEB / "routes.html", headers=headers)

    @app.api_route("/embed/{tenant}", methods=["GET", "HEAD"], include_in_schema=False)
    def embed_page(request: Request, tenant: str) -> Response:
        """The page for within a page of the tenant's allowed origins; a session in its fragment opens it. Alike for a tenant that is not there."""
        installation: Installation = request.app.state.context.installation
        with installation.catalog.read() as session:
            row = session.get(TenantRow, tenant)
            is_there = row is not None and row.state not in ENDED and workspaces.is_open(session, row.workspace_id)
        origins = row.allowed_origins if row is not None and is_there else []
        policy = _POLICY.replace("'none'; base-uri", f"{' '.join(origins)}; base-uri") if origins else _POLICY
        return FileResponse(_WEB / "index.html", headers=headers | {"Content-Security-Policy": policy})

    @app.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    def docs() -> Response:
        return FileResponse(_WEB / "docs.html", headers=headers)
