"""Who may ask: principals, their keys, and POSTs that were sent with a key of their own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from engine.catalog.tables.base import Base


class PrincipalRow(Base):
    """Who may ask: a key now, users and tokens with the control plane. Scope: installation, workspace, subtree, tenant."""

    __tablename__ = "principals"
    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(String(16))
    scope: Mapped[str] = mapped_column(String(16))
    workspace_id: Mapped[str | None] = mapped_column(ForeignKey("workspaces.id"))
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"))
    permissions: Mapped[list[str]]
    label: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime]


class KeyRow(Base):
    """A key of a principal: only the hash of its secret. `expires_at` is its own end, `rotated_until` the one that a rotation set."""

    __tablename__ = "keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    principal_id: Mapped[str] = mapped_column(ForeignKey("principals.id"), index=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    allowed_ips: Mapped[list[str]]
    rotated_until: Mapped[datetime | None]


class IdempotencyRow(Base):
    """A POST that a caller may send twice. `state` is running or done; `digest` is of what was asked; the rest is what was answered."""

    __tablename__ = "idempotency_keys"
    principal_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[int | None]
    location: Mapped[str | None] = mapped_column(Text)
    body: Mapped[dict[str, Any]]


class SigningKeyRow(Base):
    """A key that its owner signs tokens with: a public one as PEM, or a shared secret, sealed. Scope and permissions are the most that a token has.

    `until` is the end that a rotation or a revocation set.
    """

    __tablename__ = "signing_keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"))
    scope: Mapped[str] = mapped_column(String(16))
    permissions: Mapped[list[str]]
    label: Mapped[str]
    algorithm: Mapped[str] = mapped_column(String(16))
    public_key: Mapped[str | None] = mapped_column(Text)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    until: Mapped[datetime | None]


class EmbedSessionRow(Base):
    """A session that is exchanged for its token once, within a minute. `hash` is of its text; `token` is sealed."""

    __tablename__ = "embed_sessions"
    hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    token: Mapped[bytes] = mapped_column(LargeBinary)
    token_expires_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
