"""`export`: workspaces written back as files, so that `apply` of them has nothing to do. Never a secret."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import conninfo
from ruamel.yaml import YAML
from sqlalchemy.orm import Session

from api.control.plans.tiers import newest_of_all
from api.control.workspaces.files import Said
from engine.catalog.tables import TierRow, WorkspaceRow
from engine.catalog.workspaces import accepted_routing, all_workspaces, find_workspace
from engine.dashboards.read import dashboard_files
from engine.errors import ConfigurationError
from engine.workspace import Workspace, read_workspace
from engine.workspace.extending import Layered
from engine.workspace.tiers import TierConfig
from slices.definition import dumped
from slices.installation import Installation

_MERGED = "# Written by slicehouse export: what the workspace file says together with those that it extends.\n"


def export(installation: Installation, names: Sequence[str], folder: Path, *, force: bool) -> list[Path]:
    """Writes each workspace (all where none is named) into a folder of its slug: its file with the catalog's tiers, its lock, its dashboards.

    Raises ConfigurationError for a name that is unknown, and for a file that is there and says something else, unless `force`.
    """
    written: dict[Path, bytes] = {}
    with installation.catalog.read() as session:
        for row in _rows(session, names):
            written |= {folder / row.slug / name: content for name, content in _files(session, row).items()}
    for path, content in written.items():
        if not force and path.exists() and path.read_bytes() != content:
            raise ConfigurationError(f"{path} is there already, and says something else.", hint="Name another folder with -o, or --force.")
    for path, content in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(written)


def says_the_same(one: Said, other: Said) -> bool:
    """Whether two files are one definition, with the same dashboards; tiers and routing are compared with the catalog."""
    return bool(_compared(one) == _compared(other))


def _compared(said: Said) -> Any:
    data = said.workspace.model_dump(exclude={"extends", "sources_from", "tiers", "dashboards"})
    for name, source in data["sources"].items():
        source["url"] = _without_secret(said.workspace.workspace, name, source["url"])
    return data, {d.slug: d for d in said.dashboards}


def _rows(session: Session, names: Sequence[str]) -> list[WorkspaceRow]:
    if not names:
        return all_workspaces(session)
    found = []
    for name in names:
        row = find_workspace(session, name)
        if row is None:
            known = ", ".join(r.slug for r in all_workspaces(session)) or "none"
            raise ConfigurationError(f"There is no workspace {name}.", hint=f"There are: {known}.", code="workspace_unknown")
        found.append(row)
    return found


def _files(session: Session, row: WorkspaceRow) -> dict[str, bytes]:
    """Name → content, from the folder of the workspace."""
    path = Path(row.path)
    workspace = read_workspace(path)
    tiers = {slug: _tier(t) for slug, t in newest_of_all(session, row.id).items() if t.retired_at is None}
    found = {"slicehouse.yaml": _definition(path, workspace, tiers).encode()}
    routing = accepted_routing(session, row.id)
    if routing is not None:
        found["routes.lock"] = routing.lock.encode()
    boards = dashboard_files(workspace)
    names = [b.name for b in boards]
    for number, board in enumerate(boards):
        name = board.name if names.count(board.name) == 1 and board.suffix == ".yaml" else f"{number:03}-{board.stem}.yaml"
        found[f"dashboards/{name}"] = board.read_bytes()
    return found


def _definition(path: Path, workspace: Workspace, tiers: dict[str, Any]) -> str:
    """The file as it is, comments and all, where it stands alone; else all that it says in the end."""
    document = Layered(path)
    urls = {n: url for n, s in workspace.sources.items() if (url := _without_secret(workspace.workspace, n, s.url)) != s.url}
    if len(document.layers) == 1:
        yaml, out = YAML(), io.StringIO()
        yaml.width = 160
        yaml.preserve_quotes = True
        data = yaml.load(path.read_text(encoding="utf-8"))
        if _changed(data, tiers, urls):
            yaml.dump(data, out)
            return out.getvalue()
        return path.read_text(encoding="utf-8")
    merged = {k: v for k, v in document.data.items() if k not in ("extends", "sources_from")}
    _changed(merged, tiers, urls)
    return _MERGED + dumped(merged)


def _changed(data: Any, tiers: dict[str, Any], urls: dict[str, str]) -> bool:
    """Brings the catalog's tiers into the data, takes secrets out; whether anything was to be done."""
    is_other = False
    said = {s: _said(t) for s, t in (data.get("tiers") or {}).items()}
    if said != {s: _said(t) for s, t in tiers.items()}:
        data.pop("tiers", None)
        data |= {"tiers": tiers} if tiers else {}
        is_other = True
    if "dashboards" in data and data["dashboards"] != "dashboards/*.yaml":
        del data["dashboards"]
        is_other = True
    for name, url in urls.items():
        data["sources"][name]["url"] = url
        is_other = True
    return is_other


def _said(tier: Any) -> Any:
    return TierConfig.model_validate(tier).said()


def _tier(row: TierRow) -> dict[str, Any]:
    """A tier as the file says it; what is usual is left out."""
    more = {"default": row.is_default, "features": row.features, "quotas": row.quotas, "rates": row.rates, "prices": row.prices}
    return {"name": row.name} | {k: v for k, v in more.items() if v} | ({"metadata": row.tags} if row.tags else {})


def _without_secret(slug: str, source: str, url: str) -> str:
    """The URL, or where a password stands in it the name of a variable that is to hold it."""
    if not _has_password(url):
        return url
    return f"${{{slug}_{source}_url}}".replace("-", "_").upper()


def _has_password(url: str) -> bool:
    if "://" not in url and "password" not in url.lower():
        return False
    try:
        password = conninfo.conninfo_to_dict(url).get("password") or ""
    except psycopg.ProgrammingError:
        try:
            password = urlsplit(url).password or ""
        except ValueError:
            return True
    return bool(password) and not (str(password).startswith("${") and str(password).endswith("}"))
