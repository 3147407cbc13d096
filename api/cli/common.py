"""What the verbs share: options, opening the installation, printing, progress."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from engine.workspace import Workspace
    from slices.installation import Installation
    from slices.progress import StageCost

WorkspaceFiles = Annotated[list[Path] | None, Parameter(name=["--workspace", "-w"], help="workspace file, folder or glob; may be repeated")]
HomeFolder = Annotated[Path | None, Parameter(name="--home", help="the installation's state (SLICEHOUSE_HOME)")]
AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="JSON on stdout")]


@dataclass(frozen=True, slots=True)
class Place:
    """The workspace files that a command is about, and the installation."""

    files: tuple[Path, ...]
    home: Path


def place(workspace: list[Path] | None, home: Path | None) -> Place:
    """Resolves `-w` and `--home`; the default home is `.slicehouse` beside the first workspace file. Raises ConfigurationError."""
    from engine.errors import ConfigurationError

    files: list[Path] = []
    for given in workspace or [Path("slicehouse.yaml")]:
        if any(c in str(given) for c in "*?["):
            files += sorted(Path(found) for found in glob(str(given), recursive=True))
        else:
            files.append(given / "slicehouse.yaml" if given.is_dir() else given)
    if not files:
        raise ConfigurationError(f"No file is named {', '.join(map(str, workspace or ()))}.", hint="-w FILE, FOLDER or 'FOLDER/*.yaml'.")
    environment = os.environ.get("SLICEHOUSE_HOME")
    chosen = home or (Path(environment) if environment else files[0].resolve().parent / ".slicehouse")
    return Place(tuple(files), chosen)


def open_place(where: Place) -> Installation:
    """The installation of that home. Raises ConfigurationError where a setting of the environment does not fit, StorageError."""
    from pydantic import ValidationError

    from engine.errors import ConfigurationError
    from engine.settings import Settings
    from slices.installation import open_installation

    try:
        settings = Settings(home=where.home)
    except ValidationError as error:
        wrong = "; ".join(f"SLICEHOUSE_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_url=False))
        raise ConfigurationError(f"The environment has a setting that does not fit: {wrong}.", hint="Correct it, or unset it.") from None
    return open_installation(settings)


def workspaces(where: Place) -> list[Workspace]:
    """The workspaces of the files, read."""
    from engine.workspace import read_workspace

    return [read_workspace(f) for f in where.files]


def one_workspace(where: Place) -> Workspace:
    """The one workspace of a verb that takes one."""
    from engine.errors import ConfigurationError

    if len(where.files) != 1:
        raise ConfigurationError("This verb takes one workspace.", hint="Name it with -w FILE.")
    return workspaces(where)[0]


def say(text: str) -> None:
    """A line for people."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """JSON on stdout."""
    print(json.dumps(value, indent=1, default=str, ensure_ascii=False))


def by_key(found: Mapping[str, Any], name: str = "key") -> tuple[bool, int, str]:
    """Sorts facts of tenants by their keys: numbers as numbers, before texts."""
    key = str(found[name])
    is_number = key.isascii() and key.isdigit()
    return not is_number, int(key) if is_number else 0, key


def print_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], title: str | None = None, missing: str = "") -> None:
    """A table on stdout; plain tab-separated lines where stdout is no terminal. `missing` stands for None."""
    shown = ([missing if row.get(c) is None else str(row[c]) for c in columns] for row in rows)
    if not sys.stdout.isatty():
        print("\t".join(columns))
        for cells in shown:
            print("\t".join(cells))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for cells in shown:
        table.add_row(*cells)
    Console().print(table)


class Lines:
    """Progress as lines on stderr: one a stage, with rows, seconds and CPU seconds."""

    def __init__(self) -> None:
        self._last = ""

    def stage(self, name: str) -> None:
        """A stage begins."""
        self._last = name
        if sys.stderr.isatty():
            print(f"\r{name} …", end="", file=sys.stderr, flush=True)

    def step(self, text: str, done: int, total: int | None) -> None:
        """Within the stage, on a terminal only."""
        if sys.stderr.isatty():
            of = f" {done:,}/{total:,}" if total else f" {done:,}" if done else ""
            print(f"\r\x1b[K{self._last} … {text}{of}", end="", file=sys.stderr, flush=True)

    def ended(self, cost: StageCost) -> None:
        """A stage has ended."""
        start = "\r\x1b[K" if sys.stderr.isatty() else ""
        of = "slices" if cost.name == "publish" else "rows"
        say(f"{start}{cost.name:<10} {cost.rows:>12,} {of:<6}  {cost.seconds:7.2f} s  {cost.cpu_seconds:7.2f} CPU s  {cost.peak_mb:>6,} MB")

    def note(self, text: str) -> None:
        """Something to read."""
        say(f"note: {text}")
