"""Whether a published file is byte for byte what was published.

A digest takes about a second a gigabyte, so a process takes it once for as long as the file's inode, size and times stay the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from engine.errors import SliceUnusable
from slices.building.build import file_digest
from slices.publishing.store import check_file

_MOST = 4_096
_Stamp = tuple[int, int, int, int, int]
_known: OrderedDict[Path, tuple[_Stamp, str]] = OrderedDict()
_lock = threading.Lock()


def check_whole(path: Path, size: int, sha256: str) -> None:
    """Raises SliceUnusable unless the file is regular, alone, of `size` bytes and of that SHA-256 (hexadecimal)."""
    check_file(path, size)
    try:
        found = _digest(path)
    except OSError:
        raise SliceUnusable("A slice file cannot be read.", hint="slicehouse verify, then slicehouse refresh --full.") from None
    if found != sha256:
        raise SliceUnusable(
            "The slice's bytes are not those that were published.", hint="slicehouse verify, then slicehouse refresh --full."
        )


def _digest(path: Path) -> str:
    """Taken outside the lock: a big file holds nobody up. Kept only where the file stayed the same meanwhile."""
    before = _stamp(path)
    with _lock:
        known = _known.get(path)
    if known is not None and known[0] == before:
        return known[1]
    digest = file_digest(path)
    if _stamp(path) == before:
        with _lock:
            _known[path] = before, digest
            _known.move_to_end(path)
            while len(_known) > _MOST:
                _known.popitem(last=False)
    return digest


def _stamp(path: Path) -> _Stamp:
    s = path.stat()
    return s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns
