"""The only place that opens DuckDB. Profiles: blank (conversions), work (partition), builder (writes slices), reader (reads one).

The profile that answers callers, `serve`, is fenced: the slice is the primary database, read-only, without external access, its
configuration locked, and each setting is asserted on a fresh cursor, because plain SET does not reach cursors for all of them.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb

from engine import sql
from engine.errors import SliceUnusable, StorageError

Error = duckdb.Error
Connection = duckdb.DuckDBPyConnection
VERSION = duckdb.__version__
IS_2 = not VERSION.startswith("1.")

FUNCTION_NAMES = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate', 'macro')"
CHANGING_FUNCTIONS = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability IN ('VOLATILE', 'CONSISTENT_WITHIN_QUERY')"

# Settings that only 2.0 has.
_NEW = {"async_threads": 0} if IS_2 else {}
_QUIET = {"autoinstall_known_extensions": False, "autoload_known_extensions": False} | _NEW


@contextmanager
def blank() -> Iterator[Connection]:
    """An empty in-memory database in UTC with one thread and no external access."""
    connection = duckdb.connect(":memory:", config=_config(threads=1, enable_external_access=False))
    try:
        connection.execute(sql.set_timezone("UTC"))
        yield connection
    finally:
        connection.close()


@contextmanager
def work(path: Path, *, threads: int, memory_limit: str, timezone: str) -> Iterator[Connection]:
    """The partitioning database at `path`: bounded by `memory_limit`, it spills into a folder beside the file.

    Raises StorageError where the disk refuses a write, the block's own writes to the folder included.
    """
    config = _config(threads=threads, memory_limit=memory_limit, temp_directory=str(path.parent / "spill"), preserve_insertion_order=False)
    try:
        with closing(duckdb.connect(str(path), config=config)) as connection:
            connection.execute(sql.set_timezone(timezone))
            yield connection
    except (Error, OSError) as error:
        if _is_full(error):
            raise StorageError("The disk refused a write of the work folder: it is full, or a limit is reached.", hint=_FREE) from error
        raise


_FREE = "Free space in the home folder, or move it with --home."


def _is_full(error: Exception) -> bool:
    """Whether the disk refused a write: by its number, or by DuckDB's words for it."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
    if not isinstance(error, duckdb.IOException | duckdb.TransactionException | duckdb.FatalException):
        return False
    return any(words in str(error).lower() for words in ("no space left", "file too large", "disk quota", "could not write"))


@contextmanager
def builder(timezone: str, disabled_compression: str) -> Iterator[Connection]:
    """An in-memory database that attaches one slice after the other: no WAL, no fsync (the file is synced once, whole).

    Never with block_allocator_memory: it undoes the allocator setting that keeps tenants' memory apart.
    """
    config = _config(threads=1, checkpoint_threshold="1TB")
    if IS_2:
        config |= {"fsync_mode": "none"}
    connection = duckdb.connect(":memory:", config=config)
    try:
        connection.execute(sql.set_setting("auto_checkpoint_skip_wal_threshold", "0"))
        connection.execute(sql.set_setting("disabled_compression_methods", disabled_compression))
        connection.execute(sql.set_timezone(timezone))
        yield connection
    finally:
        connection.close()


@contextmanager
def reader(path: Path, timezone: str = "UTC", threads: int = 1) -> Iterator[Connection]:
    """A slice opened read-only by ourselves, for proof and for copying. Raises SliceUnusable."""
    try:
        connection = duckdb.connect(str(path), read_only=True, config=_config(threads=threads))
    except Error as error:
        raise SliceUnusable("A slice file cannot be opened.", hint="slicehouse verify; then slicehouse refresh --full.") from error
    try:
        connection.execute(sql.set_timezone(timezone))
        yield connection
    finally:
        connection.close()


@contextmanager
def proof(timezone: str) -> Iterator[Connection]:
    """An empty in-memory database that attaches slices read-only."""
    connection = duckdb.connect(":memory:", config=_config(threads=1))
    try:
        connection.execute(sql.set_timezone(timezone))
        yield connection
    finally:
        connection.close()


def serve(path: Path, *, timezone: str, memory_limit: str, seconds: float) -> Connection:
    """The slice as the primary database of a fenced instance; a cursor of it is a new connection for one statement.

    Raises SliceUnusable where the file cannot be opened or a setting did not take.
    """
    wanted: dict[str, Any] = {
        "threads": 1,
        "memory_limit": memory_limit,
        "max_temp_directory_size": "0KB",
        "temp_directory": "",
        "enable_external_access": False,
        "allow_community_extensions": False,
        "allow_unsigned_extensions": False,
        "python_enable_replacements": False,
        "python_scan_all_frames": False,
        "errors_as_json": False,
        "max_expression_depth": 250,
    }
    if IS_2:
        wanted |= {"max_execution_time": int(seconds * 1000)}
    try:
        connection = duckdb.connect(str(path), read_only=True, config=_config(**wanted))
        if not _is_locked(connection):
            connection.execute(sql.set_timezone(timezone, everywhere=True))
            connection.execute(sql.set_setting("lock_configuration", "true", everywhere=True))
    except Error as error:
        raise SliceUnusable("A slice file cannot be opened.", hint="slicehouse verify; then slicehouse refresh --full.") from error
    _assert_fenced(connection, timezone)
    return connection


def _is_locked(connection: Connection) -> bool:
    """Whether the engine gave its open instance of this file: the slice was closed while a statement was still at work on it."""
    row = connection.execute(sql.current_setting("lock_configuration")).fetchone()
    return row is not None and str(row[0]).lower() == "true"


_FENCE = {
    "enable_external_access": "false",
    "lock_configuration": "true",
    "python_enable_replacements": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "temp_directory": "",
    "access_mode": "read_only",
    "threads": "1",
}


def _assert_fenced(connection: Connection, timezone: str) -> None:
    cursor = connection.cursor()
    for name, value in (_FENCE | {"TimeZone": timezone}).items():
        row = cursor.execute(sql.current_setting(name)).fetchone()
        if row is None or str(row[0]).lower() != value.lower():
            connection.close()
            raise SliceUnusable(
                f"The engine did not take the setting {name}.", hint="slicehouse doctor compares the engine's version.", code="fence"
            )
    cursor.close()


def _config(**settings: Any) -> dict[str, Any]:
    return {**_QUIET, **settings}
