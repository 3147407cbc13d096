"""Invitations: a link that makes whoever has it a member, once. What it grants was granted by whoever invited."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from api.control.access.principal import Principal
from api.control.people import attempts
from api.control.people.members import Custom, Membership, Place, place_member, require_membership
from api.control.people.passwords import matches
from api.control.people.sessions import Started, start
from api.control.people.users import find_by_email, make_user
from api.serving.problems import Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import InvitationRow, MemberRow, MemberTenantRow, TenantRow, UserRow
from engine.clock import rfc3339
from engine.ids import new_id
from slices.installation import Installation


@dataclass(frozen=True, slots=True)
class Invited:
    """Who is invited, to what, for how long."""

    email: str
    membership: Membership
    lasts: timedelta


def invite(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, wanted: Invited, custom: Custom
) -> tuple[dict[str, Any], str]:
    """A new invitation, and the secret of its link, which is shown once. Raises Problem as `require_membership` does."""
    secret = secrets.token_urlsafe(32)
    with installation.catalog.write() as session:
        membership = require_membership(session, principal, workspace_id, wanted.membership, custom)
        now = installation.clock()
        row = InvitationRow(
            id=new_id("iv"), workspace_id=workspace_id, email=wanted.email, roles=list(membership.roles),
            tenants=[{"tenant": p.tenant, "roles": list(p.roles), "alone": p.alone} for p in membership.places],
            attributes=dict(membership.attributes or {}), hash=_hash(secret), created_by=principal.id, created_at=now,
            expires_at=now + wanted.lasts,
        )  # fmt: skip
        session.add(row)
        session.flush()
        facts = shown_invitation(installation, row)
        _record(session, installation, actor, "invitations.create", row)
        return facts, secret


def invitations_within(principal: Principal, workspace_id: str) -> Select[InvitationRow]:
    """Invitations of a workspace; of a tenant's administrators their own alone."""
    query = select(InvitationRow).where(InvitationRow.workspace_id == workspace_id)
    return query if principal.tenant_id is None else query.where(InvitationRow.created_by == principal.id)


def revoke_invitation(installation: Installation, principal: Principal, actor: Actor, workspace_id: str, invitation_id: str) -> None:
    """Its link opens nothing any more. Raises Problem: `conflict` for one that was accepted."""
    with installation.catalog.write() as session:
        row = session.scalar(invitations_within(principal, workspace_id).where(InvitationRow.id == invitation_id))
        if row is None:
            raise Problem("not_found")
        if row.accepted_at is not None:
            raise Problem("conflict", "It was accepted; the member is in members.")
        if row.revoked_at is None:
            row.revoked_at = installation.clock()
            _record(session, installation, actor, "invitations.revoke", row)


def accept(installation: Installation, actor: Actor, secret: str, name: str | None, password: str) -> Started:
    """The member, logged in. Whoever is a user already shows their password; anybody else chooses one.

    Raises Problem: `not_found` for a link that opens nothing, `credential_invalid`, `validation`.
    """
    with installation.catalog.read() as session:
        email = _open(session, installation, secret).email
        known = find_by_email(session, email)
    if known is not None:
        attempts.count(installation, email, actor.ip)
    if known is not None and (not matches(known.password, password) or known.disabled_at is not None):
        raise Problem("credential_invalid", "You are a user already: log in with your password.")
    with installation.catalog.write() as session:
        row = _open(session, installation, secret)
        user = find_by_email(session, email) or make_user(session, installation, email, name or "", password=password)
        if (user.id if known is not None else None) != (known.id if known is not None else None):
            raise Problem("credential_invalid")
        if known is not None:
            attempts.forget(session, installation, email, actor.ip)
        _place(session, installation, row, user)
        row.accepted_at, row.accepted_by = installation.clock(), user.id
        by = Actor("user", user.id, actor.ip, actor.user_agent, actor.request_id)
        _record(session, installation, by, "invitations.accept", row, user=user.id)
        return start(session, installation, user, actor)


def _place(session: Session, installation: Installation, row: InvitationRow, user: UserRow) -> None:
    """Adds what the invitation grants to what the user is in that workspace already."""
    known = session.get(MemberRow, (row.workspace_id, user.id))
    own = select(MemberTenantRow).where(MemberTenantRow.workspace_id == row.workspace_id, MemberTenantRow.user_id == user.id)
    places = {p.tenant_id: Place(p.tenant_id, tuple(p.roles), p.is_alone) for p in session.scalars(own)}
    for place in row.tenants:
        if session.get(TenantRow, place["tenant"]) is not None:
            places[place["tenant"]] = Place(place["tenant"], tuple(place["roles"]), place["alone"])
    roles = tuple(dict.fromkeys([*(known.roles if known is not None else ()), *row.roles]))
    attributes = {**(known.attributes if known is not None else {}), **row.attributes}
    place_member(
        session, installation, None, row.workspace_id, user.id, Membership(roles, tuple(places.values()), attributes), row.created_by
    )


def _open(session: Session, installation: Installation, secret: str) -> InvitationRow:
    row = session.scalar(select(InvitationRow).where(InvitationRow.hash == _hash(secret)))
    if row is None or row.accepted_at is not None or row.revoked_at is not None or installation.clock() >= row.expires_at:
        raise Problem("not_found", "This invitation is not open: it was used, taken back, or is too old. Ask for another one.")
    return row


def opened_by(installation: Installation, secret: str) -> dict[str, Any]:
    """What a page shows of an open invitation to whoever has its link: the address, and whether it is a user's. Raises Problem `not_found`."""
    with installation.catalog.read() as session:
        row = _open(session, installation, secret)
        return {"email": row.email, "is_user": find_by_email(session, row.email) is not None, "expires_at": rfc3339(row.expires_at)}


def shown_invitation(installation: Installation, row: InvitationRow) -> dict[str, Any]:
    """An invitation without its link."""
    state = "open"
    if row.accepted_at is not None or row.revoked_at is not None:
        state = "accepted" if row.accepted_at is not None else "revoked"
    elif installation.clock() >= row.expires_at:
        state = "expired"
    return {
        "id": row.id,
        "email": row.email,
        "workspace": row.workspace_id,
        "roles": row.roles,
        "tenants": row.tenants,
        "attributes": row.attributes,
        "state": state,
        "created_by": row.created_by,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
        "accepted_by": row.accepted_by,
    }


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def _record(session: Session, installation: Installation, actor: Actor, action: str, row: InvitationRow, **said: Any) -> None:
    """A record of the invitation into the workspace, or one for each tenant that it is into: none names two tenants."""
    facts = {"email": row.email, "roles": row.roles, "attributes": row.attributes} | said
    entries = [Entry(action, row.id, row.workspace_id, p["tenant"], after={"email": row.email} | p | said) for p in row.tenants]
    for entry in entries or [Entry(action, row.id, row.workspace_id, after=facts)]:
        audit.append(session, installation.derived_key("audit"), actor, entry, installation.clock())
