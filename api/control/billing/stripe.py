"""Calls of Stripe's API: a meter event is sent, the sum that a meter has is asked. What an answer means is decided here, once.

An event of an identifier that Stripe knows is refused with 400 ("An event already exists with identifier …"): it was counted. A 5xx, a
timeout and a cut connection say nothing of whether it was. Identifiers are known for at least 24 hours; the answer to an Idempotency-Key,
5xx among them, is given again as long (docs.stripe.com/api/billing/meter-event, docs.stripe.com/api/idempotent_requests).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import httpx
import msgspec

from api.control.outgoing import read
from engine.catalog.tables import MeterEventRow

Meaning = Literal["counted", "not counted", "unsure", "unsure and answered", "key refused", "refused"]
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a call; `wait` is what Stripe asks for in seconds, `error` a code or a class, never Stripe's text."""

    meaning: Meaning
    error: str = ""
    wait: int = 0


@dataclass(frozen=True, slots=True)
class Stripe:
    """The API of one account, called with a client of `api.control.outgoing`."""

    url: str
    key: str
    client: httpx.Client

    def send(self, row: MeterEventRow) -> Answer:
        """Sends a meter event."""
        form = {
            "event_name": row.event_name,
            "identifier": row.identifier,
            "timestamp": str(int(row.hour.timestamp())),
            "payload[stripe_customer_id]": row.customer_id,
            "payload[value]": str(row.value),
        }
        headers = {"Idempotency-Key": f"{row.identifier}.{row.key_number}"}
        try:
            status, body, wait = self._call("POST", "/v1/billing/meter_events", data=form, headers=headers)
        except _NOT_SENT as error:
            return Answer("not counted", type(error).__name__)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Answer("unsure", type(error).__name__)
        return _meaning(status, body, wait)

    def sum_of(self, row: MeterEventRow) -> int | None:
        """The sum that the meter has of the customer in the hour. Raises httpx.HTTPError; None where the answer is none."""
        start = int(row.hour.timestamp())
        params: dict[str, str | int] = {"customer": row.customer_id, "start_time": start, "end_time": start + 3_600}
        at = f"/v1/billing/meters/{row.meter_id}/event_summaries"
        status, body, _ = self._call("GET", at, params=params)
        try:
            found = body["data"] if status == 200 else None
            return None if found is None else round(sum(float(s["aggregated_value"]) for s in found))
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    def _call(self, method: str, path: str, **more: Any) -> tuple[int, Any, int]:
        """Status, the body's JSON (None where it is none), seconds to wait."""
        with self.client.stream(method, self.url.rstrip("/") + path, auth=(self.key, ""), **more) as response:
            content, wait = read(response), response.headers.get("retry-after", "")
            try:
                body = msgspec.json.decode(content)
            except msgspec.DecodeError:
                body = None
            return response.status_code, body, min(3_600, int(wait)) if wait.isascii() and wait.isdecimal() else 0


def _meaning(status: int, body: Any, wait: int) -> Answer:
    error = body.get("error") if isinstance(body, dict) else None
    said = error if isinstance(error, dict) else {}
    code = str(said.get("code") or said.get("type") or status)[:100]
    if status == 200:
        return Answer("counted")
    if status == 400 and (code == "duplicate_meter_event" or "already exists with identifier" in str(said.get("message", ""))):
        return Answer("counted")
    if status == 429:
        return Answer("not counted", code, wait)
    if status == 409:
        return Answer("unsure", code, wait)
    if status >= 500:
        return Answer("unsure and answered", str(status), wait)
    return Answer("key refused" if status in (401, 403) else "refused", code)


def waits(attempts: int, least: int = 0) -> timedelta:
    """How long after so many attempts: 5, 10, 20 … seconds, an hour at most; not less than what was asked for."""
    return timedelta(seconds=max(least, min(3_600, 5 * 2 ** min(attempts - 1, 10))))


def too_old(hour: datetime, now: datetime) -> bool:
    """Whether Stripe takes nothing of that hour any more: 35 days, an hour left for what is on the way."""
    return now - hour > timedelta(days=35) - timedelta(hours=1)
