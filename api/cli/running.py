"""refresh, status, verify, rollback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter

from api.cli.common import (
    AsJson,
    HomeFolder,
    Lines,
    WorkspaceFiles,
    by_key,
    one_workspace,
    open_place,
    place,
    print_json,
    print_table,
    say,
    workspaces,
)

SHOWN = 5
"""How many tenants that failed are named one by one."""


def refresh(
    *,
    tenant: Annotated[list[str] | None, Parameter(help="build this tenant (key or id); may be repeated")] = None,
    full: Annotated[bool, Parameter(negative=())] = False,
    allow_shrink: Annotated[bool, Parameter(negative=())] = False,
    run_id: Annotated[str | None, Parameter(show=False)] = None,
    workspace: WorkspaceFiles = None,
    home: HomeFolder = None,
    json: AsJson = False,
) -> int:
    """Extract, partition, build, verify, publish."""
    from slices.refresh import Options, Result
    from slices.refresh import refresh as run

    where = place(workspace, home)
    installation = open_place(where)
    results: list[Result] = []
    for item in workspaces(where):
        results.append(run(installation, item, Options(tuple(tenant or ()), full, allow_shrink), run_id=run_id, progress=Lines()))
        done = results[-1]
        say(
            f"{item.workspace}: {done.built} {'tenant' if done.built == 1 else 'tenants'} built, {done.unchanged} unchanged, {done.failed} failed, {done.withheld} withheld, "
            f"{done.gone} gone, {done.quarantined} rows in quarantine (run {done.run}): slicehouse status"
        )
        _say_reasons(done.reasons)
    if json:
        print_json([asdict(r) for r in results] if len(results) > 1 else asdict(results[0]))
    return 1 if any(r.failed for r in results) else 0


def status(*, workspace: WorkspaceFiles = None, home: HomeFolder = None, json: AsJson = False) -> int:
    """The last runs with their stages, tenants by state, what is withheld."""
    from api.control.status import workspace_status

    where = place(workspace, home)
    installation = open_place(where)
    found = [workspace_status(installation, item) for item in workspaces(where)]
    if json:
        print_json(found[0] if len(found) == 1 else found)
        return 0
    for one in found:
        tenants = ", ".join(f"{number} {state}" for state, number in one["tenants"].items()) or "none"
        say(f"{one['workspace']}: routing {one['routing'] or 'not accepted'}; tenants: {tenants}; as of {one['as_of'] or '-'}")
        print_table(("run", "state", "trigger", "requested_at", "seconds", "error"), one["runs"])
        if one["runs"]:
            _newest_run(one["runs"][0])
    return 0


def _newest_run(run: dict[str, Any]) -> None:
    """Its stages, why it ended, and which tenants it could not build or withholds."""
    if run["stages"]:
        print_table(("name", "rows", "seconds", "cpu_seconds", "peak_mb"), run["stages"], title=f"the stages of {run['run']}")
    totals = run["totals"] or {}
    if run["message"]:
        say(f"{run['run']}: {run['message']}")
    if totals.get("withheld"):
        say(f"{run['run']}: {totals['withheld']:,} tenants are withheld: their last slice holds rows that are no longer theirs.")
    _say_reasons(totals.get("reasons") or {})


def _say_reasons(reasons: Mapping[str, str]) -> None:
    """Why tenants have no new slice, the first few."""
    for tenant, why in list(reasons.items())[:SHOWN]:
        say(f"  {tenant}: {why}")
    if len(reasons) > SHOWN:
        say(f"  and {len(reasons) - SHOWN:,} more: --json names each")


def verify(tenant: str | None = None, *, workspace: WorkspaceFiles = None, home: HomeFolder = None, json: AsJson = False) -> int:
    """Proves the published slices again, from the landed keys of the last publication."""
    from slices.proving.audit import verify_published

    where = place(workspace, home)
    found = sorted(verify_published(open_place(where), one_workspace(where), tenant), key=lambda f: by_key(f, "tenant"))
    if json:
        print_json(found)
    else:
        print_table(("tenant", "version", "result", "detail"), found)
    return 0 if found and all(f["result"] == "whole" for f in found) else 1


def rollback(tenant: str, *, to: str | None = None, workspace: WorkspaceFiles = None, home: HomeFolder = None) -> int:
    """Makes the version before (or the one named with --to) answer again."""
    from api.control.tenants.reading import require_tenant
    from engine.clock import rfc3339
    from slices.publishing.publish import rollback as back
    from slices.reviewing.routings import workspace_row

    where = place(workspace, home)
    installation = open_place(where)
    row = workspace_row(installation, one_workspace(where))
    version = back(installation, row.id, require_tenant(installation, row.id, tenant).id, to)
    say(f"{tenant} is answered from {version.id} again (as of {rfc3339(version.as_of)}); the next refresh builds anew.")
    return 0


VERBS = (refresh, status, verify, rollback)
