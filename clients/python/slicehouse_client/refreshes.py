"""Refreshes of a workspace: started, watched, awaited."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import httpx

from slicehouse_client import shapes
from slicehouse_client.connection import Resource, lines_of, part
from slicehouse_client.errors import TransportError

AT = "/v1/workspaces/{ws}/refreshes"
_SILENCE = 60.0  # seconds: the server says something every fifteen


class Event(NamedTuple):
    """Something that happened in a run: queued, running, stage, ended."""

    id: str
    name: str
    data: dict[str, Any]


class Refreshes(Resource):
    """Runs of a workspace."""

    def list(self, *, state: str | None = None) -> Iterator[shapes.Run]:
        """Newest first."""
        return self._at.pages(AT, {"state": state})

    def get(self, run: str) -> shapes.Run:
        """One run with its stages."""
        return self._at.get(shapes.Run, f"{AT}/{part(run)}")

    def start(self, tenants: Iterable[str] = (), *, full: bool = False, idempotency_key: str | None = None) -> shapes.Run:
        """Queues a refresh of these tenants, or of all; one that waits already with the same wish is returned instead."""
        return self._at.create(shapes.Run, AT, {"tenants": [*tenants], "full": full}, idempotency_key=idempotency_key)

    def wait(self, run: str, timeout: float = 3_600.0) -> shapes.Run:
        """The run once it has ended, however it did: `state` says so. Raises TimeoutError after `timeout` seconds."""
        for _ in self._followed(run, "0", time.monotonic() + timeout):
            pass
        return self.get(run)

    def events(self, run: str, after: str = "0") -> Iterator[Event]:
        """What happens, from the beginning or after an event's id, until the run has ended; goes on where the connection breaks."""
        return (event for event in self._followed(run, after, None) if event is not None)

    def _followed(self, run: str, seen: str, until: float | None) -> Iterator[Event | None]:
        """Events; None for a sign of life."""
        idle = 0
        while True:
            try:
                for event in self._stream(run, seen, _left(run, until)):
                    _left(run, until)
                    seen, idle = (event.id, 0) if event is not None else (seen, idle)
                    yield event
                    if event is not None and event.name == "ended":
                        return
            except TransportError:
                _left(run, until)
                idle += 1
                if idle > self._at.retries.most:
                    raise
            self._at.retries.sleep(min(2.0, _left(run, until)))

    def _stream(self, run: str, seen: str, seconds: float) -> Iterator[Event | None]:
        """One connection's events (WHATWG HTML, 9.2), after the one that was seen."""
        path, found = f"{AT}/{part(run)}/events", dict[str, str]()
        headers = {"Accept": "text/event-stream", "Last-Event-ID": seen}
        with self._at.stream("GET", path, headers=headers, timeout=httpx.Timeout(30.0, read=min(_SILENCE, seconds))) as response:
            if response.status_code == 204:
                yield Event(seen, "ended", {})
            for line in lines_of(response):
                name, _, value = line.decode().partition(": ")
                if name:
                    found[name] = value
                elif "data" in found:
                    yield Event(found.get("id", seen), found.get("event", "message"), json.loads(found["data"]))
                    found = {}
                else:
                    yield None


def _left(run: str, until: float | None) -> float:
    """Seconds that are left. Raises TimeoutError."""
    if until is None:
        return _SILENCE
    if (left := until - time.monotonic()) <= 0:
        raise TimeoutError(f"{run} has not ended")
    return left
