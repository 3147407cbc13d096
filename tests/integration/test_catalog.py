"""The catalog: a filled one is migrated with what it holds, and nothing in it is ordered by a clock that may go back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from engine.catalog import open_catalog
from engine.catalog.database import migrate_catalog
from engine.catalog.runs import add_snapshot, newest_snapshots
from engine.catalog.tables import Base
from engine.catalog.workspaces import ensure_workspace
from engine.ids import new_id
from tests.integration.driving import workspace_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def filled(connection: Connection) -> None:
    """A workspace, a tenant that a key is of, and two snapshots, as the second revision kept them."""
    for statement in (
        "insert into workspaces values ('ws', 'w', 'w', 'UTC', '/w', '2026-01-01')",
        "insert into tenants (id, workspace_id, key, name, slug, state, created_at) values ('tn', 'ws', 'a', 'A', 'a', 'active', '2026-01-01')",
        "insert into principals values ('ky', 'key', 'tenant', 'ws', 'tn', '[]', '', 'x', '2026-01-01')",
        "insert into keys (id, principal_id, hash, created_at, allowed_ips) values ('ky', 'ky', x'00', '2026-01-01', '[]')",
        "insert into snapshots values ('sn_b', 'ws', 'app', '2026-01-01', '2026-01-01', 1, 1, 'landed')",
        "insert into snapshots values ('sn_a', 'ws', 'app', '2026-01-01', '2026-01-01', 1, 1, 'used')",
    ):
        connection.execute(text(statement))


def test_filled_catalog_of_the_second_revision_is_migrated_there_and_back(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path / "catalog.sqlite", migrate=False)
    migrate_catalog(catalog.engine, "0002")
    with catalog.engine.begin() as connection:
        filled(connection)
    migrate_catalog(catalog.engine)
    with catalog.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert connection.execute(text("select id, parent_id from tenants")).all() == [("tn", None)]
        assert connection.execute(text("select id, rotated_until from keys")).all() == [("ky", None)]
        assert connection.execute(text("select id, number from snapshots order by number")).all() == [("sn_a", 1), ("sn_b", 2)]
        assert connection.execute(text("pragma foreign_key_check")).all() == []


def test_snapshot_that_was_landed_last_is_the_newest_though_the_clock_went_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = open_catalog(tmp_path / "catalog.sqlite")
    with catalog.write() as session:
        workspace = ensure_workspace(session, workspace_of(tmp_path, "arrow", "nowhere"), NOW).id
        first, before = new_id("sn"), datetime.now(UTC) - timedelta(hours=1)
        monkeypatch.setattr("engine.ids.time.time_ns", lambda: int(before.timestamp() * 1e9))
        second = new_id("sn")
        assert second < first
        for snapshot in (first, second):
            add_snapshot(session, workspace, snapshot, "app", as_of=NOW, landed_at=NOW, rows=1, size=1)
        assert [s.id for s in newest_snapshots(session, workspace, ["app"], state="landed") or ()] == [second]
