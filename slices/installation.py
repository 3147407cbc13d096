"""One installation at work: its settings, home, catalog, clock and failpoints, handed to everything that needs them."""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from engine.catalog import Catalog, is_filled, open_catalog
from engine.clock import Clock, Failpoint, failpoint_from_environment, utc_now
from engine.errors import StorageError
from engine.settings import Settings
from slices.layout import Home


@dataclass(frozen=True, slots=True)
class Installation:
    """`secret` is 32 random bytes made at the first start; keys for masks and ETags are derived from it."""

    settings: Settings
    home: Home
    catalog: Catalog
    secret: bytes
    clock: Clock = field(default=utc_now)
    failpoint: Failpoint = field(default=failpoint_from_environment)

    def derived_key(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose (HMAC-SHA-256 of the secret)."""
        return derived_key(self.secret, purpose)


def derived_key(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, of an installation's secret (HMAC-SHA-256)."""
    return hmac.new(secret, purpose.encode(), sha256).digest()


def open_installation(settings: Settings, *, migrate: bool = True) -> Installation:
    """Opens (or makes) the installation in `settings.home`. Raises StorageError where the folder refuses."""
    home = Home(settings.home.resolve())
    try:
        home.path.mkdir(parents=True, exist_ok=True)
        is_used = home.catalog.exists() if settings.catalog is None else is_filled(settings.catalog)
        secret = _secret(home.secret, is_new=not is_used)
        return Installation(settings, home, open_catalog(settings.catalog or home.catalog, migrate=migrate), secret)
    except OSError as error:
        raise StorageError(
            f"The home folder {home.path} cannot be used: {os.strerror(error.errno or 0)}.", hint="--home DIR names another."
        ) from error


def _secret(path: Path, *, is_new: bool) -> bytes:
    """The installation's secret; made once, before the catalog, readable by its owner alone. A lost one is not replaced in silence."""
    if not path.exists():
        if not is_new:
            raise StorageError(
                "The installation's secret is gone; masks and ETags hang on it.",
                hint=f"Restore {path.name} in the home folder from a backup.",
                code="secret",
            )
        part = path.with_suffix(f".{os.getpid()}")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
        try:
            os.link(part, path)
        except FileExistsError:
            pass
        finally:
            part.unlink()
    secret = path.read_bytes()
    if len(secret) < 32 or len(set(secret)) < 12:  # 32 random bytes have 30 different ones; a line typed by hand may have few
        raise StorageError(
            "The installation's secret is too short, or none that was drawn by lot.",
            hint=f"Restore {path.name} in the home folder from a backup.",
            code="secret",
        )
    return secret
