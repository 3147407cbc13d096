"""Passwords: Argon2id with RFC 9106's second recommended parameters (argon2-cffi's defaults: 64 MiB, 3 passes), at most two at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from api.serving.problems import FieldError, Problem

LEAST, MOST = 12, 256
"""Characters. NIST SP 800-63B asks for length, not for kinds of characters."""
_LEAST_DIFFERENT = 5
_HASHER = PasswordHasher()
_AT_ONCE = threading.BoundedSemaphore(2)
_PATIENCE = 5.0


def require_good(password: str, *known: str) -> None:
    """Raises Problem `validation` for a password that is too short, too long, of few letters, or what is known of its owner."""
    low = password.lower()
    is_known = any(len(k) >= 4 and k.lower() in low and len(low) - len(k) < LEAST // 2 for k in known)
    if LEAST <= len(password) <= MOST and len(set(low)) >= _LEAST_DIFFERENT and not is_known:
        return
    detail = f"A password has {LEAST} to {MOST} characters, at least {_LEAST_DIFFERENT} different ones, and is not your name or address."
    raise Problem("validation", errors=[FieldError("/password", "weak", detail)])


def hashed(password: str) -> str:
    """What is kept of a password. Raises Problem `busy`."""
    with _room():
        return _HASHER.hash(password)


def matches(kept: str | None, password: str) -> bool:
    """Whether it is that password; None takes as long as a wrong one. Raises Problem `busy`."""
    with _room():
        try:
            return _HASHER.verify(kept or _nobodys(), password[: MOST + 1]) and kept is not None
        except VerificationError:
            return False


def is_old(kept: str) -> bool:
    """Whether it was hashed with weaker parameters than those of now."""
    return _HASHER.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _HASHER.hash("nobody has this password")


@contextmanager
def _room() -> Iterator[None]:
    """Each takes 64 MiB: many at once must not take the machine's memory."""
    if not _AT_ONCE.acquire(timeout=_PATIENCE):
        raise Problem("busy", retry_after=2)
    try:
        yield
    finally:
        _AT_ONCE.release()
