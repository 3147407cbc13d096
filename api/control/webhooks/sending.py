"""One attempt to deliver a message. Of the answer the status is kept, and a word of our own where it failed; its body is not read."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx

from api.control.outgoing import within
from api.control.webhooks.addresses import is_encrypted
from api.control.webhooks.signing import signed_headers
from engine.catalog.deliveries import Claimed, Outcome
from engine.catalog.tables import WebhookRow
from engine.sealing import unseal
from slices.installation import Installation

SECONDS = 15.0
"""Of a whole attempt; the specification asks for 15 to 30."""
_HEADERS = {"Content-Type": "application/json", "User-Agent": "Slicehouse-Webhooks/1", "Connection": "close"}


def send(installation: Installation, client: httpx.Client, claimed: Claimed) -> Outcome:
    """Sends a message, signed, to its webhook, and says what came of it. Raises nothing that the receiver could cause."""
    webhook, body, now = claimed.webhook, claimed.message.body.encode(), installation.clock()
    known = _secrets(installation, webhook, now)
    if not known:
        return Outcome(reason="secret_lost")
    if not is_encrypted(installation, webhook.url):
        return Outcome(reason="not_encrypted")
    headers = _HEADERS | signed_headers(known, claimed.message.id, now, body)
    try:
        with within(SECONDS), client.stream("POST", webhook.url, content=body, headers=headers) as answer:
            return _outcome(answer)
    except httpx.TimeoutException:
        return Outcome(reason="timeout")
    except httpx.ConnectError as error:
        return Outcome(reason="address_refused" if str(error) == "address_refused" else "unreachable")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
        return Outcome(reason="broken_answer")


def _secrets(installation: Installation, webhook: WebhookRow, now: datetime) -> list[bytes]:
    """The secret, and the one before while it still signs."""
    key = installation.derived_key("webhooks")
    sealed = [webhook.sealed]
    if webhook.sealed_before is not None and webhook.before_until is not None and now < webhook.before_until:
        sealed.append(webhook.sealed_before)
    return [secret for s in sealed if (secret := unseal(key, s, webhook.id)) is not None]


def _outcome(answer: httpx.Response) -> Outcome:
    if answer.is_success:
        return Outcome(answer.status_code)
    reason = "redirect" if 300 <= answer.status_code < 400 else "refused"
    return Outcome(answer.status_code, reason, _wait(answer))


def _wait(answer: httpx.Response) -> timedelta | None:
    """Retry-After, in seconds."""
    text = answer.headers.get("retry-after", "")
    return timedelta(seconds=int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else None
