"""The clock and the failpoints, handed in so that tests can hold them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
Failpoint = Callable[[str], None]


def utc_now() -> datetime:
    """The time now, with the UTC zone."""
    return datetime.now(UTC)


def failpoint_from_environment(name: str) -> None:
    """Ends the process at once where `SLICEHOUSE_FAILPOINT` names this point: a crash, not an exception."""
    if os.environ.get("SLICEHOUSE_FAILPOINT") == name:
        os._exit(137)


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC, to the microsecond, with `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
