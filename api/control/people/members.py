"""Members: who may enter which workspace, and which tenants of it. A tenant's own administrators see and change those within their reach,
grant only what they have, and leave what else somebody is elsewhere as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.orm import Session

from api.control.access.granting import require_grantable
from api.control.access.permissions import TENANT_ROLES, WORKSPACE_ROLES, permissions_of
from api.control.access.principal import Principal
from api.control.access.reach import reached, reaches
from api.control.people.users import shown_user, wrong_field
from api.control.plans.entitlements import resolve
from api.serving.problems import Problem
from engine.catalog import audit, versions
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import MemberRow, MemberTenantRow, TenantRow, UserRow
from engine.clock import rfc3339
from slices.installation import Installation

Custom = Mapping[str, Iterable[str]]


@dataclass(frozen=True, slots=True)
class Place:
    """Roles in one tenant, and in those below it unless `alone`. `tenant` is an id once it was looked up."""

    tenant: str
    roles: tuple[str, ...]
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Membership:
    """What somebody is to be: roles in the whole workspace, or places. `attributes` None: as they are."""

    roles: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    attributes: Mapping[str, Any] | None = None


def require_membership(session: Session, principal: Principal, workspace_id: str, wanted: Membership, custom: Custom) -> Membership:
    """The membership with its tenants looked up, where the principal may grant it.

    Raises Problem: `validation` for an unknown role or tenant, `forbidden` for what the principal has not itself.
    """
    if wanted.roles and wanted.places:
        raise wrong_field("tenants", "conflict", "Roles in the whole workspace, or roles in tenants: not both.")
    if not wanted.roles and not wanted.places:
        raise wrong_field("roles", "missing", "A member has roles in the workspace, or in one of its tenants at least.")
    if wanted.roles and principal.tenant_id is not None:
        raise Problem("forbidden", "Roles in the whole workspace are granted by those who have it.")
    if wanted.attributes and principal.tenant_id is not None:
        raise Problem("forbidden", "What policies ask of somebody is set by those who run the workspace.")
    _require_roles(principal, wanted.roles, WORKSPACE_ROLES, custom)
    places = tuple(_placed(session, principal, workspace_id, place, custom) for place in wanted.places)
    if len({p.tenant for p in places}) != len(places):
        raise wrong_field("tenants", "twice", "Each tenant is named once.")
    return Membership(wanted.roles, places, wanted.attributes)


def _placed(session: Session, principal: Principal, workspace_id: str, place: Place, custom: Custom) -> Place:
    tenant = versions.find_tenant(session, workspace_id, place.tenant)
    if tenant is None or not reaches(session, principal, tenant):
        raise wrong_field("tenants", "unknown", "There is no such tenant.")
    if not place.roles:
        raise wrong_field("tenants", "missing", "Each tenant needs roles.")
    if principal.scope == "tenant" and not place.alone:
        place = Place(place.tenant, place.roles, alone=True)
    _require_roles(principal, place.roles, TENANT_ROLES, custom)
    return Place(tenant.id, place.roles, place.alone)


def _require_roles(principal: Principal, roles: Iterable[str], known: Mapping[str, Any], custom: Custom) -> None:
    for role in roles:
        if role not in known and role not in custom:
            names = ", ".join([*known, *custom])
            raise wrong_field("roles", "unknown", f"Roles here are {names}.")
    require_grantable(principal, permissions_of(roles, custom))


def set_member(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, user_id: str, wanted: Membership, custom: Custom
) -> tuple[dict[str, Any], bool]:
    """Makes somebody a member, or changes what they are; the facts, and whether they are new here.

    Those who run the installation make any user a member; others change members within their reach (`not_found` otherwise): who is not
    one yet is invited. Raises Problem.
    """
    with installation.catalog.write() as session:
        user = session.get(UserRow, user_id)
        known = session.get(MemberRow, (workspace_id, user_id))
        is_new = known is None
        may_add = principal.scope == "installation" and user is not None and not user.provider_id
        if user is None or (not is_within(session, principal, workspace_id, user_id) and not (is_new and may_add)):
            raise Problem("not_found")
        membership = require_membership(session, principal, workspace_id, wanted, custom)
        before = None if is_new else shown_member(session, principal, session.get_one(MemberRow, (workspace_id, user_id)))
        if before is not None:
            _require_above(principal, before, custom)
        place_member(session, installation, principal, workspace_id, user_id, membership, by=principal.id)
        after = shown_member(session, principal, session.get_one(MemberRow, (workspace_id, user_id)))
        _record(session, installation, actor, "members.set", workspace_id, user_id, before, after)
        return after, is_new


def place_member(
    session: Session, installation: Installation, principal: Principal | None, workspace_id: str, user_id: str, wanted: Membership, by: str
) -> None:
    """Writes a membership; with a principal of a tenant only what is within its reach is replaced. Raises Problem `quota_exceeded` where a
    tenant has no seat left."""
    row = session.get(MemberRow, (workspace_id, user_id))
    if row is None:
        row = MemberRow(workspace_id=workspace_id, user_id=user_id, roles=[], attributes={}, created_by=by, created_at=installation.clock())
        session.add(row)
    if principal is None or principal.tenant_id is None:
        row.roles = list(wanted.roles)
    if wanted.attributes is not None:
        row.attributes = dict(wanted.attributes)
    session.flush()
    known = {p.tenant_id: p for p in _places(session, principal, workspace_id, user_id)}
    for tenant_id in set(known) - {p.tenant for p in wanted.places}:
        session.delete(known[tenant_id])
    for place in wanted.places:
        found = known.get(place.tenant)
        if found is None:
            _require_seat(session, installation, place.tenant)
            found = MemberTenantRow(workspace_id=workspace_id, user_id=user_id, tenant_id=place.tenant)
            session.add(found)
        found.roles, found.is_alone = list(place.roles), place.alone
    session.flush()


def _require_seat(session: Session, installation: Installation, tenant_id: str) -> None:
    seats = resolve(session, session.get_one(TenantRow, tenant_id), installation.clock()).seats
    if seats is not None and seats_taken(session, tenant_id) >= seats:
        raise Problem("quota_exceeded", "The tenant's subscription has no seat left.")


def seats_taken(session: Session, tenant_id: str) -> int:
    """How many people are members of the tenant itself."""
    taken = select(func.count()).select_from(MemberTenantRow).join(UserRow, UserRow.id == MemberTenantRow.user_id)
    return session.scalar(taken.where(MemberTenantRow.tenant_id == tenant_id, UserRow.disabled_at.is_(None))) or 0


def _require_above(principal: Principal, facts: dict[str, Any], custom: Custom) -> None:
    """Raises Problem `forbidden` where somebody has more than the principal: only those above change them."""
    roles = {*facts["roles"], *(r for place in facts["tenants"] for r in place["roles"])}
    require_grantable(principal, permissions_of(roles, custom))


def remove_member(installation: Installation, principal: Principal, actor: Actor, workspace_id: str, user_id: str, custom: Custom) -> None:
    """Ends what somebody is here, as far as the principal reaches. Raises Problem."""
    with installation.catalog.write() as session:
        if not is_within(session, principal, workspace_id, user_id):
            raise Problem("not_found")
        row = session.get_one(MemberRow, (workspace_id, user_id))
        before = shown_member(session, principal, row)
        _require_above(principal, before, custom)
        for place in _places(session, principal, workspace_id, user_id):
            session.delete(place)
        if principal.tenant_id is None:
            row.roles = []
        session.flush()
        left = session.scalar(select(func.count()).select_from(MemberTenantRow).where(_own(MemberTenantRow, workspace_id, user_id)))
        if not row.roles and not left:
            session.execute(delete(MemberRow).where(_own(MemberRow, workspace_id, user_id)))
        _record(session, installation, actor, "members.remove", workspace_id, user_id, before)


def members_within(principal: Principal, workspace_id: str) -> Select[UserRow]:
    """The users who are members within the principal's reach."""
    placed = select(MemberTenantRow.user_id).where(MemberTenantRow.workspace_id == workspace_id)
    if principal.tenant_id is not None:
        inside = reached(principal, workspace_id).with_only_columns(TenantRow.id)
        return select(UserRow).where(UserRow.id.in_(placed.where(MemberTenantRow.tenant_id.in_(inside))))
    members = select(MemberRow.user_id).where(MemberRow.workspace_id == workspace_id)
    return select(UserRow).where(or_(UserRow.id.in_(members), UserRow.id.in_(placed)))


def is_within(session: Session, principal: Principal, workspace_id: str, user_id: str) -> bool:
    """Whether somebody is a member within the principal's reach."""
    return session.scalar(members_within(principal, workspace_id).where(UserRow.id == user_id)) is not None


def shown_member(session: Session, principal: Principal, row: MemberRow) -> dict[str, Any]:
    """A member, as far as the principal sees."""
    user = session.get_one(UserRow, row.user_id)
    is_all = principal.tenant_id is None
    facts = shown_user(user)
    return {
        "id": user.id,
        **{k: facts[k] for k in ("email", "name", "identity_provider", "disabled", "last_seen_at")},
        "roles": row.roles if is_all else [],
        "tenants": [
            {"tenant": p.tenant_id, "roles": p.roles, "alone": p.is_alone}
            for p in _places(session, principal, row.workspace_id, row.user_id)
        ],
        "attributes": row.attributes if is_all else {},
        "created_at": rfc3339(row.created_at),
    }


def _places(session: Session, principal: Principal | None, workspace_id: str, user_id: str) -> list[MemberTenantRow]:
    query = select(MemberTenantRow).where(_own(MemberTenantRow, workspace_id, user_id)).order_by(MemberTenantRow.tenant_id)
    if principal is not None and principal.tenant_id is not None:
        query = query.where(MemberTenantRow.tenant_id.in_(reached(principal, workspace_id).with_only_columns(TenantRow.id)))
    return list(session.scalars(query))


def _own(of: type[MemberRow] | type[MemberTenantRow], workspace_id: str, user_id: str) -> Any:
    return (of.workspace_id == workspace_id) & (of.user_id == user_id)


def _record(
    session: Session,
    installation: Installation,
    actor: Actor,
    action: str,
    workspace_id: str,
    user_id: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """A record of what changed in the whole workspace, and one of each tenant where something did: none names two tenants."""
    known, now = ({p["tenant"]: p for p in (facts or {"tenants": ()})["tenants"]} for facts in (before, after))
    for tenant_id in sorted(known.keys() | now.keys()):
        if known.get(tenant_id) != now.get(tenant_id):
            entry = Entry(action, user_id, workspace_id, tenant_id, before=known.get(tenant_id), after=now.get(tenant_id))
            audit.append(session, installation.derived_key("audit"), actor, entry, installation.clock())
    whole = [None if facts is None else {k: facts[k] for k in ("roles", "attributes")} for facts in (before, after)]
    empty: dict[str, Any] = {"roles": [], "attributes": {}}
    if (whole[0] or empty) != (whole[1] or empty):
        entry = Entry(action, user_id, workspace_id, before=whole[0], after=whole[1])
        audit.append(session, installation.derived_key("audit"), actor, entry, installation.clock())
