"""The catalog, as a SQLite file and in PostgreSQL: a filled one is migrated with what it holds, and nothing is ordered by a clock that may go back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text, update

from engine.catalog import Catalog, open_catalog
from engine.catalog.changes import Changes
from engine.catalog.database import migrate_catalog
from engine.catalog.runs import add_snapshot, newest_snapshots
from engine.catalog.tables import Base, WorkspaceRow
from engine.catalog.workspaces import accept_routing, ensure_workspace
from engine.errors import StorageError
from engine.ids import new_id
from tests.integration.driving import installation_in, postgres_url, workspace_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where an empty catalog may be made: a file, or a database of its own."""
    if request.param == "sqlite":
        return tmp_path / "catalog.sqlite"
    return postgres_url(request.getfixturevalue("database"))


@pytest.fixture
def catalog(where: Path | str) -> Iterator[Catalog]:
    opened = open_catalog(where)
    yield opened
    opened.close()


def filled(connection: Connection) -> None:
    """A workspace, a tenant that a key is of, and two snapshots, as the second revision kept them."""
    for statement in (
        "insert into workspaces values ('ws', 'w', 'w', 'UTC', '/w', '2026-01-01')",
        "insert into tenants (id, workspace_id, key, name, slug, state, created_at) values ('tn', 'ws', 'a', 'A', 'a', 'active', '2026-01-01')",
        "insert into principals values ('ky', 'key', 'tenant', 'ws', 'tn', '[]', '', 'x', '2026-01-01')",
        "insert into keys (id, principal_id, hash, created_at, allowed_ips) values ('ky', 'ky', '0', '2026-01-01', '[]')",
        "insert into snapshots values ('sn_b', 'ws', 'app', '2026-01-01', '2026-01-01', 1, 1, 'landed')",
        "insert into snapshots values ('sn_a', 'ws', 'app', '2026-01-01', '2026-01-01', 1, 1, 'used')",
    ):
        connection.execute(text(statement))


def test_filled_catalog_of_the_second_revision_is_migrated_there_and_back(where: Path | str) -> None:
    catalog = open_catalog(where, migrate=False)
    migrate_catalog(catalog.engine, "0002")
    with catalog.engine.begin() as connection:
        filled(connection)
    migrate_catalog(catalog.engine)
    with catalog.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert connection.execute(text("select id, parent_id from tenants")).all() == [("tn", None)]
        assert connection.execute(text("select id, rotated_until from keys")).all() == [("ky", None)]
        assert connection.execute(text("select id, number from snapshots order by number")).all() == [("sn_a", 1), ("sn_b", 2)]
        if catalog.engine.dialect.name == "sqlite":
            assert connection.execute(text("pragma foreign_key_check")).all() == []
    migrate_catalog(catalog.engine, "0002")
    with catalog.engine.connect() as connection:
        assert connection.execute(text("select id, slug from tenants")).all() == [("tn", "a")]
        assert "parent_id" not in [c["name"] for c in inspect(connection).get_columns("tenants")]
    catalog.close()


def test_snapshot_that_was_landed_last_is_the_newest_though_the_clock_went_back(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with catalog.write() as session:
        workspace = ensure_workspace(session, workspace_of(tmp_path, "arrow", "nowhere"), NOW).id
        first, before = new_id("sn"), datetime.now(UTC) - timedelta(hours=1)
        monkeypatch.setattr("engine.ids.time.time_ns", lambda: int(before.timestamp() * 1e9))
        second = new_id("sn")
        assert second < first
        for snapshot in (first, second):
            add_snapshot(session, workspace, snapshot, "app", as_of=NOW, landed_at=NOW, rows=1, size=1)
        assert [s.id for s in newest_snapshots(session, workspace, ["app"], state="landed") or ()] == [second]


def test_numbers_are_counted_on_without_a_gap_by_many_writers(catalog: Catalog, tmp_path: Path) -> None:
    with catalog.write() as session:
        workspace = ensure_workspace(session, workspace_of(tmp_path, "arrow", "nowhere"), NOW).id

    def one(number: int) -> int:
        with catalog.write() as session:
            return accept_routing(session, workspace, lock="", digest=str(number), everybody={}, by="x", at=NOW).number

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(one, range(24))) == list(range(1, 25))


def add_workspace_and_fail(catalog: Catalog) -> None:
    with catalog.write() as session:
        session.add(WorkspaceRow(id="ws_a", slug="a", name="a", timezone="UTC", path="", created_at=NOW))
        session.flush()
        raise ZeroDivisionError


def test_a_commit_of_somebody_else_is_noticed_and_what_is_rolled_back_is_not(catalog: Catalog, where: Path | str) -> None:
    changes, other = Changes(catalog), open_catalog(where, migrate=False)
    before = changes.number()
    assert before is not None
    assert changes.number() == before
    with pytest.raises(ZeroDivisionError):
        add_workspace_and_fail(other)
    assert changes.number() == before
    with other.write() as session:
        session.add(WorkspaceRow(id="ws_b", slug="b", name="b", timezone="UTC", path="", created_at=NOW))
    end = time.monotonic() + 1.0  # a notice of PostgreSQL comes a moment after the commit; a second is what is promised
    while (told := changes.number()) == before:
        assert time.monotonic() < end, "nobody was told within a second"
    with other.write(quiet=True) as session:
        session.execute(update(WorkspaceRow).values(name="c"))
    assert changes.number() == told, "what is quiet is not told"
    other.close()


def test_what_listens_forgets_when_its_connection_breaks(database: str) -> None:
    catalog = open_catalog(postgres_url(database))
    changes = Changes(catalog)
    before = changes.number()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where query like 'LISTEN%' and datname = current_database()"
        )
    changes._watch._asked -= 2  # type: ignore[union-attr]
    assert changes.number() is None
    changes._watch._asked -= 2  # type: ignore[union-attr]
    assert changes.number() not in (None, before)
    catalog.close()


def test_installation_on_postgresql_keeps_its_secret_and_refuses_a_lost_or_a_typed_one(database: str, tmp_path: Path) -> None:
    url = postgres_url(database)
    first = installation_in(tmp_path, catalog=url)
    assert not first.home.catalog.exists()
    assert installation_in(tmp_path, catalog=url).secret == first.secret
    first.home.secret.write_bytes(b"change me, change me, change me!!")
    with pytest.raises(StorageError, match="too short, or none that was drawn by lot"):
        installation_in(tmp_path, catalog=url)
    first.home.secret.unlink()
    with pytest.raises(StorageError, match="secret is gone"):
        installation_in(tmp_path, catalog=url)


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/nothing", "no uri at all"])
def test_catalog_that_cannot_be_reached_is_told_without_its_address(tmp_path: Path, url: str) -> None:
    with pytest.raises(StorageError) as error:
        installation_in(tmp_path, catalog=url)
    assert "SLICEHOUSE_CATALOG is postgresql://user:password@host" in str(error.value)
    assert "nobody" not in str(error.value)
