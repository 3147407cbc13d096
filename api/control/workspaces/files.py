"""Workspace files for `apply`: found in folders, read, with the locks and dashboards that belong to them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

from engine.dashboards import Dashboard, read_dashboards
from engine.errors import ConfigurationError, Problem, WorkspaceFileError
from engine.lock import Lock
from engine.workspace import Workspace, read_workspace
from engine.workspace.positions import Document
from slices.reviewing.routings import read_lock_file

_USUAL = "slicehouse.yaml"


@dataclass(frozen=True, slots=True)
class Said:
    """What the files of one workspace say: the definition, the lock beside it where there is one, its dashboards."""

    workspace: Workspace
    lock: Lock | None
    dashboards: tuple[Dashboard, ...]


def workspace_files(given: Sequence[Path]) -> list[Path]:
    """The workspace files among files and folders.

    In a folder a YAML file is one that is called slicehouse.yaml, or says `workspace:` or `extends:`; one that is extended by another and
    names no workspace is a template. Raises ConfigurationError where there is none, WorkspaceFileError for YAML that cannot be read.
    """
    found: dict[Path, Path] = {}
    for path in [p for g in given for p in _globbed(g)]:
        if path.is_dir():
            found |= {f.resolve(): f for f in _in_folder(path)}
        elif path.exists():
            found.setdefault(path.resolve(), path)
        else:
            raise ConfigurationError(f"There is no file {path}.", hint="-f FILE or FOLDER.", code="no_file")
    if not found:
        raise ConfigurationError(f"No workspace file lies in {', '.join(map(str, given))}.", hint="-f FILE or FOLDER.", code="no_file")
    return list(found.values())


def read_files(files: Sequence[Path]) -> list[Said]:
    """What they say. Raises WorkspaceFileError with every problem of every file, ConfigurationError where two have one slug."""
    found: list[Said] = []
    problems: list[Problem] = []
    for file in files:
        try:
            workspace = read_workspace(file)
        except WorkspaceFileError as error:
            problems += error.problems
            continue
        try:
            found.append(Said(workspace, read_lock_file(workspace), tuple(read_dashboards(workspace))))
        except WorkspaceFileError as error:
            problems += _shown_from(file, error.problems)
    if problems:
        raise WorkspaceFileError(list(dict.fromkeys(problems)))
    by_slug: dict[str, Workspace] = {}
    for said in found:
        other = by_slug.setdefault(said.workspace.workspace, said.workspace)
        if other is not said.workspace:
            raise ConfigurationError(
                f"Two files are the workspace {other.workspace}: {_shown(other.path)} and {_shown(said.workspace.path)}.",
                hint="Each workspace has one file; give one of them another slug, or name the files one by one.",
                code="slug_twice",
            )
    return found


def _globbed(path: Path) -> list[Path]:
    if not any(c in str(path) for c in "*?["):
        return [path]
    return sorted(Path(p) for p in glob(str(path), recursive=True))


def _in_folder(folder: Path) -> list[Path]:
    documents: dict[Path, Any] = {}
    problems: list[Problem] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(n for n in names if n.endswith((".yaml", ".yml"))):
            path = Path(place) / name
            try:
                documents[path] = Document(path).data
            except WorkspaceFileError as error:
                problems += error.problems
    if problems:
        raise WorkspaceFileError(problems)
    said = {p: d for p, d in documents.items() if isinstance(d, dict)}
    extended = {_base(p, d) for p, d in said.items() if isinstance(d.get("extends"), str)}
    is_one = {p: p.name == _USUAL or "workspace" in d or "extends" in d for p, d in said.items()}
    return [p for p, d in said.items() if is_one[p] and ("workspace" in d or p.resolve() not in extended)]


def _base(path: Path, data: dict[str, Any]) -> Path:
    base = path.parent / str(data["extends"])
    return (base / _USUAL if base.is_dir() else base).resolve()


def _shown_from(file: Path, problems: Sequence[Problem]) -> list[Problem]:
    """Problems of dashboards are named from the folder of their workspace file; here from where we stand."""
    folder = file if file.is_dir() else file.parent
    return [Problem(os.path.normpath(folder / p.file), p.line, p.column, p.where, p.text) for p in problems]


def _shown(path: Path) -> str:
    return os.path.relpath(path)
