"""Plans: tiers in versions, and what each tenant has subscribed to over time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from engine.catalog.tables.base import Base


class TierRow(Base):
    """One version of a tier of a workspace. `features`: name to true, false or a limit; `quotas`: meter to limit, per, hard; `rates`: name to
    n a second. A retired version takes no new subscription."""

    __tablename__ = "tiers"
    __table_args__ = (UniqueConstraint("workspace_id", "slug", "version"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    slug: Mapped[str] = mapped_column(String(64))
    version: Mapped[int]
    name: Mapped[str]
    is_default: Mapped[bool]
    features: Mapped[dict[str, Any]]
    quotas: Mapped[dict[str, Any]]
    rates: Mapped[dict[str, Any]]
    prices: Mapped[list[str]]
    tags: Mapped[dict[str, Any]] = mapped_column("metadata")
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class SubscriptionRow(Base):
    """What a tenant has subscribed to from `effective_at` on, until the next row of it is in effect."""

    __tablename__ = "subscriptions"
    __table_args__ = (Index("ix_subscriptions_tenant_effective", "tenant_id", "effective_at"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    tier_id: Mapped[str] = mapped_column(ForeignKey("tiers.id"), index=True)
    status: Mapped[str] = mapped_column(String(16))
    effective_at: Mapped[datetime]
    past_due_since: Mapped[datetime | None]
    trial_end: Mapped[datetime | None]
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    cancel_at: Mapped[datetime | None]
    seats: Mapped[int | None]
    overrides: Mapped[dict[str, Any]]
    external: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
