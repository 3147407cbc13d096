"""PostgreSQL's text output to Arrow, exactly: NULL against the empty string, infinity, BC dates, NaN, arrays.

A batch is parsed by pyarrow's CSV reader with the landed types; where a value is beyond that reader (infinity, BC, 24:00,
years past 9999) the batch's columns are converted one by one by DuckDB, which reads them all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from engine import duck, sql
from engine.columns import ColumnPlan
from engine.errors import ReviewRequired
from engine.schema import TableName
from engine.types import decimal_size
from extract.types import landed_type

_NAMES = {
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "float4": "FLOAT",
    "float8": "DOUBLE",
    "bool": "BOOLEAN",
    "text": "VARCHAR",
    "varchar": "VARCHAR",
    "bpchar": "VARCHAR",
    "name": "VARCHAR",
    "citext": "VARCHAR",
    "uuid": "UUID",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "interval": "INTERVAL",
    "bytea": "BLOB",
    "json": "JSON",
    "jsonb": "JSON",
}


def duckdb_name(type_: str, typtype: str, typmod: int, element: str | None, element_typtype: str | None) -> tuple[str, bool]:
    """DuckDB's type for a PostgreSQL type, and whether it arrives as text for want of an equal.

    A bare numeric is "DECIMAL" until its data has been seen. Enums are text by their nature.
    """
    if element is not None:
        inner, as_text = duckdb_name(element, element_typtype or "b", typmod, None, None)
        return ("VARCHAR", True) if as_text else (f"{inner}[]", False)
    if typtype == "e":
        return "VARCHAR", False
    if type_ == "numeric":
        return _numeric(typmod)
    return (_NAMES[type_], False) if type_ in _NAMES else ("VARCHAR", True)


def _numeric(typmod: int) -> tuple[str, bool]:
    if typmod < 0:
        return "DECIMAL", False
    precision, scale = (typmod - 4) >> 16 & 0xFFFF, ((typmod - 4) & 0x7FF ^ 1024) - 1024
    precision, scale = max(precision - min(scale, 0), scale), max(scale, 0)
    return (f"DECIMAL({precision},{scale})", False) if precision <= 38 else ("VARCHAR", True)


class TextReader:
    """Turns CSV text of one table's COPY into batches of the landed types."""

    def __init__(self, table: TableName, columns: Sequence[ColumnPlan]) -> None:
        self._table, self._columns = table, columns
        self._types = [landed_type(_read_type(c)) for c in columns]
        self.schema = pa.schema([(f"c{i}", t) for i, t in enumerate(self._types)])
        self._slow = [pa.types.is_list(t) or pa.types.is_binary(t) for t in self._types]

    def batch(self, text: bytes | bytearray) -> pa.RecordBatch:
        """One batch of whole CSV rows. Raises ReviewRequired where a value does not fit the type of its column."""
        try:
            table = self._parse(text, [pa.string() if slow else t for slow, t in zip(self._slow, self._types, strict=True)])
        except pa.ArrowInvalid:
            table = self._parse(text, [pa.string()] * len(self._types))
        arrays = [self._column(i, table.column(i).combine_chunks()) for i in range(len(self._types))]
        return pa.RecordBatch.from_arrays([a.combine_chunks() if isinstance(a, pa.ChunkedArray) else a for a in arrays], schema=self.schema)

    def _parse(self, text: bytes | bytearray, types: list[pa.DataType]) -> pa.Table:
        return csv.read_csv(
            pa.BufferReader(pa.py_buffer(text)),
            csv.ReadOptions(column_names=self.schema.names, block_size=max(len(text) + 1, 1 << 10), use_threads=False),
            csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=dict(zip(self.schema.names, types, strict=True)),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
                true_values=["t"],
                false_values=["f"],
            ),
        )

    def _column(self, index: int, array: pa.Array) -> pa.Array:
        plan = self._columns[index]
        if array.type != self._types[index]:
            try:
                array = from_text(array, _read_type(plan))
            except (pa.ArrowInvalid, ValueError, duck.Error):
                raise self._unfit(plan) from None
        if not _survives(array, _read_type(plan), plan.source_type):
            raise self._unfit(plan)
        return array

    def _unfit(self, plan: ColumnPlan) -> ReviewRequired:
        where = f"{self._table.table}.{plan.name}"
        return ReviewRequired(
            f"Source {self._table.source}: {where} holds a value that does not fit {plan.type}.",
            hint=f"Choose its type in the workspace file, columns: {{{where}: {{type: text}}}}, and accept it with slicehouse routes --accept.",
            code="value_does_not_fit",
        )


# What the slice's cast, and the proof after it, read as the same value: PostgreSQL's own spelling.
_SPELLED = {"INTERVAL": r"^P[-0-9.YMWDTHS]+$", "UUID": r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}


def _survives(array: pa.Array, type_: str, source_type: str) -> bool:
    """Whether texts that are cast only in the slice can be: intervals without `infinity`, and what a person calls a uuid or JSON."""
    if type_.endswith("[]"):
        return _survives(array.flatten(), type_[:-2], source_type.removesuffix("[]"))
    if type_ in _SPELLED:
        return pc.all(pc.match_substring_regex(array, _SPELLED[type_]), min_count=0).as_py() is not False
    if type_ != "JSON" or source_type in ("json", "jsonb"):
        return True
    try:
        _cast(array, type_)
    except duck.Error:
        return False
    return True


def _read_type(plan: ColumnPlan) -> str:
    """A masked column is read as its text; the mask is applied before anything is written."""
    return "VARCHAR" if plan.treatment in ("sha256", "partial") else plan.type


def from_text(array: pa.Array, type_: str) -> pa.Array:
    """An array of PostgreSQL's text as the landed Arrow type of a DuckDB type. Raises ArrowInvalid, ValueError, duck.Error."""
    target = landed_type(type_)
    if type_.endswith("[]"):
        return _lists(array, type_[:-2])
    if pa.types.is_string(target):
        return array
    if type_ == "BLOB":
        return pa.array([None if v is None else bytes.fromhex(v[2:]) for v in array.to_pylist()], pa.binary())
    if type_ == "BOOLEAN":
        return _booleans(array)
    if pa.types.is_temporal(target):
        return _temporal(array, type_, target)
    if decimal_size(type_) or pa.types.is_integer(target):
        return pc.cast(array, target)
    return pa.array([None if v is None else float(v) for v in array.to_pylist()], target)


def _booleans(array: pa.Array) -> pa.Array:
    """`t` and `f`, or the words of a text column; raises ValueError for anything else, which would silently be false."""
    if not pc.all(pc.is_in(array, pa.array(["t", "f", "true", "false", None], pa.string())), min_count=0).as_py():
        raise ValueError("neither true nor false")
    return pc.or_kleene(pc.equal(array, "t"), pc.equal(array, "true"))


def _temporal(array: pa.Array, type_: str, target: pa.DataType) -> pa.Array:
    """DuckDB writes BC behind the date: `0044-03-15 12:00:00+00 BC` → `0044-03-15 (BC) 12:00:00+00`."""
    return _cast(pc.replace_substring_regex(array, r"^(\S+)(.*) BC$", r"\1 (BC)\2"), type_).cast(target)


def _cast(array: pa.Array, type_: str) -> pa.Array:
    """Texts as the engine reads them; raises duck.Error where it cannot."""
    with duck.blank() as connection:
        connection.register("texts", pa.table({"text": array}))
        return connection.sql(sql.cast_column("texts", "text", type_)).to_arrow_table().column(0).combine_chunks()


_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,{}"]+)')
_ESCAPE = re.compile(r"\\(.)", re.S)


def _lists(array: pa.Array, element: str) -> pa.Array:
    """PostgreSQL's array literals of one dimension, lower bound 1. Raises ValueError for any other."""
    offsets, flat, valid = [0], [], []
    for text in array.to_pylist():
        valid.append(text is not None)
        if text is not None:
            flat.extend(_elements(text))
        offsets.append(len(flat))
    values = from_text(pa.array(flat, pa.string()), element)
    mask = pa.array([not v for v in valid], pa.bool_())
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=mask)


def _elements(text: str) -> list[str | None]:
    if not text.startswith("{") or text[1:2] == "{":
        raise ValueError("an array of more than one dimension, or another lower bound")
    found: list[str | None] = []
    for match in _ELEMENT.finditer(text, 1, len(text) - 1):
        quoted, bare = match.groups()
        found.append(_ESCAPE.sub(r"\1", quoted) if quoted is not None else None if bare == "NULL" else bare)
    return found
