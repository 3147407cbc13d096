"""`sources_from: clients.csv`: a source a line, so that forty databases are one file. The columns are name, kind, url_env; others may be there.

name,kind,url_env,schedule
north,postgres,NORTH_DATABASE_URL,every 1h
south,postgres,SOUTH_DATABASE_URL,
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

from engine.errors import Problem, WorkspaceFileError
from engine.workspace.positions import Path_, suggestion

KINDS = ("postgres", "mysql", "sqlite", "duckdb", "files", "arrow")
"""Kinds of sources that a line may name; which of them this version reads, the opening of the source says."""
_NEEDED = ("name", "kind", "url_env")
_OTHERS = ("schemas", "exclude", "schedule")
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SourceList:
    """The sources of a CSV file as a layer of the workspace file: `data` is `{"sources": {…}}`, a place in it is a line."""

    def __init__(self, path: Path, shown: str) -> None:
        """Reads the file. Raises WorkspaceFileError with every bad line."""
        self.path, self.shown = path, shown
        self._lines: dict[str, int] = {}
        self._problems: list[Problem] = []
        self.data: dict[str, Any] = {"sources": self._sources()}
        if not self._problems and not self._lines:
            self._problem(1, "", "has no line with a source")
        if self._problems:
            raise WorkspaceFileError(self._problems)

    def position(self, path: Path_) -> tuple[int, int]:
        """The line of a source."""
        return (self._lines.get(str(path[1]), 1) if len(path) > 1 else 1), 1

    def _problem(self, line: int, where: str, text: str) -> None:
        self._problems.append(Problem(self.shown, line, 1, where, text))

    def _sources(self) -> dict[str, Any]:
        try:
            reader = csv.reader(io.StringIO(self.path.read_text(encoding="utf-8-sig"), newline=""), strict=True)
            lines = [(reader.line_num, [c.strip() for c in cells]) for cells in reader]
        except UnicodeDecodeError:
            self._problem(1, "", "is not UTF-8")
            return {}
        except csv.Error:
            self._problem(reader.line_num, "", "is no CSV: a quote is not closed, or stands within a value")
            return {}
        filled = [(n, cells) for n, cells in lines if any(cells)]
        if not filled or not self._has_columns(*filled[0]):
            return {}
        found: dict[str, Any] = {}
        for number, cells in filled[1:]:
            self._add(found, number, cells, filled[0][1])
        return found

    def _has_columns(self, number: int, names: list[str]) -> bool:
        known = (*_NEEDED, *_OTHERS)
        for name in _NEEDED:
            if name not in names:
                self._problem(number, name, "the column is missing; the first line names the columns: name,kind,url_env")
        for name in names:
            if name not in known:
                self._problem(number, name, "unknown column" + suggestion(name, known))
            if names.count(name) > 1:
                self._problem(number, name, "the column is there twice")
        return not self._problems

    def _add(self, found: dict[str, Any], number: int, cells: list[str], names: list[str]) -> None:
        if len(cells) != len(names):
            self._problem(number, "", f"has {len(cells)} values for {len(names)} columns")
            return
        row = dict(zip(names, cells, strict=True))
        name, kind = row["name"], row["kind"]
        if not _SLUG.fullmatch(name):
            self._problem(number, "name", "is no slug: lower-case letters, digits, - and _, beginning with a letter or digit")
        elif name in found:
            self._problem(number, "name", f"{name} is the name of line {self._lines[name]} too")
        if kind not in KINDS:
            self._problem(number, "kind", f"{kind or 'nothing'} is no kind of source" + suggestion(kind, KINDS))
        if not _VARIABLE.fullmatch(row["url_env"]):
            self._problem(number, "url_env", "is no name of an environment variable; the URL itself is not written here")
        self._lines.setdefault(name, number)
        found.setdefault(name, {"kind": kind, "url": f"${{{row['url_env']}}}"} | _others(row))


def _others(row: dict[str, str]) -> dict[str, Any]:
    """What the further columns say; lists are divided by blanks or semicolons, an empty value says nothing."""
    found: dict[str, Any] = {c: [p for p in re.split(r"[\s;]+", row[c]) if p] for c in ("schemas", "exclude") if row.get(c)}
    return found | ({"schedule": row["schedule"]} if row.get("schedule") else {})
