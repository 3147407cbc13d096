"""routes: every table's way to its tenant, as a table one can read; --accept makes it the one that counts."""

from __future__ import annotations

import getpass
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from api.cli.common import AsJson, HomeFolder, Lines, WorkspaceFiles, one_workspace, open_place, place, print_json, say

if TYPE_CHECKING:
    from engine.routing import Routing
    from engine.workspace import Workspace
    from slices.installation import Installation
    from slices.reviewing.review import Review

_MOST_SAMPLED = 100_000
Accept = Annotated[
    list[str] | None, Parameter(negative=(), consume_multiple=True, help="make it count: all of it, or only the tables that are named")
]
Estimated = Annotated[
    list[int] | None,
    Parameter(name="--estimate", negative=(), consume_multiple=True, help="land nothing: about, by so many rows of a table (1000)"),
]
Graph = Annotated[Path | None, Parameter(help="draw it into a file: .svg or .mmd (Mermaid)")]


def routes(
    *,
    accept: Accept = None,
    diff: Annotated[bool, Parameter(negative=(), help="compare with what is accepted")] = False,
    estimate: Estimated = None,
    graph: Graph = None,
    table: Annotated[str | None, Parameter(help="one table with its evidence, pairs of edges and columns")] = None,
    workspace: WorkspaceFiles = None,
    home: HomeFolder = None,
    json: AsJson = False,
) -> int:
    """Shows the routing of every table with what became of its rows, what needs a decision first.

    --accept makes it the one that refreshes run by; --accept TABLE takes that table's new route and columns alone, the others keep what
    was accepted before. --estimate reads some rows of each table instead of all, and shows what is about so; it accepts nothing.
    """
    from slices.reviewing.review import differences, review

    size = None if estimate is None else _sample_size(estimate, accept=accept is not None, diff=diff)
    if graph is not None:
        _check_ending(graph)
    where = place(workspace, home)
    item = one_workspace(where)
    installation = open_place(where)
    if size is not None:
        _estimate(installation, item, size, _Shown(table, where.files[0].name, graph, json))
        return 0
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


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is shown, and how: one table or all, the workspace file's name, a drawing, JSON."""

    table: str | None
    file: str
    graph: Path | None
    as_json: bool


def _sample_size(given: list[int], *, accept: bool, diff: bool) -> int:
    """The rows of a table to look at. Raises ConfigurationError."""
    from engine.errors import ConfigurationError
    from extract.samples import ROWS

    if accept or diff:
        raise ConfigurationError(
            f"--estimate goes without --{'accept' if accept else 'diff'}: what is about so is no routing to accept or to compare.",
            hint="slicehouse routes --accept lands the rows and judges every one.",
        )
    size = given[0] if given else ROWS
    if len(given) > 1 or not 1 <= size <= _MOST_SAMPLED:
        raise ConfigurationError(
            f"--estimate takes one number of rows, from 1 to {_MOST_SAMPLED:,}.", hint=f"Without a number it is {ROWS:,}."
        )
    return size


def _estimate(installation: Installation, item: Workspace, size: int, shown: _Shown) -> None:
    from slices.reviewing.estimate import estimate

    found = estimate(installation, item, size)
    if shown.graph is not None:
        _draw(shown.graph, found.routing, item.title)
    if shown.as_json or shown.table is not None or shown.graph is None:
        _show(found, shown.table, shown.file, shown.as_json)
    if not shown.as_json:
        say("Next: slicehouse routes, which lands the rows and judges every one")


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
