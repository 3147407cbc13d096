"""Reads the dashboard files that a workspace names."""

from __future__ import annotations

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
            document = Document(path, _shown(path, workspace))
            dashboard = document.validate(Dashboard)
            if dashboard.slug in taken:
                problems.append(document.problem(("slug",), f"{dashboard.slug} is the slug of {taken[dashboard.slug]} too"))
            taken[dashboard.slug] = _shown(path, workspace)
            found.append(dashboard)
        except WorkspaceFileError as error:
            problems += error.problems
    if problems:
        raise WorkspaceFileError(problems)
    return found


def dashboard_files(workspace: Workspace) -> list[Path]:
    """The files that `dashboards:` names, relative to the workspace file, sorted."""
    return sorted(workspace.path.parent.glob(workspace.dashboards))


def _shown(path: Path, workspace: Workspace) -> str:
    return str(path.relative_to(workspace.path.parent))
