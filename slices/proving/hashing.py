"""A hash of a row, by polars: the same for a row of a slice as for the landed row that it was made from.

Both sides are compared in the landed types. Intervals are brought to `months days microseconds`, lists to text, each element with its length: no two lists give the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from extract.snapshot import LandedColumn


def row_hash(names: Sequence[str], columns: Sequence[LandedColumn], *, landed: bool) -> pl.Expr:
    """64 bits of a row; `names` are what the columns are called on this side, `landed` whether that is the landed one."""
    parts = [_plain(pl.col(n), c.type, landed=landed).alias(f"h{i}") for i, (n, c) in enumerate(zip(names, columns, strict=True))]
    return pl.struct(parts).hash(seed=20) if parts else pl.lit(0, pl.UInt64)


def _plain(column: pl.Expr, type_: str, *, landed: bool) -> pl.Expr:
    if type_.endswith("[]"):
        text = _element(type_[:-2], landed=landed)
        told = pl.concat_str(text.str.len_bytes(), pl.lit(":"), text).fill_null("-")
        return pl.when(column.is_null()).then(None).otherwise(column.list.eval(told).list.join(","))
    if type_ == "INTERVAL" and landed:
        return _interval(column)
    return column


def _element(type_: str, *, landed: bool) -> pl.Expr:
    """A list's element as text; times as their number, for polars cannot print an infinite one."""
    if type_ == "BLOB":
        return pl.element().bin.encode("hex")
    if type_ in ("DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
        return pl.element().to_physical().cast(pl.String)
    return _plain(pl.element(), type_, landed=landed).cast(pl.String)


def _interval(column: pl.Expr) -> pl.Expr:
    """ISO 8601 as PostgreSQL writes it, to `months days microseconds`."""

    def part(pattern: str) -> pl.Expr:
        return column.str.extract(pattern, 1).cast(pl.Int64).fill_null(0)

    def seconds() -> pl.Expr:
        text = column.str.extract(r"T[^T]*?(-?[0-9]+(?:\.[0-9]+)?)S", 1).fill_null("0")
        sign = pl.when(text.str.starts_with("-")).then(-1).otherwise(1)
        whole = text.str.extract(r"^-?([0-9]+)", 1).cast(pl.Int64)
        rest = (text.str.extract(r"\.([0-9]+)", 1).fill_null("") + "000000").str.slice(0, 6).cast(pl.Int64)
        return sign * (whole * 1_000_000 + rest)

    months = part(r"^P[^T]*?(-?[0-9]+)Y") * 12 + part(r"^P[^T]*?(-?[0-9]+)M")
    micros = part(r"T[^T]*?(-?[0-9]+)H") * 3_600_000_000 + part(r"T[^T]*?(-?[0-9]+)M") * 60_000_000 + seconds()
    shown = pl.concat_str(months, pl.lit(" "), part(r"^P[^T]*?(-?[0-9]+)D"), pl.lit(" "), micros)
    return pl.when(column.is_null()).then(None).otherwise(shown)
