"""Whether anybody has written to the catalog what is remembered of it: asked at every request, at the cost of microseconds.

SQLite says in `PRAGMA data_version` that another connection has committed, and `user_version` counts the commits that are told; PostgreSQL
tells whoever listens, a moment after the commit.
"""

from __future__ import annotations

import sqlite3
import threading
import time

import psycopg

from engine.catalog.database import CHANNEL, Catalog

_AGAIN = 1.0


class Changes:
    """`number` rises with every commit; None where that cannot be told now, so that nothing may be remembered."""

    def __init__(self, catalog: Catalog) -> None:
        engine = catalog.engine
        self._lock = threading.Lock()
        self._watch = _File(str(engine.url.database)) if engine.dialect.name == "sqlite" else _Listener(catalog)

    def number(self) -> int | None:
        """The number of what has been committed."""
        with self._lock:
            return self._watch.number()


class _File:
    """Its own connection: it never writes, so it sees the commits of all others."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._seen = self._told = -1

    def number(self) -> int | None:
        """How many commits were told."""
        ((seen,),) = self._connection.execute("PRAGMA data_version").fetchall()
        if seen != self._seen:
            ((self._told,),) = self._connection.execute("PRAGMA user_version").fetchall()
            self._seen = seen
        return self._told


class _Listener:
    """A connection that listens, and is asked for a sign of life each second; one that breaks is made anew, and what was known is forgotten."""

    def __init__(self, catalog: Catalog) -> None:
        self._url = catalog.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection: psycopg.Connection | None = None
        self._number = 0
        self._asked = -_AGAIN

    def number(self) -> int | None:
        """What was heard so far; None while nothing can be heard."""
        try:
            if time.monotonic() - self._asked >= _AGAIN:
                self._asked = time.monotonic()
                self._alive()
            if self._connection is None:
                return None
            self._connection.pgconn.consume_input()
            while self._connection.pgconn.notifies() is not None:
                self._number += 1
        except psycopg.Error:
            self._connection = None
            return None
        return self._number

    def _alive(self) -> None:
        """Listens, or hears that the server still answers."""
        if self._connection is not None:
            self._connection.execute(b"")
            return
        connection = psycopg.connect(self._url, autocommit=True, connect_timeout=5, tcp_user_timeout=2_000)
        connection.add_notify_handler(lambda _: self._heard())
        connection.execute(f"LISTEN {CHANNEL}".encode())
        self._connection = connection
        self._heard()

    def _heard(self) -> None:
        self._number += 1
