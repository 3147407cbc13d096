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
from engine.catalog.tables.branding import BrandingRow, DomainRow, LogoRow
from engine.catalog.tables.metering import UsageFileRow, UsageHourRow, UsageRow
from engine.catalog.tables.people import (
    AttemptRow,
    IdentityProviderRow,
    InvitationRow,
    LoginRow,
    MemberRow,
    MemberTenantRow,
    UserRow,
    UserSessionRow,
)
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
from engine.catalog.tables.sources import SourceSecretRow
from engine.catalog.tables.tenants import ENDED, OriginRow, TenantRow, WorkspaceRow
from engine.catalog.tables.webhooks import DeliveryRow, MessageRow, WebhookRow

__all__ = [
    "ENDED",
    "AttemptRow",
    "AuditRow",
    "Base",
    "BrandingRow",
    "CursorRow",
    "DeliveryRow",
    "DomainRow",
    "EmbedSessionRow",
    "IdempotencyRow",
    "IdentityProviderRow",
    "InvitationRow",
    "KeyRow",
    "LeaseRow",
    "LoginRow",
    "LogoRow",
    "MemberRow",
    "MemberTenantRow",
    "MessageRow",
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
    "SourceSecretRow",
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
    "UserRow",
    "UserSessionRow",
    "VersionRow",
    "WebhookRow",
    "WorkspaceRow",
]
