"""Who asks, about whom: a credential to a principal, a principal to the one tenant of this request. Default deny.

Keys are looked up at every request, so that a revocation is felt at once.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.serving.narrow import Rules
from api.serving.problems import Problem
from engine.catalog import versions, workspaces
from engine.catalog.keys import find_key, is_alive
from engine.catalog.tables import ENDED, KeyRow, TenantRow, WorkspaceRow
from slices.installation import Installation


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token says beyond its permissions. `user` and `params` (locked) are objects as JSON; `resources` None: all dashboards.

    `origins`: the pages it may be used from; none said: no page of another origin. `rows`: the most of one answer.
    """

    sub: str
    roles: tuple[str, ...] = ()
    user: str = "{}"
    resources: tuple[str, ...] | None = None
    params: str = "{}"
    can_drill: bool = False
    theme: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    origins: tuple[str, ...] = ()
    rows: int | None = None

    @property
    def fixed(self) -> dict[str, Any]:
        """The parameters that are locked, by name."""
        found: dict[str, Any] = json.loads(self.params)
        return found


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: its scope and what it may do.

    `tenant` is the tenant of a tenant or subtree scope; a token has a grant; `credential` is the key's id. People and tokens have roles and
    `user`, an object as JSON of what policies ask; `most` is what roles of the workspace's own may add. `unchosen` is the code of the problem
    where somebody of several workspaces or tenants has named none. `rules` are those that keep the principal to a part of its slices.
    """

    id: str
    type: str
    label: str
    scope: str
    workspace_id: str | None
    tenant_id: str | None
    permissions: frozenset[str]
    grant: Grant | None = None
    credential: str = ""
    roles: tuple[str, ...] = ()
    user: str = "{}"
    most: frozenset[str] = frozenset()
    unchosen: str = ""
    rules: Rules | None = None

    def require(self, permission: str) -> None:
        """Raises Problem `forbidden` where the permission is missing."""
        if permission not in self.permissions:
            raise Problem("forbidden", f"This needs the permission {permission}.")

    def require_whole(self) -> None:
        """Raises Problem `partial_scope` where the principal sees a part of its slice only."""
        if self.rules is not None or (self.grant is not None and self.grant.fixed):
            raise Problem("partial_scope")


def authenticate(
    installation: Installation, authorization: str | None, api_key: str | None, address: str | None
) -> tuple[Principal, KeyRow]:
    """The principal of a key, and the key. Raises Problem `credential_missing` or `credential_invalid`: unknown, wrong, expired, revoked alike."""
    text = credential(authorization, api_key)
    if not text:
        raise Problem("credential_missing", "Send Authorization: Bearer <key>.")
    with installation.catalog.read() as session:
        found = find_key(session, text)
        is_open = found is not None and workspaces.is_open(session, found[1].workspace_id)
    if found is None or not is_open:
        raise Problem("credential_invalid")
    key, row = found
    if not is_alive(key, installation.clock()) or not _address_allowed(key.allowed_ips, address):
        raise Problem("credential_invalid")
    permissions = frozenset(row.permissions)
    return Principal(row.id, row.type, row.label, row.scope, row.workspace_id, row.tenant_id, permissions, credential=key.id), key


def credential(authorization: str | None, api_key: str | None) -> str:
    """The key's text in the headers, or nothing."""
    scheme, _, bearer = (authorization or "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else api_key or ""


def _address_allowed(allowed: list[str], address: str | None) -> bool:
    if not allowed:
        return True
    try:
        found = ipaddress.ip_address(address or "")
        return any(found in ipaddress.ip_network(a, strict=False) for a in allowed)
    except ValueError:
        return False


def workspace_of(installation: Installation, principal: Principal, named: str | None, *, archived: bool = False) -> WorkspaceRow:
    """The workspace of this request. Another one than the scope's is as if it were not there; for a tenant scope it is a mismatch.

    `archived`: one that is archived is found by those who run the installation.
    """
    with installation.catalog.read() as session:
        if principal.workspace_id is not None:
            row = workspaces.find_workspace(session, principal.workspace_id)
            if row is None:
                raise Problem("not_found")
            if named is not None and named not in (row.id, row.slug):
                raise Problem("tenant_mismatch" if principal.scope == "tenant" else "not_found")
            return row
        if named is not None:
            row = workspaces.find_workspace(session, named, archived=archived)
            if row is None:
                raise Problem("not_found")
            return row
        rows = workspaces.all_workspaces(session)
    if len(rows) == 1:
        return rows[0]
    raise Problem("workspace_required")


def tenant_of(installation: Installation, principal: Principal, workspace: WorkspaceRow, named: str | None) -> TenantRow:
    """The tenant of this request. For a scope of one tenant any name but its own is a mismatch, and nothing is looked up.

    A scope of a tenant and those below it reaches them by name, and its own without one; all others are as if they were not there.
    """
    with installation.catalog.read() as session:
        if principal.scope in ("tenant", "subtree"):
            own = session.get(TenantRow, principal.tenant_id) if principal.tenant_id else None
            if own is None or own.workspace_id != workspace.id:
                raise Problem("not_found")
            if named is None:
                return own
            if principal.scope == "subtree":
                return _below(session, own, named)
            if named not in _names(own):
                raise Problem("tenant_mismatch")
            return own
        if named is None:
            raise Problem("tenant_required")
        found = versions.find_tenant(session, workspace.id, named)
    if found is None:
        raise Problem("not_found")
    return found


def _below(session: Session, own: TenantRow, named: str) -> TenantRow:
    """The named tenant, if it is `own` or below it. Whoever is suspended or has left reaches nobody below either."""
    found = versions.find_tenant(session, own.workspace_id, named)
    if found is None or not versions.is_within(session, found, own.id):
        raise Problem("not_found")
    if found.id != own.id and own.shown_state == "suspended":
        raise Problem("tenant_suspended")
    if found.id != own.id and own.state in ENDED:
        raise Problem("not_found")
    return found


def _names(tenant: TenantRow) -> set[str]:
    return {tenant.id, tenant.key, f"key:{tenant.key}"}
