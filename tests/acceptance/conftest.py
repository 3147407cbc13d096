"""The installation that the tests of HTTP ask, built once a worker, and the browser that pages are opened in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.acceptance.http_world import World, new_world


@pytest.fixture(scope="session")
def http_shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("http") / "shared"


@pytest.fixture
def make_world(http_shared: Path, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """A world with settings of its own; closed after the test."""
    made: list[World] = []

    def make(**settings: Any) -> World:
        made.append(new_world(http_shared, tmp_path / "world", **settings))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no chromium here")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def moved_clock(world: World) -> Callable[[timedelta], None]:
    """Moves the time of the app's installation onward."""
    installation = world.app.state.context.installation
    known = installation.clock

    def move(by: timedelta) -> None:
        nonlocal known
        inner = known
        known = lambda: inner() + by  # noqa: E731
        object.__setattr__(installation, "clock", known)

    return move
