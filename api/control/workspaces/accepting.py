"""A routing looked at and accepted by program: what `slicehouse routes` and its --accept do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.serving.problems import FieldError, Problem
from engine.catalog.audit import Actor
from engine.catalog.tables import WorkspaceRow
from engine.errors import Busy, ConfigurationError, ReviewRequired, SlicehouseError, SourceError, WorkspaceFileError
from engine.workspace import Workspace
from slices.installation import Installation
from slices.reviewing.review import accept_review, accept_tables, differences, review

_TOLD = {"address_refused", "source_url", "source_kind", "archived", "lock_workspace"}
"""Codes of wrong configuration whose words name no place of this machine."""


def accept_routes(
    installation: Installation, actor: Actor, workspace: WorkspaceRow, definition: Workspace, tables: Sequence[str], *, preview: bool
) -> dict[str, Any]:
    """Lands the sources, judges every row, and makes the routing count: all of it, or that of the named tables alone.

    `preview`: it is looked at and kept for `GET …/routes`, and nothing is accepted. Raises Problem: `busy` while a refresh is at work,
    `source_failed`, `conflict`, `validation`.
    """
    try:
        found = review(installation, definition)
        changes = differences(found)
        row = None
        if not preview:
            by = actor.id
            row = (
                accept_tables(installation, definition, found, tables, by, actor)
                if tables
                else accept_review(installation, definition, found, by, actor)
            )
    except SlicehouseError as error:
        raise problem_of(error) from None
    return {
        "workspace": workspace.id,
        "routing": row.number if row is not None else None,
        "digest": row.digest if row is not None else None,
        "accepted": row is not None,
        "tables": len(found.routing.written),
        "open": [{"table": str(found.routing.names[r.table]), "review": r.review} for r in found.routing.open_decisions],
        "changes": changes,
    }


def problem_of(error: SlicehouseError) -> Problem:
    """What a caller may know of it. Texts of errors of sources are our own, and name no secret, no path and no row."""
    if isinstance(error, Busy):
        return Problem("busy", "A refresh of this workspace is at work.", retry_after=5)
    if isinstance(error, SourceError):
        return Problem("source_failed", error.message)
    if isinstance(error, WorkspaceFileError):
        return Problem("validation", errors=[FieldError("/" + p.where.replace(".", "/"), "definition", p.text) for p in error.problems])
    if isinstance(error, ReviewRequired):
        return Problem("conflict", error.message)
    if isinstance(error, ConfigurationError):
        is_table = error.code == "configuration"
        if is_table:
            return Problem("validation", errors=[FieldError("/tables", "unknown", error.message)])
        return Problem("conflict", error.message if error.code in _TOLD else "The sources cannot be opened as they are set.")
    return Problem("internal")
