"""The principal that a person is in one request: one of the workspaces and tenants where they are a member, named by path or header."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.control.access.permissions import PERMISSIONS, TENANT_ROLES, WORKSPACE_ROLES, permissions_of
from api.control.access.principal import Principal
from api.control.people.sessions import session_of
from api.serving.problems import Problem
from engine.catalog import versions, workspaces
from engine.catalog.tables import ENDED, MemberRow, MemberTenantRow, TenantRow, UserRow, UserSessionRow, WorkspaceRow
from slices.installation import Installation

_OWNER = frozenset(WORKSPACE_ROLES["owner"])
_TENANTS = frozenset(TENANT_ROLES["tenant admin"])


@dataclass(frozen=True, slots=True)
class Named:
    """The workspace and the tenant that a request names."""

    workspace: str | None = None
    tenant: str | None = None


def person(installation: Installation, text: str, named: Named) -> tuple[Principal, datetime]:
    """Who a session's cookie stands for in this request, and until when. Raises Problem `credential_invalid`, `not_found`."""
    with installation.catalog.read() as session:
        found = session_of(session, text, installation.clock())
        if found is None:
            raise Problem("credential_invalid", "You are not logged in any more.")
        return _principal(session, *found, named), found[0].expires_at


def _principal(session: Session, login: UserSessionRow, user: UserRow, named: Named) -> Principal:
    nowhere = Principal(user.id, "user", user.name, "user", None, None, frozenset(), credential=login.id)
    if user.is_admin and login.workspace_id is None:
        return Principal(user.id, "user", user.name, "installation", None, None, frozenset(PERMISSIONS), credential=login.id)
    own = {w.id: (m, w) for m, w in session.execute(_memberships(user, login))}
    if named.workspace is not None:
        wanted = workspaces.find_workspace(session, named.workspace)
        if wanted is None or wanted.id not in own:
            return _alone(session, login, user, own)
        return _in_workspace(session, login, user, own[wanted.id][0], named.tenant)
    if len(own) == 1:
        return _in_workspace(session, login, user, next(iter(own.values()))[0], named.tenant)
    return _unchosen(nowhere, "workspace_required" if own else "forbidden")


def _alone(session: Session, login: UserSessionRow, user: UserRow, own: dict[str, Any]) -> Principal:
    """Who is in one tenant and nowhere else is that tenant's, whatever is named: the name is a mismatch then. Raises Problem `not_found`."""
    if len(own) == 1:
        found = _in_workspace(session, login, user, next(iter(own.values()))[0], None)
        if found.scope == "tenant":
            return found
    raise Problem("not_found")


def _memberships(user: UserRow, login: UserSessionRow) -> Any:
    query = (
        select(MemberRow, WorkspaceRow).join(WorkspaceRow, WorkspaceRow.id == MemberRow.workspace_id).where(MemberRow.user_id == user.id)
    )
    return query if login.workspace_id is None else query.where(WorkspaceRow.id == login.workspace_id)


def _in_workspace(session: Session, login: UserSessionRow, user: UserRow, member: MemberRow, named: str | None) -> Principal:
    facts = json.dumps(member.attributes, sort_keys=True)
    if member.roles and login.tenant_id is None:
        permissions = permissions_of(member.roles)
        return Principal(
            user.id, "user", user.name, "workspace", member.workspace_id, None, permissions, credential=login.id,
            roles=tuple(member.roles), user=facts, most=_OWNER,
        )  # fmt: skip
    places = _places(session, login, member)
    place = places[0] if len(places) == 1 else _reaching(session, places, named)
    if place is None:
        if named is not None or not places:
            raise Problem("not_found")
        nowhere = Principal(user.id, "user", user.name, "user", member.workspace_id, None, frozenset(), credential=login.id)
        return _unchosen(nowhere, "tenant_required")
    scope = "tenant" if place.is_alone else "subtree"
    return Principal(
        user.id, "user", user.name, scope, member.workspace_id, place.tenant_id, permissions_of(place.roles), credential=login.id,
        roles=tuple(place.roles), user=facts, most=_TENANTS,
    )  # fmt: skip


def _places(session: Session, login: UserSessionRow, member: MemberRow) -> list[MemberTenantRow]:
    """The places that count: tenants that have not left, within the session's bounds."""
    query = select(MemberTenantRow).join(TenantRow, TenantRow.id == MemberTenantRow.tenant_id)
    query = query.where(MemberTenantRow.workspace_id == member.workspace_id, MemberTenantRow.user_id == member.user_id)
    query = query.where(TenantRow.state.not_in(ENDED)).order_by(TenantRow.name, TenantRow.id)
    found = list(session.scalars(query))
    if login.tenant_id is None:
        return found
    return [p for p in found if versions.is_within(session, session.get_one(TenantRow, p.tenant_id), login.tenant_id)]


def _reaching(session: Session, places: list[MemberTenantRow], named: str | None) -> MemberTenantRow | None:
    """Of several places the one that reaches the named tenant: its own before one above."""
    tenant = versions.find_tenant(session, places[0].workspace_id, named) if named is not None and places else None
    if tenant is None:
        return None
    own = [p for p in places if p.tenant_id == tenant.id]
    above = [p for p in places if not p.is_alone and versions.is_within(session, tenant, p.tenant_id)]
    return next(iter([*own, *above]), None)


def _unchosen(principal: Principal, code: str) -> Principal:
    return Principal(
        principal.id, principal.type, principal.label, principal.scope, principal.workspace_id, None, frozenset(),
        credential=principal.credential, unchosen=code,
    )  # fmt: skip


def memberships_of(installation: Installation, principal: Principal) -> list[dict[str, Any]]:
    """Where somebody may go: workspaces with their tenants, for a console to switch between. Bounded as their session is."""
    with installation.catalog.read() as session:
        user = session.get_one(UserRow, principal.id)
        login = session.scalar(select(UserSessionRow).where(UserSessionRow.id == principal.credential))
        if login is None:
            return []
        return [
            {
                "workspace": {"id": w.id, "slug": w.slug, "name": w.name},
                "roles": m.roles if login.tenant_id is None else [],
                "tenants": [_shown_place(session, p) for p in _places(session, login, m)],
            }
            for m, w in session.execute(_memberships(user, login))
        ]


def _shown_place(session: Session, place: MemberTenantRow) -> dict[str, Any]:
    tenant = session.get_one(TenantRow, place.tenant_id)
    return {"id": tenant.id, "key": tenant.key, "name": tenant.name, "roles": place.roles, "alone": place.is_alone}
