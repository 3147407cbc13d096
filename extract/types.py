"""The Arrow type in which each DuckDB type lies in landed Parquet."""

from __future__ import annotations

import pyarrow as pa

from engine.types import LANDED_AS_TEXT, decimal_size

_ARROW: dict[str, pa.DataType] = {
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(),
    "USMALLINT": pa.uint16(),
    "UINTEGER": pa.uint32(),
    "UBIGINT": pa.uint64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", tz="UTC"),
    "BLOB": pa.binary(),
}


def landed_type(duckdb_type: str) -> pa.DataType:
    """The Arrow type of a landed column; UUID, JSON and INTERVAL lie as the source's text and are cast when read."""
    if duckdb_type.endswith("[]"):
        return pa.list_(landed_type(duckdb_type[:-2]))
    if duckdb_type in LANDED_AS_TEXT:
        return pa.string()
    size = decimal_size(duckdb_type)
    return pa.decimal128(*size) if size else _ARROW[duckdb_type]


_DUCKDB: dict[pa.DataType, str] = {arrow: name for name, arrow in _ARROW.items()}


def duckdb_type(arrow: pa.DataType) -> str:
    """The DuckDB type of an Arrow type that lands as itself. Raises KeyError for one that has no equal."""
    if pa.types.is_list(arrow):
        return duckdb_type(arrow.value_type) + "[]"
    if pa.types.is_decimal(arrow):
        return f"DECIMAL({arrow.precision},{arrow.scale})"
    return _DUCKDB[pa.string() if pa.types.is_large_string(arrow) else arrow]
