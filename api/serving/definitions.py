"""Workspace files and dashboards, read again only where they changed on disk; a bounded number is kept.

A file is known by its path, times of change (to the nanosecond), size and inode. They are looked at for every request.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from api.serving.problems import Problem
from engine.dashboards import Dashboard, read_dashboards
from engine.dashboards.read import dashboard_files
from engine.errors import SlicehouseError
from engine.workspace import Workspace, read_workspace

V = TypeVar("V")
Stamp = tuple[tuple[str, int, int, int, int] | None, ...]


class Definitions:
    """What the workspaces' files say. Raises Problem `workspace_unreadable` where one cannot be read: nothing old is answered from."""

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._workspaces: OrderedDict[Path, tuple[Stamp, Workspace]] = OrderedDict()
        self._dashboards: OrderedDict[Path, tuple[Stamp, dict[str, Dashboard]]] = OrderedDict()
        self._lock = threading.Lock()

    def workspace(self, path: Path) -> Workspace:
        """The workspace file."""
        stamp = _stamp([path])
        with self._lock:
            found = self._workspaces.get(path)
        if found is not None and found[0] == stamp:
            return found[1]
        try:
            read = read_workspace(path)
        except (SlicehouseError, OSError):
            raise Problem("workspace_unreadable", retry_after=30) from None
        self._keep(self._workspaces, path, (stamp, read))
        return read

    def dashboards(self, path: Path) -> Mapping[str, Dashboard]:
        """The dashboards that the workspace file names, by slug."""
        workspace = self.workspace(path)
        stamp = _stamp([path, *dashboard_files(workspace)])
        with self._lock:
            found = self._dashboards.get(path)
        if found is not None and found[0] == stamp:
            return found[1]
        try:
            read = {d.slug: d for d in read_dashboards(workspace)}
        except (SlicehouseError, OSError):
            raise Problem("workspace_unreadable", retry_after=30) from None
        self._keep(self._dashboards, path, (stamp, read))
        return read

    def _keep(self, kept: OrderedDict[Path, V], path: Path, value: V) -> None:
        with self._lock:
            kept[path] = value
            kept.move_to_end(path)
            while len(kept) > self._most:
                kept.popitem(last=False)


def _stamp(paths: Sequence[Path]) -> Stamp:
    """Taken before the files are read: a change in between is seen the next time."""
    return tuple(_one(p) for p in paths)


def _one(path: Path) -> tuple[str, int, int, int, int] | None:
    try:
        s = os.stat(path)
    except OSError:
        return None
    return str(path), s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_ino
