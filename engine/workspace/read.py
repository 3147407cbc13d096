"""Reads a workspace file, and the secrets that it names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from engine.errors import ConfigurationError
from engine.workspace.extending import Layered
from engine.workspace.models import Workspace

_SECRET = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
Vault = Callable[[str], str | None]
_VAULTS: dict[Path, Vault] = {}


def read_workspace(path: Path) -> Workspace:
    """The workspace of that file (a folder means its slicehouse.yaml).

    It lies over those that it `extends:`. Raises WorkspaceFileError with all problems at once, each with file:line:column.
    """
    file = path / "slicehouse.yaml" if path.is_dir() else path
    document = Layered(file)
    return document.validate(Workspace, path=file.resolve(), origin=document.origin())


def keep_secrets(folder: Path, vault: Vault) -> None:
    """From now on the secrets of a workspace file in that folder come from the vault alone: who writes there by program names nothing of
    the environment."""
    _VAULTS[folder.resolve()] = vault


def resolve_secrets(text: str, folder: Path) -> str:
    """`text` with each `${NAME}` replaced by its value.

    Looked for in the environment, the file that `NAME_FILE` names, `secrets/NAME` beside the workspace file, and
    /run/secrets/NAME; raises ConfigurationError that lists these places. In a folder with a vault it is looked for there alone.
    """
    vault = _VAULTS.get(folder.resolve()) if _VAULTS else None
    return _SECRET.sub(lambda match: _secret(match[1], folder) if vault is None else _kept(match[1], vault), text)


def _kept(name: str, vault: Vault) -> str:
    found = vault(name)
    if found is None:
        raise ConfigurationError("The source's URL is not kept any more.", hint="Set the source anew.", code="secret_missing")
    return found


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
