"""serve: the supervisor of API, scheduler and pages."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter

from api.cli.common import HomeFolder, Place, WorkspaceFiles, open_place, place, say, workspaces


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8321,
    workers: int = 1,
    no_scheduler: Annotated[bool, Parameter(negative=())] = False,
    workspace: WorkspaceFiles = None,
    home: HomeFolder = None,
) -> int:
    """Serves the API and the pages, and runs refreshes by schedule and by request.

    With --home, or SLICEHOUSE_HOME, it needs no workspace file: it serves what was made over HTTP or applied.
    """
    from api.serve import supervise
    from slices.reviewing.routings import workspace_row

    where = place(workspace, home)
    if workspace is None and not where.files[0].exists() and (home is not None or "SLICEHOUSE_HOME" in os.environ):
        where = Place((), where.home)
    installation = open_place(where)
    for item in workspaces(where):
        workspace_row(installation, item)
        if item.caller_sql:
            say(
                f"warning: {item.workspace} lets callers send their own SQL (caller_sql: true). Until statements run in cells of their own, leave it off for strangers."
            )
    installation.catalog.close()
    say(f"http://{host}:{port}/")
    supervise(where.home, where.files, host=host, port=port, workers=workers, scheduler=not no_scheduler)
    return 0


VERBS = (serve,)
