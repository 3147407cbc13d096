"""What `apply` would do: the catalog as it is, the files as they are, and field by field what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.control.plans.tiers import SAID, newest_of_all
from api.control.workspaces.exporting import says_the_same
from api.control.workspaces.files import Said, read_files
from engine import lock as locks
from engine.catalog.tables import RoutingRow, TierRow, WorkspaceRow
from engine.catalog.workspaces import accepted_routing
from engine.differences import differences
from engine.errors import SlicehouseError

Action = Literal["create", "update", "nothing"]
_SHOWN_AS = {"is_default": "default", "tags": "metadata"}


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs."""

    field: str
    before: Any
    after: Any
    note: str = ""


@dataclass(slots=True)
class Item:
    """One workspace of the files, and what differs of it."""

    said: Said
    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_new: bool = False

    @property
    def slug(self) -> str:
        """Of the workspace."""
        return self.said.workspace.workspace

    @property
    def action(self) -> Action:
        """What is to be done."""
        return "create" if self.is_new else "update" if self.changes else "nothing"

    def has(self, name: str) -> bool:
        """Whether a field of that name, or below it, differs."""
        return any(c.field == name or c.field.startswith(name + ".") for c in self.changes)


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it; `left` are workspaces of the catalog that no file names."""

    items: list[Item]
    left: list[dict[str, Any]]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return all(i.action == "nothing" for i in self.items)

    def facts(self, *, applied: bool) -> dict[str, Any]:
        """As JSON."""
        return {
            "changes": sum(i.action != "nothing" for i in self.items),
            "applied": applied,
            "workspaces": [
                {
                    "workspace": i.slug,
                    "action": i.action,
                    "path": str(i.said.workspace.path),
                    "changes": [asdict(c) for c in i.changes],
                    "notes": i.notes,
                }
                for i in self.items
            ],
            "left_alone": self.left,
        }


@dataclass(slots=True)
class Known:
    """What the catalog has. `is_here` says whether it is this machine's installation, so that its paths are this machine's."""

    rows: dict[str, WorkspaceRow] = field(default_factory=dict)
    tiers: dict[str, dict[str, TierRow]] = field(default_factory=dict)
    routings: dict[str, RoutingRow | None] = field(default_factory=dict)
    is_here: bool = True


def known(session: Session, *, is_here: bool = True) -> Known:
    """Everything of the catalog that files can say."""
    rows = {r.slug: r for r in session.scalars(select(WorkspaceRow).order_by(WorkspaceRow.slug))}
    tiers = {r.id: newest_of_all(session, r.id) for r in rows.values()}
    return Known(rows, tiers, {r.id: accepted_routing(session, r.id) for r in rows.values()}, is_here)


def plan(catalog: Known, files: Sequence[Said]) -> Plan:
    """What differs between the files and the catalog. Nothing is asked of any source, and no secret is looked for."""
    items = [_item(catalog, said) for said in files]
    named = {i.slug for i in items}
    left = [
        {
            "workspace": r.slug,
            "path": r.path,
            "why": "archived" if r.archived_at else "made by program" if r.is_managed else "not in the files",
        }
        for r in catalog.rows.values()
        if r.slug not in named
    ]
    return Plan(items, left)


def _item(catalog: Known, said: Said) -> Item:
    item, row = Item(said), catalog.rows.get(said.workspace.workspace)
    if row is not None and row.archived_at is not None:
        item.notes.append("archived, and left so: PATCH /v1/workspaces/{ws} with state active takes it back")
        return item
    item.is_new = row is None
    item.changes += _row_changes(catalog, row, item)
    item.changes += _tier_changes(catalog.tiers.get(row.id, {}) if row is not None else {}, said)
    item.changes += _routing_changes(catalog.routings.get(row.id) if row is not None else None, said)
    return item


def _row_changes(catalog: Known, row: WorkspaceRow | None, item: Item) -> Iterator[Change]:
    workspace = item.said.workspace
    for name, before, after in (
        ("name", row.name if row else None, workspace.title),
        ("timezone", row.timezone if row else None, workspace.timezone),
    ):
        if before != after:
            yield Change(name, before, after)
    path = str(workspace.path)
    if row is None:
        yield Change("path", None, path)
    elif row.path != path and not catalog.is_here:
        item.notes.append("the path is not compared: the installation is on another machine")
    elif row.path != path:
        note = _moved(row, item.said)
        if note is None:
            item.notes.append(f"read from {row.path}, which says the same")
        else:
            yield Change("path", row.path, path, note)


def _moved(row: WorkspaceRow, said: Said) -> str | None:
    """Why the path changes; None where the file that is read now says the same."""
    if not Path(row.path).is_file():
        return "the workspace file was moved"
    try:
        (other,) = read_files([Path(row.path)])
    except SlicehouseError:
        return "the file that was read so far cannot be read"
    if says_the_same(other, said):
        return None
    return (
        "made by program so far; this file decides from now on" if row.is_managed else "this file decides from now on, instead of the other"
    )


def _tier_changes(there: Mapping[str, TierRow], said: Said) -> Iterator[Change]:
    wanted = said.workspace.tiers
    for slug, tier in wanted.items():
        row, after = there.get(slug), tier.said()
        before = {f: getattr(row, f) for f in SAID} if row is not None and row.retired_at is None else None
        if before == after:
            continue
        note = f"version {row.version + 1 if row is not None else 1}; who subscribes to an earlier one keeps it"
        was, is_ = _flat(before or {}), _flat(after)
        for name in dict.fromkeys([*was, *is_]):
            is_usual = name not in was and is_[name] is False
            if was.get(name) != is_.get(name) and not is_usual:
                yield Change(f"tiers.{slug}.{name}", was.get(name), is_.get(name), note)
    if any(t.default for t in wanted.values()):
        for slug, row in there.items():
            if slug not in wanted and row.is_default and row.retired_at is None:
                yield Change(f"tiers.{slug}.default", True, False, "one tier is the default; this one is not in the file")


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """`{"features": {"sql": true}}` → `{"features.sql": true}`; what is empty is left out."""
    found: dict[str, Any] = {}
    for key, inner in value.items():
        name = before + _SHOWN_AS.get(key, key)
        if isinstance(inner, Mapping):
            found |= _flat(inner, name + ".")
        elif inner != []:
            found[name] = inner
    return found


def _routing_changes(row: RoutingRow | None, said: Said) -> Iterator[Change]:
    """The lock beside the file is the routing that counts from now on."""
    lock = said.lock
    if lock is None:
        return
    shown = f"{len(lock.tables)} tables, accepted by {lock.accepted_by} at {lock.accepted_at}"
    if row is None:
        yield Change("routing", None, shown)
        return
    there = locks.load(row.lock, "the catalog's lock")
    if there == lock:
        return
    lines = differences(locks.routing_of(there), locks.routing_of(lock))
    before = f"{len(there.tables)} tables, accepted by {there.accepted_by} at {there.accepted_at}"
    yield Change("routing", before, shown, "; ".join(lines) or "the same decisions, looked at anew")
