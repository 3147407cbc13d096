"""The signature of Stripe's webhooks: `t=<seconds>,v1=<hex>[,v1=<hex>…]`, HMAC-SHA-256 over `t.payload` (docs.stripe.com/webhooks)."""

from __future__ import annotations

import hmac
from datetime import datetime
from hashlib import sha256

TOLERANCE = 300
"""Seconds that a signature may be old, or ahead of the clock here."""
_MOST = 10


def is_signed(header: str, payload: bytes, secret: bytes, now: datetime) -> bool:
    """Whether one of the signatures is made with the secret, lately. Schemes other than v1 are not looked at (no downgrade)."""
    parts = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name.strip() == "t"]
    given = [value.strip() for name, _, value in parts if name.strip() == "v1"][:_MOST]
    if len(times) != 1 or not times[0].isascii() or not times[0].isdecimal() or len(times[0]) > 12:
        return False
    expected = hmac.new(secret, times[0].encode() + b"." + payload, sha256).hexdigest().encode()
    matches = [hmac.compare_digest(expected, one.encode()) for one in given]
    return any(matches) and abs(now.timestamp() - int(times[0])) <= TOLERANCE
