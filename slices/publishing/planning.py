"""Which tenants a refresh builds, which stay as they are, which are gone; and the manifest of what was built."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import select

from engine import duck
from engine.catalog import versions
from engine.catalog.tables import RoutingRow, TenantRow, VersionRow, WorkspaceRow
from engine.dashboards import Dashboard
from engine.errors import ConfigurationError, SlicehouseError
from engine.ids import new_id
from engine.lock import digest
from engine.routing import Routing
from engine.schema import TableName
from engine.workspace import Workspace
from slices.building.panels import panel_facts
from slices.building.task import Built
from slices.installation import Installation
from slices.publishing import guards
from slices.publishing.manifest import BUILDER, Manifest, ManifestColumn, ManifestSnapshot, ManifestTable
from slices.publishing.store import LocalStore
from slices.publishing.whole import check_whole
from slices.rule.judge import LandedFiles
from slices.rule.partition import Fingerprints, Partition


@dataclass(frozen=True, slots=True)
class Options:
    """`tenants`: keys or ids that are built (others whose version holds a moved row are, too); `full`: build all."""

    tenants: tuple[str, ...] = ()
    full: bool = False
    allow_shrink: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """What one refresh is about: its workspace and run, the accepted routing with its digest, and what was landed."""

    installation: Installation
    workspace: Workspace
    row: WorkspaceRow
    run_id: str
    options: Options
    routing: Routing
    digest: str
    dashboards: Sequence[Dashboard]
    as_of: datetime
    snapshots: Sequence[ManifestSnapshot]
    landed: Mapping[TableName, LandedFiles]
    views: Sequence[Sequence[str]]


def earlier_routings(installation: Installation, workspace_id: str) -> dict[str, RoutingRow]:
    """The accepted routings of a workspace by their digests; of equal ones the newest."""
    with installation.catalog.read() as session:
        rows = session.scalars(select(RoutingRow).where(RoutingRow.workspace_id == workspace_id).order_by(RoutingRow.number))
        return {r.digest: r for r in rows}


class BuildPlan:
    """Which tenants are built, which stay as they are, which are gone; numbers are this run's, ids the catalog's."""

    def __init__(self, work: Work, partition: Partition, prints: Fingerprints) -> None:
        self._work, self.prints = work, prints
        self._digest = digest(work.routing)  # of what is built: columns that needed no accept too
        self._store = LocalStore(work.installation.home.workspace(work.row.id))
        catalog, now = work.installation.catalog, work.installation.clock()
        there = [t for t in partition.tenants if not t.filtered]
        with catalog.write() as session:
            rows = versions.ensure_tenants(session, work.row.id, [(t.key, t.name, t.parent) for t in there], now)
            self.live = versions.live_versions(session, work.row.id)
        stopped = {key for key, row in rows.items() if row.state in ("gone", "archived", "erased")}
        self.tenant_of: dict[int, TenantRow] = {t.number: rows[t.key] for t in there if t.key not in stopped}
        self.names = {t.number: t.name for t in there}
        self.number_of = {row.id: number for number, row in self.tenant_of.items()}
        self.current = {r.id: r.version_id for r in rows.values() if r.version_id is not None}
        self.gone = [
            r.id for r in rows.values() if r.id not in self.number_of and r.state in ("active", "withheld", "building", "suspended")
        ]
        self.fingerprint = {n: self._fingerprint(n) for n in self.tenant_of}
        self.build, self.unchanged = self._choose(partition)
        self.version_for = {n: new_id("sv") for n in self.build}

    def _fingerprint(self, number: int) -> str:
        """Rows and hashes per table, and whatever else decides the content of the file (rules.md 9)."""
        work, settings = self._work, self._work.installation.settings
        facts = {
            "tables": {str(t): text for t, text in self.prints.of(number).items()},
            "routing": self._digest,
            "builder": BUILDER,
            "engine": duck.VERSION,
            "storage": [work.workspace.storage_version, settings.compression],
            "name": self.names[number],
            "panels": panel_facts(work.dashboards),
            "views": work.views,
        }
        return "sha256:" + sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def _choose(self, partition: Partition) -> tuple[list[int], list[int]]:
        by_id = {v.id: v for v in self.live}
        same = [n for n, t in self.tenant_of.items() if self._is_same(t, by_id.get(t.version_id or ""), n)]
        changed = [n for n in self.tenant_of if n not in set(same) or self._work.options.full]
        if self._work.options.tenants:
            changed = self._only(partition, changed)
        return sorted(changed), sorted(n for n in same if n not in set(changed))

    def _is_same(self, tenant: TenantRow, version: VersionRow | None, number: int) -> bool:
        if version is None or version.fingerprint != self.fingerprint[number] or tenant.state == "withheld":
            return False
        try:
            check_whole(self._store.path(tenant.id, version.id), version.bytes, version.sha256)
        except SlicehouseError:
            return False
        return True

    def _only(self, partition: Partition, changed: list[int]) -> list[int]:
        """The named tenants, and those whose version holds a row that is no longer theirs: nobody may see it meanwhile."""
        named = {
            n
            for n, t in self.tenant_of.items()
            if t.id in self._work.options.tenants or t.key in {o.removeprefix("key:") for o in self._work.options.tenants}
        }
        unknown = [o for o in self._work.options.tenants if not any(o in (t.id, t.key, f"key:{t.key}") for t in self.tenant_of.values())]
        if unknown:
            raise ConfigurationError(
                f"There is no tenant {', '.join(unknown)} in the source.", hint="slicehouse tenants lists them.", code="unknown_tenant"
            )
        work = self._work
        suspects = [v for v in self.live if v.id in set(self.current.values()) and self.number_of.get(v.tenant_id) in set(changed)]
        moved = guards.tainted(
            partition,
            work.installation.home.workspace(work.row.id).held,
            suspects,
            self.number_of,
            work.routing,
            earlier_routings(work.installation, work.row.id),
            work.digest,
        )
        also = {self.number_of[v.tenant_id] for v in suspects if v.id in moved}
        return sorted(n for n in changed if n in named | also) + sorted(n for n in named if n not in changed and work.options.full)

    def manifest(self, number: int, built: Built) -> Manifest:
        """The manifest of a built file."""
        work, tenant = self._work, self.tenant_of[number]
        routing = work.routing
        prints = self.prints.of(number)
        tables = {
            str(routing.names[r.table]): ManifestTable(
                rows=built.rows[f"{routing.names[r.table].schema}.{routing.names[r.table].table}"],
                fingerprint=prints[r.table],
                route=r.kind,
                comment=work.landed[r.table].table.comment,
                columns=[
                    ManifestColumn(
                        name=c.shown, type=c.type, source_type=c.source_type, treatment=c.treatment, as_text=c.as_text, comment=c.comment
                    )
                    for c in r.columns
                    if c.is_written
                ],
            )
            for r in routing.written
            if routing.tenant_of(r.table) in (None, number)
        }
        return Manifest(
            version=built.version, workspace=work.row.id, tenant=tenant.id, tenant_key=tenant.key, tenant_name=self.names[number], run=work.run_id, as_of=work.as_of,
            built_at=work.installation.clock(), snapshots=list(work.snapshots), timezone=routing.timezone, routing=work.digest, fingerprint=self.fingerprint[number],
            sha256=built.sha256, bytes=built.bytes, rows=sum(built.rows.values()), engine=duck.VERSION, storage_version=work.workspace.storage_version,
            compression=work.installation.settings.compression, tables=tables,
        )  # fmt: skip
