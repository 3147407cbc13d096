"""The last review of a workspace's routing: written by `routes`, read by whoever shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from engine.catalog.tables import ReviewRow


def keep_review(session: Session, workspace_id: str, *, lock: str, digest: str, tables: list[dict[str, Any]], at: datetime) -> ReviewRow:
    """Puts this review in the place of the one before."""
    row = session.get(ReviewRow, workspace_id)
    if row is None:
        row = ReviewRow(workspace_id=workspace_id)
        session.add(row)
    row.lock, row.digest, row.tables, row.made_at = lock, digest, {"tables": tables}, at
    session.flush()
    return row


def last_review(session: Session, workspace_id: str) -> ReviewRow | None:
    """The last review, or None where there was none."""
    return session.get(ReviewRow, workspace_id)
