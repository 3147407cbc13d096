"""The installation that the tests of HTTP ask: built once a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

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
