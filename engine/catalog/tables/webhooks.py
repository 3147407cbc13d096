"""Webhooks: who is told, what happened (the outbox), and each message on its way to each of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from engine.catalog.tables.base import Base


class WebhookRow(Base):
    """An address that is told of events, within its scope (workspace, subtree, tenant). `events` are types, or `*`.

    `sealed` is its secret, `sealed_before` the one before, which signs too until `before_until`. `failing_since`: nothing has arrived since
    then. `disabled_reason` says why it was disabled by itself. `tags` is what the API calls metadata.
    """

    __tablename__ = "webhooks"
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"))
    scope: Mapped[str] = mapped_column(String(16))
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[str]]
    description: Mapped[str]
    tags: Mapped[dict[str, Any]] = mapped_column("metadata")
    is_enabled: Mapped[bool]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_before: Mapped[bytes | None] = mapped_column(LargeBinary)
    before_until: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None] = mapped_column(String(64))
    archived_at: Mapped[datetime | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    revision: Mapped[int]


class MessageRow(Base):
    """What happened, as it is sent: written in the transaction of what it tells of, and only where somebody is told."""

    __tablename__ = "webhook_messages"
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    tenant_id: Mapped[str | None]
    type: Mapped[str] = mapped_column(String(64))
    occurred_at: Mapped[datetime] = mapped_column(index=True)
    body: Mapped[str] = mapped_column(Text)


class DeliveryRow(Base):
    """A message on its way to one webhook. State: waiting, delivered, dead.

    `attempts` counts all that were begun, `tried` those since it was last asked for. `leased_until`: somebody is at it until then.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("ix_webhook_deliveries_due", "next_attempt_at", "webhook_id"),)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id"), primary_key=True)
    message_id: Mapped[str] = mapped_column(ForeignKey("webhook_messages.id"), primary_key=True, index=True)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    tried: Mapped[int]
    next_attempt_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    last_attempt_at: Mapped[datetime | None]
    last_status: Mapped[int | None]
    last_reason: Mapped[str | None] = mapped_column(String(64))
