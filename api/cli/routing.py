"""routes: every table's way to its tenant, as a table one can read; --accept makes it the one that counts."""

from __future__ import annotations

import getpass
from typing import Annotated

from cyclopts import Parameter

from api.cli.common import AsJson, HomeFolder, WorkspaceFiles, one_workspace, open_place, place, print_json, print_table, say

_SHOWN = ("table", "route", "path", "decision", "rows", "owned", "shared", "filtered", "quarantined", "excluded")


def routes(
    *,
    accept: Annotated[bool, Parameter(negative=())] = False,
    diff: Annotated[bool, Parameter(negative=())] = False,
    workspace: WorkspaceFiles = None,
    home: HomeFolder = None,
    json: AsJson = False,
) -> int:
    """Shows the routing of every table with what became of its rows; --accept accepts it, --diff compares with the accepted one."""
    from slices.review import accept_review, differences, review

    where = place(workspace, home)
    item = one_workspace(where)
    installation = open_place(where)
    found = review(installation, item, say)
    if diff:
        lines = differences(installation, item, found)
        print("\n".join(lines) if lines else "Nothing differs from the accepted routing.")
        return 0
    rows = found.rows()
    if json:
        print_json(rows)
    else:
        print_table(_SHOWN, rows)
    for route in found.routing.open_decisions:
        say(f"open: {route.table.table}: {route.review}")
    if accept:
        row = accept_review(installation, item, found, getpass.getuser())
        say(
            f"Accepted routing {row.number} ({len(found.routing.written)} tables in slices, {len(found.routing.open_decisions)} open). Next: slicehouse refresh"
        )
    elif not json:
        say("Next: slicehouse routes --accept")
    return 0


VERBS = (routes,)
