"""Publication: files are placed first, then one catalog transaction switches all verified tenants. Rollback and retention.

Five steps, each with a failpoint after it: verified, renamed_one, settled, before_commit, committed. Whatever ends in between leaves
exactly the old or the new set answering; the next refresh sweeps what was left lying.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from engine.catalog import runs, versions
from engine.catalog.outbox import Outbox
from engine.catalog.tables import SnapshotRow, TenantRow, VersionRow
from engine.clock import rfc3339
from engine.errors import ReviewRequired, SliceUnusable
from engine.workspace.syntax import parse_duration
from slices.installation import Installation
from slices.publishing.manifest import Manifest
from slices.publishing.store import LocalStore, Store
from slices.publishing.whole import check_whole


@dataclass(frozen=True, slots=True)
class Verified:
    """A built and proven file of one tenant, its manifest, and its proof as JSON."""

    tenant: str
    built: Path
    manifest: Manifest
    proof: bytes


@dataclass(slots=True)
class Decision:
    """What a publication changes: ids of tenants and versions.

    `verified` become current; `unchanged` are true for the new snapshot as they are; `failed` keep their version, or are
    `withheld` where it holds a row that is no longer theirs; `gone` are withdrawn; `tainted` versions are never served again.
    """

    verified: list[Verified] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    tainted: list[str] = field(default_factory=list)


def publish(
    installation: Installation,
    workspace_id: str,
    run_id: str,
    decision: Decision,
    snapshots: Sequence[str],
    as_of: datetime,
    totals: dict[str, Any],
    gone_after: str,
) -> None:
    """Places the files and switches, in one transaction with the end of the run. Raises StorageError."""
    store = LocalStore(installation.home.workspace(workspace_id))
    point = installation.failpoint
    point("publish.verified")
    for i, item in enumerate(decision.verified):
        store.place(item.tenant, item.manifest.version, item.built, item.manifest.model_dump_json(indent=1).encode(), item.proof)
        if i == 0:
            point("publish.renamed_one")
    store.settle()
    point("publish.settled")
    now = installation.clock()
    with installation.catalog.write() as session:
        _switch(session, workspace_id, run_id, decision, snapshots, as_of, now)
        runs.end_run(session, run_id, "succeeded", now, totals=totals)
        point("publish.before_commit")
    point("publish.committed")
    retain(installation, workspace_id, gone_after)


def _switch(
    session: Session, workspace_id: str, run_id: str, decision: Decision, snapshots: Sequence[str], as_of: datetime, now: datetime
) -> None:
    publication = versions.add_publication(session, workspace_id, run_id, list(snapshots), as_of, now)
    tenants = {t.id: t for t in versions.tenants_of(session, workspace_id)}
    states = {id_: t.shown_state for id_, t in tenants.items()}
    for item in decision.verified:
        m = item.manifest
        version = VersionRow(
            id=m.version, workspace_id=workspace_id, tenant_id=item.tenant, run_id=run_id, publication_id=publication.id, state="current", fingerprint=m.fingerprint,
            routing_digest=m.routing, sha256=m.sha256, bytes=m.bytes, rows=m.rows, as_of=m.as_of, built_at=m.built_at,
        )  # fmt: skip
        session.add(version)
        session.flush()
        versions.make_current(session, tenants[item.tenant], version, now)
    for tenant in (*(v.tenant for v in decision.verified), *decision.unchanged):
        _answers(tenants[tenant], as_of)
    for tenant in decision.withheld:
        tenants[tenant].state = "withheld"
    for tenant in (*decision.gone, *decision.hidden):
        _leaves(session, tenants[tenant], now)
    versions.withdraw(session, decision.tainted, now)
    outbox = Outbox(session, workspace_id, now)
    for id_, was in states.items():
        outbox.tell_state(tenants[id_], was)
    for item in decision.verified:
        _tell_published(outbox, tenants[item.tenant], item.manifest.version, item.manifest.rows, item.manifest.bytes)
    for row in session.query(SnapshotRow).filter(SnapshotRow.workspace_id == workspace_id, SnapshotRow.state == "published"):
        row.state = "used"
    for row in session.query(SnapshotRow).filter(SnapshotRow.id.in_(list(snapshots))):
        row.state = "published"


def _tell_published(outbox: Outbox, tenant: TenantRow, version: str, rows: int, size: int) -> None:
    as_of = rfc3339(tenant.as_of) if tenant.as_of is not None else None
    outbox.tell("slice.published", {"version": version, "as_of": as_of, "rows": rows, "bytes": size}, tenant)


def _answers(tenant: TenantRow, as_of: datetime) -> None:
    tenant.as_of, tenant.gone_at = as_of, None
    if tenant.state in ("building", "expected", "withheld"):
        tenant.state = "active"


def _leaves(session: Session, tenant: TenantRow, now: datetime) -> None:
    """Gone from the source, or filtered there: nothing of it is served or handed out any more."""
    versions.withdraw(session, [v.id for v in versions.versions_of(session, tenant.id)], now)
    tenant.state, tenant.version_id, tenant.gone_at = "gone", None, tenant.gone_at or now
    tenant.parent_id = None


def rollback(installation: Installation, workspace_id: str, tenant_id: str, version_id: str | None) -> VersionRow:
    """Makes an earlier version (None: the one before) answer again.

    Raises ReviewRequired where there is none, where it holds a row that is no longer the tenant's, or where its file is not what was
    published.
    """
    now = installation.clock()
    with installation.catalog.write() as session:
        tenant = session.get(TenantRow, tenant_id)
        assert tenant is not None
        assert tenant.workspace_id == workspace_id
        chosen = _earlier(versions.versions_of(session, tenant_id), tenant.version_id, version_id)
        if chosen is None:
            raise ReviewRequired(
                "There is no such earlier version to go back to.",
                hint="Replaced versions are kept for SLICEHOUSE_KEEP_HOURS, at most SLICEHOUSE_KEEP_VERSIONS.",
                code="no_version",
            )
        if chosen.state == "withdrawn":
            raise ReviewRequired(
                "That version holds a row, a column or an unmasked value that this tenant may no longer see; it is not served again.",
                hint="slicehouse refresh builds a new one.",
                code="version_withdrawn",
            )
        _require_whole(LocalStore(installation.home.workspace(workspace_id)), chosen)
        versions.make_current(session, tenant, chosen, now)
        was, tenant.as_of = tenant.shown_state, chosen.as_of
        if tenant.state == "withheld":
            tenant.state = "active"
        outbox = Outbox(session, workspace_id, now)
        outbox.tell_state(tenant, was)
        _tell_published(outbox, tenant, chosen.id, chosen.rows, chosen.bytes)
        return chosen


def _require_whole(store: LocalStore, version: VersionRow) -> None:
    """Raises ReviewRequired where the version's file is gone, has something beside it, or is not byte for byte what was published."""
    try:
        check_whole(store.path(version.tenant_id, version.id), version.bytes, version.sha256)
    except SliceUnusable as error:
        raise ReviewRequired(
            f"That version cannot answer: {error.message}",
            hint="Name another one with --to; slicehouse refresh builds a new one.",
            code="version_unusable",
        ) from None


def _earlier(found: Sequence[VersionRow], current: str | None, wanted: str | None) -> VersionRow | None:
    """Of a tenant's versions, newest first, the wanted one, or the one published before the current one."""
    ids = [v.id for v in found]
    if wanted is not None:
        return found[ids.index(wanted)] if wanted in ids and wanted != current else None
    return next(iter(found[ids.index(current) + 1 :]), None) if current in ids else None


def retain(installation: Installation, workspace_id: str, gone_after: str = "7d") -> None:
    """Removes what nobody needs: withdrawn files, versions beyond those kept, used snapshots, key hashes of runs without versions."""
    folder = installation.home.workspace(workspace_id)
    store = LocalStore(folder)
    now = installation.clock()
    with installation.catalog.write() as session:
        publication = versions.newest_publication(session, workspace_id)
        for version in _removable(installation, session, workspace_id, gone_after, now):
            store.remove(version.tenant_id, version.id)
            version.state = "removed"
        kept_runs = {v.run_id for v in versions.live_versions(session, workspace_id)}
        for snapshot in runs.stale_snapshots(session, workspace_id, publication.snapshots if publication else [], now):
            shutil.rmtree(folder.snapshots / snapshot.id, ignore_errors=True)
            snapshot.state = "removed"
    for held in folder.held.glob("rn_*"):
        if held.name not in kept_runs:
            shutil.rmtree(held, ignore_errors=True)


def _removable(installation: Installation, session: Session, workspace_id: str, gone_after: str, now: datetime) -> Iterable[VersionRow]:
    settings = installation.settings
    for tenant in versions.tenants_of(session, workspace_id):
        if tenant.state == "gone" and not is_over(tenant.gone_at, gone_after, now):
            continue
        kept = 0
        for version in versions.versions_of(session, tenant.id):
            if version.state == "withdrawn" and version.id != tenant.version_id:
                yield version
            elif version.state == "kept":
                kept += 1
                replaced = version.replaced_at or now
                if kept >= settings.keep_versions and replaced < now - timedelta(hours=settings.keep_hours):
                    yield version


def sweep(installation: Installation, workspace_id: str) -> int:
    """Removes what a crash left: work folders, placed files that no version names, landed folders that no snapshot names.

    Call it with the workspace's lock held. Returns how many things were removed.
    """
    folder = installation.home.workspace(workspace_id)
    store: Store = LocalStore(folder)
    with installation.catalog.read() as session:
        known = {v.id for t in versions.tenants_of(session, workspace_id) for v in versions.versions_of(session, t.id)}
        snapshots = {
            r.id for r in session.query(SnapshotRow).filter(SnapshotRow.workspace_id == workspace_id, SnapshotRow.state != "removed")
        }
        live_runs = {v.run_id for v in versions.live_versions(session, workspace_id)}
    removed = 0
    for tenant, version in store.versions():
        if version not in known:
            store.remove(tenant, version)
            removed += 1
    leftovers = list(folder.runs.glob("*")) + [p for p in folder.snapshots.glob("sn_*") if p.name not in snapshots]
    leftovers += [p for p in folder.held.glob("rn_*") if p.name not in live_runs]
    for path in leftovers:
        shutil.rmtree(path, ignore_errors=True)
        removed += 1
    for part in folder.tenants.glob("tn_*/*.json*"):
        if not part.with_name(part.name.split(".")[0] + ".duckdb").exists():
            part.unlink(missing_ok=True)
            removed += 1
    return removed


def held_pairs(numbers: Mapping[str, int], held: Mapping[str, str]) -> list[tuple[int, int]]:
    """(number in the earlier run, number now or -1) of each tenant id of an earlier run's index."""
    return [(int(old), numbers.get(tenant, -1)) for old, tenant in held.items()]


def is_over(gone_at: datetime | None, gone_after: str, now: datetime) -> bool:
    """Whether a tenant has been gone for so long that its files may go."""
    return gone_at is not None and gone_at < now - parse_duration(gone_after)
