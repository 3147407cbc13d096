"""routes: every table's way to its tenant, as a table one can read; --accept makes it the one that counts."""

from __future__ import annotations

import getpass
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from api.cli.common import AsJson, HomeFolder, Lines, WorkspaceFiles, one_workspace, open_place, place, print_json, say

if TYPE_CHECKING:
    from engine.routing import Routing
    from slices.reviewing.review import Review

Accept = Annotated[
    list[str] | None, Parameter(negative=(), consume_multiple=True, help="make it count: all of it, or only the tables that are named")
]
Graph = Annotated[Path | None, Parameter(help="draw it into a file: .svg or .mmd (Mermaid)")]


def routes(
    *,
    accept: Accept = None,
    diff: Annotated[bool, Parameter(negative=(), help="compare with what is accepted")] = False,
    graph: Graph = None,
    table: Annotated[str | None, Parameter(help="one table with its evidence, pairs of edges and columns")] = None,
    workspace: WorkspaceFiles = None,
    home: HomeFolder = None,
    json: AsJson = False,
) -> int:
    """Shows the routing of every table with what became of its rows, what needs a decision first.

    --accept makes it the one that refreshes run by; --accept TABLE takes that table's new route and columns alone, the others keep what
    was accepted before.
    """
    from slices.reviewing.review import differences, review

    if graph is not None:
        _check_ending(graph)
    where = place(workspace, home)
    item = one_workspace(where)
    installation = open_place(where)
    found = review(installation, item, Lines())
    if diff:
        lines = differences(found)
        print("\n".join(lines) if lines else "Nothing differs from the accepted routing.")
        return 0
    if graph is not None:
        _draw(graph, found.routing, item.title)
    if json or table is not None or (graph is None and accept is None):
        _show(found, table, where.files[0].name, json)
    if accept is None:
        if not json:
            say("Next: slicehouse routes --accept" if differences(found) else "This is the accepted routing. Next: slicehouse refresh")
        return 0
    from slices.reviewing.review import accept_review, accept_tables

    by = getpass.getuser()
    row = accept_tables(installation, item, found, accept, by) if accept else accept_review(installation, item, found, by)
    for route in found.routing.open_decisions:
        say(f"open: {route.table.table}: {route.review}")
    what = f"{', '.join(accept)} alone" if accept else f"{len(found.routing.written)} tables in slices"
    say(f"Accepted routing {row.number} ({what}, {len(found.routing.open_decisions)} open). Next: slicehouse refresh")
    return 0


def _show(found: Review, table: str | None, file: str, as_json: bool) -> None:
    from api.cli.routes_text import detail, overview
    from slices.reviewing.record import table_facts
    from slices.reviewing.review import find_table

    if table is None and as_json:
        print_json(found.rows())
        return
    tables = table_facts(found)
    width, mark = shutil.get_terminal_size((120, 40)).columns, sys.stdout.isatty()
    if table is None:
        print(overview(tables, file, width, mark))
        return
    source = str(find_table(found, table).table)
    facts = next(t for t in tables if t["source"] == source)
    if as_json:
        print_json(facts)
    else:
        print(detail(facts, file, width, mark))


def _check_ending(file: Path) -> None:
    from engine.errors import ConfigurationError

    if file.suffix.lower() not in (".svg", ".mmd"):
        raise ConfigurationError(f"{file.name} ends in neither .svg nor .mmd.", hint="The ending says what is drawn: SVG or Mermaid.")


def _draw(file: Path, routing: Routing, title: str) -> None:
    from engine.drawing import mermaid, svg
    from engine.errors import StorageError

    text = (svg if file.suffix.lower() == ".svg" else mermaid)(routing, f"Routes of {title}")
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror}.", hint="Name another file.") from error
    say(f"Drawn: {file}")


VERBS = (routes,)
