"""init, check, doctor: from a database nobody has seen to a workspace file that works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from api.cli.common import AsJson, HomeFolder, Place, WorkspaceFiles, open_place, place, print_json, say

if TYPE_CHECKING:
    from engine.errors import Problem, SlicehouseError


def init(
    *,
    url: str,
    tenant_table: str | None = None,
    sample: int = 1_000,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("slicehouse.yaml"),
    force: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Looks at a source and writes a commented workspace file: tenant table, routes, columns, with reasons.

    Relationships that nobody declared are weighed by --sample rows a table; 0 goes by names and types alone.
    """
    from api.control.proposal import propose, write_proposal

    proposal = propose(url, tenant_table, output, sample)
    for line in write_proposal(output, proposal.text, force=force):
        say(line)
    say(proposal.report)
    at = "" if output == Path("slicehouse.yaml") else f" -w {output}"
    first = (
        "\n  export SLICEHOUSE_SOURCE_URL=…   # the URL holds a password, which is not written into the file"
        if proposal.hides_password
        else ""
    )
    say(f"Next:{first}\n  slicehouse check{at}\n  slicehouse routes{at}\n  slicehouse routes --accept{at}")
    return 0


def check(*, workspace: WorkspaceFiles = None, home: HomeFolder = None, json: AsJson = False) -> int:
    """Validates files, connections, dashboards and their statements; every problem at once, the files' also without a source."""
    from engine.errors import WorkspaceFileError

    where = place(workspace, home)
    found: list[dict[str, Any]] = []
    problems: list[Problem] = []
    others: list[SlicehouseError] = []
    for file in where.files:
        try:
            facts, wrong, error = _checked(where, file)
        except WorkspaceFileError as error_of_file:
            problems += error_of_file.problems
            continue
        found.append(facts)
        problems += wrong
        others += [error] if error else []
    if json:
        print_json([{k: v for k, v in facts.items() if k != "shown"} for facts in found])
    if problems:
        for one in others:
            say(f"slicehouse: {one}")
        raise WorkspaceFileError(problems)
    for facts in found:
        say(f"{facts['workspace']}: {facts['shown']}: no problem found.")
    if others:
        raise others[0]
    return 0


def _checked(where: Place, file: Path) -> tuple[dict[str, Any], list[Problem], SlicehouseError | None]:
    """Facts of one workspace, the problems of its files, and what keeps its source from being looked at."""
    from api.control.checking import dashboard_problems
    from engine.errors import SlicehouseError, WorkspaceFileError
    from engine.workspace import read_workspace
    from slices.landing import OpenSources, plan_fresh

    item = read_workspace(file)
    problems: list[Problem] = []
    facts: dict[str, Any] = {"workspace": item.workspace}
    routing, failed = None, None
    try:
        with OpenSources(open_place(where), item) as sources:
            schema, routing = plan_fresh(sources, item, None)
        facts |= {"tables": len(schema.tables), "written": len(routing.written)}
    except WorkspaceFileError as error:
        problems += error.problems
    except SlicehouseError as error:
        failed = error
    facts["dashboards"], wrong = dashboard_problems(item, routing)
    shown = f"{facts['tables']} tables, {facts['written']} of them in slices" if routing is not None else "without its source"
    return facts | {"shown": f"{shown}, {facts['dashboards']} dashboards"}, problems + wrong, failed


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
