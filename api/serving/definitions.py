"""Workspace files and dashboards, read again only where they changed on disk; a bounded number is kept.

A file is known by its path, times of change (to the nanosecond), size and inode. They are looked at for every request, as are those of the
files that it extends.
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
        with self._lock:
            found = self._workspaces.get(path)
        if found is not None and found[0] == stamp_of(found[1].files):
            return found[1]
        try:
            stamp, read = read_stamped(path)
        except (SlicehouseError, OSError):
            raise Problem("workspace_unreadable", retry_after=30) from None
        self._keep(self._workspaces, path, (stamp, read))
        return read

    def dashboards(self, path: Path) -> Mapping[str, Dashboard]:
        """The dashboards that the workspace file names, by slug."""
        workspace = self.workspace(path)
        stamp = stamp_of([*workspace.files, *dashboard_files(workspace)])
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


def read_stamped(path: Path) -> tuple[Stamp, Workspace]:
    """The workspace, and the stamp of its files as it was before they were read. Raises what `read_workspace` raises."""
    files: tuple[Path, ...] = (Path(os.path.abspath(path)),)
    for _ in range(3):  # which files it extends is known once it is read, and may change meanwhile
        stamp, read = stamp_of(files), read_workspace(path)
        if read.files == files:
            return stamp, read
        files = read.files
    return (), read


def stamp_of(paths: Sequence[Path]) -> Stamp:
    """Taken before the files are read: a change in between is seen the next time."""
    return tuple(_one(p) for p in paths)


def _one(path: Path) -> tuple[str, int, int, int, int] | None:
    try:
        s = os.stat(path)
    except OSError:
        return None
    return str(path), s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_ino
