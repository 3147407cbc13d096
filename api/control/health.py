"""How the workspaces are, in figures: for `/readyz` and `/metrics`. Nothing here names a tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engine.catalog import versions, workspaces
from engine.catalog.tables import RunRow, TenantRow

STATES = ("queued", "running", "succeeded", "failed", "stopped")
ENDED = ("succeeded", "failed", "stopped")


@dataclass(frozen=True, slots=True)
class Health:
    """One workspace. `last_run` is the state of the newest run that has ended, `published_at` and `as_of` of the last publication."""

    workspace: str
    last_run: str | None
    runs: dict[str, int]
    published_at: datetime | None
    as_of: datetime | None
    serving: int
    withheld: int

    @property
    def failed(self) -> bool:
        """Whether the newest ended run did not succeed."""
        return self.last_run in ("failed", "stopped")


def health(session: Session) -> list[Health]:
    """All workspaces, by slug."""
    return [_of(session, row.id, row.slug) for row in workspaces.all_workspaces(session)]


def _of(session: Session, workspace_id: str, slug: str) -> Health:
    own = RunRow.workspace_id == workspace_id
    counted = session.execute(select(RunRow.state, func.count()).where(own).group_by(RunRow.state))
    last = session.scalar(select(RunRow.state).where(own, RunRow.state.in_(ENDED)).order_by(RunRow.finished_at.desc()).limit(1))
    publication = versions.newest_publication(session, workspace_id)
    tenants = TenantRow.workspace_id == workspace_id
    serving = select(func.count()).where(tenants, TenantRow.version_id.is_not(None), TenantRow.state == "active")
    return Health(
        slug,
        last,
        {row[0]: row[1] for row in counted},
        publication.published_at if publication else None,
        publication.as_of if publication else None,
        session.scalar(serving) or 0,
        session.scalar(select(func.count()).where(tenants, TenantRow.state == "withheld")) or 0,
    )
