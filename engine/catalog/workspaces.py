"""Workspaces and their accepted routings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engine.catalog.tables import RoutingRow, WorkspaceRow
from engine.errors import ConfigurationError
from engine.ids import new_id
from engine.workspace import Workspace


def ensure_workspace(session: Session, workspace: Workspace, now: datetime) -> WorkspaceRow:
    """The catalog's row of a workspace file, made or brought up to date.

    Raises ConfigurationError where the workspace was made by program, and this is another file.
    """
    row = session.scalar(select(WorkspaceRow).where(WorkspaceRow.slug == workspace.workspace))
    if row is None:
        row = WorkspaceRow(id=new_id("ws"), slug=workspace.workspace, created_at=now)
        session.add(row)
    elif row.is_managed and row.path != str(workspace.path):
        raise ConfigurationError(
            f"The workspace {row.slug} was made by program; this file is not its own.",
            hint="slicehouse apply -f FILE lets the file decide from then on; or give the file another slug.",
            code="managed",
        )
    row.name, row.timezone, row.path = workspace.title, workspace.timezone, str(workspace.path)
    session.flush()
    return row


def find_workspace(session: Session, name: str, *, archived: bool = False) -> WorkspaceRow | None:
    """By ws_… id or slug; an archived one only where it is asked for."""
    query = select(WorkspaceRow).where((WorkspaceRow.id == name) | (WorkspaceRow.slug == name))
    return session.scalar(query if archived else query.where(WorkspaceRow.archived_at.is_(None)))


def all_workspaces(session: Session) -> list[WorkspaceRow]:
    """By slug, without archived ones."""
    return list(session.scalars(select(WorkspaceRow).where(WorkspaceRow.archived_at.is_(None)).order_by(WorkspaceRow.slug)))


def is_open(session: Session, workspace_id: str | None) -> bool:
    """Whether a workspace answers: it is there, and not archived. No workspace at all is none that is shut."""
    if workspace_id is None:
        return True
    row = session.get(WorkspaceRow, workspace_id)
    return row is not None and row.archived_at is None


def accepted_routing(session: Session, workspace_id: str) -> RoutingRow | None:
    """The newest accepted routing."""
    return session.scalar(select(RoutingRow).where(RoutingRow.workspace_id == workspace_id).order_by(RoutingRow.number.desc()).limit(1))


def accept_routing(
    session: Session, workspace_id: str, *, lock: str, digest: str, everybody: dict[str, Any], by: str, at: datetime
) -> RoutingRow:
    """Adds a routing as the one that counts."""
    number = session.scalar(select(func.max(RoutingRow.number)).where(RoutingRow.workspace_id == workspace_id)) or 0
    row = RoutingRow(
        id=new_id("rt"),
        workspace_id=workspace_id,
        number=number + 1,
        digest=digest,
        lock=lock,
        everybody=everybody,
        accepted_by=by,
        accepted_at=at,
    )
    session.add(row)
    session.flush()
    return row
