"""`Idempotency-Key`: the same request sent twice is done once, per principal, for 24 hours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from api.control.access.principal import Principal
from api.serving.problems import Problem
from engine.catalog import idempotency
from slices.installation import Installation

_FORM = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a POST answers: status, Location, body. `once` is said the first time and never kept: a secret."""

    status: int
    location: str | None
    body: dict[str, Any]
    once: dict[str, Any] = field(default_factory=dict)


def once(installation: Installation, principal: Principal, key: str | None, asked: Any, work: Callable[[], Reply]) -> Reply:
    """The reply of `work`, or that of the earlier request with this key. Without a key, `work` is simply done.

    `asked` says what is asked (place and body, as JSON). Raises Problem `idempotency_mismatch` where the key was used for something else,
    `idempotency_running` while the first request is at work.
    """
    if key is None:
        return work()
    if _FORM.fullmatch(key) is None:
        raise Problem("validation", "Idempotency-Key is 1 to 255 visible ASCII characters.")
    digest = sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    with installation.catalog.write(quiet=True) as session:
        earlier = idempotency.claim(session, principal.id, key, digest, installation.clock())
    if earlier is not None:
        if earlier.digest != digest:
            raise Problem("idempotency_mismatch")
        if earlier.state != "done" or earlier.status is None:
            raise Problem("idempotency_running", retry_after=1)
        return Reply(earlier.status, earlier.location, earlier.body)
    try:
        reply = work()
    except BaseException:
        with installation.catalog.write(quiet=True) as session:
            idempotency.release(session, principal.id, key)
        raise
    with installation.catalog.write(quiet=True) as session:
        idempotency.keep(session, principal.id, key, reply.status, reply.location, reply.body)
    return reply
