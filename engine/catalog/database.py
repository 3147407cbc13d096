"""Opens the catalog: SQLite with WAL beside the slices, or PostgreSQL by URL; migrations run at start, once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from engine.errors import StorageError


class Catalog:
    """Sessions on the catalog. `read` sees one consistent state; `write` is one transaction, committed at its end."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that is rolled back at the end."""
        with self._sessions() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose transaction takes the write lock at once and commits at the end, or leaves nothing."""
        try:
            with self._sessions.begin() as session:
                session.connection(execution_options={"slicehouse_write": True})
                yield session
        except DBAPIError as error:
            if isinstance(error.orig, sqlite3.OperationalError):
                raise StorageError(
                    "The catalog cannot be written.", hint="Free space in the home folder; end what holds its lock.", code="catalog"
                ) from error
            raise

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()


def open_catalog(path: Path, *, migrate: bool = True) -> Catalog:
    """The SQLite catalog at `path`, made and migrated where needed. Raises StorageError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}")
    _prepare_sqlite(engine)
    try:
        if migrate:
            migrate_catalog(engine)
    except DBAPIError as error:
        raise StorageError(
            "The catalog cannot be opened.", hint="slicehouse doctor; the home folder must be writable.", code="catalog"
        ) from error
    return Catalog(engine)


def migrate_catalog(engine: Engine, revision: str = "head") -> None:
    """Brings the catalog's tables to that revision."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def _prepare_sqlite(engine: Engine) -> None:
    """WAL, foreign keys, patience; transactions begin where SQLAlchemy says so, not where the driver guesses."""

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        write = connection.get_execution_options().get("slicehouse_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
