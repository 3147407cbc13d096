"""The catalog's tables (SQLAlchemy). Times are UTC; ids are a prefix and a UUIDv7 (`engine.ids`)."""

from engine.catalog.tables.access import EmbedSessionRow, IdempotencyRow, KeyRow, PrincipalRow, SigningKeyRow
from engine.catalog.tables.base import Base
from engine.catalog.tables.billing import (
    CursorRow,
    LeaseRow,
    MeterEventRow,
    SinkRow,
    StripeEventRow,
    StripeRow,
    UsageAlertRow,
)
from engine.catalog.tables.metering import UsageFileRow, UsageHourRow, UsageRow
from engine.catalog.tables.plans import SubscriptionRow, TierRow
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
from engine.catalog.tables.tenants import ENDED, OriginRow, TenantRow, WorkspaceRow

__all__ = [
    "ENDED",
    "AuditRow",
    "Base",
    "CursorRow",
    "EmbedSessionRow",
    "IdempotencyRow",
    "KeyRow",
    "LeaseRow",
    "MeterEventRow",
    "OriginRow",
    "PrincipalRow",
    "PublicationRow",
    "ReviewRow",
    "RoutingRow",
    "RunRow",
    "RunTableRow",
    "SigningKeyRow",
    "SinkRow",
    "SnapshotRow",
    "StageRow",
    "StripeEventRow",
    "StripeRow",
    "SubscriptionRow",
    "TenantRow",
    "TierRow",
    "UsageAlertRow",
    "UsageFileRow",
    "UsageHourRow",
    "UsageRow",
    "VersionRow",
    "WorkspaceRow",
]
