"""The catalog's tables (SQLAlchemy). Times are UTC; ids are a prefix and a UUIDv7 (`engine.ids`)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcTime(TypeDecorator[datetime]):
    """A time with the UTC zone; SQLite keeps it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """With the UTC zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcTime, dict[str, Any]: JSON, list[str]: JSON, str: String(255)}


class WorkspaceRow(Base):
    """A workspace; `path` is its file, `config` what the file said at the last accept or refresh, without secrets."""

    __tablename__ = "workspaces"
    id: Mapped[str] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    timezone: Mapped[str]
    path: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class TenantRow(Base):
    """A tenant of a workspace. `version_id` is the version that answers; `as_of` the snapshot that it is true for.

    `parent_id` is the tenant above it as of the last publication, None where nobody is.
    """

    __tablename__ = "tenants"
    __table_args__ = (UniqueConstraint("workspace_id", "key"),)
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


class SnapshotRow(Base):
    """A landed snapshot of one source. State: landed, published, used, removed. `number` rises within the workspace, whatever the clock says."""

    __tablename__ = "snapshots"
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), index=True)
    source: Mapped[str]
    as_of: Mapped[datetime]
    landed_at: Mapped[datetime]
    rows: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    number: Mapped[int] = mapped_column(server_default="0")


class RoutingRow(Base):
    """An accepted routing, versioned by `number` within its workspace; `lock` is the whole lock as YAML."""

    __tablename__ = "routings"
    __table_args__ = (UniqueConstraint("workspace_id", "number"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    number: Mapped[int]
    digest: Mapped[str]
    lock: Mapped[str] = mapped_column(Text)
    everybody: Mapped[dict[str, Any]]
    accepted_by: Mapped[str]
    accepted_at: Mapped[datetime]


class RunRow(Base):
    """One refresh. State: queued, running, succeeded, failed, stopped (for review)."""

    __tablename__ = "runs"
    __table_args__ = (Index("ix_runs_workspace_requested", "workspace_id", "requested_at"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    state: Mapped[str] = mapped_column(String(16), index=True)
    trigger: Mapped[str] = mapped_column(String(16))
    options: Mapped[dict[str, Any]]
    requested_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    pid: Mapped[int | None]
    routing_id: Mapped[str | None]
    error_code: Mapped[str | None]
    error: Mapped[str | None] = mapped_column(Text)
    totals: Mapped[dict[str, Any]]


class StageRow(Base):
    """One stage of a run: wall and CPU seconds (children's included), rows, peak memory in MB."""

    __tablename__ = "run_stages"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(32))
    seconds: Mapped[float] = mapped_column(Float)
    cpu_seconds: Mapped[float] = mapped_column(Float)
    rows: Mapped[int] = mapped_column(BigInteger)
    peak_mb: Mapped[int] = mapped_column(Integer)


class RunTableRow(Base):
    """The verdicts of one table in one run."""

    __tablename__ = "run_tables"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    table_name: Mapped[str] = mapped_column(Text, primary_key=True)
    verdicts: Mapped[dict[str, Any]]


class ReviewRow(Base):
    """The last review of a workspace's routing: the routing as a lock's text, and what was seen, table by table.

    `tables` is `{"tables": […]}`; it holds up to three keys of rows for each pair of edges that disagree.
    """

    __tablename__ = "reviews"
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    made_at: Mapped[datetime]
    digest: Mapped[str]
    lock: Mapped[str] = mapped_column(Text)
    tables: Mapped[dict[str, Any]]


class PublicationRow(Base):
    """One publication: the transaction that made new versions current, numbered within the workspace."""

    __tablename__ = "publications"
    __table_args__ = (UniqueConstraint("workspace_id", "number"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    number: Mapped[int]
    run_id: Mapped[str | None] = mapped_column(ForeignKey("runs.id"))
    snapshots: Mapped[list[str]]
    as_of: Mapped[datetime]
    published_at: Mapped[datetime]


class VersionRow(Base):
    """One version of one tenant's slice. State: current, kept, withdrawn (never again), removed (its file is gone)."""

    __tablename__ = "slice_versions"
    __table_args__ = (Index("ix_slice_versions_tenant_built", "tenant_id", "built_at"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    publication_id: Mapped[str] = mapped_column(ForeignKey("publications.id"))
    state: Mapped[str] = mapped_column(String(16), index=True)
    fingerprint: Mapped[str]
    routing_digest: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)
    rows: Mapped[int] = mapped_column(BigInteger)
    as_of: Mapped[datetime]
    built_at: Mapped[datetime]
    replaced_at: Mapped[datetime | None]
    pinned: Mapped[bool] = mapped_column(Boolean, default=False)


class IdempotencyRow(Base):
    """A POST that a caller may send twice. `state` is running or done; `digest` is of what was asked; the rest is what was answered."""

    __tablename__ = "idempotency_keys"
    principal_id: Mapped[str] = mapped_column(ForeignKey("principals.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[int | None]
    location: Mapped[str | None] = mapped_column(Text)
    body: Mapped[dict[str, Any]]
