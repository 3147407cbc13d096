"""A receiver of webhooks: a real HTTP server on this machine that keeps what it was sent and answers as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Got:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        return str(json.loads(self.body)["type"])

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["data"]
        return found

    def verify(self, secret: str) -> Any:
        """The payload. Raises WebhookVerificationError."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """`answers` are (status, headers) in turn; the last one goes on. `before` runs before the answer."""

    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [(204, {})])
    before: Callable[[Got], None] = lambda got: None
    got: list[Got] = field(default_factory=list)
    port: int = 0
    came: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def take(self, got: Got) -> tuple[int, dict[str, str]]:
        with self.came:
            self.got.append(got)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            self.came.notify_all()
        self.before(got)
        return answer

    def wait_for(self, many: int, seconds: float = 30) -> list[Got]:
        with self.came:
            assert self.came.wait_for(lambda: len(self.got) >= many, seconds), f"{len(self.got)} of {many} came"
            return list(self.got)

    def types(self) -> list[str]:
        return [g.type for g in self.got]


@contextmanager
def receiving(**how: Any) -> Iterator[Receiver]:
    """A receiver that listens while the block runs."""
    receiver = Receiver(**how)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, headers = receiver.take(Got(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            receiver.take(Got(self.path, {}, b"{}"))
            self.send_error(418)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
