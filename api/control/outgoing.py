"""Calls to addresses that somebody else named: webhooks, identity providers, billing. No private address, no redirect, bounded in time and size."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpcore
import httpx

from engine.errors import ConfigurationError
from engine.network import allowed_address
from slices.installation import Installation

SECONDS = 10.0
MOST_BYTES = 1 << 20
"""Of an answer that is read."""
_UNTIL: ContextVar[float | None] = ContextVar("until", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Calls of the block and thread end within so many seconds, answers included, however slowly the other side speaks."""
    token = _UNTIL.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _UNTIL.reset(token)


def _left(timeout: float | None) -> float | None:
    """The timeout of one step, no longer than what is left of `within`. Raises httpcore.ReadTimeout where nothing is."""
    until = _UNTIL.get()
    if until is None:
        return timeout
    left = until - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("within")
    return left if timeout is None else min(timeout, left)


class _Timed(httpcore.NetworkStream):
    """A connection each of whose steps ends in time."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Guarded(httpcore.SyncBackend):
    """Connects to the very address that was looked at."""

    def __init__(self, allow: Iterable[str]) -> None:
        self._allow = list(allow)

    def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore.NetworkStream:
        try:
            address = allowed_address(host, port, self._allow)
        except ConfigurationError as error:
            raise httpcore.ConnectError(error.code) from None
        options["timeout"] = _left(options.get("timeout"))
        return _Timed(super().connect_tcp(address, port, *args, **options))


class _Transport(httpx.HTTPTransport):
    def __init__(self, allow: Iterable[str]) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore.ConnectionPool(ssl_context=ssl.create_default_context(), network_backend=_Guarded(allow))


def client(installation: Installation, allow: Iterable[str] = ()) -> httpx.Client:
    """A client for addresses that others named; `allow` beside what the installation allows. It raises httpx's errors, and keeps no cookie."""
    allowed = [*installation.settings.network_allow, *allow]
    made = httpx.Client(transport=_Transport(allowed), timeout=SECONDS, follow_redirects=False, trust_env=False)
    made.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return made


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
