"""Ids: a prefix and a UUIDv7 (RFC 9562) in Crockford's base32, lower case: `tn_06bq…`, 26 letters, sortable by time."""

from __future__ import annotations

import re
import secrets
import time
from typing import Literal

Prefix = Literal[
    "in",
    "ws",
    "tn",
    "us",
    "ky",
    "rn",
    "sv",
    "db",
    "wh",
    "sb",
    "sn",
    "rt",
    "pb",
    "au",
    "sk",
    "ev",
    "em",
    "iv",
    "ti",
    "ss",
    "ip",
    "se",
    "me",
    "ua",
]
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PATTERN = re.compile(r"^[a-z]{2}_[0-9a-hjkmnp-tv-z]{26}$")


def new_id(prefix: Prefix) -> str:
    """A new id, later ones sort after earlier ones to the millisecond."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76 | secrets.randbits(12) << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    return f"{prefix}_{_base32(value)}"


def is_id(text: str, prefix: Prefix) -> bool:
    """Whether `text` has the form of an id with this prefix."""
    return text.startswith(prefix + "_") and _PATTERN.match(text) is not None


def _base32(value: int) -> str:
    letters = []
    for _ in range(26):
        value, rest = divmod(value, 32)
        letters.append(_ALPHABET[rest])
    return "".join(reversed(letters))
