"""Runs a guide: its files are written, its commands done, its Python executed, in the order in which they stand there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from api.cli.main import main

_BLOCK = re.compile(r"(?:^`(?P<file>[\w./-]+)`:\n\n)?^```(?P<kind>yaml|console|python)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
Serve = Callable[[], AbstractContextManager[str]]


def run_guide(guide: Path, folder: Path, serve: Serve, names: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """The names that its Python has made. `serve` is begun before the first Python; `names` gives what it starts with, for the server's address.

    The current folder is `folder`.
    """
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        for block in _BLOCK.finditer(guide.read_text(encoding="utf-8")):
            if block["kind"] == "yaml":
                path = folder / block["file"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block["text"], encoding="utf-8")
            elif block["kind"] == "console":
                for line in block["text"].splitlines():
                    verb = shlex.split(line.removeprefix("$ slicehouse "))
                    assert main(verb) == 0, line
            else:
                if not found:
                    found = names(stack.enter_context(serve()))
                exec(block["text"], found)
    return found
