"""PostgreSQL's errors, told in our words: what was wrong, where, what to do next; never a password, never a row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from engine.errors import ConfigurationError, ReviewRequired, SlicehouseError, SourceError


@contextmanager
def translated(source: str, table: str | None = None) -> Iterator[None]:
    """Turns psycopg's errors into SourceError (or ReviewRequired where the schema has moved on)."""
    try:
        yield
    except psycopg.Error as error:
        raise _translate(error, source, table) from None


def _translate(error: psycopg.Error, source: str, table: str | None) -> SlicehouseError:
    text = str(error).strip()
    of_table = f" while reading {table}" if table else ""
    if isinstance(error, errors.InvalidPassword) or "password authentication failed" in text or "no password supplied" in text:
        return SourceError(
            f"Source {source}: the server refused the user's password.",
            hint="Check the secret that sources.url names.",
            code="source_password",
        )
    if isinstance(error, errors.InsufficientPrivilege) and "row-level security" in text:
        return SourceError(
            f"Source {source}: row security on {table} would remove rows in silence, so nothing was read.",
            hint="Read with a role that has BYPASSRLS or owns the table, or exclude the table.",
            code="source_row_security",
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return SourceError(
            f"Source {source}: no right to read {table or 'a table'}.",
            hint=f"GRANT SELECT ON {table or '…'} TO the role, or exclude it.",
            code="source_privilege",
        )
    if isinstance(error, errors.UndefinedTable | errors.UndefinedColumn):
        return ReviewRequired(
            f"Source {source}: {table or 'a table'} or a column of it is gone.",
            hint="slicehouse routes --diff shows what changed.",
            code="source_changed",
        )
    if isinstance(error, errors.InvalidCatalogName) or re.search(
        'database ".*" does not exist', text
    ):  # a failed connection has no sqlstate
        return SourceError(
            f"Source {source}: that database does not exist on the server.",
            hint="Check the name at the end of the url.",
            code="source_database",
        )
    if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:
        return ConfigurationError(
            f"Source {source}: its url is no libpq URI.",
            hint="postgresql://user:password@host:5432/database, special characters percent-encoded.",
            code="source_url",
        )
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        return _unreachable(source, of_table, text)
    return SourceError(
        f"Source {source}: the server reported {error.sqlstate or 'an error'}{of_table}: {_reason(text)}.", code="source_failed"
    )


def _unreachable(source: str, of_table: str, text: str) -> SourceError:
    """No connection, or none any more: the server lets nobody in and says why, or it is not there."""
    refused = _refusal(text)
    if refused is not None:
        return SourceError(
            f"Source {source}: the server refused the connection: {refused}.",
            hint="Check the role, the database and the server's pg_hba.conf; slicehouse doctor tries every source.",
            code="source_unreachable",
        )
    return SourceError(
        f"Source {source}: the server cannot be reached or broke off{of_table}: {_reason(text)}.",
        hint="slicehouse doctor tries every source.",
        code="source_unreachable",
    )


def _refusal(text: str) -> str | None:
    """Why a server that was reached let nobody in, without the names that it quotes; None where it did not say."""
    found = re.search(r"FATAL:\s+(.+)", text)
    return re.sub(r'\s*"[^"]*"', "", found[1]).strip().rstrip(".") or None if found else None


def _reason(text: str) -> str:
    """The server's first line, without the connection's details and whatever it quotes of data."""
    line = text.splitlines()[0] if text else "no reason given"
    for known in (
        "Connection refused",
        "timeout expired",
        "could not translate host name",
        "No such file or directory",
        "server closed the connection",
        "SSL",
    ):
        if known.lower() in text.lower():
            return known[0].lower() + known[1:]
    return line.split(": ", 1)[-1].split('"')[0].strip().rstrip(".:") or "no reason given"
