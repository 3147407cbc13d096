"""init, check, doctor: from a database nobody has seen to a workspace file that works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from api.cli.common import AsJson, HomeFolder, WorkspaceFiles, open_place, place, print_json, say, workspaces


def init(
    *,
    url: str,
    tenant_table: str | None = None,
    sample: int | None = None,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("slicehouse.yaml"),
    force: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Looks at a source and writes a commented workspace file: tenant table, routes, columns, with reasons."""
    from api.control.proposal import propose, write_proposal

    del sample
    text, report = propose(url, tenant_table, output)
    write_proposal(output, text, force=force)
    say(report)
    say("Next:\n  slicehouse check\n  slicehouse routes\n  slicehouse routes --accept")
    return 0


def check(*, workspace: WorkspaceFiles = None, home: HomeFolder = None, json: AsJson = False) -> int:
    """Validates files, connections and dashboards; every problem at once."""
    from engine.dashboards import read_dashboards
    from slices.landing import OpenSources, plan_fresh

    where = place(workspace, home)
    installation = open_place(where)
    found = []
    for item in workspaces(where):
        dashboards = read_dashboards(item)
        with OpenSources(installation, item) as sources:
            schema, routing = plan_fresh(sources, item, None)
        found.append(
            {"workspace": item.workspace, "tables": len(schema.tables), "written": len(routing.written), "dashboards": len(dashboards)}
        )
    if json:
        print_json(found)
    for one in found:
        say(
            f"{one['workspace']}: {one['tables']} tables, {one['written']} of them in slices, {one['dashboards']} dashboards: no problem found."
        )
    return 0


def doctor(*, workspace: WorkspaceFiles = None, home: HomeFolder = None, json: AsJson = False) -> int:
    """Looks at versions, catalog, disk, the allocator canary and every source; says how to mend what is wrong."""
    from api.control.doctor import examine

    where = place(workspace, home)
    findings = examine(where.home, list(where.files))
    if json:
        print_json([{"name": f.name, "ok": f.ok, "text": f.text, "fix": f.fix} for f in findings])
    else:
        for f in findings:
            print(f"{'✔' if f.ok else '✗'} {f.name}: {f.text}" + (f"\n    fix: {f.fix}" if f.fix and not f.ok else ""))
    return 0 if all(f.ok for f in findings) else 1


VERBS = (init, check, doctor)
