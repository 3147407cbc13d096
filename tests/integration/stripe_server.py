"""Stripe's API of meters on this machine, as its documents say it behaves:

- an identifier is taken once within 24 hours; again it is refused with 400 (docs.stripe.com/api/billing/meter-event/create)
- the first answer to an Idempotency-Key is given again for 24 hours, 5xx among them; with other parameters it is 400
  (docs.stripe.com/api/idempotent_requests); what is limited (429) or runs at the same time (409) is not saved
- a timestamp lies within the past 35 days, or 5 minutes ahead
- a summary is the sum of a customer's events of a meter, from start_time to before end_time, on minutes
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

DAY = timedelta(hours=24)
FAILURES = ("429", "409", "500 before", "500 after", "cut before", "cut after", "503 after")


@dataclass
class FakeStripe:
    """Its state. `fails` says of each call what goes wrong with it: one of FAILURES, or nothing."""

    clock: Callable[[], datetime]
    key: str = "rk_test_0123456789"
    meters: dict[str, str] = field(default_factory=lambda: {"mtr_q": "queries", "mtr_b": "kilobytes", "mtr_c": "cpu"})
    customers: set[str] = field(default_factory=lambda: {"cus_1", "cus_2"})
    fails: Callable[[], str] = lambda: ""
    events: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    retry_after: int | None = None
    url: str = ""
    _identifiers: dict[str, datetime] = field(default_factory=dict)
    _answers: dict[str, tuple[datetime, dict[str, str], int, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sum_of(self, customer: str, name: str, start: int = 0, end: int = 2**40) -> int:
        return sum(e["value"] for e in self.events if (e["customer"], e["name"]) == (customer, name) and start <= e["at"] < end)

    def post(self, form: dict[str, str], idempotency: str) -> tuple[int, Any]:
        """Status and body; ConnectionError where the connection is cut."""
        failure = self.fails()
        if failure in ("429", "409"):
            return int(failure), {
                "error": {"type": "invalid_request_error", "code": {"429": "rate_limit", "409": "idempotency_key_in_use"}[failure]}
            }
        if failure == "cut before":
            raise ConnectionError
        now = self.clock()
        saved = self._answers.get(idempotency)
        if saved is not None and now - saved[0] < DAY:
            if saved[1] != form:
                return 400, {"error": {"type": "idempotency_error"}}
            return saved[2], saved[3]
        answer = (500, {"error": {"type": "api_error"}}) if failure == "500 before" else self._count(form, now)
        if failure in ("500 after", "503 after"):
            answer = int(failure[:3]), {"error": {"type": "api_error"}}
        self._answers[idempotency] = (now, form, *answer)
        if failure == "cut after":
            raise ConnectionError
        return answer

    def _count(self, form: dict[str, str], now: datetime) -> tuple[int, Any]:
        identifier, at, value = form["identifier"], int(form["timestamp"]), form["payload[value]"]
        assert len(identifier) <= 100
        if (
            form["event_name"] not in self.meters.values()
            or form["payload[stripe_customer_id]"] not in self.customers
            or not value.isdecimal()
        ):
            return 400, {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such customer or meter"}}
        if not now.timestamp() - 35 * 86_400 <= at <= now.timestamp() + 300:
            return 400, {
                "error": {"type": "invalid_request_error", "code": "timestamp_too_far_in_past", "message": "The timestamp is too old"}
            }
        if now - self._identifiers.get(identifier, now - DAY) < DAY:
            message = f"An event already exists with identifier {identifier}."
            return 400, {"error": {"type": "invalid_request_error", "message": message}}
        self._identifiers[identifier] = now
        self.events.append(
            {"customer": form["payload[stripe_customer_id]"], "name": form["event_name"], "at": at, "value": int(value), "id": identifier}
        )
        return 200, {"object": "billing.meter_event", "identifier": identifier}

    def get(self, meter: str, query: dict[str, str]) -> tuple[int, Any]:
        failure = self.fails()
        if failure:
            return int(failure[:3]) if failure[:3].isdecimal() else 502, {"error": {"type": "api_error"}}
        start, end = int(query["start_time"]), int(query["end_time"])
        if meter not in self.meters or query["customer"] not in self.customers or start % 60 or end % 60:
            return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}}
        summary = {
            "object": "billing.meter_event_summary",
            "aggregated_value": float(self.sum_of(query["customer"], self.meters[meter], start, end)),
        }
        return 200, {"object": "list", "data": [summary], "has_more": False}


@contextmanager
def serving_stripe(fake: FakeStripe) -> Iterator[FakeStripe]:
    """Answers on a free port of 127.0.0.1 while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
            form = {k: v[0] for k, v in parse_qs(body, strict_parsing=True).items()}
            fake.calls.append(("POST", self.headers["Idempotency-Key"]))
            self._answer("/v1/billing/meter_events", lambda _: fake.post(form, self.headers["Idempotency-Key"]))

        def do_GET(self) -> None:
            at = urlsplit(self.path)
            fake.calls.append(("GET", at.path))
            meter = at.path.split("/")[4]
            query = {k: v[0] for k, v in parse_qs(at.query).items()}
            self._answer(f"/v1/billing/meters/{meter}/event_summaries", lambda _: fake.get(meter, query))

        def _answer(self, path: str, work: Callable[[None], tuple[int, Any]]) -> None:
            key = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
            try:
                with fake._lock:
                    status, body = work(None) if key == f"{fake.key}:" else (401, {"error": {"type": "invalid_request_error"}})
            except ConnectionError:
                self.close_connection = True
                return
            assert urlsplit(self.path).path == path
            content = json.dumps(body).encode()
            self.send_response(status)
            if status == 429 and fake.retry_after is not None:
                self.send_header("Retry-After", str(fake.retry_after))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    yield fake
    server.shutdown()
    server.server_close()
    thread.join(10)
