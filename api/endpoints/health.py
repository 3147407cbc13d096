"""Whether the server lives, whether it can serve, and its figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy.exc import SQLAlchemyError

from api.control.health import STATES, Health, health
from api.endpoints.context import Context, context_of, permission, principal_of
from api.endpoints.shapes import Alive, Ready
from api.serving.metrics import MEDIA
from api.serving.problems import Problem

router = APIRouter(tags=["health"])


@router.get("/healthz", **permission("public", Alive))
def get_healthz() -> dict[str, str]:
    """The process lives."""
    return {"status": "ok"}


@router.get("/readyz", **permission("public", Ready))
def get_readyz(request: Request) -> dict[str, Any]:
    """200 while slices can be served. How many workspaces' last runs failed is in the body, not in the status."""
    try:
        found = _health(context_of(request))
    except SQLAlchemyError:
        raise Problem("not_ready", retry_after=5) from None
    return {"status": "ready", "last_runs_failed": sum(h.failed for h in found)}


@router.get("/metrics", response_class=Response, **permission("usage:view"))
def get_metrics(request: Request) -> Response:
    """Figures for Prometheus: for a key of the installation alone, because they say which workspaces there are and how many slices."""
    context, principal = context_of(request), principal_of(request)
    if principal.scope != "installation":
        raise Problem("forbidden", "This needs a key of the installation.")
    principal.require("usage:view")
    return Response(context.metrics.render(lambda: _facts(context)), media_type=MEDIA, headers={"Cache-Control": "no-store"})


def _health(context: Context) -> list[Health]:
    with context.installation.catalog.read() as session:
        return health(session)


def _facts(context: Context) -> Iterator[Metric]:
    """The catalog's figures, a workspace each."""
    found, now = _health(context), context.installation.clock()
    last = GaugeMetricFamily("slicehouse_last_run", "1 for the state of the newest run that has ended.", labels=("workspace", "state"))
    ended = CounterMetricFamily("slicehouse_runs", "Runs that have ended, by state.", labels=("workspace", "state"))
    waiting = GaugeMetricFamily("slicehouse_runs_open", "Runs that are queued or running.", labels=("workspace", "state"))
    published = GaugeMetricFamily("slicehouse_publication_age_seconds", "Since the last good publication.", labels=("workspace",))
    age = GaugeMetricFamily("slicehouse_data_age_seconds", "Since the snapshot that is served.", labels=("workspace",))
    slices = GaugeMetricFamily("slicehouse_slices", "Tenants that are served, and withheld ones.", labels=("workspace", "state"))
    for h in found:
        for state in STATES:
            open_ = state in ("queued", "running")
            (waiting if open_ else ended).add_metric((h.workspace, state), h.runs.get(state, 0))
            if not open_:
                last.add_metric((h.workspace, state), float(h.last_run == state))
        if h.published_at is not None and h.as_of is not None:
            published.add_metric((h.workspace,), (now - h.published_at).total_seconds())
            age.add_metric((h.workspace,), (now - h.as_of).total_seconds())
        slices.add_metric((h.workspace, "serving"), h.serving)
        slices.add_metric((h.workspace, "withheld"), h.withheld)
    yield from (last, ended, waiting, published, age, slices)
