"""A request about a workspace or one of its tenants, for those who administer: principal, workspace, scope, permission, each may refuse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from api.control.access.principal import Principal, tenant_of, workspace_of
from api.control.tenants.changing import Wanted
from api.control.workspaces.shown import data_of
from api.endpoints.context import Context, context_of, permitted
from api.middleware import SLASH
from api.serving.problems import Problem
from engine.catalog.audit import Actor
from engine.catalog.tables import TenantRow, WorkspaceRow
from engine.workspace import Workspace
from slices.installation import Installation


@dataclass(frozen=True, slots=True)
class Entered:
    """A request about a whole workspace, or what a scope reaches of it."""

    context: Context
    principal: Principal
    workspace: WorkspaceRow
    actor: Actor

    @property
    def installation(self) -> Installation:
        """The installation of this process."""
        return self.context.installation

    @property
    def path(self) -> str:
        """Where the workspace's resources are."""
        return f"/v1/workspaces/{self.workspace.id}"


@dataclass(frozen=True, slots=True)
class EnteredTenant(Entered):
    """A request about one tenant within the scope."""

    tenant: TenantRow


def actor_of(request: Request, principal: Principal) -> Actor:
    """Who is written down for what this request does."""
    address = request.client.host if request.client else None
    agent = request.headers.get("user-agent", "")[:200] or None
    return Actor(principal.type, principal.id, address, agent, request.state.request_id)


def entered(request: Request, ws: str, *, again: bool = False) -> Entered:
    """A request about the workspace itself: for keys of it, and of the installation. `again` asks the catalog anew."""
    found = within(request, ws, again=again)
    if found.principal.scope not in ("workspace", "installation"):
        raise Problem("forbidden", "This needs a key of the workspace.")
    return found


def within(request: Request, ws: str, *, again: bool = False) -> Entered:
    """A request about what the scope reaches of the workspace, which is the caller's to narrow."""
    context, principal = context_of(request), permitted(request, again=again)
    row = workspace_of(context.installation, principal, ws.replace(SLASH, "/"))
    return Entered(context, principal, row, actor_of(request, principal))


def definition_of(found: Entered) -> Workspace:
    """What the workspace's file says now. Raises Problem: `conflict` where it has no source yet, `workspace_unreadable`."""
    if found.workspace.is_managed and not data_of(found.installation, found.workspace).get("sources"):
        raise Problem("conflict", "The workspace has no source yet: PUT …/sources/{name}.")
    return found.context.definitions.workspace(Path(found.workspace.path))


def entered_tenant(request: Request, ws: str, t: str) -> EnteredTenant:
    """A request about one tenant, by id or key; one outside the scope is as if it were not there."""
    context, principal = context_of(request), permitted(request)
    row = workspace_of(context.installation, principal, ws.replace(SLASH, "/"))
    tenant = tenant_of(context.installation, principal, row, t.replace(SLASH, "/"))
    return EnteredTenant(context, principal, row, actor_of(request, principal), tenant)


def key_named(t: str) -> str:
    """The key that a path names for an upsert: `key:` and the key. Raises Problem."""
    text = t.replace(SLASH, "/")
    if not text.startswith("key:"):
        raise Problem("validation", "An upsert names the tenant by its key: key:42.")
    return text.removeprefix("key:")


def wanted_by(request: Request) -> Wanted:
    """If-Match and If-None-Match of a change (RFC 9110, 13.1)."""
    match, none = request.headers.get("if-match"), request.headers.get("if-none-match")
    if none is not None and none.strip() != "*":
        raise Problem("syntax", "If-None-Match of a change is *.")
    if match is None:
        return Wanted(there=None if none is None else False)
    return Wanted(there=True) if match.strip() == "*" else Wanted(tuple(t.strip() for t in match.split(",")))
