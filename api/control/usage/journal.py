"""The journal of usage: a line a metered fact, written to a file before the answer goes out, so that a killed process loses none.

A process writes files of its own, one after the other, each locked while it is written; whoever counts takes those that nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from api.serving.problems import Problem
from engine.clock import rfc3339
from engine.ids import new_id

_MOST_WAITING = 100_000


@dataclass(frozen=True, slots=True)
class Fact:
    """One metered fact. `type` is query, export, download, refresh, storage or seats; `quantity` is what is counted of it."""

    type: str
    workspace_id: str
    tenant_id: str
    tenant_key: str
    at: datetime
    door: str = ""
    principal: str = ""
    user: str = ""
    dashboard: str = ""
    panel: str = ""
    host: str = ""
    rows: int = 0
    bytes: int = 0
    cpu_us: int = 0
    duration_us: int = 0
    kept: bool = False
    quantity: int = 1
    request: str = ""
    id: str = field(default_factory=lambda: new_id("ev"))

    def facts(self) -> dict[str, Any]:
        """As JSON, without what is empty."""
        found = {f: getattr(self, f) for f in self.__slots__}
        return {k: v for k, v in found.items() if v not in ("", 0, False)} | {"at": rfc3339(self.at), "quantity": self.quantity}


def line_of(fact: Fact) -> bytes:
    """A fact as the journal holds it."""
    return msgspec.json.encode(fact.facts()) + b"\n"


class Journal:
    """The journal of one process. `waiting` are facts that the disk did not take; they are written as soon as it does."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._lock = folder, threading.Lock()
        self._file: int | None = None
        self._waiting = bytearray()
        self._many = 0
        self.name = ""

    def append(self, line: bytes) -> str:
        """Writes a line; the name of the file that has it. Raises Problem `busy` where the disk has taken nothing for long."""
        with self._lock:
            self._waiting += line
            self._many += 1
            try:
                self._write()
            except OSError:
                if self._many > _MOST_WAITING:
                    del self._waiting[-len(line) :]
                    self._many -= 1
                    raise Problem("busy", "Usage cannot be written down.", retry_after=10) from None
            return self.name

    def _write(self) -> None:
        if self._file is None:
            self.name = f"{secrets.token_hex(12)}.jsonl"
            begun = self._folder / f"{self.name}.begun"
            self._file = os.open(begun, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            begun.rename(self._folder / self.name)  # it is locked before anybody looks for it
        while self._waiting:
            written = os.write(self._file, self._waiting)
            del self._waiting[:written]
        self._many = 0

    def rotate(self) -> None:
        """Ends the file at work: it may be counted now."""
        with self._lock:
            if self._waiting:
                try:
                    self._write()
                except OSError:
                    return
            if self._file is not None:
                os.close(self._file)
                self._file = None


def closed(folder: Path) -> list[Path]:
    """The files that nobody writes any more: ended ones, and those of processes that died; oldest first."""
    found = []
    for path in folder.glob("*.jsonl"):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                found.append((path.stat().st_mtime_ns, path))
        except (BlockingIOError, FileNotFoundError):
            continue
    return [path for _, path in sorted(found)]


def facts_in(path: Path) -> list[dict[str, Any]]:
    """The facts of a file; a last line without its end was never answered for, and is none."""
    lines = path.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line) for line in lines]
