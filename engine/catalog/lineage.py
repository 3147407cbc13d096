"""The hierarchy of tenants, walked upward."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from engine.catalog.tables import TenantRow


def lineage(session: Session, tenant: TenantRow) -> Iterator[TenantRow]:
    """A tenant, then those above it, nearest first."""
    seen: set[str] = set()
    at: TenantRow | None = tenant
    while at is not None and at.id not in seen:
        yield at
        seen.add(at.id)
        at = session.get(TenantRow, at.parent_id) if at.parent_id is not None else None
