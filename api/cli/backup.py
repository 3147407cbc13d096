"""backup, restore: a whole installation in one file, and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from api.cli.common import AsJson, HomeFolder, WorkspaceFiles, open_place, place, print_json, say


def backup(
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="FILE.tar, or FILE.tar.zst, which is compressed")],
    workspace: WorkspaceFiles = None,
    home: HomeFolder = None,
    json: AsJson = False,
) -> int:
    """Copies the whole installation into one file, while it serves: catalog, secret, published slices, usage, workspace files.

    The file holds secrets and every tenant's data, and is not encrypted: only its owner can read it (0600); keep it, and send it, as you
    would the home folder. What workspace files name by ${NAME} (passwords of sources) is not in it.
    """
    from api.control.access.keys import operator
    from slices.backup.taking import take

    taken = take(open_place(place(workspace, home)), output, operator())
    for note in taken.notes:
        say(f"note: {note}")
    if json:
        print_json({"file": taken.path, "bytes": taken.bytes, "versions": taken.versions, "files": taken.files, "rows": taken.rows})
    else:
        say(f"{taken.path}: {taken.versions:,} slice files, {taken.rows:,} rows of the catalog, {taken.bytes:,} bytes.")
    return 0


def restore(
    file: Path,
    *,
    home: HomeFolder = None,
    catalog: Annotated[
        str | None, Parameter(help="PostgreSQL's URI of the catalog (SLICEHOUSE_CATALOG); else a SQLite file in the home")
    ] = None,
    force: Annotated[bool, Parameter(negative=(), help="set aside what is in the home folder and in the catalog")] = False,
) -> int:
    """Makes an installation of a backup. All of it is read and checked first; a file that is not whole changes nothing.

    The home folder must be empty and the catalog unused, unless --force; where a server or a refresh is at work it is refused in any case.
    A workspace file that is not where it was is written beside the home folder; one that is there stays.
    """
    from api.control.access.keys import operator
    from engine.clock import rfc3339
    from engine.settings import Settings
    from slices.backup.restoring import Target
    from slices.backup.restoring import restore as make

    where = home or Path(os.environ.get("SLICEHOUSE_HOME", ".slicehouse"))
    address = catalog or Settings().catalog
    made = make(file, Target(where, address, force), operator())
    for note in made.notes:
        say(f"note: {note}")
    say(f"{where}: as of {rfc3339(made.made_at)}, {made.versions:,} slice files, {made.rows:,} rows of the catalog.")
    if catalog is not None:
        say("Its catalog is at the address of --catalog: give it as SLICEHOUSE_CATALOG to every command from now on.")
    return 0


VERBS = (backup, restore)
