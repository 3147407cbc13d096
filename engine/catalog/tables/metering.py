"""Usage: one row a metered fact, and their sums by the hour."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from engine.catalog.tables.base import Base


class UsageRow(Base):
    """One metered fact, as it is exported (`data`). `counted_in` is the hour that it counts in: its own, or a later one where that was closed.
    `number` is counted on within the workspace, in the order in which events became known."""

    __tablename__ = "usage_events"
    __table_args__ = (
        Index("ix_usage_events_tenant_time", "tenant_id", "occurred_at"),
        Index("ix_usage_events_counted_in", "workspace_id", "counted_in"),
        Index("ix_usage_events_number", "workspace_id", "number", unique=True),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str]
    tenant_id: Mapped[str]
    type: Mapped[str] = mapped_column(String(32))
    occurred_at: Mapped[datetime]
    counted_in: Mapped[datetime]
    data: Mapped[dict[str, Any]]
    number: Mapped[int] = mapped_column(BigInteger, server_default="0")


class UsageHourRow(Base):
    """The sums of one hour by what they are grouped by; "" where an event has none."""

    __tablename__ = "usage_hours"
    __table_args__ = (Index("ix_usage_hours_workspace_hour", "workspace_id", "hour"),)
    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(String(32), primary_key=True)
    door: Mapped[str] = mapped_column(String(16), primary_key=True)
    user: Mapped[str] = mapped_column(primary_key=True)
    dashboard: Mapped[str] = mapped_column(primary_key=True)
    panel: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    count: Mapped[int] = mapped_column(BigInteger)
    rows: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    cpu_us: Mapped[int] = mapped_column(BigInteger)
    kept: Mapped[int] = mapped_column(BigInteger)


class UsageFileRow(Base):
    """A journal whose events are in the catalog: it is not read again, whatever becomes of the file."""

    __tablename__ = "usage_files"
    name: Mapped[str] = mapped_column(primary_key=True)
    taken_at: Mapped[datetime] = mapped_column(index=True)
