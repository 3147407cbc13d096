"""Tenants, slice versions and publications: what answers, what is kept, what is withdrawn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from engine.catalog.lineage import lineage
from engine.catalog.outbox import Outbox
from engine.catalog.tables import ENDED, DomainRow, OriginRow, PublicationRow, TenantRow, VersionRow, WorkspaceRow
from engine.ids import is_id, new_id

LIVE = ("current", "kept")


def slug_of(name: str) -> str:
    """A label from a display name: letters and digits with hyphens, at most 63; never an address."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63] or "tenant"


def ensure_tenants(
    session: Session, workspace_id: str, tenants: Iterable[tuple[str, str, str | None]], now: datetime
) -> dict[str, TenantRow]:
    """Rows for these (key, name, key of the tenant above), made where new, names and parents brought up to date: key → row.

    Who is not among them is above nobody and below nobody; nor is a tenant that is gone, archived or erased, though its key came back.
    A name and a place in the hierarchy that were given by hand stay.
    """
    known = {r.key: r for r in session.scalars(select(TenantRow).where(TenantRow.workspace_id == workspace_id))}
    states = {key: row.shown_state for key, row in known.items()}
    above: dict[str, str | None] = {}
    for key, name, parent in tenants:
        above[key] = parent
        row = known.get(key)
        if row is None:
            row = TenantRow(
                id=new_id("tn"), workspace_id=workspace_id, key=key, name=name, slug=slug_of(name), state="building", created_at=now
            )
            session.add(row)
            known[key] = row
        if not row.is_named:
            row.name, row.slug = name, slug_of(name)
        if row.state == "expected":
            row.state = "building"
    session.flush()
    ids = {key: row.id for key, row in known.items() if key in above and row.state not in ENDED}
    for key, row in known.items():
        if row.is_placed and row.state not in ENDED:
            continue
        parent = above.get(key) if key in ids else None
        row.parent_id = ids.get(parent) if parent is not None else None
    session.flush()
    _tell_new(Outbox(session, workspace_id, now), known, states)
    return known


def _tell_new(outbox: Outbox, known: Mapping[str, TenantRow], states: Mapping[str, str]) -> None:
    """Tells of tenants that were not there, and of states that are others now; `states` are those before, by key."""
    for key, row in known.items():
        if key in states:
            outbox.tell_state(row, states[key])
        else:
            outbox.tell("tenant.created", {"state": row.shown_state}, row)


def is_within(session: Session, tenant: TenantRow, top: str) -> bool:
    """Whether a tenant is the one of that id, or below it."""
    return any(t.id == top for t in lineage(session, tenant))


def tenants_of(session: Session, workspace_id: str, *, limit: int | None = None, after: str | None = None) -> list[TenantRow]:
    """Tenants in the order of their ids."""
    query = select(TenantRow).where(TenantRow.workspace_id == workspace_id).order_by(TenantRow.id)
    query = query if after is None else query.where(TenantRow.id > after)
    return list(session.scalars(query if limit is None else query.limit(limit)))


def find_tenant(session: Session, workspace_id: str, name: str) -> TenantRow | None:
    """By tn_… id, or by key; `key:` before it always means the key (rules.md 5). A NUL is in none: PostgreSQL cannot even look for it."""
    if "\0" in name:
        return None
    query = select(TenantRow).where(TenantRow.workspace_id == workspace_id)
    if is_id(name, "tn"):
        return session.scalar(query.where(TenantRow.id == name))
    key = name.removeprefix("key:")
    if key == name and (name.startswith("tn_") or name in ("", ".", "..")):
        return None
    return session.scalar(query.where(TenantRow.key == key))


def set_origins(session: Session, tenant: TenantRow) -> None:
    """Lets the tenant be found by the origins that it allows."""
    session.execute(delete(OriginRow).where(OriginRow.tenant_id == tenant.id))
    session.add_all(OriginRow(tenant_id=tenant.id, origin=o) for o in dict.fromkeys(tenant.allowed_origins))


def set_domains(session: Session, tenant: TenantRow) -> None:
    """Lets the tenant be found by its domains."""
    session.execute(delete(DomainRow).where(DomainRow.tenant_id == tenant.id))
    session.add_all(DomainRow(tenant_id=tenant.id, domain=d) for d in dict.fromkeys(tenant.domains))


def taken_domain(session: Session, tenant: TenantRow, domains: Iterable[str]) -> str | None:
    """The first of these domains that another tenant of the installation has, which has not left."""
    query = select(DomainRow.domain).join(TenantRow, DomainRow.tenant_id == TenantRow.id)
    query = query.where(DomainRow.domain.in_(list(domains)), TenantRow.id != tenant.id, TenantRow.state.not_in(ENDED))
    return session.scalar(query.order_by(DomainRow.domain).limit(1))


def is_allowed_origin(session: Session, origin: str) -> bool:
    """Whether any tenant that has not left allows pages of that origin."""
    query = select(OriginRow.tenant_id).join(TenantRow, OriginRow.tenant_id == TenantRow.id)
    query = query.join(WorkspaceRow, TenantRow.workspace_id == WorkspaceRow.id).where(WorkspaceRow.archived_at.is_(None))
    return session.scalar(query.where(OriginRow.origin == origin, TenantRow.state.not_in(ENDED)).limit(1)) is not None


def resume_tenant(session: Session, tenant_id: str, now: datetime) -> None:
    """Lets the next refresh build a tenant again that is gone from its source and came back. Raises LookupError where it is not gone."""
    tenant = session.get(TenantRow, tenant_id)
    if tenant is None or tenant.state != "gone":
        raise LookupError(tenant_id)
    tenant.state, tenant.gone_at = "building", None
    Outbox(session, tenant.workspace_id, now).tell_state(tenant, "gone")


def version_of(session: Session, version_id: str) -> VersionRow | None:
    """A version by its id."""
    return session.get(VersionRow, version_id)


def live_versions(session: Session, workspace_id: str, tenant_ids: Iterable[str] | None = None) -> list[VersionRow]:
    """Versions that answer or are kept, newest first."""
    rows = session.scalars(_newest_first().where(VersionRow.workspace_id == workspace_id, VersionRow.state.in_(LIVE)))
    wanted = None if tenant_ids is None else set(tenant_ids)
    return [r for r in rows if wanted is None or r.tenant_id in wanted]


def versions_of(session: Session, tenant_id: str) -> list[VersionRow]:
    """All versions of a tenant whose files are there, newest first."""
    return list(session.scalars(_newest_first().where(VersionRow.tenant_id == tenant_id, VersionRow.state != "removed")))


def _newest_first() -> Select[VersionRow]:
    """Versions in the order of their publications. Ids hold the time, and a clock may go back."""
    return select(VersionRow).join(PublicationRow, VersionRow.publication_id == PublicationRow.id).order_by(PublicationRow.number.desc())


def newest_publication(session: Session, workspace_id: str) -> PublicationRow | None:
    """The last publication."""
    return session.scalar(
        select(PublicationRow).where(PublicationRow.workspace_id == workspace_id).order_by(PublicationRow.number.desc()).limit(1)
    )


def last_published_run(session: Session, workspace_id: str) -> str | None:
    """The run of the last publication that a refresh made; a rollback's is none."""
    of_runs = select(PublicationRow.run_id).where(PublicationRow.workspace_id == workspace_id, PublicationRow.run_id.is_not(None))
    return session.scalar(of_runs.order_by(PublicationRow.number.desc()).limit(1))


def add_publication(
    session: Session, workspace_id: str, run_id: str | None, snapshots: list[str], as_of: datetime, now: datetime
) -> PublicationRow:
    """The next publication of a workspace."""
    number = session.scalar(select(func.max(PublicationRow.number)).where(PublicationRow.workspace_id == workspace_id)) or 0
    row = PublicationRow(
        id=new_id("pb"), workspace_id=workspace_id, number=number + 1, run_id=run_id, snapshots=snapshots, as_of=as_of, published_at=now
    )
    session.add(row)
    session.flush()
    return row


def make_current(session: Session, tenant: TenantRow, version: VersionRow, now: datetime) -> None:
    """`version` answers for the tenant from now on; the one before is kept."""
    if tenant.version_id is not None and tenant.version_id != version.id:
        before = session.get(VersionRow, tenant.version_id)
        if before is not None and before.state == "current":
            before.state, before.replaced_at = "kept", now
    version.state, version.replaced_at = "current", None
    tenant.version_id = version.id


def withdraw(session: Session, version_ids: Iterable[str], now: datetime) -> None:
    """These versions are never served or handed out again."""
    ids = list(version_ids)
    if ids:
        session.execute(
            update(VersionRow)
            .where(VersionRow.id.in_(ids), VersionRow.state.in_(LIVE))
            .values(state="withdrawn", replaced_at=func.coalesce(VersionRow.replaced_at, now))
        )
