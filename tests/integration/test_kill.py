"""A refresh killed at each step of its publication leaves exactly the old or the new set answering, and nothing that stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from engine.catalog.tables import RunRow, VersionRow
from slices.installation import Installation
from slices.refresh import refresh
from slices.reviewing.routings import workspace_row
from tests.integration.driving import answering, installation_in
from tests.integration.killed import offer_generation, workspace_in

BEFORE_THE_SWITCH = ("publish.verified", "publish.renamed_one", "publish.settled", "publish.before_commit")
ROOT = Path(__file__).resolve().parents[2]


def run(home: Path, generation: int, *words: str, failpoint: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | ({"SLICEHOUSE_FAILPOINT": failpoint} if failpoint else {})
    command = [sys.executable, "-m", "tests.integration.killed", str(home), str(generation), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def first_generation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("killed") / "home"
    done = run(home, 1, "accept")
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture
def home(first_generation: Path, tmp_path: Path) -> Path:
    return shutil.copytree(first_generation, tmp_path / "home")


def generations(installation: Installation, home: Path) -> dict[str, set[str]]:
    """What the answering files say, per tenant: each is opened."""
    return {k: {r[0].split()[-1] for r in t.rows("select body from notes")} for k, t in answering(installation, workspace_in(home)).items()}


def assert_nothing_is_left_over(installation: Installation, home: Path) -> None:
    workspace = workspace_row(installation, workspace_in(home))
    folder = installation.home.workspace(workspace.id)
    with installation.catalog.read() as session:
        known = {v.id for v in session.scalars(select(VersionRow)) if v.state != "removed"}
        assert {r.state for r in session.scalars(select(RunRow))} <= {"succeeded", "failed"}
    files = [p for p in folder.tenants.rglob("*") if p.is_file()]
    assert {p.name for p in files} == {v + kind for v in known for kind in (".duckdb", ".json", ".proof.json")}
    assert list(folder.runs.glob("*")) == []


@pytest.mark.parametrize("failpoint", [*BEFORE_THE_SWITCH, "publish.committed"])
def test_kill_leaves_the_old_or_the_new_set_and_the_next_refresh_heals(home: Path, failpoint: str) -> None:
    installation = installation_in(home, builders=1)
    before = {k: t.version for k, t in answering(installation, workspace_in(home)).items()}

    killed = run(home, 2, failpoint=failpoint)
    assert killed.returncode == 137, killed.stderr

    after = {k: t.version for k, t in answering(installation, workspace_in(home)).items()}
    is_new = failpoint == "publish.committed"
    expected = {"1"} if not is_new else {"2"}
    assert {k for k in after if after[k] != before[k]} == ({"A", "B"} if is_new else set())
    assert generations(installation, home) == {"A": expected, "B": expected, "C": {"0"}}

    offer_generation(2)
    result = refresh(installation, workspace_in(home))
    assert (result.built, result.unchanged, result.failed) == ((0, 3, 0) if is_new else (2, 1, 0))
    assert generations(installation, home) == {"A": {"2"}, "B": {"2"}, "C": {"0"}}
    assert_nothing_is_left_over(installation, home)


def test_refresh_that_was_not_killed_leaves_nothing_over(home: Path) -> None:
    installation = installation_in(home, builders=1)
    done = run(home, 2)
    assert done.returncode == 0, done.stderr
    assert generations(installation, home) == {"A": {"2"}, "B": {"2"}, "C": {"0"}}
    assert_nothing_is_left_over(installation, home)
