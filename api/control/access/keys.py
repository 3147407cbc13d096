"""Keys made and listed by command and by program."""

from __future__ import annotations

from typing import Any

from api.control.access.permissions import PERMISSIONS, usual
from api.control.tenants.reading import require_tenant
from engine.catalog.keys import NewKey, create_key, keys_of
from engine.errors import ConfigurationError
from engine.workspace import Workspace
from slices.installation import Installation
from slices.reviewing.routings import workspace_row


def make_key(installation: Installation, workspace: Workspace | None, scope: str, permissions: list[str] | None, label: str) -> NewKey:
    """A key of scope installation, workspace, subtree:T or tenant:T. Raises ConfigurationError for what is unknown."""
    kind, _, name = scope.partition(":")
    if kind not in ("installation", "workspace", "subtree", "tenant") or (kind in ("subtree", "tenant")) != bool(name):
        raise ConfigurationError(f"--scope {scope}: it is installation, workspace, subtree:T or tenant:T.")
    unknown = [p for p in permissions or () if p not in PERMISSIONS]
    if unknown:
        raise ConfigurationError(f"--permission {unknown[0]} is unknown.", hint="One of: " + " ".join(PERMISSIONS))
    row = workspace_row(installation, workspace) if workspace is not None else None
    tenant = require_tenant(installation, row.id, name) if name and row is not None else None
    with installation.catalog.write() as session:
        return create_key(
            session,
            scope=kind,
            permissions=permissions or usual(kind),
            now=installation.clock(),
            workspace_id=row.id if row is not None and kind != "installation" else None,
            tenant_id=tenant.id if tenant is not None else None,
            label=label,
        )


def key_facts(installation: Installation) -> list[dict[str, Any]]:
    """All keys, oldest first, without secrets."""
    with installation.catalog.read() as session:
        return [
            {
                "id": key.id,
                "scope": principal.scope,
                "tenant": principal.tenant_id or "",
                "label": principal.label,
                "permissions": " ".join(principal.permissions),
                "expires_at": key.expires_at,
                "rotated_until": key.rotated_until,
                "revoked_at": key.revoked_at,
                "last_used_at": key.last_used_at,
            }
            for key, principal in keys_of(session, None)
        ]
