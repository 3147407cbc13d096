"""The messages of a webhook: what is on its way, a test, and one sent again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.control.access.principal import Principal
from api.control.webhooks.keeping import found
from api.serving.problems import Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.deliveries import again
from engine.catalog.outbox import TEST, put
from engine.catalog.tables import DeliveryRow, MessageRow, WebhookRow
from engine.clock import rfc3339
from slices.installation import Installation


def delivery(session: Session, webhook: WebhookRow, message_id: str) -> DeliveryRow:
    """A message on its way to a webhook. Raises Problem `not_found`."""
    row = session.get(DeliveryRow, (webhook.id, message_id))
    if row is None:
        raise Problem("not_found")
    return row


def send_test(installation: Installation, principal: Principal, actor: Actor, workspace_id: str, webhook_id: str) -> dict[str, Any]:
    """A test message to this webhook alone, whatever it subscribed to. Raises Problem: `conflict` for one that is disabled."""
    now = installation.clock()
    with installation.catalog.write() as session:
        webhook = _enabled(found(session, principal, workspace_id, webhook_id))
        message = put(session, [webhook], TEST, {"workspace": workspace_id, "webhook": webhook.id}, now, webhook.tenant_id)
        _record(session, installation, actor, "webhooks.test", webhook, message.id)
        return shown_delivery(delivery(session, webhook, message.id), message)


def send_again(
    installation: Installation, principal: Principal, actor: Actor, workspace_id: str, webhook_id: str, message_id: str
) -> dict[str, Any]:
    """Sends a message again, with its id, now and by the whole schedule. Raises Problem: `conflict` for a webhook that is disabled."""
    with installation.catalog.write() as session:
        webhook = _enabled(found(session, principal, workspace_id, webhook_id))
        row = delivery(session, webhook, message_id)
        again(row, installation.clock())
        _record(session, installation, actor, "webhooks.replay", webhook, message_id)
        session.flush()
        return shown_delivery(row, session.get_one(MessageRow, message_id))


def _enabled(webhook: WebhookRow) -> WebhookRow:
    if not webhook.is_enabled:
        raise Problem("conflict", "The webhook is disabled.")
    return webhook


def shown_deliveries(session: Session, rows: list[DeliveryRow]) -> list[dict[str, Any]]:
    """Deliveries as the API shows them, in their order."""
    query = select(MessageRow).where(MessageRow.id.in_([r.message_id for r in rows]))
    messages = {m.id: m for m in session.scalars(query)}
    return [shown_delivery(row, messages[row.message_id]) for row in rows]


def shown_delivery(row: DeliveryRow, message: MessageRow) -> dict[str, Any]:
    """A delivery as the API shows it; its `id` is the message's, which the receiver has as `webhook-id`."""
    return {
        "id": message.id,
        "type": message.type,
        "status": row.state,
        "attempts": row.attempts,
        "next_attempt_at": rfc3339(row.next_attempt_at) if row.next_attempt_at else None,
        "last_attempt_at": rfc3339(row.last_attempt_at) if row.last_attempt_at else None,
        "last_status": row.last_status,
        "last_reason": row.last_reason,
        "created_at": rfc3339(message.occurred_at),
    }


def _record(session: Session, installation: Installation, actor: Actor, action: str, webhook: WebhookRow, message_id: str) -> None:
    entry = Entry(action, webhook.id, webhook.workspace_id, webhook.tenant_id, after={"message": message_id})
    audit.append(session, installation.derived_key("audit"), actor, entry, installation.clock())
