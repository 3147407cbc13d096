"""The manifest: what one version of a slice holds. Written once, beside the file; never changed."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

BUILDER = 1


class ManifestColumn(BaseModel):
    """A column as it is in the slice."""

    model_config = ConfigDict(frozen=True)
    name: str
    type: str
    source_type: str
    treatment: str = "keep"
    as_text: bool = False
    comment: str | None = None


class ManifestTable(BaseModel):
    """A table as it is in the slice: rows, and the fingerprint of its content."""

    model_config = ConfigDict(frozen=True)
    rows: int
    fingerprint: str
    route: str
    comment: str | None = None
    columns: list[ManifestColumn]


class ManifestSnapshot(BaseModel):
    """A snapshot that the version was built from."""

    model_config = ConfigDict(frozen=True)
    id: str
    source: str
    as_of: datetime


class Manifest(BaseModel):
    """One version of one tenant's slice."""

    model_config = ConfigDict(frozen=True)
    manifest: int = 1
    version: str
    workspace: str
    tenant: str
    tenant_key: str
    tenant_name: str
    run: str
    as_of: datetime
    built_at: datetime
    snapshots: list[ManifestSnapshot]
    timezone: str
    routing: str
    fingerprint: str
    sha256: str
    bytes: int
    rows: int
    engine: str
    storage_version: str
    compression: str
    builder: int = BUILDER
    tables: dict[str, ManifestTable]
