"""The closed list of permissions, and what a key of each scope usually has."""

from __future__ import annotations

PERMISSIONS = [
    "query:panel",
    "query:sql",
    "dashboard:view",
    "dashboard:edit",
    "explore:view",
    "export:data",
    "export:slice",
    "schema:view",
    "routes:view",
    "routes:accept",
    "refresh:run",
    "tenants:view",
    "tenants:write",
    "users:write",
    "keys:write",
    "tiers:write",
    "branding:write",
    "usage:view",
    "audit:view",
    "webhooks:write",
    "workspace:write",
    "installation:admin",
]
VIEWER = ["query:panel", "query:sql", "dashboard:view", "explore:view", "export:data", "export:slice", "schema:view", "usage:view"]


def usual(scope: str) -> list[str]:
    """What a key of that scope has unless it is said."""
    if scope == "installation":
        return list(PERMISSIONS)
    return [p for p in PERMISSIONS if p != "installation:admin"] if scope == "workspace" else list(VIEWER)
