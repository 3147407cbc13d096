"""Where a workspace's usage events go as they become known: CloudEvents in batches, each at least once, in their order, to one address.

Whoever takes them knows each by its `id`. What is answered with 2xx is not sent again; all else is, after a while.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.control.leases import end_lease, take_lease
from api.control.outgoing import client, require_public
from api.control.usage.events import cloud_event
from api.serving.problems import FieldError, Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import SinkRow, UsageRow
from engine.clock import rfc3339
from engine.errors import ConfigurationError
from engine.sealing import seal, unseal
from slices.installation import Installation

MEDIA = "application/cloudevents-batch+json; charset=utf-8"
_BATCH = 200
_LEASE = "usage sinks"


def put_sink(installation: Installation, actor: Actor, workspace_id: str, url: str, secret: str | None) -> tuple[dict[str, Any], bool]:
    """Sets where events go from now on, and whether it is new; another address goes on where the last one was. Raises Problem `validation`."""
    _require_callable(installation, url)
    if secret is not None and _bytes_of(secret) is None:
        raise _wrong("secret", "It is whsec_ and at least 24 bytes in base64.")
    now = installation.clock()
    with installation.catalog.write() as session:
        row = session.get(SinkRow, workspace_id)
        before = {"url": row.url} if row is not None else None
        if row is None:
            row = SinkRow(workspace_id=workspace_id, delivered_to=_last(session, workspace_id))
            session.add(row)
        row.url, row.attempts, row.next_at, row.error, row.failing_since, row.updated_at = url, 0, now, None, None, now
        row.secret = seal(installation.derived_key("usage-sinks"), secret.encode(), workspace_id) if secret is not None else None
        session.flush()
        entry = Entry("usage.sink.put", workspace_id, workspace_id, before=before, after={"url": url, "secret_set": secret is not None})
        audit.append(session, installation.derived_key("audit"), actor, entry, now)
        return shown_sink(session, row), before is None


def end_sink(installation: Installation, actor: Actor, workspace_id: str) -> None:
    """Delivers no more. Raises Problem `not_found`."""
    with installation.catalog.write() as session:
        row = found_sink(session, workspace_id)
        session.delete(row)
        entry = Entry("usage.sink.delete", workspace_id, workspace_id, before={"url": row.url})
        audit.append(session, installation.derived_key("audit"), actor, entry, installation.clock())


def found_sink(session: Session, workspace_id: str) -> SinkRow:
    """A workspace's sink. Raises Problem `not_found`."""
    row = session.get(SinkRow, workspace_id)
    if row is None:
        raise Problem("not_found")
    return row


def shown_sink(session: Session, row: SinkRow) -> dict[str, Any]:
    """A sink as the API shows it; `waiting`: how many events are still to come."""
    return {
        "url": row.url,
        "secret_set": row.secret is not None,
        "waiting": _last(session, row.workspace_id) - row.delivered_to,
        "delivered_at": _moment(row.delivered_at),
        "failing_since": _moment(row.failing_since),
        "error": row.error,
        "updated_at": rfc3339(row.updated_at),
    }


@dataclass(frozen=True, slots=True)
class Deliverer:
    """One process that delivers, while it has the lease; `stopped` ends it between two batches."""

    installation: Installation
    stopped: Callable[[], bool] = lambda: False
    holder: str = field(default_factory=lambda: secrets.token_hex(8))

    def once(self) -> int:
        """Delivers everything that is due; how many events were taken."""
        with self.installation.catalog.read() as session:
            query = select(SinkRow.workspace_id).where(SinkRow.next_at <= self.installation.clock())
            due = list(session.scalars(query.order_by(SinkRow.next_at)))
        return sum(self._all_of(workspace_id) for workspace_id in due)

    def end(self) -> None:
        """Leaves the work to another process at once."""
        with self.installation.catalog.write(quiet=True) as session:
            end_lease(session, _LEASE, self.holder, self.installation.clock())

    def _all_of(self, workspace_id: str) -> int:
        many = 0
        while not self.stopped():
            with self.installation.catalog.read() as session:
                row = session.get(SinkRow, workspace_id)
                rows = _batch(session, row) if row is not None and row.next_at <= self.installation.clock() else []
            if row is None or not rows or not self._has_lease():
                break
            error = self._deliver(row, rows)
            self.installation.failpoint("sink.delivered")
            self._note(row, rows[-1].number, error)
            many += 0 if error else len(rows)
        return many

    def _has_lease(self) -> bool:
        with self.installation.catalog.write(quiet=True) as session:
            return take_lease(session, _LEASE, self.holder, self.installation.clock())

    def _deliver(self, row: SinkRow, rows: Sequence[UsageRow]) -> str | None:
        """None where the batch was taken, else what was wrong."""
        body = json.dumps([cloud_event(r) for r in rows], ensure_ascii=False).encode()
        headers = {"Content-Type": MEDIA} | self._signature(row, f"{rows[0].id}-{len(rows)}", body)
        try:
            with client(self.installation) as opened, opened.stream("POST", row.url, content=body, headers=headers) as response:
                return None if response.is_success else str(response.status_code)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__

    def _signature(self, row: SinkRow, id_: str, body: bytes) -> dict[str, str]:
        """The headers of Standard Webhooks, where the sink has a secret."""
        sealed = row.secret
        secret = unseal(self.installation.derived_key("usage-sinks"), sealed, row.workspace_id) if sealed is not None else None
        key = _bytes_of(secret.decode()) if secret is not None else None
        if key is None:
            return {}
        at = str(int(self.installation.clock().timestamp()))
        digest = hmac.new(key, f"{id_}.{at}.".encode() + body, sha256).digest()
        return {"webhook-id": id_, "webhook-timestamp": at, "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}

    def _note(self, sent: SinkRow, number: int, error: str | None) -> None:
        """Moves the cursor, or waits: 5, 10, 20 … seconds, an hour at most. What was set anew meanwhile stays as it is."""
        with self.installation.catalog.write(quiet=True) as session:
            now, row = self.installation.clock(), session.get(SinkRow, sent.workspace_id)
            if row is None or row.updated_at != sent.updated_at or row.delivered_to != sent.delivered_to:
                return
            if error is None:
                row.delivered_to, row.delivered_at, row.attempts, row.error, row.failing_since, row.next_at = (
                    number,
                    now,
                    0,
                    None,
                    None,
                    now,
                )
                return
            row.attempts, row.error, row.failing_since = row.attempts + 1, error, row.failing_since or now
            row.next_at = now + timedelta(seconds=min(3_600, 5 * 2 ** min(row.attempts - 1, 10)))


def _batch(session: Session, row: SinkRow) -> list[UsageRow]:
    query = select(UsageRow).where(UsageRow.workspace_id == row.workspace_id, UsageRow.number > row.delivered_to)
    return list(session.scalars(query.order_by(UsageRow.number).limit(_BATCH)))


def _last(session: Session, workspace_id: str) -> int:
    return session.scalar(select(func.max(UsageRow.number)).where(UsageRow.workspace_id == workspace_id)) or 0


def _require_callable(installation: Installation, url: str) -> None:
    """https, or what the operator allows; no private address, no credential in it."""
    try:
        parsed = httpx.URL(url)
        if parsed.userinfo or parsed.fragment or not parsed.host or parsed.scheme not in ("https", "http"):
            raise _wrong("url", "It is https://, a host and a path, without a credential.")
        if parsed.scheme == "http" and not installation.settings.network_allow:
            raise _wrong("url", "It begins with https://.")
        require_public(installation, url)
    except (httpx.InvalidURL, ConfigurationError):
        raise _wrong("url", "It cannot be called: its host is unknown, or not on the public network.") from None


def _wrong(name: str, detail: str) -> Problem:
    return Problem("validation", errors=[FieldError(f"/{name}", "invalid", detail)])


def _bytes_of(secret: str) -> bytes | None:
    """The key in a secret of Standard Webhooks."""
    try:
        found = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if secret.startswith("whsec_") and len(found) >= 24 else None


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
