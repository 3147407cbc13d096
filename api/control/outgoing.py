"""Calls to addresses that somebody else named: webhooks, identity providers, billing. No private address, no redirect, bounded in time and size."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from engine.errors import ConfigurationError
from engine.network import allowed_address
from slices.installation import Installation

SECONDS = 10.0
MOST_BYTES = 1 << 20
"""Of an answer that is read."""


class _Guarded(httpcore.SyncBackend):
    """Connects to the very address that was looked at."""

    def __init__(self, allow: Iterable[str]) -> None:
        self._allow = list(allow)

    def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore.NetworkStream:
        try:
            address = allowed_address(host, port, self._allow)
        except ConfigurationError as error:
            raise httpcore.ConnectError(error.code) from None
        return super().connect_tcp(address, port, *args, **options)


class _Transport(httpx.HTTPTransport):
    def __init__(self, allow: Iterable[str]) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore.ConnectionPool(ssl_context=ssl.create_default_context(), network_backend=_Guarded(allow))


def client(installation: Installation, allow: Iterable[str] = ()) -> httpx.Client:
    """A client for addresses that others named; `allow` beside what the installation allows. It raises httpx's errors."""
    allowed = [*installation.settings.network_allow, *allow]
    return httpx.Client(transport=_Transport(allowed), timeout=SECONDS, follow_redirects=False, trust_env=False)


def read(response: httpx.Response) -> bytes:
    """The body of a streamed answer, no more than MOST_BYTES. Raises httpx.HTTPError beyond."""
    content = bytearray()
    for part in response.iter_bytes():
        content += part
        if len(content) > MOST_BYTES:
            raise httpx.DecodingError("The answer is too large.")
    return bytes(content)


def require_public(installation: Installation, url: str, allow: Iterable[str] = ()) -> None:
    """Raises ConfigurationError (`address_refused`) for a URL whose host may not be called. What is called later is looked at again."""
    parsed = httpx.URL(url)
    allowed_address(parsed.host, parsed.port or (443 if parsed.scheme == "https" else 80), [*installation.settings.network_allow, *allow])
