"""What tenants' pages look like, and where they are found."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from engine.catalog.tables.base import Base


class BrandingRow(Base):
    """What a workspace (`tenant_id` None) or a tenant says of its looks; `owner_id` is the id of that one. `logos`: slot to address.

    `revision` rises with every change.
    """

    __tablename__ = "brandings"
    owner_id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"))
    fields: Mapped[dict[str, Any]]
    logos: Mapped[dict[str, Any]]
    revision: Mapped[int]
    updated_at: Mapped[datetime]


class LogoRow(Base):
    """A logo as it is served, made anew from what was sent. `address` is an HMAC over its owner and its bytes; `kind` is png or svg."""

    __tablename__ = "logos"
    address: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("brandings.owner_id"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    width: Mapped[int]
    height: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class DomainRow(Base):
    """A host name of a tenant's `domains`, to be found by."""

    __tablename__ = "tenant_domains"
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    domain: Mapped[str] = mapped_column(primary_key=True, index=True)
