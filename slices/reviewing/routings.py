"""The accepted routing: from the catalog and from the lock file beside the workspace file, which is the reviewed truth where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from engine import lock as locks
from engine.catalog import audit, workspaces
from engine.catalog.audit import Actor, Entry
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


def require_open(row: WorkspaceRow) -> None:
    """Raises ConfigurationError for an archived workspace: nothing is read of its sources any more."""
    if row.archived_at is not None:
        raise ConfigurationError(
            f"The workspace {row.slug} is archived.",
            hint='PATCH /v1/workspaces/{ws} with {"state": "active"} takes it back.',
            code="archived",
        )


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
    actor: Actor | None = None,
) -> RoutingRow:
    """Makes a routing count: in the catalog, and as the lock beside the workspace file where there is one.

    `kept` is the accepted routing before, whose quarantined shares and counts of everybody's rows stay for tables without a verdict here.
    `actor` is written down for it in the audit.
    """
    shares = {t: round(100 * v.quarantined / v.rows + 0.49999) if v.rows else 0 for t, v in verdicts.items()}
    everybody: dict[str, Any] = {str(t): v.shared for t, v in verdicts.items() if routing.routes[t].unassigned}
    if kept is not None:
        shares = {t: share for t, share in locks.shares_of(kept[1]).items() if t not in verdicts} | shares
        judged = {str(t) for t in verdicts}
        everybody = {t: n for t, n in kept[0].everybody.items() if t not in judged} | everybody
    lock = locks.make_lock(workspace.workspace, routing, by=by, at=rfc3339(installation.clock()), shares=shares)
    saved = save(installation, row, lock, everybody=everybody, by=by, actor=actor)
    if workspace.path.is_file():
        part = workspace.lock_path.with_suffix(".part")
        part.write_text(locks.dump(lock), encoding="utf-8")
        part.rename(workspace.lock_path)
    return saved


def save(
    installation: Installation, row: WorkspaceRow, lock: Lock, *, everybody: dict[str, Any], by: str, actor: Actor | None = None
) -> RoutingRow:
    """Adds a lock to the catalog as the routing that counts."""
    with installation.catalog.write() as session:
        return save_in(session, installation, row.id, lock, everybody=everybody, by=by, actor=actor)


def save_in(
    session: Session, installation: Installation, workspace_id: str, lock: Lock, *, everybody: dict[str, Any], by: str, actor: Actor | None
) -> RoutingRow:
    """The same within a transaction; with an actor it is in the audit."""
    now, digest = installation.clock(), locks.digest(locks.routing_of(lock))
    before = workspaces.accepted_routing(session, workspace_id)
    saved = workspaces.accept_routing(session, workspace_id, lock=locks.dump(lock), digest=digest, everybody=everybody, by=by, at=now)
    if actor is not None:
        was = {"number": before.number, "digest": before.digest} if before is not None else None
        entry = Entry("routes.accept", saved.id, workspace_id, before=was, after={"number": saved.number, "digest": digest})
        audit.append(session, installation.derived_key("audit"), actor, entry, now)
    return saved
