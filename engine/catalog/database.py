"""Opens the catalog: SQLite with WAL beside the slices, or PostgreSQL by URL; migrations run at start, once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import OperationalError as DatabaseIsAway
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.schema import CreateSchema

from engine.catalog.tables import Base
from engine.errors import StorageError

CHANNEL = "slicehouse_catalog"
"""What PostgreSQL's LISTEN hears at each commit."""
_LOCK = text("SELECT pg_advisory_xact_lock(8321)")
_TELL = text(f"NOTIFY {CHANNEL}")
_HINTS = {
    "sqlite": "slicehouse doctor; the home folder must be writable.",
    "postgresql": "SLICEHOUSE_CATALOG is postgresql://user:password@host:5432/database; the server must answer, the role may make tables.",
}
_FULL = {
    "sqlite": "Free space in the home folder; end what holds its lock.",
    "postgresql": "The catalog's server must answer; end what holds its lock.",
}


class Catalog:
    """Sessions on the catalog. `read` sees one consistent state; `write` is one transaction, committed at its end."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that is rolled back at the end."""
        with self._sessions() as session:
            if self.engine.dialect.name == "postgresql":
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def write(self, *, quiet: bool = False) -> Iterator[Session]:
        """A session whose transaction takes the write lock at once and commits at the end, or leaves nothing.

        `quiet`: nothing that was remembered of the catalog is changed by it (usage, when a key was used), so nobody need be told.
        """
        try:
            with self._sessions.begin() as session:
                session.connection(execution_options={"slicehouse_write": "quiet" if quiet else "told"})
                yield session
        except DatabaseIsAway as error:
            raise StorageError("The catalog cannot be written.", hint=_FULL[self.engine.dialect.name], code="catalog") from error

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()


def open_catalog(where: Path | str, *, migrate: bool = True) -> Catalog:
    """The catalog, made and migrated where needed: a SQLite file by its path, or PostgreSQL by its URI. Raises StorageError."""
    engine = _sqlite(where) if isinstance(where, Path) else _postgres(where)
    try:
        if migrate:
            migrate_catalog(engine)
    except DBAPIError as error:
        raise StorageError("The catalog cannot be opened.", hint=_HINTS[engine.dialect.name], code="catalog") from error
    return Catalog(engine)


def is_filled(url: str) -> bool:
    """Whether a PostgreSQL catalog has been used by an installation. Raises StorageError."""
    engine = _postgres(url)
    try:
        return inspect(engine).has_table("workspaces")
    except DBAPIError as error:
        raise StorageError("The catalog cannot be opened.", hint=_HINTS["postgresql"], code="catalog") from error
    finally:
        engine.dispose()


def migrate_catalog(engine: Engine, revision: str = "head") -> None:
    """Brings the catalog's tables to that revision, up or down; whoever else migrates waits."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(_LOCK)
        migrate_on(connection, revision)
        connection.commit()


def migrate_on(connection: Connection, revision: str = "head") -> None:
    """The same within a transaction of the caller's."""
    config = _config()
    config.attributes["connection"] = connection
    current = revision_of(connection)
    is_back = revision != "head" and current is not None and revision < current
    (command.downgrade if is_back else command.upgrade)(config, revision)


def revision_of(connection: Connection) -> str | None:
    """The revision of the catalog's tables; None where there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def is_known(revision: str) -> bool:
    """Whether this release has that revision of the catalog."""
    return any(script.revision == revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def set_aside(connection: Connection, schema: str) -> None:
    """Moves the catalog's tables in PostgreSQL into a schema of their own, made for them."""
    preparer = connection.dialect.identifier_preparer
    connection.execute(CreateSchema(schema))
    for name in sorted({*Base.metadata.tables, "alembic_version"} & set(inspect(connection).get_table_names())):
        connection.execute(text(f"ALTER TABLE {preparer.quote(name)} SET SCHEMA {preparer.quote(schema)}"))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _postgres(url: str) -> Engine:
    """One writer at a time, as SQLite has it: numbers are counted on without a gap, and each commit tells all that watch."""
    try:
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    except ArgumentError:
        raise StorageError("The catalog's address is no URI.", hint=_HINTS["postgresql"], code="catalog") from None

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        write = connection.get_execution_options().get("slicehouse_write")
        if write is not None:
            connection.execute(_LOCK)
        if write == "told":
            connection.execute(_TELL)

    return engine


def _sqlite(path: Path) -> Engine:
    """A file with WAL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}")
    _prepare_sqlite(engine)
    return engine


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
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write is not None else "BEGIN")
        if write == "told":
            number = connection.exec_driver_sql("PRAGMA user_version").scalar()
            connection.exec_driver_sql(f"PRAGMA user_version = {(number + 1) & 0x7FFFFFFF}")
