"""What was done, by whom: the audit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from engine.catalog.tables.base import Base

_Counted = BigInteger().with_variant(Integer, "sqlite")


class AuditRow(Base):
    """One record: appended, never changed. `number` counts without a gap; `hash` is an HMAC over the record and `prev_hash`, hex."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_workspace_number", "workspace_id", "number"), Index("ix_audit_tenant_number", "tenant_id", "number"))
    number: Mapped[int] = mapped_column(_Counted, primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(unique=True)
    occurred_at: Mapped[datetime]
    workspace_id: Mapped[str | None]
    tenant_id: Mapped[str | None]
    actor_type: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[str]
    action: Mapped[str]
    target: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    context: Mapped[dict[str, Any]]
    prev_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
