"""A request as bytes, so that a client's tidying does not spoil an attack; the answer as it came."""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.client import HTTPResponse

_REQUEST_ID = re.compile(rb'"request_id":"[^"]*"')


@dataclass(frozen=True, slots=True)
class Got:
    """`same` is the body without its request id."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def same(self) -> tuple[int, bytes]:
        return self.status, _REQUEST_ID.sub(b"", self.body)

    @property
    def code(self) -> str:
        found = re.search(rb'"code":"(\w+)"', self.body)
        return found[1].decode() if found else ""


def ask(
    port: int,
    target: str | bytes,
    headers: dict[str, str] | None = None,
    *,
    method: str = "GET",
    body: bytes = b"",
    host: str = "localhost",
) -> Got:
    """One request; the target and the headers go out as they are, in UTF-8."""
    lines = [b"%s %s HTTP/1.1" % (method.encode(), target if isinstance(target, bytes) else target.encode()), b"Host: " + host.encode()]
    lines += [f"{name}: {value}".encode() for name, value in (headers or {}).items()]
    if body:
        lines += [b"Content-Length: %d" % len(body), b"Content-Type: application/json"]
    return send(port, [b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body], method)


def send(port: int, parts: Iterable[bytes], method: str = "GET", timeout: float = 10.0) -> Got:
    """Bytes on a socket; status 0 where the server closed it without a word."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return _read(connection, method)


def _read(connection: socket.socket, method: str) -> Got:
    received = bytearray()
    try:
        while part := connection.recv(1 << 16):
            received += part
    except (ConnectionResetError, TimeoutError):
        pass
    if not received:
        return Got(0)
    response = HTTPResponse(_Stub(bytes(received)), method=method)  # type: ignore[arg-type]
    response.begin()
    return Got(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


class _Stub:
    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def makefile(self, *_: object) -> io.BytesIO:
        return self._file
