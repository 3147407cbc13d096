"""`apply`: makes the catalog equal the files, in one transaction, with a record of each thing that changed. What no file names is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from api.control.plans.tiers import put_tier_in
from api.control.workspaces.files import Said
from api.control.workspaces.planning import Item, Known, Plan, known, plan
from engine.catalog import audit, open_catalog
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import WorkspaceRow
from engine.catalog.workspaces import accepted_routing
from engine.errors import StorageError
from engine.ids import new_id
from engine.settings import Settings
from slices.installation import Installation
from slices.layout import Home
from slices.reviewing.routings import save_in


def planned(settings: Settings, files: Sequence[Said]) -> Plan:
    """What `apply` would do. The catalog is only read; where there is none yet, everything is new. Raises StorageError."""
    home = Home(settings.home.resolve())
    if settings.catalog is None and not home.catalog.exists():
        return plan(Known(), files)
    catalog = open_catalog(settings.catalog or home.catalog, migrate=False)
    try:
        with catalog.read() as session:
            return plan(known(session, is_here=home.secret.exists()), files)
    except DBAPIError as error:
        raise StorageError(
            "The catalog cannot be read, or is of another version.", hint="slicehouse doctor migrates and looks at it.", code="catalog"
        ) from error
    finally:
        catalog.close()


def apply(installation: Installation, actor: Actor, files: Sequence[Said]) -> Plan:
    """Does it; returns what was done."""
    with installation.catalog.write() as session:
        found = plan(known(session), files)
        for item in found.items:
            if item.action != "nothing":
                _apply_one(session, installation, actor, item)
        return found


def _apply_one(session: Session, installation: Installation, actor: Actor, item: Item) -> None:
    row = _row(session, installation, actor, item)
    workspace, lock = item.said.workspace, item.said.lock
    for slug, tier in workspace.tiers.items():
        if item.has(f"tiers.{slug}"):
            put_tier_in(session, installation, actor, row.id, slug, tier.said(), migrate=False)
    default = next((slug for slug, tier in workspace.tiers.items() if tier.default), None)
    if default is not None:  # takes it from a tier that is not in the file, too
        put_tier_in(session, installation, actor, row.id, default, workspace.tiers[default].said(), migrate=False)
    if lock is not None and item.has("routing"):
        save_in(session, installation, row.id, lock, everybody=_everybody(session, row.id), by=lock.accepted_by, actor=actor)


def _row(session: Session, installation: Installation, actor: Actor, item: Item) -> WorkspaceRow:
    workspace, now = item.said.workspace, installation.clock()
    changed = {c.field: c for c in item.changes if c.field in ("name", "timezone", "path")}
    row = session.scalar(select(WorkspaceRow).where(WorkspaceRow.slug == item.slug))
    if row is None:
        row = WorkspaceRow(id=new_id("ws"), slug=item.slug, created_at=now, name="", timezone="", path="")
        session.add(row)
    row.name, row.timezone = workspace.title, workspace.timezone
    if "path" in changed:
        row.path, row.is_managed = str(workspace.path), False
    session.flush()
    if changed:
        before = None if item.is_new else {name: c.before for name, c in changed.items()}
        entry = Entry(
            "workspaces.create" if item.is_new else "workspaces.update",
            row.id,
            row.id,
            before=before,
            after={n: c.after for n, c in changed.items()},
        )
        audit.append(session, installation.derived_key("audit"), actor, entry, now)
    return row


def _everybody(session: Session, workspace_id: str) -> dict[str, int]:
    """How many rows were everybody's when a routing was accepted last: a lock does not say it, so it goes on."""
    before = accepted_routing(session, workspace_id)
    return dict(before.everybody) if before is not None else {}


def default_home(given: Sequence[Path]) -> Path:
    """`.slicehouse` in the first folder that is named, or beside the first file; of a glob in the folder that it begins in."""
    first = given[0]
    while any(c in str(first) for c in "*?["):
        first = first.parent
    first = first.resolve()
    return (first if first.is_dir() else first.parent) / ".slicehouse"
