"""One consistent cut of a source, landed as immutable Parquet and a `snapshot.json` that lists the files.

A landed file has the columns `ord` (the row's ordinal in its table, from 0) and `c0`, `c1`, … in the order of `columns`:
positions instead of names, so that no name of a source can collide or mislead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from engine.columns import ColumnPlan, Treatment
from engine.errors import SourceError, StorageError
from engine.ids import new_id
from engine.schema import TableName
from extract.masks import apply_masks
from extract.source import Batches, ReadRequest, SourceSnapshot
from extract.types import landed_type

Progress = Callable[[str, int], None]
_ROW_GROUP = 122_880


class LandedFile(BaseModel):
    """One Parquet file: `path` relative to the folder of all snapshots."""

    model_config = ConfigDict(frozen=True)
    path: str
    rows: int
    bytes: int


class LandedColumn(BaseModel):
    """One landed column: its name in the source and in the file, and what became of it."""

    model_config = ConfigDict(frozen=True)
    name: str
    landed: str
    type: str
    source_type: str
    treatment: Treatment


class LandedKey(BaseModel):
    """A declared foreign key of a landed table."""

    model_config = ConfigDict(frozen=True)
    columns: list[str]
    parent: tuple[str, str, str]
    parent_columns: list[str]


class LandedTable(BaseModel):
    """One table of a snapshot."""

    model_config = ConfigDict(frozen=True)
    source: str
    schema_: str
    table: str
    rows: int
    files: list[LandedFile]
    columns: list[LandedColumn]
    primary_key: list[str] = []
    foreign_keys: list[LandedKey] = []
    comment: str | None = None

    @property
    def name(self) -> TableName:
        """Where the table is in its source."""
        return TableName(self.source, self.schema_, self.table)

    def column(self, name: str) -> LandedColumn:
        """The landed column of that source name; raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


class LandedView(BaseModel):
    """A view of the source: where it is, and its statement there."""

    model_config = ConfigDict(frozen=True)
    schema_: str
    view: str
    sql: str


class Snapshot(BaseModel):
    """One cut of one source. `as_of` is the source's own time of it."""

    model_config = ConfigDict(frozen=True)
    version: int = 1
    id: str
    source: str
    as_of: datetime
    tables: list[LandedTable]
    views: list[LandedView] = []

    def get(self, name: TableName) -> LandedTable | None:
        """The landed table of that name, or None."""
        return next((t for t in self.tables if t.name == name), None)


@dataclass(frozen=True, slots=True)
class Landing:
    """Where snapshots go, and how: `folder` holds one folder a snapshot; `mask_key` is the workspace's."""

    folder: Path
    mask_key: bytes
    readers: int = 2
    progress: Progress = field(default=lambda table, rows: None)


def land(source: str, snapshot: SourceSnapshot, requests: Sequence[ReadRequest], landing: Landing) -> Snapshot:
    """Lands all requested tables of one cut, big tables first, `readers` at a time.

    Nothing is visible until the returned snapshot's `snapshot.json` is in place; raises what the source raises, SourceError where
    other rows were landed than it has sent, StorageError where the disk refuses.
    """
    snapshot_id = new_id("sn")
    folder = landing.folder / snapshot_id
    folder.mkdir(parents=True)
    order = sorted(range(len(requests)), key=lambda i: -(requests[i].table.rows or 0))
    with ThreadPoolExecutor(landing.readers) as pool:
        jobs = {i: pool.submit(_land_table, snapshot, requests[i], folder / f"{i:04d}.parquet", landing) for i in order}
        try:
            tables = [jobs[i].result() for i in range(len(requests))]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    views = [LandedView(schema_=v.name.schema, view=v.name.table, sql=v.sql) for v in snapshot.views()]
    landed = Snapshot(id=snapshot_id, source=source, as_of=snapshot.as_of, tables=tables, views=views)
    _write(folder / "snapshot.json", landed.model_dump_json(indent=1).encode())
    return landed


def read_snapshot(folder: Path, snapshot_id: str) -> Snapshot:
    """The snapshot of that id below `folder`; raises FileNotFoundError."""
    return Snapshot.model_validate_json((folder / snapshot_id / "snapshot.json").read_bytes())


def _land_table(snapshot: SourceSnapshot, request: ReadRequest, path: Path, landing: Landing) -> LandedTable:
    fields = [pa.field("ord", pa.int64()), *(pa.field(f"c{i}", landed_type(c.type)) for i, c in enumerate(request.columns))]
    sent = _Sent(snapshot.read(request))
    rows = 0
    try:
        with pq.ParquetWriter(path, pa.schema(fields), compression="zstd", compression_level=1) as writer:
            for batch in _numbered(iter(sent), request.columns, landing.mask_key):
                writer.write_batch(batch, row_group_size=_ROW_GROUP)
                rows += batch.num_rows
                landing.progress(request.table.name.table, rows)
        size = path.stat().st_size
    except OSError as error:
        raise StorageError(
            f"The landing area refused {request.table.name.table}: {os.strerror(error.errno) if error.errno else 'write error'}.",
            hint="Free space in the home folder, or move it with --home.",
        ) from error
    name = request.table.name
    if sent.rows is not None and sent.rows != rows:
        raise SourceError(
            f"Source {name.source}: {sent.rows} rows of {name.table} were sent, and {rows} landed.",
            hint="Nothing of it is used, the last good slices answer. Refresh again; if it stays so, please report it.",
            code="rows_landed",
        )
    columns = [
        LandedColumn(name=c.name, landed=f"c{i}", type=c.type, source_type=c.source_type, treatment=c.treatment)
        for i, c in enumerate(request.columns)
    ]
    file = LandedFile(path=f"{path.parent.name}/{path.name}", rows=rows, bytes=size)
    return LandedTable(
        source=name.source,
        schema_=name.schema,
        table=name.table,
        rows=rows,
        files=[file],
        columns=columns,
        primary_key=list(request.table.primary_key),
        foreign_keys=[
            LandedKey(
                columns=list(k.columns), parent=(k.parent.source, k.parent.schema, k.parent.table), parent_columns=list(k.parent_columns)
            )
            for k in request.table.foreign_keys
        ],
        comment=request.table.comment,
    )


class _Sent:
    """The batches of a table; once they are read, `rows` is how many rows the source says it has sent, or None."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self.rows: int | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        self.rows = yield from self._batches


def _numbered(batches: Iterator[pa.RecordBatch], columns: Sequence[ColumnPlan], key: bytes) -> Iterator[pa.RecordBatch]:
    """Masked batches with the ordinal in front."""
    start = 0
    for batch in batches:
        masked = apply_masks(batch, columns, key)
        ordinals = pa.arange(start, start + batch.num_rows)
        start += batch.num_rows
        yield pa.RecordBatch.from_arrays([ordinals, *masked.columns], names=["ord", *masked.schema.names])


def _write(path: Path, data: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(data)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.rename(path)
