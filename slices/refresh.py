"""The whole pipeline of one workspace: extract → partition → build → verify → publish. Whatever fails leaves the last slices serving."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine import duck
from engine import lock as locks
from engine.catalog import runs, versions
from engine.catalog.tables import RoutingRow, RunRow, WorkspaceRow
from engine.dashboards import Dashboard, read_dashboards
from engine.drift import Change, advice, drift
from engine.errors import ReviewRequired, SlicehouseError, WorkFailed
from engine.lock import Lock
from engine.routing import Routing
from engine.schema import TableName
from engine.workspace import Workspace
from extract.snapshot import Snapshot
from slices.building.builders import run_tasks
from slices.building.panels import task_panels
from slices.building.style import slice_facts, slice_style, task_tables
from slices.building.task import BuildTask, Built, TaskPanel, TaskTable, TaskTenant, TaskView
from slices.building.views import task_views, view_facts
from slices.installation import Installation
from slices.landing import OpenSources, files_of, fresh_landed, land_workspace, oldest, plan_fresh
from slices.locking import exclusive
from slices.progress import Progress, Silent, StageCost, Stages
from slices.proving.clear import mask_findings
from slices.proving.rederive import Rederivation
from slices.proving.verify import SliceFile, prove
from slices.publishing import guards
from slices.publishing.manifest import ManifestSnapshot
from slices.publishing.planning import BuildPlan, Options, Work, earlier_routings
from slices.publishing.publish import Decision, Verified, publish, sweep
from slices.publishing.store import LocalStore
from slices.reviewing import routings
from slices.reviewing.included import included, with_included
from slices.rule.buckets import make_buckets
from slices.rule.judge import Judge, LandedFiles
from slices.rule.partition import Fingerprint, Fingerprints, Partition, Verdicts

__all__ = ["Options", "Result", "refresh"]


@dataclass(slots=True)
class Result:
    """What a refresh did. `reasons` says why a tenant failed."""

    run: str
    as_of: str = ""
    tables: int = 0
    rows: int = 0
    built: int = 0
    unchanged: int = 0
    failed: int = 0
    withheld: int = 0
    gone: int = 0
    quarantined: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def refresh(
    installation: Installation,
    workspace: Workspace,
    options: Options = Options(),
    *,
    run_id: str | None = None,
    trigger: str = "command",
    progress: Progress | None = None,
) -> Result:
    """Refreshes one workspace by its accepted routing and returns what was done.

    `run_id` names a queued run. Raises Busy where a refresh is at work, ReviewRequired where a person must look, WorkFailed or
    SourceError where the work failed; nothing is published then, and the run says why.
    """
    row = routings.workspace_row(installation, workspace)
    routings.require_open(row)
    with exclusive(installation.home.workspace(row.id).lock):
        _bury_dead_runs(installation, row.id)
        sweep(installation, row.id)
        with installation.catalog.write() as session:
            run = session.get(RunRow, run_id) if run_id else None
            run = run or runs.request_run(session, row.id, trigger, _asked(options), installation.clock())
            runs.start_run(session, run.id, os.getpid(), None, installation.clock())
        work = _Refresh(installation, workspace, row, run.id, options, progress or Silent())
        try:
            return work.run()
        except SlicehouseError as error:
            state = "stopped" if isinstance(error, ReviewRequired) else "failed"
            _end(installation, run.id, state, error.code, error.message)
            raise
        except BaseException as error:
            _end(installation, run.id, "failed", "unexpected", type(error).__name__)
            raise
        finally:
            shutil.rmtree(work.folder, ignore_errors=True)


def _asked(options: Options) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(options).items() if v}


def _end(installation: Installation, run: str, state: str, code: str, text: str) -> None:
    with installation.catalog.write() as session:
        runs.end_run(session, run, state, installation.clock(), code=code, error=text)


def _bury_dead_runs(installation: Installation, workspace_id: str) -> None:
    """Runs that say they are at work, though the lock is ours, have died."""
    with installation.catalog.write() as session:
        for run in runs.running_runs(session, workspace_id):
            runs.end_run(
                session,
                run.id,
                "failed",
                installation.clock(),
                code="interrupted",
                error="The refresh ended without a word: killed, or the machine went down.",
            )


class _Refresh:
    """One refresh at work; the workspace's lock is held."""

    def __init__(
        self, installation: Installation, workspace: Workspace, row: WorkspaceRow, run: str, options: Options, progress: Progress
    ) -> None:
        self.installation, self.workspace, self.row, self.run_id, self.options, self.progress = (
            installation,
            workspace,
            row,
            run,
            options,
            progress,
        )
        self.folder = installation.home.workspace(row.id).run(run)
        self.home = installation.home.workspace(row.id)
        self.store = LocalStore(self.home)
        self.stages = Stages(progress, self._note_stage)
        self.result = Result(run)
        self.is_unmasked = False
        self.routing: Routing
        self.lock: Lock
        self.dashboards: list[Dashboard]
        self.routing_row: RoutingRow

    def _note_stage(self, position: int, cost: StageCost) -> None:
        self.result.seconds[cost.name] = round(cost.seconds, 3)
        with self.installation.catalog.write() as session:
            runs.add_stage(
                session,
                self.run_id,
                position,
                cost.name,
                seconds=cost.seconds,
                cpu_seconds=cost.cpu_seconds,
                rows=cost.rows,
                peak_mb=cost.peak_mb,
            )

    def run(self) -> Result:
        """Extract, partition, sort, build, verify, publish; what fails on the way leaves the last good slices as they are."""
        self.dashboards = read_dashboards(self.workspace)
        self._take_routing()
        self.folder.mkdir(parents=True)
        with self.stages.stage("extract"):
            snapshots = self._snapshots()
            self.stages.rows = sum(t.rows for s in snapshots for t in s.tables)
        self.landed: dict[TableName, LandedFiles] = files_of(self.installation, self.row.id, snapshots)
        self.as_of = oldest(snapshots)
        self.views = snapshots if self.workspace.views == "recompute" else []
        self.manifest_snapshots = [ManifestSnapshot(id=s.id, source=s.source, as_of=s.as_of) for s in snapshots]
        settings = self.installation.settings
        with duck.work(
            self.folder / "work.duckdb", threads=settings.threads, memory_limit=settings.memory_limit, timezone=self.routing.timezone
        ) as connection:
            return self._partition_and_publish(connection, snapshots)

    def _note(self, text: str) -> None:
        self.result.notes.append(text)
        self.progress.note(text)

    # ── routing, snapshot ─────────────────────────────────────────────────────────────────────────────────────────────

    def _take_routing(self) -> None:
        found = routings.accepted(self.installation, self.workspace, self.row)
        if found is None:
            raise ReviewRequired(
                "No routing has been accepted yet.",
                hint="slicehouse routes shows it; slicehouse routes --accept accepts it.",
                code="no_routing",
            )
        self.routing_row, self.lock = found
        self.routing = locks.routing_of(self.lock)
        self.digest = locks.digest(self.routing)
        with self.installation.catalog.write() as session:
            runs.start_run(session, self.run_id, os.getpid(), self.routing_row.id, self.installation.clock())

    def _snapshots(self) -> list[Snapshot]:
        fresh = fresh_landed(self.installation, self.row, self.workspace, self.routing)
        if fresh is not None:
            self.progress.step("taking the snapshot that routes landed", 1, 1)
            return fresh
        with OpenSources(self.installation, self.workspace) as sources:
            accepted, there = self.routing, sources.schema()
            self._check_drift(drift(accepted, there))
            schema, planned = plan_fresh(sources, self.workspace, accepted)
            self.routing = with_included(accepted, planned, self.workspace)
            for change in drift(accepted, there, included(accepted, self.routing), planned):
                self._note(str(change))
            return land_workspace(self.installation, self.row, sources, schema, self.routing, self.progress.step)

    def _check_drift(self, changes: Sequence[Change]) -> None:
        stopping = [str(c) for c in changes if c.effect == "stops"]
        if stopping:
            raise ReviewRequired(
                "The source is no longer what was accepted:\n  " + "\n  ".join(stopping),
                hint=advice(changes),
                code="drift",
            )

    def _work(self) -> Work:
        return Work(
            self.installation, self.workspace, self.row, self.run_id, self.options, self.routing, self.digest, self.dashboards, self.as_of,
            self.manifest_snapshots, self.landed, view_facts(self.views),
        )  # fmt: skip

    # ── partition ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _partition_and_publish(self, connection: duck.Connection, snapshots: Sequence[Snapshot]) -> Result:
        with self.stages.stage("partition"):
            judge = Judge(connection, self.routing, self.landed, self.as_of)
            judge.run(lambda table: self.progress.step(table, 0, None))
            partition = Partition(connection, self.routing, judge)
            verdicts = partition.verdicts()
            self._check(partition, verdicts)
            prints = partition.fingerprints(lambda table: self.progress.step(table, 0, None))
            self.stages.rows = sum(v.rows for v in verdicts.values())
        plan = BuildPlan(self._work(), partition, prints)
        built = self._build(partition, prints, plan) if plan.build else {}
        with self.stages.stage("verify"):
            proven = self._verify(partition, plan, built)
            self.stages.rows = sum(v.manifest.rows for v in proven)
        with self.stages.stage("publish"):
            self._publish(partition, plan, proven, verdicts, snapshots)
            self.stages.rows = len(proven)
        return self.result

    def _check(self, partition: Partition, verdicts: Mapping[TableName, Verdicts]) -> None:
        guards.check_inclusions(partition, self.routing)
        guards.check_quarantine(self.routing, locks.shares_of(self.lock), verdicts)
        guards.check_everybody(self.routing_row.everybody, verdicts, self.routing)
        if not self.options.allow_shrink:
            guards.check_shrink(self._verdicts_before(), verdicts, *self._leaving(partition))

    def _verdicts_before(self) -> dict[str, dict[str, Any]]:
        with self.installation.catalog.read() as session:
            last = versions.last_published_run(session, self.row.id)
            return runs.verdicts_of(session, last) if last is not None else {}

    def _leaving(self, partition: Partition) -> tuple[int, int]:
        """How many tenants have a slice now, and how many of those are not in the source any more."""
        there = {t.key for t in partition.tenants if not t.filtered}
        with self.installation.catalog.read() as session:
            served = [t.key for t in versions.tenants_of(session, self.row.id) if t.version_id is not None]
        return len(served), sum(key not in there for key in served)

    # ── build ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _build(self, partition: Partition, prints: Fingerprints, plan: BuildPlan) -> dict[str, Built]:
        staged = self.folder / "staged"
        staged.mkdir()
        settings = self.installation.settings
        with self.stages.stage("sort"):
            partition.choose(plan.build)
            buckets = make_buckets(plan.build, prints.rows_of, max(1, settings.builders * 4))
            files = partition.cut(buckets, self.folder, lambda table: self.progress.step(table, 0, None))
            shared = partition.write_shared(self.folder)
            guards.write_index(
                self.home.held / self.run_id,
                partition.write_held(self.home.held / self.run_id),
                {n: plan.tenant_of[n].id for n in plan.build},
            )
            self.stages.rows = sum(prints.rows_of(n) for n in plan.build)
        with self.stages.stage("build"):
            tables = task_tables(self.routing, partition, shared)
            views, panels = self._statements(tables)
            style = slice_style(self.routing, self.workspace, partition, settings, views, panels)
            tasks = [
                BuildTask(
                    style=style, tables=tables, tenants=[self._task_tenant(n, plan, prints, staged) for n in bucket], files=bucket_files
                )
                for bucket, bucket_files in zip(buckets, files, strict=True)
            ]
            done: list[Built] = []

            def one(built: Built) -> None:
                done.append(built)
                self.progress.step("slices", len(done), len(plan.build))

            answers = run_tasks(tasks, self.folder, min(settings.builders, 1 + len(plan.build) // 20), one)
            self.stages.rows = sum(sum(b.rows.values()) for b in answers)
        for bucket_files in files:
            for path in bucket_files.values():
                path.unlink()
        return {b.tenant: b for b in answers}

    def _statements(self, tables: Sequence[TaskTable]) -> tuple[list[TaskView], list[TaskPanel]]:
        """Views and panels of every slice; of each tenant's own where tenants have tables of their own."""
        views: list[TaskView] = []
        panels: list[TaskPanel] = []
        for only in sorted({t.only for t in tables}, key=lambda n: -1 if n is None else n):
            mine = [t for t in tables if t.only == only]
            source = self.routing.whole[only] if only is not None else None
            seen = [s for s in self.views if source is None or s.source == source or len(self.routing.whole) == 1]
            new, notes = task_views(seen, self.routing, mine)
            more, said = task_panels(self.dashboards, mine, new, self.as_of, self.routing.timezone)
            views += [v.model_copy(update={"only": only}) for v in new]
            panels += [p.model_copy(update={"only": only}) for p in more]
            for note in (*notes, *said):
                self._note(note if source is None else f"{source}: {note}")
        return views, panels

    def _task_tenant(self, number: int, plan: BuildPlan, prints: Fingerprints, staged: Path) -> TaskTenant:
        tenant = plan.tenant_of[number]
        version = plan.version_for[number]
        facts = slice_facts(
            self.row, tenant.key, plan.names[number], version, self.run_id, self.as_of, self.routing, self.digest, plan.fingerprint[number]
        )
        return TaskTenant(
            number=number, tenant=tenant.id, version=version, path=staged / f"{version}.duckdb", rows=prints.rows_of(number), facts=facts
        )

    # ── verify, publish ───────────────────────────────────────────────────────────────────────────────────────────────

    def _verify(self, partition: Partition, plan: BuildPlan, built: Mapping[str, Built]) -> list[Verified]:
        """Proves every built file; what fails is noted, and is not published."""
        for tenant, answer in built.items():
            if answer.error is not None:
                self.result.reasons[tenant] = answer.detail or answer.error
        good = {t: b for t, b in built.items() if b.error is None}
        if not good:  # what was landed is looked at even so
            self.is_unmasked = any(m.clear for m in mask_findings(self.routing, self.landed))
            return []
        everybody: dict[TableName, Path] = partition.export_everybody(self.folder)
        derived = Rederivation(self.routing, self.landed, partition.export_where(self.folder), everybody)
        keys = {t: plan.tenant_of[plan.number_of[t]].key for t in good}
        files = [SliceFile(plan.number_of[t], t, self.folder / "staged" / f"{b.version}.duckdb", keys[t]) for t, b in good.items()]
        proofs = prove(
            self.routing, self.landed, derived, files, self.routing.timezone, lambda n: self.progress.step("slices", n, len(files))
        )
        self.is_unmasked = any(m.clear for p in proofs.values() for m in p.masks)
        proven = []
        for file in files:
            proof = proofs[file.tenant]
            if proof.holds:
                document = proof.document(self.installation.clock()).encode()
                proven.append(Verified(file.tenant, file.path, plan.manifest(file.number, good[file.tenant]), document))
            else:
                self.result.reasons[file.tenant] = f"verify: {proof}"
        return proven

    def _publish(
        self,
        partition: Partition,
        plan: BuildPlan,
        proven: list[Verified],
        verdicts: Mapping[TableName, Verdicts],
        snapshots: Sequence[Snapshot],
    ) -> None:
        decision = self._decide(partition, plan, proven, snapshots)
        self._count(plan, decision, verdicts)
        with self.installation.catalog.write() as session:
            runs.add_verdicts(session, self.run_id, {str(t): _verdict_facts(v, self._copies(t, v, plan)) for t, v in verdicts.items()})
        if decision.failed and not proven and not decision.unchanged and not plan.current:
            raise WorkFailed(
                f"No slice could be built: {next(iter(self.result.reasons.values()))}",
                hint="slicehouse status shows the run.",
                code="build",
            )
        totals = {k: v for k, v in asdict(self.result).items() if k not in ("run", "notes")}
        publish(
            self.installation,
            self.row.id,
            self.run_id,
            decision,
            [s.id for s in snapshots],
            self.as_of,
            totals,
            self.workspace.tenants.gone_after,
        )

    def _decide(self, partition: Partition, plan: BuildPlan, proven: list[Verified], snapshots: Sequence[Snapshot]) -> Decision:
        """What becomes of every tenant and every version that could still answer."""
        decision = Decision(verified=proven, unchanged=[plan.tenant_of[n].id for n in plan.unchanged], gone=plan.gone)
        suspects = [
            v
            for v in plan.live
            if v.tenant_id not in plan.gone and not (v.tenant_id in decision.unchanged and v.id == plan.current.get(v.tenant_id))
        ]
        try:
            decision.tainted = sorted(
                guards.tainted(
                    partition,
                    self.home.held,
                    suspects,
                    plan.number_of,
                    self.routing,
                    earlier_routings(self.installation, self.row.id),
                    self.digest,
                )
            )
        finally:
            for snapshot in snapshots if self.is_unmasked else []:  # it lies there in clear, and nothing reads it from here on
                shutil.rmtree(self.home.snapshots / snapshot.id, ignore_errors=True)
        done = {v.tenant for v in proven}
        decision.failed = [plan.tenant_of[n].id for n in plan.build if plan.tenant_of[n].id not in done]
        decision.withheld = [t for t in decision.failed if plan.current.get(t) in decision.tainted]
        return decision

    def _count(self, plan: BuildPlan, decision: Decision, verdicts: Mapping[TableName, Verdicts]) -> None:
        result = self.result
        result.as_of = self.as_of.isoformat()
        result.tables, result.rows = len(verdicts), sum(v.rows for v in verdicts.values())
        result.built, result.unchanged = len(decision.verified), len(decision.unchanged)
        result.failed, result.withheld, result.gone = len(decision.failed), len(decision.withheld), len(plan.gone)
        result.quarantined = sum(v.quarantined for v in verdicts.values())

    def _copies(self, table: TableName, found: Verdicts, plan: BuildPlan) -> int:
        """Rows in slices beyond one a row: members of several tenants, and everybody's rows in every slice but one."""
        slices = len(plan.prints.tenants.get(table, {})) and sum(
            f.rows for n, f in plan.prints.tenants[table].items() if n in plan.tenant_of
        )
        everybodys = plan.prints.shared.get(table, Fingerprint()).rows
        written = slices + everybodys * len(plan.tenant_of)
        return written - found.owned - found.shared


def _verdict_facts(found: Verdicts, copies: int) -> dict[str, Any]:
    return asdict(found) | {"copies": copies, "reasons": dict(found.reasons)}
