"""URLs of sources that were set by program: sealed in the catalog, in clear only where a source is opened."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.orm import Session

from engine.catalog.tables import SourceSecretRow
from engine.sealing import seal, unseal
from engine.workspace import Workspace
from engine.workspace.read import keep_secrets
from slices.installation import Installation

_PREFIX = "URL_OF_"


def reference(source: str) -> str:
    """What the workspace file says in place of the URL. A slug has no capitals, so one stands for the hyphen."""
    return f"${{{_PREFIX}{source.replace('-', 'X')}}}"


def keep_url(session: Session, installation: Installation, workspace_id: str, source: str, url: str, shown: str) -> None:
    """Keeps the URL of a source, sealed, over the one that it had."""
    row = session.get(SourceSecretRow, (workspace_id, source)) or SourceSecretRow(workspace_id=workspace_id, source=source)
    row.sealed = seal(_key(installation), url.encode(), _purpose(workspace_id, source))
    row.shown, row.set_at = shown, installation.clock()
    session.add(row)
    session.flush()


def forget_url(session: Session, workspace_id: str, source: str) -> None:
    """Keeps it no more."""
    session.execute(delete(SourceSecretRow).where(SourceSecretRow.workspace_id == workspace_id, SourceSecretRow.source == source))


def lend(installation: Installation, workspace: Workspace) -> None:
    """Lets the sources of a managed workspace have their URLs when they are opened, and nothing of the environment."""
    workspace_id = installation.home.managed(workspace.path)
    if workspace_id is None:
        return
    owner = workspace_id

    def found(name: str) -> str | None:
        if not name.startswith(_PREFIX):
            return None
        source = name.removeprefix(_PREFIX).replace("X", "-")
        with installation.catalog.read() as session:
            row = session.get(SourceSecretRow, (owner, source))
        url = unseal(_key(installation), row.sealed, _purpose(owner, source)) if row is not None else None
        return None if url is None else url.decode()

    keep_secrets(workspace.path.parent, found)


def _key(installation: Installation) -> bytes:
    return installation.derived_key("sources")


def _purpose(workspace_id: str, source: str) -> str:
    return f"{workspace_id}/{source}"
