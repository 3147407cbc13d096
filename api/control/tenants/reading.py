"""Tenants of a workspace, as a person or a program names them."""

from __future__ import annotations

from typing import Any

from api.serving.opened import SliceRef
from api.serving.problems import Problem
from engine.catalog import versions
from engine.catalog.tables import TenantRow, VersionRow, WorkspaceRow
from engine.clock import rfc3339
from engine.errors import ConfigurationError
from slices.installation import Installation
from slices.publishing.store import LocalStore


def require_tenant(installation: Installation, workspace_id: str, name: str) -> TenantRow:
    """The tenant of that id or key. Raises ConfigurationError."""
    with installation.catalog.read() as session:
        found = versions.find_tenant(session, workspace_id, name)
    if found is None:
        raise ConfigurationError(
            f"There is no tenant {name!r} in this workspace.",
            hint="slicehouse tenants lists them; key: before it always means the key.",
            code="unknown_tenant",
        )
    return found


def resume(installation: Installation, workspace_id: str, name: str) -> TenantRow:
    """Takes a tenant back that was gone from its source: its keys answer again once a refresh has built it. Raises ConfigurationError.

    A key that returns is not taken back by itself: whoever has it now may be somebody else.
    """
    tenant = require_tenant(installation, workspace_id, name)
    try:
        with installation.catalog.write() as session:
            versions.resume_tenant(session, tenant.id, installation.clock())
    except LookupError:
        raise ConfigurationError(
            f"The tenant {name!r} is {tenant.state}: only one that is gone is taken back.",
            hint="slicehouse tenants lists them.",
            code="not_gone",
        ) from None
    return tenant


def require_open(tenant: TenantRow) -> None:
    """Raises Problem for a tenant that is suspended or has left."""
    state = tenant.shown_state
    if state == "suspended":
        raise Problem("tenant_suspended")
    if state == "gone":
        raise Problem("tenant_gone")
    if state in ("archived", "erased"):
        raise Problem("not_found")


def slice_of(installation: Installation, workspace: WorkspaceRow, tenant: TenantRow) -> tuple[SliceRef, VersionRow]:
    """The version that answers for a tenant. Raises Problem: suspended, gone, withheld, not ready."""
    require_open(tenant)
    if tenant.shown_state == "withheld":
        raise Problem("slice_withheld", retry_after=60)
    with installation.catalog.read() as session:
        version = versions.version_of(session, tenant.version_id) if tenant.version_id else None
    if version is None:
        raise Problem("slice_not_ready", retry_after=30)
    path = LocalStore(installation.home.workspace(workspace.id)).path(tenant.id, version.id)
    return SliceRef(workspace.id, tenant.id, version.id, path, version.bytes, version.sha256, workspace.timezone), version


def shown_tenant(tenant: TenantRow) -> dict[str, Any]:
    """A tenant by itself: what it is called, where it is, what was set of it."""
    return {
        "id": tenant.id,
        "key": tenant.key,
        "slug": tenant.slug,
        "name": tenant.name,
        "parent": tenant.parent_id,
        "state": tenant.shown_state,
        "reason": tenant.suspended_reason,
        "attributes": tenant.attributes,
        "metadata": tenant.tags,
        "locale": tenant.locale,
        "timezone": tenant.timezone,
        "currency": tenant.currency,
        "allowed_origins": tenant.allowed_origins,
        "domains": tenant.domains,
        "created_at": rfc3339(tenant.created_at),
    }


def tenant_facts(tenant: TenantRow, version: VersionRow | None) -> dict[str, Any]:
    """A tenant as the API and the command show it, with its slice."""
    return shown_tenant(tenant) | {
        "as_of": rfc3339(tenant.as_of) if tenant.as_of else None,
        "version": version.id if version else None,
        "rows": version.rows if version else None,
        "bytes": version.bytes if version else None,
    }
