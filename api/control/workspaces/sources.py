"""Sources of a workspace that are set by program. Their URLs are sealed; where they lead is looked at now, and again when they are opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.control.tenants.changing import Wanted
from api.control.workspaces.checking import require, schedule_errors, url_errors
from api.control.workspaces.shown import data_of, etag_of, file_sources, managed_sources
from api.serving.problems import FieldError, Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import SourceSecretRow, WorkspaceRow
from engine.workspace import Workspace
from extract.reachable import shown_url
from slices.definition import write_definition
from slices.installation import Installation
from slices.vault import forget_url, keep_url, reference


@dataclass(frozen=True, slots=True)
class Put:
    """A source after it was set; `created` where it is new."""

    facts: dict[str, Any]
    etag: str
    created: bool


def sources_of(installation: Installation, row: WorkspaceRow, definition: Workspace | None) -> list[dict[str, Any]]:
    """The sources of a workspace by name; `definition` is that of the operator's file, None for a managed one."""
    if definition is not None:
        return sorted(file_sources(definition), key=lambda s: str(s["name"]))
    with installation.catalog.read() as session:
        return managed_sources(session, data_of(installation, row), row.id)


def found_source(found: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """One of them. Raises Problem `not_found`."""
    one = next((s for s in found if s["name"] == name), None)
    if one is None:
        raise Problem("not_found")
    return one


def put_source(installation: Installation, actor: Actor, row: WorkspaceRow, name: str, said: Mapping[str, Any], wanted: Wanted) -> Put:
    """Sets a source of a managed workspace; a URL that is left out stays as it was.

    Raises Problem: `validation`, `conflict` where a file of the operator decides, `precondition_failed`.
    """
    data_of(installation, row)
    errors = schedule_errors(said.get("schedule"), row.timezone)
    if said.get("url") is not None:
        errors += url_errors(said["kind"], said["url"], installation.settings, "")
    require(errors)
    with installation.catalog.write() as session:
        data = data_of(installation, row)
        sources: dict[str, Any] = dict(data.get("sources") or {})
        before = _facts(session, data, row, name) if name in sources else None
        _require_wanted(session, installation, row, wanted, before)
        if said.get("url") is None and (before is None or before["kind"] != said["kind"]):
            raise Problem("validation", errors=[FieldError("/url", "missing", "A new source has a URL.")])
        data["sources"] = sources | {name: stored_source(session, installation, row.id, name, said)}
        after = _facts(session, data, row, name)
        if before != after or said.get("url") is not None:
            _record(session, installation, actor, row, "sources.put", name, before, after)
        write_definition(installation.home.workspace(row.id).definition, data)
        return Put(after, _etag(session, installation, row, after), before is None)


def delete_source(installation: Installation, actor: Actor, row: WorkspaceRow, name: str, wanted: Wanted) -> None:
    """Takes a source out of a managed workspace, and forgets its URL. Raises Problem as `put_source` does; `not_found`."""
    with installation.catalog.write() as session:
        data = data_of(installation, row)
        sources = dict(data.get("sources") or {})
        if name not in sources:
            raise Problem("not_found")
        before = _facts(session, data, row, name)
        _require_wanted(session, installation, row, wanted, before)
        del sources[name]
        forget_url(session, row.id, name)
        _record(session, installation, actor, row, "sources.delete", name, before, None)
        write_definition(installation.home.workspace(row.id).definition, data | {"sources": sources})


def stored_source(session: Session, installation: Installation, workspace_id: str, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """A source as the file has it: the URL that was sent is sealed, and the file names it."""
    url = said.get("url")
    if url is not None:
        keep_url(session, installation, workspace_id, name, url, shown_url(said["kind"], url) or "")
    more = {f: said[f] for f in ("schemas", "exclude", "schedule", "incremental") if said.get(f)}
    return {"kind": said["kind"], "url": reference(name), "public_only": True} | more


def source_etag(installation: Installation, row: WorkspaceRow, facts: Mapping[str, Any]) -> str:
    """The ETag of a source; another URL gives another one, though what is shown of it is the same."""
    with installation.catalog.read() as session:
        return _etag(session, installation, row, facts)


def _etag(session: Session, installation: Installation, row: WorkspaceRow, facts: Mapping[str, Any]) -> str:
    kept = session.get(SourceSecretRow, (row.id, facts["name"]))
    return etag_of(installation, facts, kept.set_at.isoformat() if kept is not None else None)


def _facts(session: Session, data: Mapping[str, Any], row: WorkspaceRow, name: str) -> dict[str, Any]:
    return found_source(managed_sources(session, data, row.id), name)


def _require_wanted(
    session: Session, installation: Installation, row: WorkspaceRow, wanted: Wanted, before: Mapping[str, Any] | None
) -> None:
    is_one = wanted.etags is None or (before is not None and _etag(session, installation, row, before) in wanted.etags)
    if not is_one or (wanted.there is not None and wanted.there != (before is not None)):
        raise Problem("precondition_failed")


def _record(
    session: Session, installation: Installation, actor: Actor, row: WorkspaceRow, action: str, name: str, before: Any, after: Any
) -> None:
    entry = Entry(action, name, row.id, before=before, after=after)
    audit.append(session, installation.derived_key("audit"), actor, entry, installation.clock())
