"""What there is to show of a workspace's routing: the last review, else the accepted routing. No source is read."""

from __future__ import annotations

from typing import Any

from engine.catalog.reviews import last_review
from engine.catalog.tables import ReviewRow, RoutingRow, WorkspaceRow
from engine.catalog.workspaces import accepted_routing
from engine.drawing import mermaid, svg
from slices.installation import Installation
from slices.reviewing import record


def shown(installation: Installation, workspace: WorkspaceRow) -> dict[str, Any]:
    """The tables with edges, evidence, decisions, columns and pairs (`slices.reviewing.record.document`)."""
    return record.document(*_kept(installation, workspace))


def drawing(installation: Installation, workspace: WorkspaceRow, kind: str) -> str | None:
    """The same as a picture's text: `svg` or `mmd` (Mermaid); None where there is nothing to draw."""
    routing = record.drawn(*_kept(installation, workspace))
    if routing is None:
        return None
    return (svg if kind == "svg" else mermaid)(routing, f"Routes of {workspace.name}")


def _kept(installation: Installation, workspace: WorkspaceRow) -> tuple[ReviewRow | None, RoutingRow | None]:
    with installation.catalog.read() as session:
        return last_review(session, workspace.id), accepted_routing(session, workspace.id)
