"""Keys made, listed, rotated and revoked, by command and by program."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.control.access.granting import grantable, require_grantable, scope_wanted, within_reach
from api.control.access.permissions import PERMISSIONS, usual
from api.control.access.principal import Principal
from api.control.tenants.reading import require_tenant
from api.serving.problems import Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.keys import NewKey, create_key, is_alive, keys_of, rotate_key
from engine.catalog.tables import KeyRow, PrincipalRow
from engine.clock import rfc3339
from engine.errors import ConfigurationError
from engine.workspace import Workspace
from slices.installation import Installation
from slices.reviewing.routings import workspace_row


def make_key(installation: Installation, workspace: Workspace | None, scope: str, permissions: list[str] | None, label: str) -> NewKey:
    """A key of scope installation, workspace, subtree:T or tenant:T. Raises ConfigurationError for what is unknown."""
    kind, _, name = scope.partition(":")
    if kind not in ("installation", "workspace", "subtree", "tenant") or (kind in ("subtree", "tenant")) != bool(name):
        raise ConfigurationError(f"--scope {scope}: it is installation, workspace, subtree:T or tenant:T.")
    unknown = [p for p in permissions or () if p not in PERMISSIONS]
    if unknown:
        raise ConfigurationError(f"--permission {unknown[0]} is unknown.", hint="One of: " + " ".join(PERMISSIONS))
    row = workspace_row(installation, workspace) if workspace is not None else None
    tenant = require_tenant(installation, row.id, name) if name and row is not None else None
    with installation.catalog.write() as session:
        made = create_key(
            session,
            scope=kind,
            permissions=permissions or usual(kind),
            now=installation.clock(),
            workspace_id=row.id if row is not None and kind != "installation" else None,
            tenant_id=tenant.id if tenant is not None else None,
            label=label,
        )
        key = session.get_one(KeyRow, made.id)
        owner = session.get_one(PrincipalRow, key.principal_id)
        _record(session, installation, operator(), "keys.create", owner, key, after=shown_key(key, owner))
        return made


def key_facts(installation: Installation) -> list[dict[str, Any]]:
    """All keys, oldest first, without secrets."""
    with installation.catalog.read() as session:
        return [
            {
                "id": key.id,
                "scope": principal.scope,
                "tenant": principal.tenant_id or "",
                "label": principal.label,
                "permissions": " ".join(principal.permissions),
                "expires_at": key.expires_at,
                "rotated_until": key.rotated_until,
                "revoked_at": key.revoked_at,
                "last_used_at": key.last_used_at,
            }
            for key, principal in keys_of(session, None)
        ]


def operator() -> Actor:
    """Who is written down for what a command does: the user of the machine."""
    try:
        return Actor("command", getpass.getuser())
    except (KeyError, OSError):
        return Actor("command", "unknown")


def revoke_by_command(installation: Installation, key_id: str) -> bool:
    """Ends a key at once; False where there is none."""
    with installation.catalog.write() as session:
        key = session.get(KeyRow, key_id)
        if key is not None and key.revoked_at is None:
            key.revoked_at = installation.clock()
            _record(session, installation, operator(), "keys.revoke", session.get_one(PrincipalRow, key.principal_id), key)
        return key is not None


def rotate_by_command(installation: Installation, key_id: str, overlap: timedelta) -> NewKey | None:
    """A second key of the same principal; None where there is none. Raises ConfigurationError for one that has ended."""
    now = installation.clock()
    with installation.catalog.write() as session:
        made = rotate_key(session, key_id, now, now + overlap)
        if made is not None:
            key = session.get_one(KeyRow, key_id)
            after = {"new": made.id, "ends_at": rfc3339(now + overlap)}
            _record(session, installation, operator(), "keys.rotate", session.get_one(PrincipalRow, key.principal_id), key, after=after)
        return made


# ── by program ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class KeyWanted:
    """A key that is asked for. `permissions` None: what is usual for the scope, as far as its maker has it."""

    scope: str
    permissions: tuple[str, ...] | None = None
    label: str = ""
    expires_at: datetime | None = None
    allowed_ips: tuple[str, ...] = ()


def grant_key(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, wanted: KeyWanted
) -> tuple[dict[str, Any], str]:
    """A new key within the maker's scope and permissions: its facts, and its text, which is shown once. Raises Problem."""
    with installation.catalog.write() as session:
        scope = scope_wanted(session, principal, workspace_id, wanted.scope)
        usual_ones = grantable(principal, usual(scope.kind))
        permissions = require_grantable(principal, wanted.permissions if wanted.permissions is not None else usual_ones)
        made = create_key(
            session, scope=scope.kind, permissions=permissions, now=installation.clock(), workspace_id=workspace_id, tenant_id=scope.tenant_id,
            label=wanted.label, created_by=principal.id, expires_at=wanted.expires_at, allowed_ips=list(wanted.allowed_ips),
        )  # fmt: skip
        key, owner = found(session, principal, workspace_id, made.id)
        facts = shown_key(key, owner)
        _record(session, installation, actor, "keys.create", owner, key, after=facts)
        return facts, made.text


def found(session: Session, principal: Principal, workspace_id: str, key_id: str) -> tuple[KeyRow, PrincipalRow]:
    """A key within the principal's scope. Raises Problem `not_found`."""
    query = select(KeyRow, PrincipalRow).join(PrincipalRow, KeyRow.principal_id == PrincipalRow.id)
    row = session.execute(query.where(KeyRow.id == key_id, within_reach(principal, workspace_id, PrincipalRow))).first()
    if row is None:
        raise Problem("not_found")
    return row[0], row[1]


def change_key(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, key_id: str, fields: dict[str, Any]
) -> dict[str, Any]:
    """Changes label, end or addresses of a key. Raises Problem: `conflict` for one that has ended."""
    with installation.catalog.write() as session:
        key, owner = found(session, principal, workspace_id, key_id)
        require_grantable(principal, owner.permissions)
        if not is_alive(key, installation.clock()):
            raise Problem("conflict", "That key has ended.")
        before = shown_key(key, owner)
        owner.label = fields.get("label", owner.label)
        key.expires_at = fields.get("expires_at", key.expires_at)
        key.allowed_ips = fields.get("allowed_ips", key.allowed_ips)
        session.flush()
        after = shown_key(key, owner)
        changed = {k: v for k, v in after.items() if v != before[k]}
        if changed:
            _record(session, installation, actor, "keys.update", owner, key, before={k: before[k] for k in changed}, after=changed)
        return after


def end_key(installation: Installation, principal: Principal, actor: Actor, workspace_id: str, key_id: str) -> None:
    """Revokes a key: it is refused from the next request on. Raises Problem."""
    with installation.catalog.write() as session:
        key, owner = found(session, principal, workspace_id, key_id)
        if key.revoked_at is None:
            key.revoked_at = installation.clock()
            _record(session, installation, actor, "keys.revoke", owner, key)


def renew_key(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, key_id: str, overlap: timedelta
) -> tuple[dict[str, Any], str]:
    """A second key of the same principal; the old one ends after the overlap. Raises Problem: `conflict` for one that has ended."""
    now = installation.clock()
    with installation.catalog.write() as session:
        key, owner = found(session, principal, workspace_id, key_id)
        require_grantable(principal, owner.permissions)
        if not is_alive(key, now):
            raise Problem("conflict", "That key has ended.")
        made = rotate_key(session, key.id, now, now + overlap)
        assert made is not None
        new, _ = found(session, principal, workspace_id, made.id)
        facts = shown_key(new, owner)
        _record(session, installation, actor, "keys.rotate", owner, key, after={"new": new.id, "ends_at": rfc3339(now + overlap)})
        return facts, made.text


def shown_key(key: KeyRow, owner: PrincipalRow) -> dict[str, Any]:
    """A key without its secret."""
    return {
        "id": key.id,
        "label": owner.label,
        "scope": owner.scope if owner.tenant_id is None else f"{owner.scope}:{owner.tenant_id}",
        "permissions": owner.permissions,
        "created_by": owner.created_by,
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339(key.expires_at) if key.expires_at else None,
        "rotated_until": rfc3339(key.rotated_until) if key.rotated_until else None,
        "revoked_at": rfc3339(key.revoked_at) if key.revoked_at else None,
        "last_used_at": rfc3339(key.last_used_at) if key.last_used_at else None,
        "allowed_ips": key.allowed_ips,
    }


def _record(session: Session, installation: Installation, actor: Actor, action: str, owner: PrincipalRow, key: KeyRow, **said: Any) -> None:
    entry = Entry(action, key.id, owner.workspace_id, owner.tenant_id, **said)
    audit.append(session, installation.derived_key("audit"), actor, entry, installation.clock())
