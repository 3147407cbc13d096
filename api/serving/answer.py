"""`answer(slice, statement, parameters, limits)`: the one door through which a query's rows reach a caller."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from api.serving.gate import check
from api.serving.opened import OpenSlices, SliceRef
from api.serving.problems import Problem
from engine import duck
from engine.errors import SliceUnusable
from slices.publishing.whole import check_whole

_BATCH = 10_000
# While rows stream, Arrow hands on the engine's errors as its own, an OSError among them.
_WRAPPED = (duck.Error, pa.ArrowException, OSError, MemoryError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Limits:
    """`rows`: cut there (or refused, where `cut` is false); `bytes` of Arrow; `seconds` of work."""

    rows: int = 10_000
    bytes: int = 256 << 20
    seconds: float = 30.0
    cut: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """Names and DuckDB types of the columns in order, the rows as Arrow, whether rows were cut off."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: pa.Table
    truncated: bool


class Cancel:
    """Interrupts the statement at work: the caller went away, or time is up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cursor: duck.Connection | None = None
        self.reason: str | None = None

    def attach(self, cursor: duck.Connection | None) -> None:
        """The cursor whose statement is at work, or None at its end."""
        with self._lock:
            self._cursor = cursor

    def __call__(self, reason: str) -> None:
        """Interrupts; the first reason is kept."""
        with self._lock:
            self.reason = self.reason or reason
            if self._cursor is not None:
                self._cursor.interrupt()


def answer(
    slices: OpenSlices, ref: SliceRef, statement: str, parameters: Mapping[str, Any], limits: Limits, cancel: Cancel | None = None
) -> Answer:
    """Gate, then one new connection for one statement. Raises Problem; no text of the engine reaches the caller."""
    cancel = cancel or Cancel()
    try:
        opened = slices.get(ref)
    except SliceUnusable:
        raise _unusable() from None
    checked = check(statement, opened.tables)
    missing = checked.parameters - set(parameters)
    if missing:
        raise Problem("param_unknown", f"The statement names ${sorted(missing)[0]}, which has no value.")
    cursor = opened.connection.cursor()
    cancel.attach(cursor)
    timer = threading.Timer(limits.seconds, cancel, ("timeout",))
    timer.daemon = True
    timer.start()
    try:
        return _read(cursor, statement, {k: v for k, v in parameters.items() if k in checked.parameters}, limits)
    except (duckdb.FatalException, duckdb.InternalException):
        slices.drop(ref)
        raise Problem("statement_failed", "The statement failed.") from None
    except _WRAPPED as error:
        if cancel.reason is None and _is_damage(error, ref):
            slices.drop(ref)
            raise _unusable() from None
        raise _translate(error, cancel) from None
    finally:
        timer.cancel()
        cancel.attach(None)
        cursor.close()


def _read(cursor: duck.Connection, statement: str, parameters: Mapping[str, Any], limits: Limits) -> Answer:
    relation = cursor.sql(statement, params=dict(parameters)) if parameters else cursor.sql(statement)
    if relation is None:
        raise Problem("statement_not_allowed", "One SELECT is allowed, and nothing else.")
    names, types = tuple(relation.columns), tuple(str(t) for t in relation.types)
    reader = relation.to_arrow_reader(_BATCH)
    batches: list[pa.RecordBatch] = []
    rows = size = 0
    truncated = False
    for batch in reader:
        room = limits.rows - rows
        if batch.num_rows > room or size + batch.nbytes > limits.bytes:
            if not limits.cut or batch.num_rows <= room:
                raise Problem("answer_too_large", f"The answer has more than {limits.rows} rows, or is too big; ask for less.")
            batch, truncated = batch.slice(0, room), True
        batches.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if truncated:
            break
    return Answer(names, types, pa.Table.from_batches(batches, schema=reader.schema), truncated)


def _unusable() -> Problem:
    return Problem(
        "slice_unusable", "The slice's file is damaged, or not what was published; its operator can build it anew.", retry_after=30
    )


def _is_damage(error: Exception, ref: SliceRef) -> bool:
    """A fenced instance reads nothing but its slice, so an error of reading is the file's.

    Judged by the error's class. Where it has none (all errors while rows stream, and damage in particular) the file itself says it:
    words in an error may be the caller's.
    """
    if isinstance(error, duckdb.IOException | duckdb.SerializationException):
        return True
    if isinstance(error, duckdb.Error | MemoryError) and type(error) is not duckdb.Error:
        return False
    try:
        check_whole(ref.path, ref.size, ref.sha256)
    except SliceUnusable:
        return True
    return False


def _translate(error: Exception, cancel: Cancel) -> Problem:
    """The engine's classes of error to the closed list."""
    text = str(error).lower()
    if isinstance(error, duckdb.InterruptException) or "interrupt" in text or "max_execution_time" in text:
        return Problem(
            "statement_timeout",
            "The statement was ended: it took too long, or nobody waited for it. Filter or aggregate earlier; look for a join without a condition.",
        )
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError) or "out of memory" in text or "failed to allocate" in text:
        return Problem("statement_memory", "The statement needs more memory than it may have; aggregate or filter earlier.")
    if isinstance(error, duckdb.ParserException):
        return Problem("syntax", "The statement is no SQL that this engine reads.")
    if isinstance(error, duckdb.CatalogException | duckdb.BinderException):
        return Problem("statement_failed", "The statement names a column, table or function that is not there, or mixes types.")
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException | duckdb.InvalidInputException):
        return Problem("statement_failed", "A value cannot be converted, or is out of range.")
    return Problem("statement_failed", "The statement failed." if cancel.reason is None else "The statement was ended.")
