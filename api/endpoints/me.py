"""Who asks."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request

from api.control.access.principal import Principal, workspace_of
from api.control.people.sessions import COOKIE, forgery_token
from api.endpoints.branded import branding_of
from api.endpoints.context import context_of, enter, named_by, permission, principal_of
from api.endpoints.shapes import Me
from engine.catalog.tables import TenantRow

router = APIRouter(prefix="/v1", tags=["me"], dependencies=[Depends(enter)])


@router.get("/me", **permission("any", Me))
def get_me(request: Request) -> dict[str, Any]:
    """Principal, scope, permissions, tenant, branding."""
    principal, installation = principal_of(request), context_of(request).installation
    workspace = workspace_of(installation, principal, named_by(request, "x-workspace-id")) if principal.workspace_id else None
    with installation.catalog.read() as session:
        tenant = session.get(TenantRow, principal.tenant_id) if principal.tenant_id else None
    return {
        "principal": {"id": principal.id, "type": principal.type, "label": principal.label},
        "scope": {
            "type": principal.scope,
            "workspace": {"id": workspace.id, "slug": workspace.slug, "name": workspace.name} if workspace else None,
        },
        "permissions": sorted(principal.permissions),
        "roles": list(principal.roles),
        "partial": principal.rules is not None or (principal.grant is not None and bool(principal.grant.fixed)),
        "grant": _grant(principal),
        "tenant": {"id": tenant.id, "key": tenant.key, "name": tenant.name} if tenant else None,
        "csrf": forgery_token(installation, request.cookies[COOKIE]) if principal.type == "user" else None,
        "branding": branding_of(context_of(request), workspace, tenant) if workspace else None,
    }


def _grant(principal: Principal) -> dict[str, Any] | None:
    """What a token says to the page that it is for."""
    grant = principal.grant
    if grant is None:
        return None
    return {
        "roles": list(grant.roles),
        "dashboards": None if grant.resources is None else list(grant.resources),
        "params": grant.fixed,
        "can_drill": grant.can_drill,
        "theme": grant.theme,
        "locale": grant.locale,
        "time_zone": grant.time_zone,
    }
