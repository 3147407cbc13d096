"""Workspaces that are made by program: made, changed, archived and taken back. Their file lies in the home folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.control.access.principal import Principal
from api.control.tenants.changing import Wanted
from api.control.workspaces.checking import definition_errors, pointer, require, text_errors, url_errors
from api.control.workspaces.shown import data_of, etag_of, managed_definition, workspace_facts
from api.control.workspaces.sources import stored_source
from api.serving.problems import FieldError, Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import WorkspaceRow
from engine.catalog.workspaces import find_workspace
from engine.ids import new_id
from slices.definition import write_definition
from slices.installation import Installation

FIXED = ("workspace", "version", "sources")
"""What a merge patch of a workspace does not change."""


def create_workspace(installation: Installation, actor: Actor, data: Mapping[str, Any]) -> dict[str, Any]:
    """Makes a workspace of a definition with the fields of the workspace file. Raises Problem: `validation` with everything, `conflict`."""
    errors = definition_errors(data)
    sources = data.get("sources") if isinstance(data.get("sources"), dict) else {}
    for name, source in sources.items() if sources else ():
        at = pointer(("sources", name))
        if isinstance(source, dict):
            errors += [FieldError(f"{at}/public_only", "not_by_program", "It always holds.")] if "public_only" in source else []
            errors += url_errors(source.get("kind"), source.get("url"), installation.settings, at)
    require(errors)
    now, id_ = installation.clock(), new_id("ws")
    path = installation.home.workspace(id_).definition
    with installation.catalog.write() as session:
        if find_workspace(session, str(data["workspace"]), archived=True) is not None:
            raise Problem("conflict", "There is a workspace of that slug, or there was one: an archived one keeps its slug.")
        row = WorkspaceRow(id=id_, slug=data["workspace"], name="", timezone="UTC", path=str(path), created_at=now, is_managed=True)
        session.add(row)
        stored = {"version": 1} | {k: v for k, v in data.items() if k != "version"}
        _name(row, stored)
        session.flush()
        stored["sources"] = {n: stored_source(session, installation, id_, n, s) for n, s in (sources or {}).items()}
        return _kept(session, installation, actor, row, stored, "workspaces.create", None)


def change_workspace(
    installation: Installation, principal: Principal, actor: Actor, row: WorkspaceRow, patch: Mapping[str, Any], wanted: Wanted
) -> dict[str, Any]:
    """A merge patch (RFC 7396) of the definition; `state` takes an archived one back, and is for those who run the installation.

    Raises Problem: `validation`, `conflict` where a file of the operator decides, `precondition_failed`.
    """
    fields = {k: v for k, v in patch.items() if k != "state"}
    require(text_errors(patch))
    require([FieldError(f"/{n}", "fixed", "It is not changed by a patch of the workspace.") for n in fields if n in FIXED])
    if "state" in patch:
        _require_operator(principal)
        require([] if patch["state"] == "active" else [FieldError("/state", "unknown", "active takes it back; DELETE archives it.")])
    with installation.catalog.write() as session:
        row = session.get_one(WorkspaceRow, row.id)
        before = facts_of(session, installation, row) if row.is_managed else workspace_facts(row)
        require_wanted(wanted, etag_of(installation, before))
        if "state" in patch and row.archived_at is not None:
            row.archived_at = None
            _record(session, installation, actor, row, "workspaces.resume", {"state": "archived"}, {"state": "active"})
        if not fields:
            return facts_of(session, installation, row) if row.is_managed else workspace_facts(row)
        data = merged(data_of(installation, row), fields)
        require(definition_errors({k: v for k, v in data.items() if k != "version"}))
        _name(row, data)
        return _kept(session, installation, actor, row, data, "workspaces.update", before)


def archive_workspace(installation: Installation, actor: Actor, row: WorkspaceRow, wanted: Wanted) -> None:
    """Nothing of it answers from the next request on: no key, no panel, no page; its files stay."""
    with installation.catalog.write() as session:
        row = session.get_one(WorkspaceRow, row.id)
        require_wanted(wanted, etag_of(installation, facts_of(session, installation, row) if row.is_managed else workspace_facts(row)))
        if row.archived_at is None:
            row.archived_at = installation.clock()
            _record(session, installation, actor, row, "workspaces.archive", {"state": "active"}, {"state": "archived"})


def facts_of(session: Session, installation: Installation, row: WorkspaceRow) -> dict[str, Any]:
    """A managed workspace with its definition."""
    return workspace_facts(row) | {"definition": managed_definition(session, data_of(installation, row), row.id)}


def merged(below: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, Mapping):
        return patch
    found = dict(below) if isinstance(below, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


def require_wanted(wanted: Wanted, etag: str) -> None:
    """Raises Problem `precondition_failed` where the resource is not as the caller knows it."""
    if (wanted.etags is not None and etag not in wanted.etags) or wanted.there is False:
        raise Problem("precondition_failed")


def _require_operator(principal: Principal) -> None:
    if principal.scope != "installation":
        raise Problem("forbidden", "This needs a key of the installation.")
    principal.require("installation:admin")


def _name(row: WorkspaceRow, data: Mapping[str, Any]) -> None:
    row.name, row.timezone = data.get("name") or row.slug, data.get("timezone") or "UTC"


def _kept(
    session: Session, installation: Installation, actor: Actor, row: WorkspaceRow, data: dict[str, Any], action: str, before: Any
) -> dict[str, Any]:
    """Writes record and file, the file last: what fails before it leaves both as they were."""
    session.flush()
    after = workspace_facts(row) | {"definition": managed_definition(session, data, row.id)}
    changed = {k: v for k, v in after.items() if before is None or v != before.get(k)}
    if changed:
        was = None if before is None else {k: before.get(k) for k in changed}
        _record(session, installation, actor, row, action, was, changed)
    write_definition(installation.home.workspace(row.id).definition, data)
    return after


def _record(session: Session, installation: Installation, actor: Actor, row: WorkspaceRow, action: str, before: Any, after: Any) -> None:
    entry = Entry(action, row.id, row.id, before=before, after=after)
    audit.append(session, installation.derived_key("audit"), actor, entry, installation.clock())
