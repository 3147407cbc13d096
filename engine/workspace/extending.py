"""`extends:` and `sources_from:`: a workspace file over those that it extends, as one document whose places stay those of the files.

The merge is that of RFC 7396: mappings deeply, anything else replaced, null removes. A list of sources lies just below the file that names it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from engine.errors import Problem, WorkspaceFileError
from engine.workspace.clients import SourceList
from engine.workspace.models import Origin
from engine.workspace.positions import Document, Path_

MOST = 8
"""How many files one behind the other may extend each other."""


class Layer(Protocol):
    """A file as plain data, with the places of its parts."""

    path: Path
    shown: str
    data: Any

    def position(self, path: Path_) -> tuple[int, int]:
        """Line and column (from 1) of the deepest part of `path` that exists."""
        ...


class Layered(Document):
    """A workspace file and all that lies below it: merged data, and for each part the file that says it."""

    def __init__(self, path: Path, shown: str | None = None) -> None:
        """Reads the files. Raises ConfigurationError where there is none, WorkspaceFileError for what is wrong with any of them."""
        super().__init__(path, shown)
        self.layers: Sequence[Layer] = [self]
        if isinstance(self.data, dict) and ("extends" in self.data or "sources_from" in self.data):
            own = Document(path, shown)
            self.layers = _with_list(_chain(own))
            self.data = _merged([layer.data for layer in self.layers])

    def problem(self, path: Path_, text: str) -> Problem:
        """A problem at that place, in the file that says it."""
        layer = self._says(path)
        line, column = super().position(path) if layer is self else layer.position(path)
        return Problem(layer.shown, line, column, ".".join(str(p) for p in path), text)

    def origin(self) -> Origin:
        """What was read, and from where relative paths are."""
        files = [Path(os.path.abspath(layer.path)) for layer in self.layers]
        folders = [layer.path.resolve().parent for layer in self.layers if not isinstance(layer, SourceList)]
        says = self._says(("dashboards",)) if isinstance(self.data, dict) and "dashboards" in self.data else None
        dashboards = [says.path.resolve().parent] if says is not None else folders
        sources = self.data.get("sources") if isinstance(self.data, dict) else None
        names = [str(n) for n in sources] if isinstance(sources, dict) and len(self.layers) > 1 else []
        lie = {n: self._says(("sources", n, "url")).path.resolve().parent for n in names}
        return Origin(tuple(files), tuple(dict.fromkeys(dashboards)), lie)

    def _says(self, path: Path_) -> Layer:
        """The file that says the deepest part of `path` that there is."""
        found: list[tuple[Layer, Any]] = [(layer, layer.data) for layer in self.layers]
        for step in path:
            inner = []
            for layer, node in found:
                if not isinstance(node, dict):
                    break  # what is no mapping hides all below it
                if step in node:
                    inner.append((layer, node[step]))
                    if not isinstance(node[step], dict):
                        break
            inner = [(layer, node) for layer, node in inner if node is not None] if len(self.layers) > 1 else inner
            if not inner:
                break
            found = inner
        return found[0][0]


def _chain(first: Document) -> list[Document]:
    """The file, the one that it extends, the one that that extends, … Raises WorkspaceFileError."""
    found = [first]
    while isinstance(found[-1].data, dict) and found[-1].data.get("extends") is not None:
        last = found[-1]
        path, shown = _named(last, "extends")
        if path.is_dir():
            path, shown = path / "slicehouse.yaml", f"{shown}/slicehouse.yaml"
        known = [d.path.resolve() for d in found]
        if path.resolve() in known:
            ring = [*found[known.index(path.resolve()) :], found[known.index(path.resolve())]]
            raise WorkspaceFileError([last.problem(("extends",), f"extends itself: {' → '.join(d.shown for d in ring)}")])
        if len(found) >= MOST:
            raise WorkspaceFileError([last.problem(("extends",), f"more than {MOST} files extend each other")])
        found.append(Document(path, shown))
    return found


def _with_list(chain: Sequence[Document]) -> list[Layer]:
    """The layers: the list of sources that counts lies just below the file that names it. Raises WorkspaceFileError."""
    layers: list[Layer] = list(chain)
    naming = next((d for d in chain if isinstance(d.data, dict) and "sources_from" in d.data), None)
    if naming is None or naming.data["sources_from"] is None:
        return layers
    path, shown = _named(naming, "sources_from")
    listed = SourceList(path, shown)
    said = naming.data.get("sources")
    twice = [n for n in listed.data["sources"] if isinstance(said, dict) and n in said]
    if twice:
        raise WorkspaceFileError([_twice(listed, n, naming) for n in twice])
    layers.insert(layers.index(naming) + 1, listed)
    return layers


def _twice(listed: SourceList, name: str, naming: Document) -> Problem:
    line, column = listed.position(("sources", name))
    return Problem(listed.shown, line, column, "name", f"{name} is a source of {naming.shown} too")


def _named(document: Document, setting: str) -> tuple[Path, str]:
    """The file that a setting names, from the folder of the file that says it; and how it is shown. Raises WorkspaceFileError."""
    text = document.data[setting]
    if not isinstance(text, str) or not text or "\x00" in text:
        raise WorkspaceFileError([document.problem((setting,), "is the path of a file")])
    path, shown = document.path.parent / text, os.path.normpath(Path(document.shown).parent / text)
    if not path.exists():
        raise WorkspaceFileError([document.problem((setting,), f"there is no file {shown}")])
    return path, shown


def _merged(layers: Sequence[Any]) -> Any:
    """The data of the first over that of the second, and so on; what says where the others are is of the first alone."""
    whole: Any = {}
    for number, data in enumerate(reversed(layers), 1):
        if not isinstance(data, Mapping):
            return data
        is_own = number == len(layers)
        whole = _over(whole, data if is_own else {k: v for k, v in data.items() if k not in ("extends", "sources_from")})
    return whole


def _over(below: Any, above: Any) -> Any:
    if not isinstance(above, Mapping):
        return above
    found = dict(below) if isinstance(below, Mapping) else {}
    for key, value in above.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = _over(found.get(key), value)
    return found
