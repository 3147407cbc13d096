"""Webhooks made, changed, given another secret, archived: within the scope of whoever does it, as keys are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from api.control.access.granting import require_lasting, scope_wanted, within_reach
from api.control.access.principal import Principal
from api.control.tenants.changing import Wanted
from api.control.webhooks.addresses import require_callable
from api.control.webhooks.signing import new_secret, secret_text
from api.serving.problems import Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.deliveries import drop
from engine.catalog.tables import WebhookRow
from engine.clock import rfc3339
from engine.ids import new_id
from engine.sealing import seal
from slices.installation import Installation

MOST = 50
"""Webhooks of one workspace or tenant."""


@dataclass(frozen=True, slots=True)
class WebhookWanted:
    """A webhook that is asked for."""

    url: str
    events: tuple[str, ...]
    scope: str
    description: str
    metadata: dict[str, Any]
    enabled: bool


def reachable(principal: Principal, workspace_id: str) -> Select[WebhookRow]:
    """The webhooks within the principal's scope."""
    return select(WebhookRow).where(within_reach(principal, workspace_id, WebhookRow), WebhookRow.archived_at.is_(None))


def found(session: Session, principal: Principal, workspace_id: str, webhook_id: str) -> WebhookRow:
    """A webhook within the principal's scope. Raises Problem `not_found`."""
    row = session.scalar(reachable(principal, workspace_id).where(WebhookRow.id == webhook_id))
    if row is None:
        raise Problem("not_found")
    return row


def make_webhook(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, wanted: WebhookWanted
) -> tuple[dict[str, Any], str]:
    """A new webhook within the maker's scope: its facts, and its secret, which is shown once. Raises Problem."""
    require_lasting(principal)
    require_callable(installation, wanted.url)
    secret = new_secret()
    with installation.catalog.write() as session:
        scope = scope_wanted(session, principal, workspace_id, wanted.scope)
        _require_room(session, workspace_id, scope.tenant_id)
        row = WebhookRow(
            id=new_id("wh"), workspace_id=workspace_id, tenant_id=scope.tenant_id, scope=scope.kind, url=wanted.url, events=list(wanted.events),
            description=wanted.description, tags=wanted.metadata, is_enabled=wanted.enabled, created_by=principal.id, created_at=installation.clock(),
            revision=1,
        )  # fmt: skip
        row.sealed = seal(installation.derived_key("webhooks"), secret, row.id)
        session.add(row)
        session.flush()
        facts = shown_webhook(row)
        _record(session, installation, actor, "webhooks.create", row, after=facts)
    return facts, secret_text(secret)


def _require_room(session: Session, workspace_id: str, tenant_id: str | None) -> None:
    """Raises Problem `conflict` where there are as many as there may be."""
    of = WebhookRow.tenant_id.is_(None) if tenant_id is None else WebhookRow.tenant_id == tenant_id
    query = select(WebhookRow.id).where(WebhookRow.workspace_id == workspace_id, WebhookRow.archived_at.is_(None), of)
    if len(session.scalars(query).all()) >= MOST:
        raise Problem("conflict", f"There are {MOST} webhooks; archive one first.")


def change_webhook(
    installation: Installation,
    principal: Principal,
    actor: Actor,
    workspace_id: str,
    webhook_id: str,
    fields: dict[str, Any],
    wanted: Wanted,
) -> WebhookRow:
    """Changes the fields that are named, as a merge patch. `enabled` tells it of what happens from then on. Raises Problem."""
    require_lasting(principal)
    if "url" in fields:
        require_callable(installation, fields["url"])
    with installation.catalog.write() as session:
        row = found(session, principal, workspace_id, webhook_id)
        wanted.require(row)
        before = shown_webhook(row)
        row.url, row.events = fields.get("url", row.url), fields.get("events", row.events)
        row.description = fields.get("description", row.description)
        row.tags = {k: v for k, v in (row.tags | fields["metadata"]).items() if v is not None} if "metadata" in fields else row.tags
        if fields.get("enabled", row.is_enabled) != row.is_enabled:
            _switch(session, row, fields["enabled"])
        after = shown_webhook(row)
        changed = {k: v for k, v in after.items() if v != before[k]}
        if changed:
            row.revision += 1
            _record(session, installation, actor, "webhooks.update", row, before={k: before[k] for k in changed}, after=changed)
        session.flush()
        return row


def _switch(session: Session, row: WebhookRow, on: bool) -> None:
    """Whoever enables it begins anew; what was on its way to one that is disabled is dead."""
    row.is_enabled, row.disabled_at, row.disabled_reason, row.failing_since = on, None, None, None
    if not on:
        drop(session, row.id)


def archive_webhook(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, webhook_id: str, wanted: Wanted
) -> None:
    """Tells it nothing any more, and forgets its secrets. Raises Problem."""
    with installation.catalog.write() as session:
        row = found(session, principal, workspace_id, webhook_id)
        wanted.require(row)
        row.is_enabled, row.archived_at, row.sealed, row.sealed_before = False, installation.clock(), b"", None
        drop(session, row.id)
        _record(session, installation, actor, "webhooks.archive", row)


def rotate_secret(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, webhook_id: str, overlap: timedelta
) -> tuple[dict[str, Any], str]:
    """Another secret; the one before signs beside it until the overlap is over. Raises Problem."""
    require_lasting(principal)
    secret, until = new_secret(), installation.clock() + overlap
    with installation.catalog.write() as session:
        row = found(session, principal, workspace_id, webhook_id)
        row.sealed_before, row.before_until = (row.sealed, until) if overlap else (None, None)
        row.sealed = seal(installation.derived_key("webhooks"), secret, row.id)
        row.revision += 1
        session.flush()
        _record(session, installation, actor, "webhooks.rotate", row, after={"previous_until": rfc3339(until)})
        return shown_webhook(row), secret_text(secret)


def shown_webhook(row: WebhookRow) -> dict[str, Any]:
    """A webhook without its secret."""
    return {
        "id": row.id,
        "url": row.url,
        "events": row.events,
        "description": row.description,
        "metadata": row.tags,
        "scope": row.scope if row.tenant_id is None else f"{row.scope}:{row.tenant_id}",
        "enabled": row.is_enabled,
        "disabled_at": rfc3339(row.disabled_at) if row.disabled_at else None,
        "disabled_reason": row.disabled_reason,
        "failing_since": rfc3339(row.failing_since) if row.failing_since else None,
        "previous_secret_until": rfc3339(row.before_until) if row.before_until else None,
        "created_by": row.created_by,
        "created_at": rfc3339(row.created_at),
    }


def _record(session: Session, installation: Installation, actor: Actor, action: str, row: WebhookRow, **said: Any) -> None:
    entry = Entry(action, row.id, row.workspace_id, row.tenant_id, **said)
    audit.append(session, installation.derived_key("audit"), actor, entry, installation.clock())
