"""One tenant's rows into one DuckDB file, checkpointed, synced and read-only.

Settings and sizes follow the measured pipeline (docs/why.md, "How a slice is built"): one transaction for all tables, no WAL,
block and row group sizes by the number of rows, compression without the methods that cost most.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from engine import duck, sql
from engine.duck import Connection
from engine.errors import BuildFailed, StorageError
from slices.building import sql as statements
from slices.building.task import SliceStyle, TaskTable

_LIGHT = "zstd,dict_fsst,fsst"
_DISABLED = {"light": _LIGHT, "small": "zstd"}
_FULL_GROUP = 122_880


def disabled_methods(compression: str) -> str:
    """The compression methods that `light` and `small` leave out."""
    return _DISABLED[compression]


def block_size(rows: int, tables: int) -> int:
    """Bytes of a block: 16 KiB for small slices, 64 KiB, 256 KiB for big ones. Every table costs at least a block a column or so."""
    if rows < 2_000 or rows < 200 * tables:
        return 16 << 10
    return 64 << 10 if rows <= 60_000 else 256 << 10


def row_group(biggest: int) -> int | None:
    """Rows of a row group: the biggest power of two from 2,048 to 65,536 that is at most the biggest table; None is the default."""
    if biggest >= _FULL_GROUP or not duck.IS_2:
        return None
    return max(2_048, min(65_536, 1 << max(biggest, 1).bit_length() - 1))


Rows = Mapping[int, Sequence[pa.Table]]


def build_slice(
    connection: Connection, path: Path, tables: Sequence[TaskTable], rows: Rows, style: SliceStyle, facts: Sequence[tuple[str, str]]
) -> dict[str, int]:
    """Writes one slice to `path` (which must not exist) and returns the rows per table, `schema.table` → count.

    `rows` maps a table's number to the parts that make it up, each with the landed columns. `facts` become `_slice.manifest`.
    Raises StorageError where the disk refuses, BuildFailed where the engine does; nothing is left at `path` then.
    """
    counts = {t.number: sum(part.num_rows for part in rows.get(t.number, ())) for t in tables}
    size = block_size(sum(counts.values()), len(tables))
    try:
        connection.execute(statements.attach_new(path, style.storage_version, size, row_group(max(counts.values(), default=0))))
        try:
            connection.execute("BEGIN")
            for table in tables:
                _create_table(connection, table, rows.get(table.number, ()))
            _describe(connection, tables, style, facts)
            connection.execute("COMMIT")
        finally:
            _leave(connection)
        _seal(path)
    except (duck.Error, OSError) as error:
        _remove(path)
        raise _translate(error) from error
    return {f"{t.schema_}.{t.name}": counts[t.number] for t in tables}


def _leave(connection: Connection) -> None:
    with suppress(duck.Error):
        connection.execute("ROLLBACK")
    connection.execute(statements.use("memory"))
    connection.execute(statements.detach())


def _create_table(connection: Connection, table: TaskTable, parts: Sequence[pa.Table]) -> None:
    if table.schema_ != "main":
        connection.execute(statements.create_schema(table.schema_))
    names = []
    for i, part in enumerate(parts):
        names.append(f"part{i}")
        connection.register(names[-1], part.to_reader())
    columns = [(sql.typed(sql.name(c.landed), c.type), c.shown) for c in table.columns]
    connection.execute(statements.create_table(table.schema_, table.name, columns, names))
    for name in names:
        connection.unregister(name)
    if table.comment:
        connection.execute(statements.comment_on(table.schema_, table.name, None, table.comment))
    for column in table.columns:
        if column.comment:
            connection.execute(statements.comment_on(table.schema_, table.name, column.shown, column.comment))


def _describe(connection: Connection, tables: Sequence[TaskTable], style: SliceStyle, facts: Sequence[tuple[str, str]]) -> None:
    """`_slice.readme`, `_slice.manifest`, `_slice.relationships`, and the dashboards' panels as macros."""
    connection.execute(statements.create_schema("_slice"))
    connection.execute(statements.create_facts("readme", ("line",), [(line,) for line in style.readme]))
    connection.execute(statements.create_facts("manifest", ("name", "value"), facts))
    names = ("table_name", "columns", "parent_table", "parent_columns", "kind")
    connection.execute(statements.create_facts("relationships", names, style.relationships))
    if style.views:
        made = [(v.schema_, v.name, v.body) for v in style.views]
        connection.execute(statements.create_facts("views", ("schema_name", "view_name", "statement"), made))
    if style.views or style.panels:
        connection.execute(statements.use("s"))
    for view in style.views:
        connection.execute(statements.create_schema(view.schema_))
        connection.execute(statements.create_view_in(view.schema_, view.name, view.body))
    if style.panels:
        connection.execute(statements.create_schema("panel"))
    for panel in style.panels:
        connection.execute(statements.create_panel(panel.name, panel.parameters, panel.body))


def _seal(path: Path) -> None:
    """Synced whole and read-only; a WAL beside it would mean that it is not checkpointed."""
    if path.with_name(path.name + ".wal").exists():
        raise BuildFailed("A slice was left with a WAL beside it.")
    with path.open("rb") as file:
        os.fsync(file.fileno())
    path.chmod(0o444)


def _remove(path: Path) -> None:
    for leftover in (path, path.with_name(path.name + ".wal"), path.with_name(path.name + ".checkpoint.wal")):
        leftover.unlink(missing_ok=True)


def _translate(error: Exception) -> BuildFailed | StorageError:
    text = str(error).lower()
    if isinstance(error, OSError) or any(word in text for word in ("no space", "could not write", "file too large", "io error", "disk")):
        return StorageError("The disk refused a slice.", hint="Free space in the home folder, or move it with --home.")
    return BuildFailed(f"The engine refused a slice: {type(error).__name__}.", hint="slicehouse doctor, and the run's log.")


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
