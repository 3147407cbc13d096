"""The built wheel in an environment of its own: every file is in it, its packages are its own, and the command works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("engine", "extract", "slices", "api")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    subprocess.run(command, check=True, timeout=300)
    (built,) = folder.glob("slicehouse-*.whl")
    return built


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel, and the packages that it needs from the one that runs the tests."""

    folder: Path

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """A program of the environment, in a folder from which nothing of the sources can be imported."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SLICEHOUSE", "VIRTUAL_ENV", "COV"))}
        program = [str(self.folder / "bin" / command[0]), *command[1:]]
        return subprocess.run(program, cwd=cwd, env=kept, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("environment") / "env"
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    python = str(folder / "bin" / "python")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True,
        timeout=300,
    )
    (site,) = folder.glob("lib/python*/site-packages")
    # A line of a .pth is only put on the path: the .pth files there, the sources' own among them, are not read.
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(folder)


def test_wheel_holds_every_file_of_its_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        there = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert {f"slicehouse-0.1.0.dist-info/licenses/{n}" for n in ("LICENSE", "api/web/vendor/chart.LICENSE.md")} <= set(
            archive.namelist()
        )
    wanted = {
        str(p.relative_to(ROOT))
        for package in PACKAGES
        for p in (ROOT / package).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert there == wanted
    for kind in ("extract/sql/", "engine/catalog/migrations/versions/", "api/web/", "api/demo/"):
        assert any(name.startswith(kind) for name in there), kind


CLASHES = """
import json, importlib
from importlib.metadata import packages_distributions
names = %r
owners = packages_distributions()
print(json.dumps({n: [sorted(set(owners[n])), importlib.import_module(n).__file__] for n in names}))
"""


def test_packages_are_the_wheels_own_and_no_other_distribution_has_their_names(installed: Installed, tmp_path: Path) -> None:
    done = installed.run("python", "-c", CLASHES % (PACKAGES,), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name, (owners, file) in json.loads(done.stdout).items():
        assert owners == ["slicehouse"], name
        assert Path(file).is_relative_to(installed.folder), name


def test_command_works_from_init_to_query(installed: Installed, tmp_path: Path, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table orgs (id int primary key, name text)")
        connection.execute("create table notes (id int primary key, org_id int references orgs, body text)")
        connection.execute("insert into orgs values (1, 'A'), (2, 'B')")
        connection.execute("insert into notes values (1, 1, 'of A'), (2, 2, 'of B')")
    said = installed.run("slicehouse", "--version", cwd=tmp_path)
    assert (said.returncode, said.stdout.strip()) == (0, "0.1.0")
    steps = [
        ("init", "--url", database, "--tenant-table", "orgs"),
        ("check",),
        ("routes", "--accept"),
        ("refresh",),
        ("verify",),
        ("doctor",),
        ("query", "1", "select body from notes"),
    ]
    for step in steps:
        said = installed.run("slicehouse", *step, cwd=tmp_path)
        assert said.returncode == 0, (step, said.stdout, said.stderr)
    assert said.stdout.split("\n")[:2] == ["body", "of A"]


PAGES = """
import sys
from pathlib import Path
from fastapi.testclient import TestClient
import api
from api.app import create_app
from engine.settings import Settings
client = TestClient(create_app(Settings(home=Path("home"))))
web = Path(api.__file__).parent / "web"
paths = ["/", "/healthz", "/openapi.json"] + ["/static/" + str(p.relative_to(web)) for p in web.rglob("*") if p.is_file()]
print(len(paths), [(p, client.get(p).status_code) for p in paths if client.get(p).status_code != 200])
"""


def test_pages_are_served_from_the_wheel(installed: Installed, tmp_path: Path) -> None:
    done = installed.run("python", "-c", PAGES, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    count, _, failed = done.stdout.strip().partition(" ")
    assert int(count) > 10
    assert failed == "[]"
