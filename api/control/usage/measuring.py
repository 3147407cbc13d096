"""What is not used through a door: the bytes of each tenant's slice, once a UTC day, and each slice that a refresh has built.

Each is a usage event with an id of its own that follows from what it is of, so it is counted once however often it is looked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.control.usage.alerts import look_at_quotas
from api.control.usage.collecting import count_new
from api.control.usage.journal import Fact
from engine.catalog.tables import ENDED, CursorRow, PublicationRow, TenantRow, VersionRow, WorkspaceRow
from slices.installation import Installation

_AT_ONCE = 100


def measure(installation: Installation) -> None:
    """Counts what was built since the last time, and each hour what is stored by whom that was not counted yet today."""
    with installation.catalog.read() as session:
        due = [w for w in session.scalars(select(WorkspaceRow.id)) if _is_due(session, w, installation.clock())]
    for workspace_id in due:
        with installation.catalog.write(quiet=True) as session:
            now = installation.clock()
            facts = [*_built(session, workspace_id), *_stored(session, workspace_id, now)]
            hours = count_new(session, [fact.facts() for fact in facts], now)
            look_at_quotas(session, installation, hours)


def _is_due(session: Session, workspace_id: str, now: datetime) -> bool:
    built = session.get(CursorRow, (workspace_id, "publications"))
    stored = session.get(CursorRow, (workspace_id, "storage"))
    newest = (
        select(PublicationRow.number).where(PublicationRow.workspace_id == workspace_id).order_by(PublicationRow.number.desc()).limit(1)
    )
    is_built = (session.scalar(newest) or 0) > (built.number if built is not None else 0)
    return is_built or stored is None or stored.number != _hour(now)


def _built(session: Session, workspace_id: str) -> Iterable[Fact]:
    """A fact for each version of the publications that were not looked at yet; publications are numbered as they are made."""
    cursor = _cursor(session, workspace_id, "publications")
    query = select(PublicationRow).where(PublicationRow.workspace_id == workspace_id, PublicationRow.number > cursor.number)
    for publication in list(session.scalars(query.order_by(PublicationRow.number).limit(_AT_ONCE))):
        cursor.number = publication.number
        built = select(VersionRow, TenantRow.key).join(TenantRow, VersionRow.tenant_id == TenantRow.id)
        for version, key in session.execute(built.where(VersionRow.publication_id == publication.id)):
            id_ = f"refresh:{version.run_id}:{version.tenant_id}"
            yield Fact("refresh", workspace_id, version.tenant_id, key, publication.published_at, id=id_)


def _stored(session: Session, workspace_id: str, now: datetime) -> Iterable[Fact]:
    """A fact for each tenant with a slice that has none of this day; a tenant that is new is seen within the hour."""
    cursor, day = _cursor(session, workspace_id, "storage"), now.astimezone(UTC).date().isoformat()
    if cursor.number == _hour(now):
        return
    cursor.number = _hour(now)
    query = select(TenantRow.id, TenantRow.key, VersionRow.bytes).join(VersionRow, TenantRow.version_id == VersionRow.id)
    for tenant_id, key, size in session.execute(query.where(TenantRow.workspace_id == workspace_id, TenantRow.state.not_in(ENDED))):
        yield Fact("storage", workspace_id, tenant_id, key, now, quantity=int(size), id=f"storage:{tenant_id}:{day}")


def _hour(now: datetime) -> int:
    return int(now.timestamp()) // 3_600


def _cursor(session: Session, workspace_id: str, name: str) -> CursorRow:
    row = session.get(CursorRow, (workspace_id, name))
    if row is None:
        row = CursorRow(workspace_id=workspace_id, name=name, number=0)
        session.add(row)
    return row
