"""What `check` finds in dashboards: each statement through the gate, its parameters, and its columns on tables without rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.serving import gate
from api.serving import problems as serving
from engine import duck
from engine.dashboards import Dashboard, Panel, ParameterError, bind, read_dashboards
from engine.dashboards.models import GIVEN
from engine.dashboards.read import dashboard_files, shown_path
from engine.errors import Problem, WorkspaceFileError
from engine.lock import load, routing_of
from engine.routing import Routing
from engine.workspace import Workspace
from engine.workspace.positions import Document, Path_
from slices.building import sql

_SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)


class _AnyTable(frozenset[tuple[str, str]]):
    """Holds every table: what the gate is given where nobody knows the slice's tables yet."""

    def __contains__(self, _: object) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class _Slice:
    """Tables without rows as a slice has them, or none where the routing is not known."""

    connection: duck.Connection
    tables: gate.Tables
    is_known: bool


def dashboard_problems(workspace: Workspace, routing: Routing | None) -> tuple[int, list[Problem]]:
    """The number of dashboards, and every problem of their files, with its place.

    Without a routing the lock beside the workspace file has one; where there is none, tables and columns are not looked at.
    """
    files = dashboard_files(workspace)
    if routing is None and workspace.lock_path.is_file():
        routing = routing_of(load(workspace.lock_path.read_text(encoding="utf-8"), workspace.lock_path.name))
    problems: list[Problem] = []
    try:
        read_dashboards(workspace)
    except WorkspaceFileError as error:
        problems += error.problems
    with ExitStack() as stack:
        slice_ = _empty_slice(stack.enter_context(duck.blank()), routing)
        for path in files:
            try:
                document = Document(path, shown_path(path, workspace))
                dashboard = document.validate(Dashboard)
            except WorkspaceFileError:
                continue
            problems += [_located(document, place, text) for place, text in _problems(dashboard, workspace, slice_)]
    return len(files), problems


def _empty_slice(connection: duck.Connection, routing: Routing | None) -> _Slice:
    if routing is None:
        return _Slice(connection, _AnyTable(), False)
    found = set()
    for route in routing.written:
        name = routing.names[route.table]
        columns = [(c.shown, c.type) for c in route.columns if c.is_written]
        if columns:
            connection.execute(sql.create_schema(name.schema, "memory"))
            connection.execute(sql.create_empty(name.schema, name.table, columns))
            found.add((name.schema.lower(), name.table.lower()))
    return _Slice(connection, frozenset(found), True)


def _problems(dashboard: Dashboard, workspace: Workspace, slice_: _Slice) -> Iterator[tuple[Path_, str]]:
    try:
        values = bind(dashboard, {}, _SOME_TIME, workspace.timezone)
    except ParameterError as error:
        yield ("parameters", error.name, "default"), error.detail
        return
    for name, parameter in dashboard.parameters.items():
        if parameter.options_sql is not None:
            place: Path_ = ("parameters", name, "options_sql")
            given = {n: values[n] for n in GIVEN}
            yield from ((place, text) for text in _statement_problems(parameter.options_sql, given, slice_)[0])
    for slug, panel in dashboard.panels.items():
        texts, columns = _statement_problems(panel.sql, values, slice_)
        yield from ((("panels", slug, "sql"), text) for text in texts)
        if columns is not None:
            yield from _chart_problems(slug, panel, columns)


def _statement_problems(statement: str, values: Mapping[str, Any], slice_: _Slice) -> tuple[list[str], list[str] | None]:
    """What is wrong with a statement, and, where it could be tried, the names of its columns."""
    try:
        slice_.connection.extract_statements(statement)
    except duck.Error as error:
        return [_engine_text(error)], None
    try:
        checked = gate.check(statement, _AnyTable())
        missing = sorted(checked.parameters - set(values))
        if missing:
            return [f"${name} is no parameter here; it has {', '.join('$' + n for n in values)}" for name in missing], None
        if not slice_.is_known:
            return [], None
        bound = {n: values[n] for n in checked.parameters}
        columns, text = _tried(slice_.connection, statement, bound)
        if text is not None:
            return [text], None
        gate.check(statement, slice_.tables)
    except serving.Problem as problem:
        return [problem.detail or problem.code], None
    return [], columns


def _tried(connection: duck.Connection, statement: str, bound: Mapping[str, Any]) -> tuple[list[str], str | None]:
    """The columns of a statement, or what the engine says of it when it binds it."""
    try:
        return list(connection.sql(statement, params=dict(bound)).columns), None
    except duck.Error as error:
        text = _engine_text(error)
    try:
        connection.execute(statement, dict(bound))  # fails as it did before it runs, and says the line
    except duck.Error as error:
        text = _engine_text(error)
    return [], text


def _chart_problems(slug: str, panel: Panel, columns: list[str]) -> Iterator[tuple[Path_, str]]:
    named: dict[str, list[str | None]] = {"x": [panel.chart.x], "y": [*panel.chart.y], "series": [panel.chart.series]}
    has = f"the statement gives {', '.join(columns)}"
    for field, names in named.items():
        yield from ((("panels", slug, "chart", field), f"there is no column {n}; {has}") for n in names if n and n not in columns)
    yield from ((("panels", slug, "format", n), f"there is no column {n}; {has}") for n in panel.format if n not in columns)


def _engine_text(error: Exception) -> str:
    """The engine's message in one line, without its picture of the statement but for the line's number."""
    lines = str(error).splitlines()
    picture = next((i for i, line in enumerate(lines) if re.match(r"LINE \d+:", line)), None)
    text = " ".join(line.strip() for line in lines[:picture] if line.strip())
    number = re.match(r"LINE (\d+):", lines[picture]) if picture is not None else None
    return text + (f" (line {number[1]} of the statement)" if number else "")


def _located(document: Document, place: Path_, text: str) -> Problem:
    """The problem at its line: in a block of text (`sql: |`) the line that the engine names, else the setting's own."""
    problem = document.problem(place, text)
    number = re.search(r" \(line (\d+) of the statement\)$", text)
    line = _line(document.path, problem.line)
    if number is None:
        return problem
    text = text[: number.start()]
    within = int(number[1]) if re.search(r":\s*\|[-+0-9]*\s*(#.*)?$", line) else 0
    return Problem(problem.file, problem.line + within, problem.column if within == 0 else 1, problem.where, text)


def _line(path: Path, number: int) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines[number - 1] if number <= len(lines) else ""
