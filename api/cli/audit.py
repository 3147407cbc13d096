"""audit: verify the chain of records, export them."""

from __future__ import annotations

from cyclopts import App

from api.cli.common import AsJson, HomeFolder, WorkspaceFiles, open_place, place, print_json, say

app = App(name="audit", help="Who did what, in a chain that shows when it was tampered with.")


@app.command
def verify(*, head: str | None = None, workspace: WorkspaceFiles = None, home: HomeFolder = None, json: AsJson = False) -> int:
    """Walks the chain; 1 where a record was changed, removed or added, or --head, a hash that was noted elsewhere, is in it no more."""
    from sqlalchemy import select

    from engine.catalog import audit
    from engine.catalog.tables import AuditRow

    installation = open_place(place(workspace, home))
    with installation.catalog.read() as session:
        found = audit.verify(session, installation.derived_key("audit"))
        is_there = head is None or session.scalar(select(AuditRow.number).where(AuditRow.hash == head)) is not None
    if json:
        print_json({"records": found.records, "head": found.head, "broken": found.broken, "head_found": is_there})
    elif found.broken is not None:
        say(f"The chain is broken at record {found.broken}: it, or the one before it, is not what was written.")
    elif not is_there:
        say("The chain is whole and does not have that head: records were removed from its end.")
    else:
        print(found.head)
        say(f"{found.records:,} records, whole. Note the head elsewhere, and give it as --head next time.")
    return 0 if found.broken is None and is_there else 1


@app.command
def export(*, workspace: WorkspaceFiles = None, home: HomeFolder = None) -> int:
    """All records as JSON Lines, oldest first, on stdout."""
    import json

    from sqlalchemy import select

    from engine.catalog.audit import audit_facts
    from engine.catalog.tables import AuditRow

    installation = open_place(place(workspace, home))
    with installation.catalog.read() as session:
        for row in session.scalars(select(AuditRow).order_by(AuditRow.number).execution_options(yield_per=1_000)):
            print(json.dumps(audit_facts(row), ensure_ascii=False))
    return 0
