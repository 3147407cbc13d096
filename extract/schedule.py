"""When: APScheduler, with cron lines read by cronsim, because APScheduler's own count weekdays from Monday.

It is handed callables and knows no refresh.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger
from cronsim import CronSim, CronSimError

from engine.errors import ConfigurationError
from engine.workspace.syntax import parse_duration


class CronTrigger(BaseTrigger):  # type: ignore[misc]
    """A cron line of five fields in a time zone: 0 and 7 are Sunday, day fields are OR-ed, as cron does."""

    def __init__(self, line: str, timezone: str) -> None:
        self._line, self._zone = line, ZoneInfo(timezone)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """The first time after both."""
        start = now if previous is None else max(previous, now)
        found: datetime = next(CronSim(self._line, start.astimezone(self._zone)))
        return found


def trigger(schedule: str, timezone: str) -> BaseTrigger:
    """The trigger of `*/15 * * * *` or `every 10m`. Raises ConfigurationError."""
    try:
        if schedule.startswith("every "):
            return IntervalTrigger(seconds=int(parse_duration(schedule.removeprefix("every ")).total_seconds()))
        next(CronSim(schedule, datetime.now(ZoneInfo(timezone))))
        return CronTrigger(schedule, timezone)
    except (ValueError, CronSimError, StopIteration):
        raise ConfigurationError(
            f"{schedule!r} is no schedule.", hint='A cron line of five fields, or "every 10m".', code="schedule"
        ) from None


class Schedule:
    """Jobs by name; a job that is late runs once, and never twice at the same time."""

    def __init__(self) -> None:
        self._scheduler: Any = BackgroundScheduler(job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 3600})

    def add(self, name: str, schedule: str, timezone: str, job: Callable[[], None]) -> None:
        """Adds or replaces a job. Raises ConfigurationError for a bad schedule."""
        self._scheduler.add_job(job, trigger(schedule, timezone), id=name, replace_existing=True)

    def remove(self, name: str) -> None:
        """Takes a job away; one that is not there is none."""
        if self._scheduler.get_job(name) is not None:
            self._scheduler.remove_job(name)

    def start(self) -> None:
        """Begins to fire."""
        self._scheduler.start()

    def stop(self) -> None:
        """Ends; jobs at work finish."""
        self._scheduler.shutdown(wait=True)
