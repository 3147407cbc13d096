"""A workspace and its sources as the API shows them: no password, no path."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.serving.problems import Problem
from engine.catalog.tables import SourceSecretRow, WorkspaceRow
from engine.clock import rfc3339
from engine.workspace import Workspace
from engine.workspace.models import SourceConfig
from extract.reachable import shown_url
from slices.definition import read_definition
from slices.installation import Installation


def workspace_facts(row: WorkspaceRow) -> dict[str, Any]:
    """What is known of a workspace without its definition."""
    return {
        "id": row.id,
        "slug": row.slug,
        "name": row.name,
        "timezone": row.timezone,
        "managed_by": "program" if row.is_managed else "file",
        "state": "active" if row.archived_at is None else "archived",
        "created_at": rfc3339(row.created_at),
        "archived_at": rfc3339(row.archived_at) if row.archived_at else None,
    }


def data_of(installation: Installation, row: WorkspaceRow) -> dict[str, Any]:
    """What a managed workspace's file says. Raises Problem `conflict` where a file of the operator decides, StorageError."""
    if not row.is_managed:
        raise Problem("conflict", "This workspace is written in a file, and the file decides: change it there, then slicehouse apply.")
    return read_definition(installation.home.workspace(row.id).definition)


def managed_definition(session: Session, data: Mapping[str, Any], workspace_id: str) -> dict[str, Any]:
    """The definition as it was sent, its sources as they are shown."""
    shown = _shown_urls(session, workspace_id)
    sources = {n: source_facts(n, SourceConfig.model_validate(s), shown.get(n)) for n, s in (data.get("sources") or {}).items()}
    return {k: v for k, v in data.items() if k not in ("sources", "version")} | {"sources": list(sources.values())}


def file_definition(workspace: Workspace) -> dict[str, Any]:
    """What the operator's file says in the end, its sources as they are shown."""
    data = workspace.model_dump(mode="json", exclude_defaults=True, exclude={"sources", "version", "extends", "sources_from"})
    return data | {"sources": file_sources(workspace)}


def file_sources(workspace: Workspace) -> list[dict[str, Any]]:
    """The sources of the operator's file."""
    return [source_facts(n, s, shown_url(s.kind, s.url) if s.url else None) for n, s in workspace.sources.items()]


def managed_sources(session: Session, data: Mapping[str, Any], workspace_id: str) -> list[dict[str, Any]]:
    """The sources of a managed workspace, by name."""
    found: list[dict[str, Any]] = managed_definition(session, data, workspace_id)["sources"]
    return sorted(found, key=lambda s: str(s["name"]))


def source_facts(name: str, source: SourceConfig, url: str | None) -> dict[str, Any]:
    """A source; `url` is what may be seen of it."""
    return {
        "id": name,
        "name": name,
        "kind": source.kind,
        "url": url,
        "schemas": source.schemas,
        "exclude": source.exclude,
        "schedule": source.schedule,
        "incremental": source.incremental,
    }


def etag_of(installation: Installation, facts: Mapping[str, Any], *more: Any) -> str:
    """Opaque and keyed: a new one where anything of the resource changed."""
    body = json.dumps([facts, more], sort_keys=True, default=str).encode()
    return '"' + hmac.new(installation.derived_key("etag"), body, sha256).hexdigest()[:40] + '"'


def _shown_urls(session: Session, workspace_id: str) -> dict[str, str]:
    rows = session.scalars(select(SourceSecretRow).where(SourceSecretRow.workspace_id == workspace_id))
    return {r.source: r.shown for r in rows}
