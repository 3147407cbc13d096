"""The demo: from nothing to answers, from what is there in no time, and no process left however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.running_demo import RunningDemo, end_by_command, left_behind, start_demo

pytestmark = pytest.mark.acceptance
READY = "Ctrl-C ends the demo"


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that PostgreSQL's own user may enter, where the tests are root's: pytest's own are closed to it."""
    with tempfile.TemporaryDirectory(prefix="slicehouse-demo-") as folder:
        yield Path(folder).resolve()


@pytest.fixture
def fresh(place: Path) -> Iterator[Path]:
    """A folder without anything."""
    yield place / "fresh"
    shutil.rmtree(place / "fresh", ignore_errors=True)


@pytest.fixture(scope="module")
def filled(place: Path) -> Path:
    """A demo's folder after a first run that was ended by Ctrl-C."""
    if shutil.which("curl") is None and not os.environ.get("CI"):
        pytest.skip("curl is not here")
    demo = start_demo(place / "demo", place / "logs")
    try:
        demo.wait_for(READY)
        assert len(demo.calls) == 2
        assert demo.address
        for call, tenant in zip(demo.calls, ("137", "17"), strict=True):
            assert f"# tenant {tenant}\n{call}" in demo.stdout.read_text()
            answer = json.loads(subprocess.run(call, shell=True, capture_output=True, check=True, timeout=60).stdout)
            assert answer["columns"][0]["name"] == "mrr"
            assert float(answer["rows"][0][0]) > 0
        _all_panels_answer(demo)
        assert demo.end(signal.SIGINT, group=True) == 0
    finally:
        _be_sure(demo)
    assert left_behind(demo) == []
    return place / "demo"


def _all_panels_answer(demo: RunningDemo) -> None:
    """Each panel of each dashboard, with rows for the biggest tenant; six charts at the least, and parameters that are used."""
    key = demo.calls[0].split("Bearer ")[1].split("'")[0]
    with httpx.Client(base_url=demo.address.split("/#")[0], headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        charts = 0
        for slug in (d["slug"] for d in client.get("/v1/dashboards").json()["data"]):
            dashboard = client.get(f"/v1/dashboards/{slug}").json()
            answers = client.post(f"/v1/dashboards/{slug}/data", json={}).json()["panels"]
            assert all(answers[panel].get("rows") for panel in dashboard["panels"]), answers
            charts += sum(panel["chart"]["type"] not in ("number", "table") for panel in dashboard["panels"].values())
            for name, parameter in dashboard["parameters"].items():
                other = {"date_range": "2020-01-01/2020-02-01", "number": 1000}.get(parameter["type"]) or parameter["options"][:1]
                value = other[0]["value"] if isinstance(other, list) else other
                changed = client.post(f"/v1/dashboards/{slug}/data", json={"parameters": {name: value}}).json()["panels"]
                assert any(changed[panel]["rows"] != answers[panel]["rows"] for panel in answers), name
        assert charts >= 6


def _be_sure(demo: RunningDemo) -> None:
    if demo.process.poll() is None:
        demo.process.kill()
        demo.process.wait()
    end_by_command(demo.folder)


@pytest.fixture
def again(filled: Path, place: Path) -> Iterator[RunningDemo]:
    """The demo started again in the folder of an earlier run."""
    demo = start_demo(filled, place / "logs")
    yield demo
    _be_sure(demo)


def test_second_run_begins_with_what_is_there_and_down_ends_it(again: RunningDemo) -> None:
    again.wait_for(READY)
    said = again.stderr.read_text()
    assert "reference tables" not in said
    assert "0 tenants built, 200 unchanged" in said
    refused = subprocess.run([*again.process.args[:-2]], capture_output=True, text=True, check=False)  # type: ignore[index]
    assert refused.returncode == 1
    assert "runs in this folder already" in refused.stderr
    assert "has ended" in end_by_command(again.folder)
    assert left_behind(again) == []
    assert again.process.wait(60) == 0
    assert "No demo runs here" in end_by_command(again.folder)


@pytest.mark.parametrize(
    ("moment", "name"),
    [
        ("starting PostgreSQL", signal.SIGTERM),
        ("extract", signal.SIGINT),
        ("extract", signal.SIGTERM),
        (READY, signal.SIGTERM),
        (READY, signal.SIGHUP),
    ],
)
def test_a_signal_leaves_no_process(again: RunningDemo, moment: str, name: signal.Signals) -> None:
    again.wait_for(moment)
    again.end(name, group=name != signal.SIGTERM)
    assert left_behind(again) == []


@pytest.mark.parametrize(
    ("moment", "name"), [("starting PostgreSQL", signal.SIGINT), ("starting PostgreSQL", signal.SIGTERM), ("9/30", signal.SIGINT)]
)
def test_a_signal_in_the_first_run_leaves_no_process_and_the_next_begins_anew(fresh: Path, moment: str, name: signal.Signals) -> None:
    demo = start_demo(fresh, fresh.parent / "logs")
    try:
        demo.wait_for(moment)
        demo.end(name, group=name == signal.SIGINT)
        assert left_behind(demo) == []
        after = start_demo(fresh, fresh.parent / "logs")
        try:
            after.wait_for("2/30")
        finally:
            after.end(signal.SIGTERM)
        assert left_behind(after) == []
    finally:
        _be_sure(demo)


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_slices_are_built_leaves_no_process(filled: Path, place: Path, name: signal.Signals) -> None:
    home = filled / ".slicehouse"
    home.rename(place / "home")
    demo = start_demo(filled, place / "logs")
    try:
        demo.wait_for("sort ")
        demo.end(name, group=name == signal.SIGINT)
        assert left_behind(demo) == []
    finally:
        _be_sure(demo)
        shutil.rmtree(home)
        (place / "home").rename(home)


def test_two_signals_end_it_as_one_does(again: RunningDemo) -> None:
    again.wait_for("extract")
    again.process.send_signal(signal.SIGTERM)
    again.process.send_signal(signal.SIGINT)
    again.process.wait(60)
    assert left_behind(again) == []


def test_down_ends_the_postgres_of_a_killed_demo(fresh: Path) -> None:
    demo = start_demo(fresh, fresh.parent / "logs")
    try:
        demo.wait_for("2/30")
        demo.end(signal.SIGKILL)
        assert left_behind(demo) != []
        assert "killed" in end_by_command(demo.folder)
        assert left_behind(demo) == []
    finally:
        _be_sure(demo)
