"""Workspaces and their tenants."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from engine.catalog.tables.base import Base

ENDED = ("gone", "archived", "erased")
"""States of tenants that have left for good, or until somebody takes them back."""


class WorkspaceRow(Base):
    """A workspace; `path` is its file. `is_managed`: that file lies in the home folder and is written by program. Nothing of an archived one
    answers."""

    __tablename__ = "workspaces"
    id: Mapped[str] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    timezone: Mapped[str]
    path: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    is_managed: Mapped[bool] = mapped_column(server_default=false(), default=False)
    archived_at: Mapped[datetime | None]


class TenantRow(Base):
    """A tenant of a workspace. `version_id` is the version that answers; `as_of` the snapshot that it is true for.

    `parent_id` is the tenant above it: as of the last publication, or set by hand (`is_placed`); None where nobody is. `name` is the
    source's, or given by hand (`is_named`). `suspended_at` lies over the state, which goes on below it (`shown_state`). `revision` rises
    with every change by hand. `tags` is what the API calls metadata.
    """

    __tablename__ = "tenants"
    __table_args__ = (
        UniqueConstraint("workspace_id", "key"),
        Index("ix_tenants_parent_id", "parent_id"),
        Index("ix_tenants_workspace_id_id", "workspace_id", "id"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    key: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    slug: Mapped[str]
    state: Mapped[str] = mapped_column(String(16))
    version_id: Mapped[str | None]
    as_of: Mapped[datetime | None]
    created_at: Mapped[datetime]
    gone_at: Mapped[datetime | None]
    parent_id: Mapped[str | None]
    is_named: Mapped[bool] = mapped_column(server_default=false(), default=False)
    is_placed: Mapped[bool] = mapped_column(server_default=false(), default=False)
    suspended_at: Mapped[datetime | None]
    suspended_reason: Mapped[str | None]
    attributes: Mapped[dict[str, Any]] = mapped_column(server_default="{}", default=dict)
    tags: Mapped[dict[str, Any]] = mapped_column("metadata", server_default="{}", default=dict)
    locale: Mapped[str | None] = mapped_column(String(64))
    timezone: Mapped[str | None] = mapped_column(String(64))
    currency: Mapped[str | None] = mapped_column(String(3))
    allowed_origins: Mapped[list[str]] = mapped_column(server_default="[]", default=list)
    domains: Mapped[list[str]] = mapped_column(server_default="[]", default=list)
    revision: Mapped[int] = mapped_column(server_default="1", default=1)

    @property
    def shown_state(self) -> str:
        """The state that counts: who is suspended is so whatever a refresh makes of the slice; who has left has left."""
        return "suspended" if self.suspended_at is not None and self.state not in ENDED else self.state


class OriginRow(Base):
    """An origin of a tenant's `allowed_origins`, to be found by."""

    __tablename__ = "tenant_origins"
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    origin: Mapped[str] = mapped_column(primary_key=True, index=True)
