"""The closed list of permissions, the roles that are named sets of them, and what a key of each scope usually has. docs/permissions.md is
made from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ABOUT: dict[str, str] = {
    "query:panel": "the data of dashboards' panels",
    "query:sql": "free SQL on the slice, where the workspace allows it",
    "dashboard:view": "dashboards: layout, parameters, panels",
    "dashboard:edit": "dashboards with their SQL",
    "explore:view": "exploring the slice without SQL",
    "export:data": "answers as files",
    "export:slice": "the slice's file itself",
    "schema:view": "tables and columns of the slice, its manifest",
    "routes:view": "the routing, its evidence, refreshes and their progress",
    "routes:accept": "accepting a routing",
    "refresh:run": "starting a refresh",
    "tenants:view": "tenants, their states and what they may do",
    "tenants:write": "making, changing, suspending, resuming, archiving tenants; their subscriptions",
    "users:write": "people: inviting, roles, ending sessions",
    "keys:write": "keys and signing keys",
    "tiers:write": "tiers: features, quotas, rates",
    "branding:write": "name, logo, colours, domain",
    "usage:view": "usage and its exports",
    "audit:view": "the audit",
    "webhooks:write": "webhooks and their deliveries",
    "workspace:write": "the workspace itself: sources, policies, settings",
    "installation:admin": "workspaces of the installation",
}
PERMISSIONS = list(ABOUT)
"""In the order of docs/permissions.md."""

VIEWER = ["query:panel", "query:sql", "dashboard:view", "explore:view", "export:data", "export:slice", "schema:view", "usage:view"]
_ALL = [p for p in PERMISSIONS if p != "installation:admin"]
_OF_TENANTS = [
    "dashboard:edit",
    "refresh:run",
    "tenants:view",
    "tenants:write",
    "users:write",
    "keys:write",
    "branding:write",
    "audit:view",
]

WORKSPACE_ROLES: dict[str, list[str]] = {
    "owner": _ALL,
    "admin": [p for p in _ALL if p != "workspace:write"],
    "editor": [*VIEWER, "dashboard:edit", "routes:view", "refresh:run", "tenants:view"],
    "viewer": [*VIEWER, "tenants:view"],
    "auditor": ["audit:view", "routes:view", "usage:view"],
}
"""Roles in a whole workspace. An auditor sees no data."""
TENANT_ROLES: dict[str, list[str]] = {
    "tenant admin": [*VIEWER, *_OF_TENANTS],
    "tenant editor": [*VIEWER, "dashboard:edit"],
    "tenant viewer": list(VIEWER),
}
"""Roles in a tenant and those below it."""
ROLES = WORKSPACE_ROLES | TENANT_ROLES


def usual(scope: str) -> list[str]:
    """What a key of that scope has unless it is said."""
    if scope == "installation":
        return list(PERMISSIONS)
    return list(_ALL) if scope == "workspace" else list(VIEWER)


def permissions_of(roles: Iterable[str], custom: Mapping[str, Iterable[str]] = {}) -> frozenset[str]:
    """What roles add up to; `custom` are a workspace's own. A role that nobody knows adds nothing."""
    return frozenset(p for role in roles for p in (ROLES.get(role) or custom.get(role) or ()))
