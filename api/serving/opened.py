"""Slices that are open: a bounded number, the least recently used closed first. Every call takes the tenant."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from api.serving.gate import Tables
from engine import duck
from engine.errors import SliceUnusable
from slices import sql
from slices.store import check_file


@dataclass(frozen=True, slots=True)
class SliceRef:
    """One version of one tenant's slice, and the file that is it."""

    workspace: str
    tenant: str
    version: str
    path: Path
    size: int
    timezone: str


@dataclass(slots=True)
class OpenSlice:
    """An open slice: the fenced instance and the tables of it, (schema, table) in lower case."""

    connection: duck.Connection
    tables: Tables
    lock: threading.Lock = field(default_factory=threading.Lock)


class OpenSlices:
    """Opens each slice once; keeps at most `most` of them."""

    def __init__(self, most: int, memory_limit: str, seconds: float) -> None:
        self._most, self._memory, self._seconds = most, memory_limit, seconds
        self._open: OrderedDict[tuple[str, str, str], OpenSlice] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, ref: SliceRef) -> OpenSlice:
        """The open slice. Raises SliceUnusable where the file is not what was published."""
        key = (ref.workspace, ref.tenant, ref.version)
        with self._lock:
            found = self._open.get(key)
            if found is None:
                found = self._opened(ref)
                self._open[key] = found
            self._open.move_to_end(key)
            while len(self._open) > self._most:
                self._open.popitem(last=False)
        return found

    def _opened(self, ref: SliceRef) -> OpenSlice:
        check_file(ref.path, ref.size)
        connection = duck.serve(ref.path, timezone=ref.timezone, memory_limit=self._memory, seconds=self._seconds)
        try:
            rows = connection.cursor().execute(sql.slice_tables()).fetchall()
        except duck.Error as error:
            raise SliceUnusable("A slice file cannot be read.", hint="slicehouse verify; then slicehouse refresh --full.") from error
        return OpenSlice(connection, frozenset((str(s).lower(), str(t).lower()) for s, t in rows))

    def drop(self, ref: SliceRef) -> None:
        """Forgets an instance that a fatal error has ended."""
        with self._lock:
            self._open.pop((ref.workspace, ref.tenant, ref.version), None)

    def __len__(self) -> int:
        return len(self._open)
