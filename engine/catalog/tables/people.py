"""People: users, where they are members, how they came in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, ForeignKeyConstraint, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from engine.catalog.tables.base import Base


class UserRow(Base):
    """A person. `provider_id` is the identity provider whose `subject` they are; empty for those with a password, whose subject is their
    address in lower case. So nobody becomes another by having the same address elsewhere."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("provider_id", "subject"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[str]
    subject: Mapped[str] = mapped_column(String(512))
    email: Mapped[str] = mapped_column(String(320), index=True)
    name: Mapped[str]
    password: Mapped[str | None] = mapped_column(Text)
    is_admin: Mapped[bool]
    tags: Mapped[dict[str, Any]] = mapped_column("metadata")
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]


class MemberRow(Base):
    """A user in a workspace: `roles` in the whole of it (none: in single tenants), and the facts that policies ask."""

    __tablename__ = "members"
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    roles: Mapped[list[str]]
    attributes: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    created_at: Mapped[datetime]


class MemberTenantRow(Base):
    """A member in one tenant and, unless `is_alone`, in those below it."""

    __tablename__ = "member_tenants"
    __table_args__ = (ForeignKeyConstraint(["workspace_id", "user_id"], ["members.workspace_id", "members.user_id"], ondelete="CASCADE"),)
    workspace_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True, index=True)
    roles: Mapped[list[str]]
    is_alone: Mapped[bool]


class InvitationRow(Base):
    """A link that makes whoever has it a member, once. `hash` is of its secret; `tenants` are {tenant, roles, alone}."""

    __tablename__ = "invitations"
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    email: Mapped[str] = mapped_column(String(320))
    roles: Mapped[list[str]]
    tenants: Mapped[list[Any]] = mapped_column(JSON)
    attributes: Mapped[dict[str, Any]]
    hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[str | None]
    revoked_at: Mapped[datetime | None]


class UserSessionRow(Base):
    """A person who is logged in. `workspace_id` and `tenant_id` bound it to where the identity provider is, whatever else the user has."""

    __tablename__ = "user_sessions"
    hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    workspace_id: Mapped[str | None] = mapped_column(ForeignKey("workspaces.id"))
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    address: Mapped[str | None]
    user_agent: Mapped[str | None]


class AttemptRow(Base):
    """Failed log-ins of an account or an address, known by a keyed hash of it."""

    __tablename__ = "login_attempts"
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)
    locked_until: Mapped[datetime | None]


class IdentityProviderRow(Base):
    """An OpenID provider of a workspace, or of one of its tenants. `groups`: group to {roles, tenants}; `facts`: attribute to claim."""

    __tablename__ = "identity_providers"
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"))
    label: Mapped[str]
    issuer: Mapped[str] = mapped_column(Text)
    client_id: Mapped[str]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]]
    groups_claim: Mapped[str]
    groups: Mapped[dict[str, Any]]
    facts: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class LoginRow(Base):
    """A log-in that is under way at an identity provider. `hash` is of its `state`; nonce and verifier (PKCE) are sealed."""

    __tablename__ = "logins"
    hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    provider_id: Mapped[str] = mapped_column(ForeignKey("identity_providers.id"))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(index=True)
