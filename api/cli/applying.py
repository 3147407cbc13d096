"""apply, export: the catalog and the files made equal, one way or the other."""

from __future__ import annotations

import json as as_text
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from api.cli.common import AsJson, HomeFolder, Place, WorkspaceFiles, open_place, place, print_json, say

if TYPE_CHECKING:
    from api.control.workspaces.planning import Plan

Files = Annotated[
    list[Path],
    Parameter(
        name=["--file", "-f", "--workspace", "-w"],
        consume_multiple=True,
        negative=(),
        help="workspace files, folders that hold them, or globs",
    ),
]


def apply(
    *,
    file: Files,
    plan: Annotated[bool, Parameter(negative=(), help="say what would be done, and do nothing")] = False,
    exit_code: Annotated[bool, Parameter(negative=(), help="with --plan: 3 where there is something to do; else it is always 0")] = False,
    home: HomeFolder = None,
    json: AsJson = False,
) -> int:
    """Makes the catalog equal the files: workspaces, their tiers, the routing of the lock beside each; all of it, or nothing.

    It shows each field before and after. A tier that did not change makes no new version. A workspace that no file names is left alone, and
    said. --plan needs no source, no secret, and no catalog: where there is none, everything is new.
    """
    from api.control.access.keys import operator
    from api.control.workspaces import applying
    from api.control.workspaces.files import read_files, workspace_files
    from engine.errors import ConfigurationError

    if exit_code and not plan:
        raise ConfigurationError("--exit-code goes with --plan.", hint="Without --plan it is 0 where all was done.")
    said = read_files(workspace_files(file))
    environment = os.environ.get("SLICEHOUSE_HOME")
    chosen = home or (Path(environment) if environment else applying.default_home(file))
    if plan:
        from engine.settings import Settings

        found = applying.planned(Settings(home=chosen), said)
    else:
        found = applying.apply(open_place(Place((), chosen)), operator(), said)
    if json:
        print_json(found.facts(applied=not plan))
    else:
        _show(found, applied=not plan)
    return 3 if exit_code and not found.is_empty else 0


def _show(found: Plan, *, applied: bool) -> None:
    for item in found.items:
        where = os.path.relpath(item.said.workspace.path)
        print(f"{item.slug}: {'nothing to do' if item.action == 'nothing' else item.action} ({where})")
        for change in item.changes:
            before = "" if item.is_new or change.before is None else f"{_text(change.before)} → "
            sign = "+" if change.before is None else "-" if change.after is None else "~"
            print(f"  {sign} {change.field}: {before}{_text(change.after)}" + (f"   ({change.note})" if change.note else ""))
        for note in item.notes:
            print(f"  {note}")
    for left in found.left:
        print(f"{left['workspace']}: not in the files, left alone ({left['why']}; {left['path']})")
    counts = {a: sum(i.action == a for i in found.items) for a in ("create", "update", "nothing")}
    if found.is_empty:
        say("Nothing to do.")
    elif applied:
        say(f"{counts['create']} created, {counts['update']} updated, {counts['nothing']} as they were.")
    else:
        say(f"To create: {counts['create']}, to update: {counts['update']}, as they are: {counts['nothing']}. Without --plan it is done.")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "nothing" if value is None else as_text.dumps(value, ensure_ascii=False)


def export(
    *names: str,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="the folder; each workspace has one of its slug in it")] = Path("."),
    force: Annotated[bool, Parameter(negative=(), help="over files that say something else")] = False,
    workspace: WorkspaceFiles = None,
    home: HomeFolder = None,
) -> int:
    """Writes workspaces (all, or those of these slugs) as files: the definition with the catalog's tiers, the accepted routing, dashboards.

    apply of what it wrote has nothing to do. No secret is written: a password that stands in a file's URL becomes the name of a variable.
    A file that extends others is written as what it says together with them. -w says where the home folder is, where --home does not.
    """
    from api.control.workspaces.exporting import export as write

    for path in write(open_place(place(workspace, home)), names, output, force=force):
        print(path)
    return 0


VERBS = (apply, export)
