"""What a caller's pages look like, looked up once and kept until the catalog changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from api.control.branding.reading import plain, resolved, tenant_at
from api.endpoints.context import Context
from engine.catalog.tables import TenantRow, WorkspaceRow


def branding_of(context: Context, workspace: WorkspaceRow, tenant: TenantRow | None) -> dict[str, Any]:
    """What counts for a tenant, or for the workspace where it is None."""

    def decide() -> tuple[dict[str, Any], datetime | None]:
        with context.installation.catalog.read() as session:
            return resolved(session, workspace, tenant, context.installation.clock())

    return context.decisions.once(("branding", workspace.id, tenant.id if tenant is not None else None), decide)


def public_branding(context: Context, host: str) -> dict[str, Any]:
    """Name, logos and colours of the tenant at a host; the product's own where nobody is there. Not kept: hosts are whatever callers send."""
    installation = context.installation
    with installation.catalog.read() as session:
        tenant = tenant_at(session, host, installation.clock())
        workspace = session.get_one(WorkspaceRow, tenant.workspace_id) if tenant is not None else None
    found = branding_of(context, workspace, tenant) if workspace is not None else plain()
    return {name: found[name] for name in ("name", "logos", "colours")}
