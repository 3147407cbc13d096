"""Whether masks hold: no landed file has a value in clear where the routing masks its column, nor a column that it leaves out.

Only forms can be seen, for the clear value was never landed: a digest of 64 hexadecimal letters, nothing, or a letter and stars.
Slices are compared with the landed files row by row, so what is true of these is true of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl
import pyarrow.parquet as pq

from engine.columns import ColumnPlan
from engine.routing import Route, Routing
from engine.schema import TableName
from engine.used import landed_columns
from slices.proving.proof import MaskFinding
from slices.rule.judge import LandedFiles

_DIGEST = r"^[0-9a-f]{64}$"
_PARTIAL = r"(?s)^(\*\*\*|.\*\*\*(@\*\*\*\.\p{L}+)?)$"


def mask_findings(routing: Routing, landed: Mapping[TableName, LandedFiles]) -> tuple[MaskFinding, ...]:
    """A finding a masked or left-out column of every landed table, sorted by its name; `clear` is 0 where the mask holds."""
    found = [f for name, files in landed.items() if name in routing.routes for f in _of_table(routing, routing.routes[name], files)]
    return tuple(sorted(found, key=lambda f: f.column))


def _of_table(routing: Routing, route: Route, files: LandedFiles) -> Iterable[MaskFinding]:
    plans = {c.name: c for c in route.columns}
    wanted = {c.name for c in landed_columns(route, routing)}
    there = {c.name: c.landed for c in files.table.columns}
    masked = {n: c for n, c in plans.items() if n in wanted & set(there) and c.treatment in ("sha256", "blank", "partial")}
    rows = pl.scan_parquet(list(files.paths))
    asked = [_is_clear(pl.col(there[n]), c).sum().alias(there[n]) for n, c in masked.items()]
    counts = rows.select(asked).collect(engine="streaming").row(0, named=True) if asked else {}
    for name, plan in masked.items():
        yield MaskFinding(_shown(route, name), plan.treatment, int(counts[there[name]]))
    for name, plan in plans.items():
        if plan.treatment in ("drop", "new"):
            yield MaskFinding(_shown(route, name), plan.treatment, files.table.rows if name in there else 0)
    unnamed = _unnamed(files)
    if unnamed:
        yield MaskFinding(_shown(route, "?"), "drop", files.table.rows * unnamed)


def _shown(route: Route, column: str) -> str:
    return f"{route.table.table}.{column}"


def _is_clear(column: pl.Expr, plan: ColumnPlan) -> pl.Expr:
    if plan.treatment == "blank":
        return column.is_not_null()
    form = _DIGEST if plan.treatment == "sha256" else _PARTIAL
    return (~column.cast(pl.String).str.contains(form)).fill_null(False)


def _unnamed(files: LandedFiles) -> int:
    """How many columns the Parquet files have that the snapshot does not tell of."""
    known = {"ord", *(c.landed for c in files.table.columns)}
    return max((len(set(pq.read_schema(path).names) - known) for path in files.paths), default=0)
