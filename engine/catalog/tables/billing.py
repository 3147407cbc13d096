"""Billing: what Stripe is asked with, what it told, what it is still to be told; who of several processes sends."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from engine.catalog.tables.base import Base


class StripeRow(Base):
    """A workspace's account at Stripe. Secrets are sealed. `meters`: our meter to `{event_name, meter_id, unit}`. Hours from `filled_to` on
    (None: of nothing yet) are still to be put into the outbox."""

    __tablename__ = "stripe_accounts"
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    webhook_secret: Mapped[bytes] = mapped_column(LargeBinary)
    api_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    meters: Mapped[dict[str, Any]]
    filled_to: Mapped[datetime | None]
    updated_at: Mapped[datetime]


class StripeEventRow(Base):
    """An event that Stripe told. `outcome`: applied, stale, ignored, unmatched. `facts`: what it says of a subscription, where it was matched."""

    __tablename__ = "stripe_events"
    __table_args__ = (UniqueConstraint("workspace_id", "event_id"), Index("ix_stripe_events_tenant", "tenant_id", "subscription_id"))
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    event_id: Mapped[str]
    type: Mapped[str]
    created_at: Mapped[datetime]
    received_at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str]
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"))
    subscription_id: Mapped[str | None]
    customer_id: Mapped[str | None]
    facts: Mapped[dict[str, Any] | None]


class MeterEventRow(Base):
    """What Stripe is told of one tenant, meter and UTC hour. `used` is counted in the meter's smallest unit; `value` is whole units, with
    what the hours before left over; `rest` is what this one leaves.

    State: pending, sending (it may have been counted, whoever sent it is gone), unsure (it may have been counted), sent, nothing (no whole
    unit), dead. `unsure_since` is the first send that may have been counted. `key_number` rises where Stripe answered 5xx: it would
    answer the same Idempotency-Key with the same 5xx.
    """

    __tablename__ = "stripe_meter_events"
    __table_args__ = (
        UniqueConstraint("tenant_id", "meter", "hour"),
        Index("ix_stripe_meter_events_due", "state", "next_at"),
        Index("ix_stripe_meter_events_customer", "workspace_id", "customer_id", "hour"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    meter: Mapped[str] = mapped_column(String(32))
    hour: Mapped[datetime]
    used: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[int] = mapped_column(BigInteger)
    rest: Mapped[int] = mapped_column(BigInteger)
    identifier: Mapped[str] = mapped_column(String(100))
    event_name: Mapped[str]
    meter_id: Mapped[str]
    customer_id: Mapped[str]
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    key_number: Mapped[int]
    unsure_since: Mapped[datetime | None]
    next_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]


class SinkRow(Base):
    """Where a workspace's usage events are delivered; those with a higher number than `delivered_to` are still to come."""

    __tablename__ = "usage_sinks"
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    delivered_to: Mapped[int] = mapped_column(BigInteger)
    delivered_at: Mapped[datetime | None]
    attempts: Mapped[int]
    next_at: Mapped[datetime]
    error: Mapped[str | None]
    failing_since: Mapped[datetime | None]
    updated_at: Mapped[datetime]


class UsageAlertRow(Base):
    """Something that was told once: `kind` is quota (`meter` passed `threshold` per cent of its limit in the period) or billing (Stripe was not
    told). `subject` makes it one."""

    __tablename__ = "usage_alerts"
    __table_args__ = (UniqueConstraint("workspace_id", "subject"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str]
    meter: Mapped[str | None] = mapped_column(String(32))
    threshold: Mapped[int | None]
    quota: Mapped[int | None] = mapped_column(BigInteger)
    used: Mapped[int | None] = mapped_column(BigInteger)
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    detail: Mapped[str]
    created_at: Mapped[datetime]


class CursorRow(Base):
    """How far a job has come in a workspace."""

    __tablename__ = "usage_cursors"
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class LeaseRow(Base):
    """Work that one process alone does: it has the lease until a moment, and takes it on before that."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    holder: Mapped[str]
    until: Mapped[datetime]
