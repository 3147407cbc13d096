"""A workspace's and its tenants' own branding, changed by hand and written to the audit."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from api.control.access.principal import Principal
from api.control.access.reach import reaches
from api.control.branding.inputs import said
from api.control.branding.logos import Logo
from api.control.branding.reading import own_facts, resolved
from api.control.plans.entitlements import resolve
from api.control.tenants.changing import Wanted
from api.serving.problems import Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import BrandingRow, LogoRow, TenantRow, WorkspaceRow
from slices.installation import Installation


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose branding: a workspace's, or that of a tenant of it."""

    workspace: WorkspaceRow
    tenant: TenantRow | None = None

    @property
    def id(self) -> str:
        """The id of the tenant or the workspace."""
        return self.workspace.id if self.tenant is None else self.tenant.id


def etag_of(owner: Owner, row: BrandingRow | None) -> str:
    """The ETag of an own branding as a configuration object."""
    return f'"{owner.id}.branding.{row.revision if row is not None else 0}"'


def read(installation: Installation, owner: Owner) -> tuple[dict[str, Any], str]:
    """What the owner says and what counts for it, and the ETag."""
    with installation.catalog.read() as session:
        return _facts(session, installation, owner), etag_of(owner, session.get(BrandingRow, owner.id))


def _facts(session: Session, installation: Installation, owner: Owner) -> dict[str, Any]:
    own = own_facts(session, session.get(BrandingRow, owner.id))
    return own | {"resolved": resolved(session, owner.workspace, owner.tenant, installation.clock())[0]}


def change(
    installation: Installation, principal: Principal, actor: Actor, owner: Owner, fields: dict[str, Any], wanted: Wanted, *, replace: bool
) -> tuple[dict[str, Any], str]:
    """Sets fields: all of them anew (`replace`), or those that are named, as a merge patch (RFC 7396). Logos stay. Raises Problem."""

    def alter(session: Session, row: BrandingRow) -> None:
        if fields.get("powered_by") is False and row.fields.get("powered_by") is not False:
            _require_white_label(session, installation, owner)
        row.fields = said(fields if replace else _merged(row.fields, fields))

    return _altered(installation, principal, actor, owner, wanted, alter)


def put_logo(
    installation: Installation, principal: Principal, actor: Actor, owner: Owner, slot: str, logo: Logo | None, wanted: Wanted
) -> tuple[dict[str, Any], str]:
    """Puts a logo in its slot, or takes it away (None). What no slot has any more is removed. Raises Problem."""

    def alter(session: Session, row: BrandingRow) -> None:
        logos = {s: a for s, a in row.logos.items() if s != slot}
        if logo is not None:
            logos[slot] = _kept(session, installation, owner, logo)
        row.logos = logos
        session.flush()
        session.execute(delete(LogoRow).where(LogoRow.owner_id == owner.id, LogoRow.address.not_in(list(logos.values()))))

    return _altered(installation, principal, actor, owner, wanted, alter)


def _altered(
    installation: Installation,
    principal: Principal,
    actor: Actor,
    owner: Owner,
    wanted: Wanted,
    alter: Callable[[Session, BrandingRow], None],
) -> tuple[dict[str, Any], str]:
    now = installation.clock()
    with installation.catalog.write() as session:
        _require_reach(session, principal, owner)
        row = session.get(BrandingRow, owner.id)
        _require_wanted(wanted, owner, row)
        if row is None:
            tenant_id = owner.tenant.id if owner.tenant is not None else None
            row = BrandingRow(owner_id=owner.id, workspace_id=owner.workspace.id, tenant_id=tenant_id, fields={}, logos={}, revision=0)
            row.updated_at = now
            session.add(row)
            session.flush()
        before = own_facts(session, row)
        alter(session, row)
        after = own_facts(session, row)
        changed = {k: v for k, v in after.items() if before[k] != v}
        if changed:
            row.revision, row.updated_at = row.revision + 1, now
            was = {k: before[k] for k in changed}
            entry = Entry("branding.update", owner.id, owner.workspace.id, row.tenant_id, before=was, after=changed)
            audit.append(session, installation.derived_key("audit"), actor, entry, now)
        return _facts(session, installation, owner), etag_of(owner, row)


def _require_reach(session: Session, principal: Principal, owner: Owner) -> None:
    """Asked anew within the transaction: a tenant may have been placed elsewhere meanwhile."""
    if owner.tenant is None:
        if principal.tenant_id is not None:
            raise Problem("not_found")
        return
    tenant = session.get(TenantRow, owner.tenant.id)
    if tenant is None or not reaches(session, principal, tenant):
        raise Problem("not_found")


def _require_wanted(wanted: Wanted, owner: Owner, row: BrandingRow | None) -> None:
    """Raises Problem `precondition_failed`. A branding is there always, though it may say nothing yet."""
    if (wanted.etags is not None and etag_of(owner, row) not in wanted.etags) or (wanted.there is False and row is not None):
        raise Problem("precondition_failed")


def _require_white_label(session: Session, installation: Installation, owner: Owner) -> None:
    """Raises Problem `feature_not_in_tier`. A workspace has no tier."""
    if owner.tenant is None:
        return
    found = resolve(session, session.get_one(TenantRow, owner.tenant.id), installation.clock())
    if not found.has("white_label"):
        raise Problem("feature_not_in_tier", f"The tier {found.tier} does not have white_label.")


def _merged(known: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    inner = {n: {**known.get(n, {}), **f} if isinstance(f, dict) else f for n, f in given.items()}
    return known | inner


def _kept(session: Session, installation: Installation, owner: Owner, logo: Logo) -> str:
    """The address of a logo, which is added where it is not there yet: an HMAC, so nobody finds it who was not told."""
    key = installation.derived_key("logo")
    address = hmac.new(key, owner.id.encode() + b"\0" + logo.kind.encode() + b"\0" + logo.content, sha256).hexdigest()
    if session.get(LogoRow, address) is None:
        session.add(
            LogoRow(
                address=address, owner_id=owner.id, kind=logo.kind, width=logo.width, height=logo.height, content=logo.content,
                created_at=installation.clock(),
            )
        )  # fmt: skip
        session.flush()
    return address
