"""Proves published slices again: the file against its manifest, and its rows against tenancy re-derived from the landed keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine import lock as locks
from engine.catalog import versions
from engine.catalog.tables import TenantRow, VersionRow
from engine.errors import ReviewRequired, SlicehouseError
from engine.workspace import Workspace
from slices.building.build import file_digest
from slices.installation import Installation
from slices.landing import files_of, load_snapshots
from slices.locking import exclusive
from slices.proving.rederive import Rederivation
from slices.proving.verify import Proof, SliceFile, prove
from slices.publishing.store import LocalStore, check_file
from slices.reviewing import routings
from slices.reviewing.included import with_landed
from slices.reviewing.judging import judged


def verify_published(installation: Installation, workspace: Workspace, tenant: str | None) -> list[dict[str, Any]]:
    """Per served tenant: whole / content changed, with what was found, and the facts of the proof (None where there was none to make).

    Raises ReviewRequired where nothing is published.
    """
    row = routings.workspace_row(installation, workspace)
    found = routings.accepted(installation, workspace, row)
    with installation.catalog.read() as session:
        publication = versions.newest_publication(session, row.id)
        served = [(t, versions.version_of(session, t.version_id)) for t in versions.tenants_of(session, row.id) if t.version_id]
    chosen = [(t, v) for t, v in served if v is not None and (tenant is None or tenant in (t.id, t.key, f"key:{t.key}"))]
    if found is None or publication is None or not chosen:
        raise ReviewRequired(
            "There is no published slice of that name to verify." if tenant else "No slice is published yet: there is nothing to verify.",
            hint="slicehouse refresh publishes them.",
            code="nothing_published",
        )
    snapshots = load_snapshots(installation, row.id, publication.snapshots)
    if snapshots is None:
        raise ReviewRequired(
            "The landed snapshot of the last publication is gone.", hint="slicehouse refresh --full lands a new one.", code="no_snapshot"
        )
    landed = files_of(installation, row.id, snapshots)
    routing = with_landed(locks.routing_of(found[1]), landed, workspace)
    store = LocalStore(installation.home.workspace(row.id))
    with (
        exclusive(installation.home.workspace(row.id).lock),
        judged(installation, row.id, routing, snapshots) as (partition, folder),
    ):
        derived = Rederivation(routing, landed, partition.export_where(folder), partition.export_everybody(folder))
        numbers = {t.key: t.number for t in partition.tenants}
        whole = {t.id: _file_problem(store, t, v) for t, v in chosen}
        files = [
            SliceFile(numbers[t.key], t.id, store.path(t.id, v.id), t.key) for t, v in chosen if whole[t.id] is None and t.key in numbers
        ]
        proofs = prove(routing, landed, derived, files, routing.timezone)
    return [_line(t, v, whole[t.id], proofs.get(t.id), installation.clock()) for t, v in chosen]


def _file_problem(store: LocalStore, tenant: TenantRow, version: VersionRow) -> str | None:
    path = store.path(tenant.id, version.id)
    try:
        check_file(path, version.bytes)
    except SlicehouseError as error:
        return error.message
    return None if file_digest(path) == version.sha256 else "the file's bytes are not those that were published"


def _line(tenant: TenantRow, version: VersionRow, problem: str | None, proof: Proof | None, when: datetime) -> dict[str, Any]:
    ok = problem is None and proof is not None and proof.holds
    detail = problem or (str(proof) if proof else "the tenant is not in the snapshot any more")
    return {
        "tenant": tenant.key,
        "version": version.id,
        "result": "whole" if ok else "content changed",
        "detail": detail,
        "proof": proof.facts(when) if proof else None,
    }
