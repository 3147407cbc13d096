"""Reads a workspace file, and the secrets that it names."""

from __future__ import annotations

import os
import re
from pathlib import Path

from engine.errors import ConfigurationError
from engine.workspace.models import Workspace
from engine.workspace.positions import Document

_SECRET = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def read_workspace(path: Path) -> Workspace:
    """The workspace of that file (a folder means its slicehouse.yaml).

    Raises WorkspaceFileError with all problems at once, each with file:line:column.
    """
    file = path / "slicehouse.yaml" if path.is_dir() else path
    return Document(file).validate(Workspace, path=file.resolve())


def resolve_secrets(text: str, folder: Path) -> str:
    """`text` with each `${NAME}` replaced by its value.

    Looked for in the environment, the file that `NAME_FILE` names, `secrets/NAME` beside the workspace file, and
    /run/secrets/NAME; raises ConfigurationError that lists these places.
    """
    return _SECRET.sub(lambda match: _secret(match[1], folder), text)


def _secret(name: str, folder: Path) -> str:
    if name in os.environ:
        return os.environ[name]
    files = [Path(os.environ[f"{name}_FILE"])] if f"{name}_FILE" in os.environ else []
    for file in [*files, folder / "secrets" / name, Path("/run/secrets") / name]:
        if file.is_file():
            return file.read_text(encoding="utf-8").strip()
    raise ConfigurationError(
        f"The secret {name} is not set. Looked in: the environment variable {name}; the file named by {name}_FILE; "
        f"secrets/{name} beside the workspace file; /run/secrets/{name}.",
        hint=f"export {name}=…",
        code="secret_missing",
    )
