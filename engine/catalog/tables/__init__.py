"""The catalog's tables (SQLAlchemy). Times are UTC; ids are a prefix and a UUIDv7 (`engine.ids`)."""

from engine.catalog.tables.access import IdempotencyRow, KeyRow, PrincipalRow
from engine.catalog.tables.base import Base
from engine.catalog.tables.records import AuditRow
from engine.catalog.tables.slices import (
    PublicationRow,
    ReviewRow,
    RoutingRow,
    RunRow,
    RunTableRow,
    SnapshotRow,
    StageRow,
    VersionRow,
)
from engine.catalog.tables.tenants import ENDED, TenantRow, WorkspaceRow

__all__ = [
    "ENDED",
    "AuditRow",
    "Base",
    "IdempotencyRow",
    "KeyRow",
    "PrincipalRow",
    "PublicationRow",
    "ReviewRow",
    "RoutingRow",
    "RunRow",
    "RunTableRow",
    "SnapshotRow",
    "StageRow",
    "TenantRow",
    "VersionRow",
    "WorkspaceRow",
]
