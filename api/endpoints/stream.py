"""Server-sent events (WHATWG HTML, 9.2): numbered events, a heartbeat while nothing happens, an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi.responses import Response, StreamingResponse

from api.endpoints.context import Context
from api.serving.problems import Problem

POLL = 0.5  # seconds: a revoked key sees no more than what happens in one of these
HEARTBEAT = 15.0
LONGEST = 3_600.0  # the caller comes again with Last-Event-ID
_MOST = 100
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class Step:
    """All events so far as (number, name, data), rising; and whether there will be no more."""

    events: Sequence[tuple[int, str, dict[str, Any]]]
    ended: bool


def stream(context: Context, steps: AsyncIterator[Step], seen: int, *, head: bool = False) -> Response:
    """Sends what comes after event `seen`; for HEAD, the headers alone. Raises Problem `busy` where too many streams are open."""
    if head:
        return Response(media_type="text/event-stream", headers=_HEADERS)
    if context.streams >= _MOST:
        raise Problem("busy", retry_after=5)
    return StreamingResponse(_sent(context, steps, seen), media_type="text/event-stream", headers=_HEADERS)


async def _sent(context: Context, steps: AsyncIterator[Step], seen: int) -> AsyncIterator[bytes]:
    context.streams += 1
    began = spoke = time.monotonic()
    try:
        yield b"retry: 2000\n\n"
        async for step in steps:
            for number, name, data in step.events:
                if number > seen:
                    seen, spoke = number, time.monotonic()
                    yield f"id: {number}\nevent: {name}\ndata: {msgspec.json.encode(data).decode()}\n\n".encode()
            if step.ended or time.monotonic() - began > LONGEST:
                return
            if time.monotonic() - spoke >= HEARTBEAT:
                spoke = time.monotonic()
                yield b": still at work\n\n"
            await asyncio.sleep(POLL)
    except Problem:
        return  # who may not see the run any more is told no more of it
    finally:
        context.streams -= 1
