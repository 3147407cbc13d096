"""usage: what the tenants of a workspace have used, by time and group."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from cyclopts import Parameter

from api.cli.common import HomeFolder, WorkspaceFiles, one_workspace, open_place, place, print_json, print_table


def usage(
    *,
    start: Annotated[str | None, Parameter(name="--from", help="RFC 3339 or a date, included; thirty days ago where none is said")] = None,
    to: Annotated[str | None, Parameter(help="excluded; now where none is said")] = None,
    granularity: Literal["hour", "day", "month"] = "day",
    group_by: Annotated[str, Parameter(help="of tenant, user, dashboard, panel, host, door, with commas between")] = "tenant",
    time_zone: str = "UTC",
    format: Literal["table", "json", "csv"] = "table",
    workspace: WorkspaceFiles = None,
    home: HomeFolder = None,
) -> int:
    """Usage by time and group. Hours that are closed never change."""
    from api.control.usage.reporting import report_by_command
    from slices.reviewing.routings import workspace_row

    where = place(workspace, home)
    installation, item = open_place(where), one_workspace(where)
    row = workspace_row(installation, item)
    span = (_moment("--from", start, time_zone), _moment("--to", to, time_zone))
    columns, rows = report_by_command(installation, row.id, span, granularity, group_by, time_zone)
    if format == "json":
        print_json(rows)
    elif format == "csv":
        import csv
        import sys

        writer = csv.DictWriter(sys.stdout, columns)
        writer.writeheader()
        writer.writerows(rows)
    else:
        print_table(columns, rows)
    return 0


def _moment(name: str, text: str | None, zone: str) -> datetime | None:
    """A moment; one without a zone is in the time zone of the report. Raises ConfigurationError."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from engine.errors import ConfigurationError

    try:
        found = None if text is None else datetime.fromisoformat(text)
        return found.replace(tzinfo=ZoneInfo(zone)) if found is not None and found.tzinfo is None else found
    except (ValueError, ZoneInfoNotFoundError):
        raise ConfigurationError(
            f"{name} or --time-zone does not fit: {text}, {zone}.", hint="2026-01-31 or 2026-01-31T00:00:00Z."
        ) from None


VERBS = (usage,)
