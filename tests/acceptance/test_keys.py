"""Keys: what a rotation ends and what it keeps, and when a key was used last."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta

import pytest

from engine.catalog.keys import keys_of, rotate_key
from engine.catalog.tables import KeyRow
from engine.errors import ConfigurationError
from tests.acceptance.http_world import World

DAY = timedelta(days=1)


def row_of(world: World, headers: dict[str, str]) -> KeyRow:
    with world.installation.catalog.read() as session:
        return session.get_one(KeyRow, world.key_id(headers))


def rotated(world: World, headers: dict[str, str], hours: int = 24) -> dict[str, str]:
    now = world.installation.clock()
    with world.installation.catalog.write() as session:
        made = rotate_key(session, world.key_id(headers), now, now + timedelta(hours=hours))
    assert made is not None
    return {"Authorization": f"Bearer {made.text}"}


def at(world: World, by: timedelta) -> None:
    """Moves the clock of the application."""
    installation = world.app.state.context.installation
    now = world.installation.clock()
    object.__setattr__(installation, "clock", lambda: now + by)


def status(world: World, headers: dict[str, str]) -> int:
    return int(world.client.get("/v1/me", headers=headers).status_code)


def test_rotated_key_lives_through_the_overlap_and_no_longer(world: World) -> None:
    old = world.key()
    new = rotated(world, old)
    for by, expected in ((timedelta(0), 200), (DAY - timedelta(minutes=1), 200), (DAY, 401)):
        at(world, by)
        assert status(world, old) == expected, by
        assert status(world, new) == 200, by


def test_own_expiry_goes_on_to_the_new_key_and_the_overlap_does_not(world: World) -> None:
    end = world.installation.clock() + 10 * DAY
    first = world.key(expires_at=end)
    second = rotated(world, first)
    third = rotated(world, first)  # once more, within the overlap
    assert [row_of(world, k).expires_at for k in (first, second, third)] == [end] * 3
    assert row_of(world, second).rotated_until is None
    at(world, 2 * DAY)
    assert [status(world, k) for k in (first, second, third)] == [401, 200, 200]
    at(world, 10 * DAY)
    assert [status(world, k) for k in (first, second, third)] == [401] * 3


def test_rotation_never_prolongs_an_overlap(world: World) -> None:
    key = world.key()
    rotated(world, key, hours=1)
    before = row_of(world, key).rotated_until
    rotated(world, key, hours=24)
    assert row_of(world, key).rotated_until == before


@pytest.mark.parametrize("how", ["expired", "rotated out", "revoked"])
def test_key_that_has_ended_is_not_rotated(world: World, how: str) -> None:
    now = world.installation.clock()
    key = world.key(expires_at=now if how == "expired" else None)
    with world.installation.catalog.write() as session:
        row = session.get_one(KeyRow, world.key_id(key))
        row.rotated_until = now if how == "rotated out" else None
        row.revoked_at = now if how == "revoked" else None
    with pytest.raises(ConfigurationError) as refused:
        rotated(world, key)
    assert (refused.value.code, refused.value.exit_status) == ("key_ended", 2)
    with world.installation.catalog.read() as session:
        assert len(keys_of(session, world.workspace_id)) == 1


def test_last_use_is_written_behind_and_at_most_once_a_minute(world: World) -> None:
    used, unused = world.key(), world.key()
    uses = world.app.state.context.decisions.uses
    assert status(world, used) == 200
    assert row_of(world, used).last_used_at is None, "an answer writes nothing"
    uses.write()
    first = row_of(world, used).last_used_at
    assert first is not None
    for by, is_written in ((timedelta(seconds=50), False), (timedelta(minutes=2), True)):
        at(world, by)
        assert status(world, used) == 200
        uses.write()
        assert (row_of(world, used).last_used_at != first) == is_written, by
    assert row_of(world, unused).last_used_at is None


def test_refused_key_is_no_use(world: World) -> None:
    key = world.key(expires_at=world.installation.clock())
    assert status(world, key) == 401
    world.app.state.context.decisions.uses.write()
    assert row_of(world, key).last_used_at is None


def test_catalog_that_cannot_be_written_holds_up_no_answer(make_world: Callable[..., World]) -> None:
    world = make_world()
    key = world.key()
    with sqlite3.connect(world.home / "catalog.sqlite", isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert status(world, key) == 200
        holder.execute("ROLLBACK")
    world.app.state.context.decisions.uses.write()
    assert row_of(world, key).last_used_at is not None
