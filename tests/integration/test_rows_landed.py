"""As many rows are landed as the server says it has sent: its command tag counts them, not the reader of its text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from engine.columns import ColumnPlan
from engine.errors import SourceError
from engine.settings import Settings
from engine.workspace import SourceConfig
from extract.pgtext import TextReader
from extract.postgres import open_postgres
from extract.source import Batches, ReadRequest
from tests.integration.driving import accept, installation_in, workspace_of

TABLES = """
create table orgs (id int primary key);
create table notes (id int primary key, org_id int references orgs, body text);
create table nothing (id int primary key, org_id int references orgs);
insert into orgs values (1), (2);
insert into notes select i, 1 + i % 2, E'two\\nlines, "' || i || '"' from generate_series(1, 5000) i;
"""


@pytest.fixture
def filled(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES.encode())
    return database


def told(batches: Batches) -> tuple[int, int | None]:
    """Rows of all batches, and how many the source says it has sent."""
    rows = 0
    while True:
        try:
            rows += next(batches).num_rows
        except StopIteration as end:
            return rows, end.value


@pytest.mark.parametrize(("table", "limit", "rows"), [("notes", None, 5000), ("notes", 7, 7), ("nothing", None, 0)])
def test_server_says_how_many_rows_it_has_sent(filled: str, tmp_path: Path, table: str, limit: int | None, rows: int) -> None:
    config = SourceConfig(kind="postgres", url=filled)
    with open_postgres("app", config, tmp_path, Settings(home=tmp_path, batch_bytes=65_536)).snapshot() as snapshot:
        found = next(t for t in snapshot.describe() if t.name.table == table)
        columns = tuple(ColumnPlan(c.name, c.name, c.source_type, c.type, c.key_class) for c in found.columns)
        assert told(snapshot.read(ReadRequest(found, columns, limit))) == (rows, rows)
        assert told(snapshot.read(replace(ReadRequest(found, columns), limit=0))) == (0, 0), "the connection reads on"


def lost(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.slice(0, batch.num_rows - 1) if batch.num_columns == 3 else batch


def twice(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.concat_batches([batch, batch.slice(0, 1)]) if batch.num_columns == 3 else batch


@pytest.mark.parametrize(("change", "difference"), [(lost, -1), (twice, 1)])
def test_reader_that_loses_or_adds_a_row_is_an_error_that_names_the_table(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[pa.RecordBatch], pa.RecordBatch], difference: int
) -> None:
    real = TextReader.batch
    monkeypatch.setattr(TextReader, "batch", lambda reader, text: change(real(reader, text)))
    with pytest.raises(SourceError) as refused:
        accept(installation_in(tmp_path / "home"), workspace_of(tmp_path, "postgres", filled))
    assert refused.value.code == "rows_landed"
    assert refused.value.message == f"Source app: 5000 rows of notes were sent, and {5000 + difference} landed."
