"""A small HTTP client under load: one thread, one request in flight on each connection, the next one as soon as the answer is whole.

It costs about 0.05 ms of CPU a request beside the server, so it bounds what the cheapest servers show as requests per second; the server's
CPU per request is not touched by it.
"""

from __future__ import annotations

import http.client
import json
import selectors
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class _Line:
    """One connection: what it has received of the answer that it waits for, and when it asked."""

    socket: socket.socket
    asked_at: float = 0.0
    wanted: int = -1
    received: bytearray = field(default_factory=bytearray)


def get(path: str, headers: Mapping[str, str]) -> bytes:
    """A GET request as bytes."""
    lines = [f"GET {path} HTTP/1.1", "Host: bench", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def load(
    port: int, connections: int, requests: Iterator[bytes], seconds: float = float("inf"), status: int = 200
) -> tuple[list[float], float]:
    """Asks until the time is over or the requests are at an end. Returns the seconds of each answer, and the seconds of all.

    Raises RuntimeError where an answer has another status.
    """
    took: list[float] = []
    with selectors.DefaultSelector() as waiting:
        start = time.perf_counter()
        for _ in range(connections):
            line = _Line(socket.create_connection(("127.0.0.1", port)))
            line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            waiting.register(line.socket, selectors.EVENT_READ, line)
            _next(waiting, line, requests, start + seconds)
        while waiting.get_map():
            for key, _ in waiting.select():
                if _received(key.data, status):
                    took.append(time.perf_counter() - key.data.asked_at)
                    _next(waiting, key.data, requests, start + seconds)
        return took, time.perf_counter() - start


def _next(waiting: selectors.BaseSelector, line: _Line, requests: Iterator[bytes], until: float) -> None:
    """Sends the next request, or closes the line."""
    request = next(requests, None) if time.perf_counter() < until else None
    if request is None:
        waiting.unregister(line.socket)
        line.socket.close()
        return
    line.received.clear()
    line.wanted, line.asked_at = -1, time.perf_counter()
    line.socket.sendall(request)


def _received(line: _Line, status: int) -> bool:
    """Takes what has come; whether the answer is whole."""
    part = line.socket.recv(1 << 20)
    if not part:
        raise RuntimeError("the server closed a connection")
    line.received += part
    if line.wanted < 0:
        end = line.received.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(line.received[:end]).lower()
        if int(head.split(b" ", 2)[1]) != status:
            raise RuntimeError(f"the server answered {bytes(line.received[:2000]).decode(errors='replace')}")
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        line.wanted = end + 4 + int(length or 0)
    return len(line.received) >= line.wanted


def ask(port: int, request: bytes) -> tuple[dict[str, str], Any]:
    """One request: headers in lower case, and the body as JSON."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.sendall(request)
        answer = http.client.HTTPResponse(line)
        answer.begin()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {body[:500].decode(errors='replace')}")
        return {k.lower(): v for k, v in answer.getheaders()}, json.loads(body)
