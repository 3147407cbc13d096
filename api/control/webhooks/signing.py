"""Signatures by the Standard Webhooks specification (1.0.0): HMAC-SHA-256 over `{id}.{timestamp}.{body}`, one for each secret that counts."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

_BYTES = 32


def new_secret() -> bytes:
    """A secret of 256 bits."""
    return secrets.token_bytes(_BYTES)


def secret_text(secret: bytes) -> str:
    """As its owner sees it: `whsec_` and base64."""
    return "whsec_" + base64.b64encode(secret).decode()


def signed_headers(known: Iterable[bytes], message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """The headers of an attempt made now: id, timestamp (Unix seconds), a signature `v1,…` a secret."""
    seconds = str(int(now.timestamp()))
    signed = f"{message_id}.{seconds}.".encode() + body
    signatures = ["v1," + base64.b64encode(hmac.new(secret, signed, sha256).digest()).decode() for secret in known]
    return {"webhook-id": message_id, "webhook-timestamp": seconds, "webhook-signature": " ".join(signatures)}
