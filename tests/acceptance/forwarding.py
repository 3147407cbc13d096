"""A port of 127.0.0.1 before a PostgreSQL that listens on a socket's file alone: for URLs that name a host."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

import psycopg
from psycopg import conninfo, sql

from tests.conftest import PASSWORD, PASSWORD_ROLE


@contextmanager
def reachable(database: str) -> Iterator[str]:
    """The URI of a database over TCP, for a role that is asked for its password and may read what is there."""
    facts = conninfo.conninfo_to_dict(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("grant select on all tables in schema public to {}").format(sql.Identifier(PASSWORD_ROLE)))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        threading.Thread(target=_accepted, args=(listening, f"{facts['host']}/.s.PGSQL.{facts.get('port') or 5432}"), daemon=True).start()
        yield f"postgresql://{PASSWORD_ROLE}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/{facts['dbname']}"


def _accepted(listening: socket.socket, path: str) -> None:
    while True:
        try:
            near, _ = listening.accept()
        except OSError:
            return
        far = socket.socket(socket.AF_UNIX)
        far.connect(path)
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=_piped, args=(one, other), daemon=True).start()


def _piped(one: socket.socket, other: socket.socket) -> None:
    try:
        while data := one.recv(65_536):
            other.sendall(data)
    except OSError:
        pass
    finally:
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
