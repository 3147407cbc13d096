"""The accepted routing: from the catalog and from the lock file beside the workspace file, which is the reviewed truth where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import lock as locks
from engine.catalog import workspaces
from engine.catalog.tables import RoutingRow, WorkspaceRow
from engine.clock import rfc3339
from engine.errors import ConfigurationError, ReviewRequired
from engine.lock import Lock
from engine.routing import Routing
from engine.schema import TableName
from engine.workspace import Workspace
from slices.installation import Installation
from slices.rule.partition import Verdicts


def workspace_row(installation: Installation, workspace: Workspace) -> WorkspaceRow:
    """The catalog's row of the workspace, made where new."""
    with installation.catalog.write() as session:
        return workspaces.ensure_workspace(session, workspace, installation.clock())


def accepted(installation: Installation, workspace: Workspace, row: WorkspaceRow) -> tuple[RoutingRow, Lock] | None:
    """The routing that counts, or None where nobody has accepted one.

    A fresh installation takes the lock file. Raises ReviewRequired where file and catalog differ, ConfigurationError where the
    file belongs to another workspace.
    """
    in_file = read_lock_file(workspace)
    with installation.catalog.read() as session:
        found = workspaces.accepted_routing(session, row.id)
    if found is None:
        return None if in_file is None else (save(installation, row, in_file, everybody={}, by=in_file.accepted_by), in_file)
    in_catalog = locks.load(found.lock, "the catalog's lock")
    if in_file is not None and in_file != in_catalog:
        raise ReviewRequired(
            f"{workspace.lock_path.name} and the catalog hold different routings.",
            hint="slicehouse routes --diff shows where; slicehouse routes --accept makes one of them count.",
            code="lock_differs",
        )
    return found, in_catalog


def read_lock_file(workspace: Workspace) -> Lock | None:
    """The lock beside the workspace file, or None. Raises ConfigurationError."""
    path = workspace.lock_path
    if not path.is_file():
        return None
    lock = locks.load(path.read_text(encoding="utf-8"), path.name)
    if lock.workspace != workspace.workspace:
        raise ConfigurationError(
            f"{path.name} is the lock of workspace {lock.workspace}, not of {workspace.workspace}.",
            hint="Each workspace file has a lock of its own.",
            code="lock_workspace",
        )
    return lock


def accept(
    installation: Installation,
    workspace: Workspace,
    row: WorkspaceRow,
    routing: Routing,
    verdicts: Mapping[TableName, Verdicts],
    by: str,
    kept: tuple[RoutingRow, Lock] | None = None,
) -> RoutingRow:
    """Makes a routing count: in the catalog, and as the lock beside the workspace file where there is one.

    `kept` is the accepted routing before, whose quarantined shares and counts of everybody's rows stay for tables without a verdict here.
    """
    shares = {t: round(100 * v.quarantined / v.rows + 0.49999) if v.rows else 0 for t, v in verdicts.items()}
    everybody: dict[str, Any] = {str(t): v.shared for t, v in verdicts.items() if routing.routes[t].unassigned}
    if kept is not None:
        shares = {t: share for t, share in locks.shares_of(kept[1]).items() if t not in verdicts} | shares
        judged = {str(t) for t in verdicts}
        everybody = {t: n for t, n in kept[0].everybody.items() if t not in judged} | everybody
    lock = locks.make_lock(workspace.workspace, routing, by=by, at=rfc3339(installation.clock()), shares=shares)
    saved = save(installation, row, lock, everybody=everybody, by=by)
    if workspace.path.is_file():
        part = workspace.lock_path.with_suffix(".part")
        part.write_text(locks.dump(lock), encoding="utf-8")
        part.rename(workspace.lock_path)
    return saved


def save(installation: Installation, row: WorkspaceRow, lock: Lock, *, everybody: dict[str, Any], by: str) -> RoutingRow:
    """Adds a lock to the catalog as the routing that counts."""
    with installation.catalog.write() as session:
        return workspaces.accept_routing(
            session,
            row.id,
            lock=locks.dump(lock),
            digest=locks.digest(locks.routing_of(lock)),
            everybody=everybody,
            by=by,
            at=installation.clock(),
        )
