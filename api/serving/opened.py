"""Slices that are open: a bounded number, the least recently used closed first. Every call takes the tenant."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from api.serving.gate import Tables, check
from api.serving.problems import Problem
from engine import duck
from engine.errors import SliceUnusable
from slices.building import sql
from slices.publishing.store import check_file

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class SliceRef:
    """One version of one tenant's slice, and the file that is it, with its size in bytes and its SHA-256 in hexadecimal."""

    workspace: str
    tenant: str
    version: str
    path: Path
    size: int
    sha256: str
    timezone: str


@dataclass(slots=True)
class OpenSlice:
    """An open slice: the fenced instance and the tables of it, (schema, table) in lower case; of those that are views, their statements."""

    connection: duck.Connection
    tables: Tables
    views: Mapping[tuple[str, str], str]


@dataclass(slots=True)
class _Opening:
    """A slice that is being opened: its lock, and how many hold it or wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    asking: int = 0


class OpenSlices:
    """Opens each slice once; keeps at most `most` of them. Who opens one holds up those alone who ask for the same."""

    def __init__(self, most: int, memory_limit: str, seconds: float) -> None:
        self._most, self._memory, self._seconds = most, memory_limit, seconds
        self._open: OrderedDict[_Key, OpenSlice] = OrderedDict()
        self._opening: dict[_Key, _Opening] = {}
        self._lock = threading.Lock()

    def get(self, ref: SliceRef) -> OpenSlice:
        """The open slice. Raises SliceUnusable where the file is not what was published."""
        key = _key(ref)
        return self._found(key) or self._opened_once(key, ref)

    def _found(self, key: _Key) -> OpenSlice | None:
        with self._lock:
            found = self._open.get(key)
            if found is not None:
                self._open.move_to_end(key)
            return found

    def _opened_once(self, key: _Key, ref: SliceRef) -> OpenSlice:
        with self._lock:
            opening = self._opening.setdefault(key, _Opening())
            opening.asking += 1
        try:
            with opening.lock:
                return self._found(key) or self._kept(key, self._opened(ref))
        finally:
            with self._lock:
                opening.asking -= 1
                if not opening.asking:
                    del self._opening[key]

    def _kept(self, key: _Key, opened: OpenSlice) -> OpenSlice:
        closed = []  # let go of after the lock: to close takes time
        with self._lock:
            self._open[key] = opened
            while len(self._open) > self._most:
                closed.append(self._open.popitem(last=False))
        return opened

    def _opened(self, ref: SliceRef) -> OpenSlice:
        check_file(ref.path, ref.size)
        connection = duck.serve(ref.path, timezone=ref.timezone, memory_limit=self._memory, seconds=self._seconds)
        try:
            rows = connection.cursor().execute(sql.slice_tables()).fetchall()
            tables = frozenset((str(s).lower(), str(t).lower()) for s, t in rows)
            views = connection.cursor().execute(sql.slice_views()).fetchall() if ("_slice", "views") in tables else []
        except duck.Error as error:
            raise SliceUnusable("A slice file cannot be read.", hint="slicehouse verify; then slicehouse refresh --full.") from error
        statements = {(str(s).lower(), str(v).lower()): str(q) for s, v, q in views}
        return OpenSlice(connection, _with_views(tables, views), statements)

    def drop(self, ref: SliceRef) -> None:
        """Forgets an instance that a fatal error has ended."""
        with self._lock:
            self._open.pop(_key(ref), None)

    def __len__(self) -> int:
        return len(self._open)


def _with_views(tables: Tables, views: Sequence[tuple[str, str, str]]) -> Tables:
    """The tables, and the views whose own statements pass the gate and answer the same from call to call; in the order they were made."""
    for schema, view, statement in views:
        try:
            changing = check(statement, tables).changing
        except Problem:
            continue
        if not changing:
            tables |= {(schema.lower(), view.lower())}
    return tables


def _key(ref: SliceRef) -> _Key:
    return ref.workspace, ref.tenant, ref.version
