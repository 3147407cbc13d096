"""An answer as JSON, Arrow, CSV or Parquet. JSON follows the column's type: exact numbers that JSON cannot hold are strings."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq

from api.serving.answer import Answer

MEDIA = {
    "json": "application/json",
    "arrow": "application/vnd.apache.arrow.stream",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
_FAR = 2**31 - 1
_TIMES = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "TIME"})


def encode(answer: Answer, format_: str, meta: dict[str, Any]) -> bytes:
    """The body in that format; `meta` goes into JSON."""
    if format_ == "json":
        return msgspec.json.encode(json_object(answer, meta))
    if format_ == "csv":
        return _csv(answer)
    sink = pa.BufferOutputStream()
    if format_ == "arrow":
        with pa.ipc.new_stream(sink, answer.rows.schema) as writer:
            writer.write_table(answer.rows)
    else:
        pq.write_table(_storable(answer), sink)
    return bytes(sink.getvalue())


def json_object(answer: Answer, meta: dict[str, Any]) -> dict[str, Any]:
    """`{columns, rows, meta}`, as JSON has it."""
    columns = [_cells(answer.rows.column(i), t) for i, t in enumerate(answer.types)]
    shown = [{"name": n, "type": t, "encoding": encoding(t)} for n, t in zip(answer.names, answer.types, strict=True)]
    rows = [list(row) for row in zip(*columns, strict=True)] if columns else []
    return {"columns": shown, "rows": rows, "meta": meta | {"row_count": answer.rows.num_rows, "truncated": answer.truncated}}


def encoding(type_: str) -> str:
    """How values of a DuckDB type are written in JSON."""
    if type_ in ("TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER", "FLOAT", "DOUBLE"):
        return "number"
    if type_ == "BOOLEAN":
        return "boolean"
    if type_ == "BLOB":
        return "base64"
    return "json" if type_.endswith("]") or type_.startswith(("STRUCT", "MAP", "UNION")) else "string"


def _cells(column: pa.ChunkedArray, type_: str) -> list[Any]:
    if type_ in ("BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT") or type_.startswith("DECIMAL"):
        return list(pc.cast(column, pa.string()).to_pylist())
    if type_ in _TIMES:
        return _times(column, type_)
    if type_.endswith("[]") and type_.rstrip("[]") in _TIMES:
        return _lists(column, type_[:-2])
    if type_ in ("FLOAT", "DOUBLE"):
        return [_float(v) for v in column.to_pylist()]
    return [_plain(v) for v in column.to_pylist()]


def _lists(column: pa.ChunkedArray, type_: str) -> list[Any]:
    """Lists of times, each as it is outside a list: Python has no infinite one, and none of a year past 9999."""
    found: list[Any] = []
    for chunk in column.chunks:
        cells = iter(_cells(pa.chunked_array([chunk.flatten()]), type_))
        found += [None if n is None else list(islice(cells, n)) for n in pc.list_value_length(chunk).to_pylist()]
    return found


def _times(column: pa.ChunkedArray, type_: str) -> list[Any]:
    """ISO 8601; instants in UTC with `Z`; infinite ones by their name."""
    far = pa.scalar(_FAR if type_ == "DATE" else 2**63 - 1)
    text = pc.cast(column.cast(pa.timestamp("us")) if type_ == "TIMESTAMP WITH TIME ZONE" else column, pa.string())
    if type_ == "TIME":
        return list(text.to_pylist())
    number = column.cast(pa.int32() if type_ == "DATE" else pa.int64())
    zone = "Z" if type_ == "TIMESTAMP WITH TIME ZONE" else ""
    found: list[Any] = []
    for value, n in zip(text.to_pylist(), number.to_pylist(), strict=True):
        if value is None:
            found.append(None)
        elif abs(n) == far.as_py():
            found.append("infinity" if n > 0 else "-infinity")
        else:
            found.append(value.replace(" ", "T", 1).removesuffix(".000000") + zone)
    return found


def _float(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "months"):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return _float(value)
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    return _interval(value) if hasattr(value, "months") else str(value)


def _interval(value: Any) -> str:
    """ISO 8601: P14M3DT4.5S."""
    seconds = value.nanoseconds / 1_000_000_000
    parts = [f"{value.months}M" if value.months else "", f"{value.days}D" if value.days else ""]
    time = f"T{seconds:.6f}".rstrip("0").rstrip(".") + "S" if value.nanoseconds else ""
    return "P" + "".join(parts) + time if any(parts) or time else "PT0S"


def _csv(answer: Answer) -> bytes:
    """RFC 4180 with a header; NULL is nothing, the empty string is quoted; every value as in JSON."""
    columns = []
    convert: Callable[[Any], str | None] = lambda v: None if v is None else v if isinstance(v, str) else msgspec.json.encode(v).decode()  # noqa: E731
    for i, type_ in enumerate(answer.types):
        columns.append(pa.array([convert(v) for v in _cells(answer.rows.column(i), type_)], pa.string()))
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.Table.from_arrays(columns, names=list(answer.names)), sink, csv.WriteOptions(quoting_style="needed"))
    return bytes(sink.getvalue())


def _storable(answer: Answer) -> pa.Table:
    """Parquet has no interval: it goes as text."""
    table = answer.rows
    for i, field in enumerate(table.schema):
        if pa.types.is_interval(field.type) or pa.types.is_null(field.type):
            text = pa.array([_plain(v) for v in table.column(i).to_pylist()], pa.string())
            table = table.set_column(i, field.name, text)
    return table
