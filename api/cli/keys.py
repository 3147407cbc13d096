"""keys: create (shown once), list, revoke, rotate."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from cyclopts import App, Parameter

from api.cli.common import AsJson, HomeFolder, WorkspaceFiles, one_workspace, open_place, place, print_json, print_table, say

app = App(name="keys", help="Keys for the API.")


@app.command
def create(
    *,
    scope: str,
    permission: Annotated[list[str] | None, Parameter(help="may be repeated; default: the scope's usual ones")] = None,
    label: str = "",
    workspace: WorkspaceFiles = None,
    home: HomeFolder = None,
    json: AsJson = False,
) -> int:
    """Makes a key: --scope installation | workspace | subtree:T | tenant:T. It is printed once."""
    from api.control.access.keys import make_key

    where = place(workspace, home)
    item = None if scope == "installation" else one_workspace(where)
    key = make_key(open_place(where), item, scope, permission, label)
    if json:
        print_json({"id": key.id, "key": key.text, "scope": scope})
    else:
        print(key.text)
        say("This key is not shown again.")
    return 0


@app.command(name="list")
def list_keys(*, workspace: WorkspaceFiles = None, home: HomeFolder = None, json: AsJson = False) -> int:
    """The keys of the installation, without their secrets."""
    from api.control.access.keys import key_facts

    found = key_facts(open_place(place(workspace, home)))
    if json:
        print_json(found)
    else:
        print_table(("id", "scope", "tenant", "label", "permissions", "expires_at", "rotated_until", "revoked_at", "last_used_at"), found)
    return 0


@app.command
def revoke(key: str, *, workspace: WorkspaceFiles = None, home: HomeFolder = None) -> int:
    """Ends a key at once."""
    from api.control.access.keys import revoke_by_command
    from engine.errors import ConfigurationError

    if not revoke_by_command(open_place(place(workspace, home)), key):
        raise ConfigurationError("There is no key of that id.", hint="slicehouse keys list shows the ids (ky_…).")
    say(f"{key} is revoked.")
    return 0


@app.command
def rotate(key: str, *, hours: int = 24, workspace: WorkspaceFiles = None, home: HomeFolder = None) -> int:
    """A new key of the same principal; the old one ends after --hours."""
    from api.control.access.keys import rotate_by_command
    from engine.errors import ConfigurationError

    new = rotate_by_command(open_place(place(workspace, home)), key, timedelta(hours=hours))
    if new is None:
        raise ConfigurationError("There is no key of that id.", hint="slicehouse keys list shows the ids (ky_…).")
    print(new.text)
    return 0
