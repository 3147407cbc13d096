"""The figures: right, of all workers, for the installation's own key alone, and without a word about a tenant."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.cli.main import main
from engine.errors import SlicehouseError
from tests.acceptance.http_world import PANEL, World
from tests.acceptance.live import serving

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    return {(s.name, frozenset(s.labels.items())): s.value for f in text_string_to_metric_families(text) for s in f.samples}


def value(text: str, name: str, **labels: str) -> float | None:
    return samples(text).get((name, frozenset(labels.items())))


def scrape(world: World) -> str:
    answer = world.client.get("/metrics", headers=world.key("installation", permissions=["usage:view"]))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.text


def test_requests_are_counted_by_template_status_and_duration(world: World) -> None:
    key = world.key()
    for _ in range(3):
        world.client.get(PANEL, headers=key)
    world.client.get(PANEL)
    world.client.get("/v1/no/such/place")
    text = scrape(world)
    route = "/v1/dashboards/{slug}/panels/{panel}"
    assert value(text, "slicehouse_http_requests_total", method="GET", route=route, status="200") == 3
    assert value(text, "slicehouse_http_requests_total", method="GET", route=route, status="401") == 1
    assert value(text, "slicehouse_http_requests_total", method="GET", route="unmatched", status="404") == 1
    assert value(text, "slicehouse_http_request_seconds_count", route=route) == 4
    assert value(text, "slicehouse_refusals_total", code="credential_missing") == 1
    assert value(text, "slicehouse_refusals_total", code="not_found") == 1
    assert value(text, "slicehouse_statements_running") == 0
    assert value(text, "slicehouse_statements_queued") == 0


def test_an_invented_method_or_path_makes_no_label(world: World) -> None:
    world.client.request("BREW", "/v1/dashboards/one")
    world.client.get("/v1/invented-by-the-caller")
    text = scrape(world)
    assert "BREW" not in text
    assert "invented" not in text


def test_workspace_figures(world: World) -> None:
    text = scrape(world)
    assert value(text, "slicehouse_last_run", workspace="acme", state="succeeded") == 1
    assert value(text, "slicehouse_last_run", workspace="acme", state="failed") == 0
    assert value(text, "slicehouse_runs_total", workspace="acme", state="failed") == 0
    assert value(text, "slicehouse_slices", workspace="acme", state="serving") == 2
    age = value(text, "slicehouse_publication_age_seconds", workspace="acme")
    assert age is not None
    assert age >= 0


def test_no_label_names_a_tenant(world: World) -> None:
    key = world.key("workspace", permissions=["tenants:view", "query:panel"])
    for tenant in ("1", "key:2", "nobody-in-particular"):
        world.client.get(f"{world.base}/tenants/{tenant}", headers=key)
        world.client.get(PANEL, headers=key | {"X-Tenant-ID": tenant})
    text = scrape(world)
    labels = {label for _, found in samples(text) for _, label in found}
    told = {"1", "2", "key:2", "nobody-in-particular", *world.tenants.values()}
    assert not labels & told
    assert not [t for t in (*world.tenants.values(), "nobody-in", "Bolt", "acme-a") if t in text]


@pytest.mark.parametrize("scope", ["tenant", "workspace"])
def test_only_the_installation_reads_them(world: World, scope: str) -> None:
    refused = world.client.get("/metrics", headers=world.key(scope))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_nobody_reads_them_without_a_key(world: World) -> None:
    assert world.client.get("/metrics").status_code == 401
    assert world.client.get("/metrics", headers=world.key("installation", permissions=["tenants:view"])).status_code == 403


def test_a_key_for_figures_reads_nothing_else(world: World) -> None:
    key = world.key("installation", permissions=["usage:view"]) | {"X-Tenant-ID": "1"}
    for path in (PANEL, "/v1/schema", f"{world.base}/tenants", f"{world.base}/refreshes"):
        assert world.client.get(path, headers=key).status_code == 403


def test_a_failed_run_shows_in_readyz_status_and_metrics(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.client.get("/readyz").json() == {"status": "ready", "last_runs_failed": 0}
    world.edit(sources={"app": {"kind": "arrow", "url": "gone away"}})
    with pytest.raises(SlicehouseError):
        world.refresh(full=True)
    ready = world.client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "last_runs_failed": 1})
    assert world.client.get(PANEL, headers=world.key()).status_code == 200  # the last good slices answer
    text = scrape(world)
    assert value(text, "slicehouse_last_run", workspace="acme", state="failed") == 1
    assert value(text, "slicehouse_last_run", workspace="acme", state="succeeded") == 0
    assert value(text, "slicehouse_runs_total", workspace="acme", state="failed") == 1
    capsys.readouterr()
    assert main(["status", "--json", "-w", str(world.file), "--home", str(world.home)]) == 0
    newest = json.loads(capsys.readouterr().out)["runs"][0]
    assert (newest["state"], newest["error"]) == ("failed", "source_unknown")
    assert main(["status", "-w", str(world.file), "--home", str(world.home)]) == 0
    assert "failed" in capsys.readouterr().out


def test_readyz_is_503_where_the_catalog_cannot_be_read(world: World) -> None:
    with world.installation.catalog.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE runs RENAME TO elsewhere")
    answer = world.client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert world.client.get("/healthz").status_code == 200


def test_each_worker_answers_for_all(make_world: Callable[..., World]) -> None:
    """Requests over new connections reach either worker; whoever is asked gives the sum, and a killed worker's gauges are gone."""
    world = make_world()
    key, reader = world.key(), world.key("installation", permissions=["usage:view"])
    route = "/v1/dashboards/{slug}/panels/{panel}"
    with serving(world, 2) as (base, _):
        for _ in range(20):
            assert httpx.get(base + PANEL, headers=key).status_code == 200
        for _ in range(8):
            text = httpx.get(f"{base}/metrics", headers=reader).text
            assert value(text, "slicehouse_http_requests_total", method="GET", route=route, status="200") == 20
            assert value(text, "slicehouse_last_run", workspace="acme", state="succeeded") == 1
            assert value(text, "slicehouse_statements_running") == 0


def test_the_gauges_of_a_dead_worker_are_dropped(tmp_path: Path) -> None:
    """Three processes with the folder: one dies with a statement at work, one counts on, one reads."""
    code = "import os, sys; from api.serving.metrics import Metrics; m = Metrics(); m.running.inc(); m.refused('busy'); sys.stdout.flush(); os._exit(0)"
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    read = "from api.serving.metrics import Metrics; print(Metrics().render(lambda: ()).decode())"
    text = subprocess.run([sys.executable, "-c", read], env=environment, check=True, capture_output=True, text=True).stdout
    assert value(text, "slicehouse_refusals_total", code="busy") == 2
    assert value(text, "slicehouse_statements_running") in (None, 0)
