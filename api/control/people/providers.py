"""Identity providers of a workspace or of one of its tenants: OpenID Connect, groups mapped to roles, claims to what policies ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from api.control.access.granting import require_grantable
from api.control.access.principal import Principal
from api.control.access.reach import reached, reaches
from api.control.outgoing import require_public
from api.control.people.members import Custom, Membership, Place, require_membership
from api.control.people.users import wrong_field
from api.serving.problems import Problem
from engine.catalog import audit, versions
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import IdentityProviderRow, LoginRow, TenantRow, UserRow, UserSessionRow
from engine.clock import rfc3339
from engine.errors import ConfigurationError
from engine.ids import new_id
from engine.sealing import seal, unseal
from slices.installation import Installation

CALLBACK = "/v1/login/callback"


@dataclass(frozen=True, slots=True)
class GroupRoles:
    """What a group means: roles in the whole workspace, or in tenants of it; of a tenant's provider, roles in that tenant."""

    roles: tuple[str, ...]
    tenants: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ProviderWanted:
    """A provider that is asked for. `tenant` None: of the workspace."""

    label: str
    issuer: str
    client_id: str
    client_secret: str | None = None
    tenant: str | None = None
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    groups_claim: str = "groups"
    groups: Mapping[str, GroupRoles] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)


def make_provider(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, wanted: ProviderWanted, custom: Custom
) -> dict[str, Any]:
    """A new provider within the maker's scope, who grants no role beyond their own. Raises Problem."""
    _require_issuer(installation, wanted.issuer)
    require_grantable(principal, ())
    with installation.catalog.write() as session:
        tenant = _tenant_wanted(session, principal, workspace_id, wanted.tenant)
        row = IdentityProviderRow(
            id=new_id("ip"), workspace_id=workspace_id, tenant_id=tenant, label=wanted.label, issuer=wanted.issuer.rstrip("/"),
            client_id=wanted.client_id, scopes=list(wanted.scopes), groups_claim=wanted.groups_claim,
            groups=_groups(session, principal, workspace_id, tenant, wanted.groups, custom), facts=dict(wanted.attributes),
            created_by=principal.id, created_at=installation.clock(),
        )  # fmt: skip
        if wanted.client_secret is not None:
            row.sealed = seal(installation.derived_key("identity-providers"), wanted.client_secret.encode(), row.id)
        session.add(row)
        session.flush()
        _record(session, installation, actor, "identity_providers.create", row, after=provider_facts(row))
        return provider_facts(row)


def _tenant_wanted(session: Session, principal: Principal, workspace_id: str, named: str | None) -> str | None:
    if named is None:
        return principal.tenant_id
    found = versions.find_tenant(session, workspace_id, named)
    if found is None or not reaches(session, principal, found):
        raise wrong_field("tenant", "unknown", "There is no such tenant.")
    return found.id


def _require_issuer(installation: Installation, issuer: str) -> None:
    """Raises Problem `validation` for an issuer that is no https address on the public network (or one that the operator allows)."""
    try:
        url = httpx.URL(issuer)
        require_public(installation, issuer)
    except (httpx.InvalidURL, ConfigurationError, ValueError):
        raise wrong_field(
            "issuer", "address_refused", "The issuer's host is not on the public network, and not in network_allow."
        ) from None
    is_plain = url.scheme == "http" and url.host in installation.settings.network_allow
    if (url.scheme != "https" and not is_plain) or url.query or url.fragment or url.userinfo:
        raise wrong_field("issuer", "invalid", "An issuer is an https address without query and fragment.")


def _groups(
    session: Session, principal: Principal, workspace_id: str, tenant_id: str | None, groups: Mapping[str, GroupRoles], custom: Custom
) -> dict[str, Any]:
    """The groups with their tenants looked up: the maker grants nothing that they have not."""
    found: dict[str, Any] = {}
    for name, group in groups.items():
        tenants = (tenant_id,) if tenant_id is not None else group.tenants
        if tenant_id is not None and group.tenants is not None:
            raise wrong_field("groups", "out_of_scope", "A tenant's provider says who is who in that tenant alone.")
        wanted = Membership(group.roles) if tenants is None else Membership((), tuple(Place(t, group.roles) for t in tenants))
        checked = require_membership(session, principal, workspace_id, wanted, custom)
        found[name] = {
            "roles": list(group.roles),
            "tenants": None if tenants is None else [{"tenant": p.tenant, "alone": p.alone} for p in checked.places],
        }
    return found


def change_provider(
    installation: Installation,
    principal: Principal,
    actor: Actor,
    workspace_id: str,
    provider_id: str,
    fields: dict[str, Any],
    custom: Custom,
) -> dict[str, Any]:
    """Changes what is named; one that is disabled logs nobody in, and whoever it has logged in is out. Raises Problem."""
    with installation.catalog.write() as session:
        row = require_provider(session, principal, workspace_id, provider_id)
        require_grantable(principal, ())
        before = provider_facts(row)
        for name in ("label", "client_id", "groups_claim"):
            setattr(row, name, fields.get(name) or getattr(row, name))
        row.scopes = fields.get("scopes") or row.scopes
        row.facts = fields.get("attributes", row.facts) or {}
        if "groups" in fields:
            row.groups = _groups(session, principal, workspace_id, row.tenant_id, fields["groups"], custom)
        if fields.get("client_secret"):
            row.sealed = seal(installation.derived_key("identity-providers"), fields["client_secret"].encode(), row.id)
        if "disabled" in fields:
            row.disabled_at = (row.disabled_at or installation.clock()) if fields["disabled"] else None
        if row.disabled_at is not None:
            _end_sessions(session, row)
        session.flush()
        after = provider_facts(row)
        changed = {k: v for k, v in after.items() if v != before[k]}
        if changed or fields.get("client_secret"):
            _record(session, installation, actor, "identity_providers.update", row, before={k: before[k] for k in changed}, after=changed)
        return after


def remove_provider(installation: Installation, principal: Principal, actor: Actor, workspace_id: str, provider_id: str) -> None:
    """Takes a provider away: its people are logged out, and have no way in any more. Raises Problem."""
    with installation.catalog.write() as session:
        row = require_provider(session, principal, workspace_id, provider_id)
        require_grantable(principal, ())
        _end_sessions(session, row)
        session.execute(delete(LoginRow).where(LoginRow.provider_id == row.id))
        for user in session.scalars(select(UserRow).where(UserRow.provider_id == row.id)):
            user.disabled_at = user.disabled_at or installation.clock()
        _record(session, installation, actor, "identity_providers.delete", row, before=provider_facts(row))
        session.delete(row)


def _end_sessions(session: Session, row: IdentityProviderRow) -> None:
    people = select(UserRow.id).where(UserRow.provider_id == row.id)
    session.execute(delete(UserSessionRow).where(UserSessionRow.user_id.in_(people)).execution_options(synchronize_session=False))


def providers_within(principal: Principal, workspace_id: str) -> Select[IdentityProviderRow]:
    """Providers within the principal's scope."""
    query = select(IdentityProviderRow).where(IdentityProviderRow.workspace_id == workspace_id)
    if principal.tenant_id is None:
        return query
    return query.where(IdentityProviderRow.tenant_id.in_(reached(principal, workspace_id).with_only_columns(TenantRow.id)))


def require_provider(session: Session, principal: Principal, workspace_id: str, provider_id: str) -> IdentityProviderRow:
    """A provider within the scope. Raises Problem `not_found`."""
    row = session.scalar(providers_within(principal, workspace_id).where(IdentityProviderRow.id == provider_id))
    if row is None:
        raise Problem("not_found")
    return row


def client_secret(installation: Installation, row: IdentityProviderRow) -> str | None:
    """What we show the provider, where we have something."""
    found = None if row.sealed is None else unseal(installation.derived_key("identity-providers"), row.sealed, row.id)
    return None if found is None else found.decode()


def provider_facts(row: IdentityProviderRow) -> dict[str, Any]:
    """A provider without its secret."""
    return {
        "id": row.id,
        "label": row.label,
        "issuer": row.issuer,
        "client_id": row.client_id,
        "tenant": row.tenant_id,
        "scopes": row.scopes,
        "groups_claim": row.groups_claim,
        "groups": row.groups,
        "attributes": row.facts,
        "disabled": row.disabled_at is not None,
        "created_at": rfc3339(row.created_at),
    }


def _record(session: Session, installation: Installation, actor: Actor, action: str, row: IdentityProviderRow, **said: Any) -> None:
    entry = Entry(action, row.id, row.workspace_id, row.tenant_id, **said)
    audit.append(session, installation.derived_key("audit"), actor, entry, installation.clock())
