"""The landed keys as polars reads them: both ends of an edge in the form in which they are equal (rules.md 1)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from engine.graph import Edge
from engine.routing import Routing
from engine.schema import KeyClass, TableName
from engine.types import decimal_size, key_class
from slices.rule.judge import LandedFiles

_UUID = r"^(\{[0-9a-fA-F]{4}(-?[0-9a-fA-F]{4}){7}\}|[0-9a-fA-F]{4}(-?[0-9a-fA-F]{4}){7})$"


class LandedKeys:
    """Reads keys of landed tables."""

    def __init__(self, routing: Routing, landed: Mapping[TableName, LandedFiles]) -> None:
        self._routing, self._landed = routing, landed

    def scan(self, table: TableName, *expressions: pl.Expr) -> pl.DataFrame:
        """ord and these expressions of every landed row."""
        files = self._landed[table].paths
        return pl.scan_parquet(list(files)).select("ord", *expressions).collect()

    def keys(self, edge: Edge, side: str) -> list[pl.Expr]:
        """The key columns of one end, in the form in which both ends compare."""
        found = []
        for i, (child, parent) in enumerate(zip(edge.columns, edge.parent_columns, strict=True)):
            ends = [self._landed[edge.child].table.column(child), self._landed[edge.parent].table.column(parent)]
            classes = {key_class(c.type, "" if c.treatment == "sha256" else c.source_type) for c in ends}
            column = ends[0] if side == "child" else ends[1]
            said = self._normalise(edge.child, child) or self._normalise(edge.parent, parent)
            found.append(_normal(_comparable(pl.col(column.landed), column.type, classes, column.source_type), said).alias(f"key{i}"))
        return found

    def _normalise(self, table: TableName, column: str) -> str | None:
        return next((c.normalise for c in self._routing.routes[table].columns if c.name == column), None)

    def child(self, edge: Edge, only: pl.DataFrame | None = None) -> pl.DataFrame:
        """ord and keys of the child's rows; a row of another type than the edge's has no key."""
        rows = self.scan(edge.child, *self.keys(edge, "child"), *self._type(edge))
        if edge.when:
            mine = pl.col("type").eq_missing(pl.lit(edge.when[1]))
            keys = [c for c in rows.columns if c.startswith("key")]
            rows = rows.with_columns(pl.when(mine).then(pl.col(k)).alias(k) for k in keys).drop("type")
        return rows if only is None else rows.join(only.select("ord"), on="ord", how="semi")

    def _type(self, edge: Edge) -> list[pl.Expr]:
        return [self._text(edge.child, edge.when[0]).alias("type")] if edge.when else []

    def _text(self, table: TableName, column: str) -> pl.Expr:
        found = self._landed[table].table.column(column)
        text = pl.col(found.landed).cast(pl.String)
        return text.str.strip_chars_end(" ") if key_class(found.type, found.source_type) == "char" else text

    def doubtful(self, name: TableName) -> pl.DataFrame:
        """ord of rows whose type nobody knows, or whose id has none, in the form of answers."""
        parts = [pl.DataFrame(schema={"ord": pl.Int64})]
        for guard in self._routing.routes[name].guards:
            id_ = self._landed[name].table.column(guard.id_column).landed
            rows = self.scan(name, pl.col(id_).is_not_null().alias("has_id"), self._text(name, guard.type_column).alias("type"))
            unknown = ~pl.col("type").is_in(list(guard.known))
            parts.append(rows.filter(pl.when(pl.col("type").is_null()).then("has_id").otherwise(unknown)).select("ord"))
        return pl.concat(parts).select("ord", gone=pl.lit(False), says=pl.lit("fault"), t=pl.lit(None, pl.Int32))


def _normal(column: pl.Expr, said: str | None) -> pl.Expr:
    """A key in the form that `normalise:` gives it."""
    if said is None:
        return column
    plain = column.str.strip_chars_end(" ") if "rtrim" in said else column
    return plain.str.to_lowercase() if said.startswith("lower") else plain


def _comparable(column: pl.Expr, type_: str, classes: set[KeyClass], source_type: str) -> pl.Expr:
    """Keys equal by rules.md 1: by value, byte for byte, without trailing blanks, a uuid in any spelling."""
    if "uuid" in classes:
        plain = column.str.strip_chars_end(" ") if key_class(type_, source_type) == "char" else column
        return pl.when(plain.str.contains(_UUID)).then(plain.str.to_lowercase().str.replace_all(r"[{}-]", "")).otherwise(plain)
    if classes == {"integer"}:
        return column.cast(pl.Int128)
    if classes <= {"integer", "decimal", "text", "char"}:
        if decimal_size(type_):
            return column.cast(pl.String).str.replace(r"(\.\d*?)0+$", "$1").str.replace(r"\.$", "")
        text = column.cast(pl.String)
        return text.str.strip_chars_end(" ") if key_class(type_, source_type) == "char" else text
    return column
