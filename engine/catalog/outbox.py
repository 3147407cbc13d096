"""The outbox of webhooks: what happened is written in the transaction of what it tells of, for those who subscribed to it, else not at all.

Who hears of a tenant's event: webhooks of its workspace, its own, and those of a subtree that it is in. A webhook of a tenant that is suspended
or has left hears of that alone. Events without a tenant are for webhooks of the workspace.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.catalog.lineage import lineage
from engine.catalog.tables import ENDED, DeliveryRow, MessageRow, TenantRow, WebhookRow
from engine.clock import rfc3339
from engine.ids import new_id

EVENTS: dict[str, str] = {
    "refresh.failed": "a refresh failed; the last slices go on answering",
    "routing.review_required": "a refresh was stopped: a person must look",
    "slice.published": "another version answers for a tenant",
    "tenant.created": "a tenant was made, by hand or found in the source",
    "tenant.state_changed": "a tenant's state is another one",
    "quota.reached": "a tenant has used up a quota; once a quota and period",
    "subscription.changed": "another plan was put for a tenant",
}
"""The closed list of what may be subscribed to."""
TEST = "webhook.test"
"""What a test message is; nobody subscribes to it."""


class Outbox:
    """What one transaction tells of a workspace. Who listens is asked once."""

    def __init__(self, session: Session, workspace_id: str, now: datetime) -> None:
        self._session, self._workspace_id, self._now = session, workspace_id, now
        self._listening: list[WebhookRow] | None = None

    def listens(self, type_: str) -> bool:
        """Whether anybody of the workspace subscribed to it."""
        return bool(self._to(type_))

    def tell(self, type_: str, facts: dict[str, Any], tenant: TenantRow | None = None) -> None:
        """Writes an event down for each that is to hear of it. `facts` are added to the workspace, and to the tenant's id and key."""
        hearing = [w for w in self._to(type_) if self._hears(w, type_, tenant)]
        if not hearing:
            return
        whose = {} if tenant is None else {"tenant": tenant.id, "key": tenant.key}
        data = {"workspace": self._workspace_id, **whose, **facts}
        put(self._session, hearing, type_, data, self._now, tenant.id if tenant is not None else None)

    def tell_state(self, tenant: TenantRow, before: str) -> None:
        """Tells of a tenant's state where it is another one than `before`."""
        if tenant.shown_state != before:
            self.tell("tenant.state_changed", {"state": tenant.shown_state, "previous_state": before}, tenant)

    def _to(self, type_: str) -> list[WebhookRow]:
        if self._listening is None:
            query = select(WebhookRow).where(WebhookRow.workspace_id == self._workspace_id, WebhookRow.archived_at.is_(None))
            self._listening = list(self._session.scalars(query.where(WebhookRow.is_enabled)))
        return [w for w in self._listening if "*" in w.events or type_ in w.events]

    def _hears(self, webhook: WebhookRow, type_: str, tenant: TenantRow | None) -> bool:
        if tenant is not None and tenant.workspace_id != webhook.workspace_id:
            return False
        if webhook.tenant_id is None or tenant is None:
            return webhook.tenant_id is None
        if tenant.id == webhook.tenant_id:
            return _is_open(tenant) or type_ == "tenant.state_changed"
        above = (t for t in lineage(self._session, tenant) if t.id == webhook.tenant_id)
        return webhook.scope == "subtree" and any(_is_open(t) for t in above)


def _is_open(tenant: TenantRow) -> bool:
    return tenant.shown_state != "suspended" and tenant.state not in ENDED


def put(
    session: Session, to: list[WebhookRow], type_: str, data: dict[str, Any], now: datetime, tenant_id: str | None = None
) -> MessageRow:
    """A message on its way to these webhooks, due at once."""
    body = json.dumps({"type": type_, "timestamp": rfc3339(now), "data": data}, separators=(",", ":"), ensure_ascii=False)
    message = MessageRow(
        id=new_id("em"), workspace_id=to[0].workspace_id, tenant_id=tenant_id, type=type_, occurred_at=now, body=body
    )  # fmt: skip
    session.add(message)
    session.flush()
    session.add_all(
        DeliveryRow(webhook_id=w.id, message_id=message.id, state="waiting", attempts=0, tried=0, next_attempt_at=now) for w in to
    )
    session.flush()
    return message
