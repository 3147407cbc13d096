"""Tenants made and changed by people and programs: upserted before the source has them, enriched, suspended, archived, placed below others.

A principal with the scope of a tenant changes its own name, locale and metadata; those below it (subtree) it changes as the workspace does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.control.access.principal import Principal
from api.control.access.reach import reaches
from api.control.tenants.reading import shown_tenant
from api.serving.problems import FieldError, Problem
from engine.catalog import audit, versions
from engine.catalog.audit import Actor, Entry
from engine.catalog.outbox import Outbox
from engine.catalog.tables import ENDED, TenantRow, WebhookRow
from engine.ids import new_id
from slices.installation import Installation

# What a tenant's own administrators may say of it; the rest is for those above.
OWN = frozenset({"name", "locale", "timezone", "currency", "metadata"})
_PLAIN = {"attributes": dict, "locale": None, "timezone": None, "currency": None, "allowed_origins": list, "domains": list}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller asks of a thing before it is changed (RFC 9110, 13.1): one of these ETags; that it is there; that it is not."""

    etags: tuple[str, ...] | None = None
    there: bool | None = None

    def require(self, tenant: TenantRow | WebhookRow | None) -> None:
        """Raises Problem `precondition_failed`."""
        is_one = self.etags is None or (tenant is not None and etag_of(tenant) in self.etags)
        if not is_one or (self.there is not None and self.there != (tenant is not None)):
            raise Problem("precondition_failed")


@dataclass(frozen=True, slots=True)
class Changed:
    """A tenant after a change; `created` where it is new."""

    tenant: TenantRow
    created: bool = False


def upsert(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, key: str, fields: dict[str, Any], wanted: Wanted
) -> Changed:
    """The tenant of that key, made where it is not there yet (state `expected`); what was set by hand and is not in `fields` is taken back.

    Its state stays unless `fields` says one. Raises Problem: `not_found` for one outside the scope, `precondition_failed`.
    """
    with installation.catalog.write() as session:
        return _upsert(session, installation, principal, actor, workspace_id, key, fields, wanted)


def _upsert(
    session: Session,
    installation: Installation,
    principal: Principal,
    actor: Actor,
    workspace_id: str,
    key: str,
    fields: dict[str, Any],
    wanted: Wanted,
) -> Changed:
    if principal.scope == "tenant" and session.get_one(TenantRow, principal.tenant_id).key != key:
        raise Problem("tenant_mismatch")
    found = versions.find_tenant(session, workspace_id, f"key:{key}")
    if found is not None and not reaches(session, principal, found):
        raise Problem("not_found")
    wanted.require(found)
    if found is not None:
        _change(session, installation, principal, actor, found, _NOTHING | {"parent": found.parent_id} | fields)
        return Changed(found)
    if principal.scope == "subtree" and fields.get("parent") is None:
        fields = fields | {"parent": principal.tenant_id}
    tenant = TenantRow(
        id=new_id("tn"), workspace_id=workspace_id, key=key, name=key, slug=versions.slug_of(key), state="expected",
        created_at=installation.clock(), attributes={}, tags={}, allowed_origins=[], domains=[], is_named=False, is_placed=False, revision=0,
    )  # fmt: skip
    session.add(tenant)
    session.flush()
    _change(session, installation, principal, actor, tenant, fields, action="tenants.create")
    return Changed(tenant, created=True)


_NOTHING: dict[str, Any] = dict.fromkeys(
    ("name", "slug", "attributes", "metadata", "locale", "timezone", "currency", "allowed_origins", "domains")
)


def change(
    installation: Installation, principal: Principal, actor: Actor, tenant_id: str, fields: dict[str, Any], wanted: Wanted
) -> Changed:
    """Changes the fields that are named, as a merge patch (RFC 7396): within attributes and metadata null takes a name away. Raises Problem."""
    with installation.catalog.write() as session:
        tenant = session.get(TenantRow, tenant_id)
        if tenant is None or not reaches(session, principal, tenant):
            raise Problem("not_found")
        wanted.require(tenant)
        merged = {
            "attributes": _merged(tenant.attributes, fields.get("attributes")),
            "metadata": _merged(tenant.tags, fields.get("metadata")),
        }
        _change(session, installation, principal, actor, tenant, fields | {k: v for k, v in merged.items() if k in fields})
        return Changed(tenant)


def etag_of(row: TenantRow | WebhookRow) -> str:
    """The ETag of a configuration object."""
    return f'"{row.id}.{row.revision}"'


def _change(
    session: Session,
    installation: Installation,
    principal: Principal,
    actor: Actor,
    tenant: TenantRow,
    fields: dict[str, Any],
    action: str = "tenants.update",
) -> None:
    before = shown_tenant(tenant) if action != "tenants.create" else None
    _require_own(principal, tenant, fields, before or {})
    if "parent" in fields and fields["parent"] != tenant.parent_id:
        _place(session, principal, tenant, fields["parent"])
    if "name" in fields:
        tenant.is_named = fields["name"] is not None
        tenant.name = fields["name"] or (tenant.name if action != "tenants.create" else tenant.key)
        tenant.slug = versions.slug_of(tenant.name)
    if fields.get("slug") is not None:
        tenant.slug = fields["slug"]
    _require_free(session, tenant, fields.get("domains"))
    for name, empty in _PLAIN.items():
        if name in fields:
            setattr(tenant, name, fields[name] if fields[name] is not None or empty is None else empty())
    if "metadata" in fields:
        tenant.tags = fields["metadata"] or {}
    if fields.get("state") is not None:
        _set_state(tenant, fields["state"], fields.get("reason"), installation)
    after = shown_tenant(tenant)
    if before == after:
        return
    tenant.revision += 1
    session.flush()
    if "allowed_origins" in fields:
        versions.set_origins(session, tenant)
    if "domains" in fields:
        versions.set_domains(session, tenant)
    changed = {k: v for k, v in after.items() if before is None or before[k] != v}
    was = {k: before[k] for k in changed} if before is not None else None
    entry = Entry(action, tenant.id, tenant.workspace_id, tenant.id, before=was, after=changed)
    now = installation.clock()
    audit.append(session, installation.derived_key("audit"), actor, entry, now)
    outbox = Outbox(session, tenant.workspace_id, now)
    if before is None:
        outbox.tell("tenant.created", {"state": after["state"]}, tenant)
    else:
        outbox.tell_state(tenant, before["state"])


def _merged(known: dict[str, Any], given: dict[str, Any] | None) -> dict[str, Any]:
    return {} if given is None else {k: v for k, v in (known | given).items() if v is not None}


def _require_own(principal: Principal, tenant: TenantRow, fields: dict[str, Any], before: dict[str, Any]) -> None:
    """Of its own tenant a principal of a tenant or subtree says only what is in OWN; what it repeats as it is does no harm."""
    if principal.tenant_id != tenant.id:
        return
    foreign = [f for f in fields if f not in OWN and f != "reason" and fields[f] is not None and fields[f] != before.get(f)]
    if foreign:
        raise Problem("forbidden", f"{foreign[0]} of a tenant is for those above it to set.")


def _require_free(session: Session, tenant: TenantRow, domains: list[str] | None) -> None:
    """A host leads to one tenant. Raises Problem `validation` for a new domain that another one has."""
    new = [d for d in domains or () if d not in tenant.domains]
    taken = versions.taken_domain(session, tenant, new) if new else None
    if taken is not None:
        raise Problem("validation", errors=[FieldError(f"/domains/{(domains or []).index(taken)}", "taken", "This domain is in use.")])


def _place(session: Session, principal: Principal, tenant: TenantRow, parent: str | None) -> None:
    """Puts a tenant below another, or below nobody. Both ends lie within the principal's scope, and no tenant comes to be above itself."""
    if parent is None and principal.scope == "subtree":
        raise Problem("validation", errors=[FieldError("/parent", "out_of_scope", "It stays below your own tenant.")])
    above = versions.find_tenant(session, tenant.workspace_id, parent) if parent is not None else None
    if parent is not None and (above is None or not reaches(session, principal, above)):
        raise Problem("validation", errors=[FieldError("/parent", "unknown", "There is no such tenant.")])
    if above is not None and versions.is_within(session, above, tenant.id):
        raise Problem("validation", errors=[FieldError("/parent", "loop", "It lies below this tenant.")])
    tenant.parent_id, tenant.is_placed = (above.id if above is not None else None), True


def _set_state(tenant: TenantRow, state: str, reason: str | None, installation: Installation) -> None:
    """active ends a suspension or an archive; suspended and archived begin one. Raises Problem `conflict`."""
    if tenant.state in ("gone", "erased"):
        raise Problem("conflict", f"The tenant is {tenant.state}.")
    if state == "archived":
        tenant.state = "archived"
        return
    if tenant.state in ENDED:
        tenant.state = "active" if tenant.version_id is not None else "expected"
    if state == "suspended":
        tenant.suspended_at, tenant.suspended_reason = tenant.suspended_at or installation.clock(), reason
    else:
        tenant.suspended_at = tenant.suspended_reason = None


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one line of a batch."""

    tenant: TenantRow | None = None
    created: bool = False
    problem: Problem | None = None


def upsert_many(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, lines: Iterable[tuple[str, dict[str, Any]] | Problem]
) -> list[Line]:
    """Upserts one after the other, in one transaction; a line that is refused leaves the others as they are."""
    found: list[Line] = []
    with installation.catalog.write() as session:
        for line in lines:
            if isinstance(line, Problem):
                found.append(Line(problem=line))
                continue
            try:
                with session.begin_nested():
                    done = _upsert(session, installation, principal, actor, workspace_id, *line, Wanted())
                found.append(Line(done.tenant, done.created))
            except Problem as problem:
                found.append(Line(problem=problem))
    return found
