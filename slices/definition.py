"""The workspace file of a workspace that was made by program: read as data, written whole or not at all."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from engine.errors import SlicehouseError, StorageError
from engine.workspace.positions import Document

_HEAD = "# Written by program; changed over HTTP: /v1/workspaces/{ws} and its sources.\n"


def read_definition(path: Path) -> dict[str, Any]:
    """What the file says. Raises StorageError."""
    try:
        data = Document(path, path.name).data
    except (SlicehouseError, OSError) as error:
        raise StorageError("The definition of a workspace cannot be read.", hint="Restore the home folder.", code="definition") from error
    if not isinstance(data, dict):
        raise StorageError("The definition of a workspace cannot be read.", hint="Restore the home folder.", code="definition")
    return data


def write_definition(path: Path, data: dict[str, Any]) -> None:
    """Writes the file beside itself, reads it again, and puts it in its place. Raises StorageError where it would not be read as it was meant."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(_HEAD + dumped(data), encoding="utf-8")
    if read_definition(part) != data:
        part.unlink()
        raise StorageError("The definition cannot be written as a file.", code="definition")
    for at in (part, path.parent):
        if at == path.parent:
            part.rename(path)
        handle = os.open(at, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def dumped(data: Any) -> str:
    """Data as YAML, in its order."""
    yaml, out = YAML(), io.StringIO()
    yaml.width = 160
    yaml.dump(data, out)
    return out.getvalue()
