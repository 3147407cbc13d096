"""Secrets that must be kept readable (a shared signing secret, a webhook's), sealed with a key of the installation: AES-256-GCM."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


def seal(key: bytes, secret: bytes, purpose: str) -> bytes:
    """The secret, sealed by a key of 32 bytes for one purpose (the row's id): nonce, then what is sealed."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, secret, purpose.encode())


def unseal(key: bytes, sealed: bytes, purpose: str) -> bytes | None:
    """The secret; None where it was sealed with another key, for another purpose, or was changed."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose.encode())
    except InvalidTag:
        return None
