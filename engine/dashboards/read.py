"""Reads the dashboard files that a workspace names."""

from __future__ import annotations

import os
from pathlib import Path

from engine.dashboards.models import Dashboard
from engine.errors import Problem, WorkspaceFileError
from engine.workspace import Workspace
from engine.workspace.positions import Document


def read_dashboards(workspace: Workspace) -> list[Dashboard]:
    """The dashboards of a workspace, by the names of their files. Raises WorkspaceFileError with the problems of all files."""
    found: list[Dashboard] = []
    problems: list[Problem] = []
    taken: dict[str, str] = {}
    for path in dashboard_files(workspace):
        document: Document | None = None
        try:
            document = Document(path, shown_path(path, workspace))
            dashboard = document.validate(Dashboard)
            if dashboard.slug in taken:
                problems.append(document.problem(("slug",), f"{dashboard.slug} is the slug of {taken[dashboard.slug]} too"))
            taken[dashboard.slug] = shown_path(path, workspace)
            found.append(dashboard)
        except WorkspaceFileError as error:
            problems += error.problems
    if problems:
        raise WorkspaceFileError(problems)
    return found


def dashboard_files(workspace: Workspace) -> list[Path]:
    """The files that `dashboards:` names, from the folder of the file that says so, sorted.

    Where none says it, the usual folder is looked for beside the workspace file, then beside those that it extends.
    """
    for folder in workspace.origin.dashboards or (workspace.path.parent,):
        found = sorted(folder.glob(workspace.dashboards))
        if found:
            return found
    return []


def shown_path(path: Path, workspace: Workspace) -> str:
    """A file as it is named from the folder of the workspace file."""
    return os.path.relpath(path, workspace.path.parent)
