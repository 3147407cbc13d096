"""From a snapshot to a slice: snapshots, routings, reviews, runs, publications, versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from engine.catalog.tables.base import Base


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
