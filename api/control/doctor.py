"""Looks at everything a working installation needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from engine import duck
from engine.errors import SlicehouseError
from engine.settings import Settings
from engine.workspace import read_workspace
from slices.building.builders import builder_environment
from slices.installation import open_installation
from slices.landing import OpenSources


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at, and how to mend it."""

    name: str
    ok: bool
    text: str
    fix: str = ""


def examine(home: Path, files: list[Path]) -> list[Finding]:
    """All findings, in the order in which they matter."""
    found = [Finding("engine", True, f"DuckDB {duck.VERSION}, Python {sys.version.split()[0]}")]
    free = shutil.disk_usage(home if home.exists() else home.resolve().parent).free
    found.append(Finding("disk", free > 1 << 30, f"{free / 2**30:.1f} GiB free", "Free space, or move the home with --home."))
    found.append(_canary())
    try:
        installation = open_installation(Settings(home=home))
        found.append(Finding("catalog", True, "opens, migrated"))
    except SlicehouseError as error:
        return [*found, Finding("catalog", False, error.message, error.hint or "")]
    for file in files:
        try:
            workspace = read_workspace(file)
            with OpenSources(installation, workspace) as sources:
                tables = len(sources.schema().tables)
            found.append(
                Finding(f"workspace {workspace.workspace}", True, f"sources reachable: {len(workspace.sources)}, tables: {tables}")
            )
        except SlicehouseError as error:
            found.append(Finding(f"workspace file {file.name}", False, error.message, error.hint or ""))
    return found


def _canary() -> Finding:
    code = "import tempfile, pathlib; from slices.building.canary import memory_crosses; print(memory_crosses(pathlib.Path(tempfile.mkdtemp())))"
    done = subprocess.run([sys.executable, "-c", code], env=builder_environment(), capture_output=True, text=True, check=False)
    ok = done.stdout.strip() == "False"
    text = (
        "builders keep tenants' memory apart"
        if ok
        else "the allocator setting has no effect here: every tenant is built by a process of its own"
    )
    return Finding("builder canary", done.returncode == 0, text, "Report the platform; builds go on, slower.")
