"""Work that exactly one process does: it takes a lease in the catalog, and takes it anew before it ends."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from engine.catalog.tables import LeaseRow

LASTS = timedelta(seconds=60)


def take_lease(session: Session, name: str, holder: str, now: datetime) -> bool:
    """Whether the holder has the lease from now on; another one's that has not ended is left to it. In a writing transaction."""
    row = session.get(LeaseRow, name)
    if row is None:
        session.add(LeaseRow(name=name, holder=holder, until=now + LASTS))
        return True
    if row.holder != holder and row.until > now:
        return False
    row.holder, row.until = holder, now + LASTS
    return True


def end_lease(session: Session, name: str, holder: str, now: datetime) -> None:
    """Leaves the work to whoever comes next."""
    row = session.get(LeaseRow, name)
    if row is not None and row.holder == holder:
        row.until = now
