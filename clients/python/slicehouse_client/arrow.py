"""Answers as Arrow tables. Needs pyarrow, which is imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slicehouse_client.errors import MissingExtra
from slicehouse_client.values import SCALARS, decoder, fields_of, map_of, same, split

if TYPE_CHECKING:
    import pyarrow

STREAM = "application/vnd.apache.arrow.stream"
_NAMES = {
    "BOOLEAN": "bool_", "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64", "UTINYINT": "uint8", "USMALLINT": "uint16",
    "UINTEGER": "uint32", "UBIGINT": "uint64", "FLOAT": "float32", "DOUBLE": "float64", "DATE": "date32", "BLOB": "binary",
}  # fmt: skip
_UNITS = {"TIMESTAMP": "us", "TIMESTAMP_S": "s", "TIMESTAMP_MS": "ms"}


def pyarrow_() -> Any:
    """Raises MissingExtra."""
    try:
        import pyarrow
    except ImportError:
        raise MissingExtra("Arrow needs pyarrow: pip install 'slicehouse-client[arrow]'") from None
    return pyarrow


def read_stream(body: bytes) -> pyarrow.Table:
    """A table of a body that came as an Arrow stream."""
    return pyarrow_().ipc.open_stream(body).read_all()


def table(columns: list[tuple[str, str]], rows: list[list[Any]]) -> pyarrow.Table:
    """A table of rows as JSON has them; `columns` are names and DuckDB's types. Raises ValueError for a value that Arrow cannot hold."""
    pa, scalars = pyarrow_(), {**SCALARS, "UUID": same}
    arrays = []
    for i, (name, type_) in enumerate(columns):
        read = decoder(type_, scalars)
        try:
            arrays.append(pa.array([read(row[i]) for row in rows], _type(pa, type_)))
        except (pa.ArrowException, TypeError, AttributeError) as error:
            raise ValueError(f"column {name} ({type_}) has a value that Python cannot hold: ask the server for Arrow") from error
    return pa.Table.from_arrays(arrays, names=[name for name, _ in columns])


def _type(pa: Any, type_: str) -> Any:
    """The Arrow type that the server itself answers with; text for what has no exact value in Python."""
    head, inner = split(type_)
    if head == "LIST":
        return pa.list_(_type(pa, inner))
    if head == "STRUCT":
        return pa.struct([(name, _type(pa, t)) for name, t in fields_of(inner)])
    if head == "MAP":
        return pa.map_(*(_type(pa, t) for t in map_of(inner)))
    if head == "DECIMAL":
        return pa.decimal128(*map(int, inner.split(",")))
    if head in ("HUGEINT", "UHUGEINT"):
        return pa.decimal128(38, 0)
    if head in _UNITS:
        return pa.timestamp(_UNITS[head])
    if head == "TIMESTAMP WITH TIME ZONE":
        return pa.timestamp("us", "UTC")
    return pa.time64("us") if head == "TIME" else getattr(pa, _NAMES.get(head, "string"))()
