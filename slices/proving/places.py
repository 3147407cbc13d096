"""Where rows are in the end: in the tenants above theirs, and, of referenced tables, where somebody points at them."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from engine.graph import Edge
from engine.routing import Routing
from engine.schema import TableName
from slices.proving.derived import Derived
from slices.proving.keys import LandedKeys


class Places:
    """Adds places to what was derived row by row."""

    def __init__(self, routing: Routing, read: LandedKeys, tables: dict[TableName, Derived]) -> None:
        self._routing, self._read, self.tables = routing, read, tables
        self._judged = [n for n, r in routing.routes.items() if r.is_judged]

    def roll_up(self) -> None:
        """What is in a tenant is also in the tenants above it."""
        above = pl.DataFrame(
            [(t, a) for t, chain in self._chains().items() for a in (t, *chain)], schema={"t": pl.Int32, "a": pl.Int32}, orient="row"
        )
        for name in self._judged:
            derived = self.tables[name]
            derived.shown = derived.owned.join(above, on="t").select("ord", t="a").unique()

    def _chains(self) -> dict[int, list[int]]:
        """Per tenant the tenants above it, nearest first; a filtered or missing one ends it; none for tenants in a loop."""
        tenant = self._routing.tenant
        assert tenant.parent is not None
        link = Edge(tenant.table, (tenant.parent,), tenant.table, (tenant.key,))
        rows = self.tables[tenant.table].rows
        keys = self._read.scan(tenant.table, *self._read.keys(link, "parent")).join(rows, on="ord")
        number = {k: t for k, t, gone in keys.select("key0", "t", "filtered").rows() if not gone}
        ups = self._read.scan(tenant.table, *self._read.keys(link, "child")).join(rows, on="ord").select("t", "key0", "filtered").rows()
        parent = {t: number[k] for t, k, gone in ups if not gone and k in number}
        looped = {t for t in parent if t in self._climb(t, parent, set())}
        return {t: self._climb(t, parent, looped) for t in rows["t"].to_list()}

    @staticmethod
    def _climb(start: int, parent: Mapping[int, int], ends: set[int]) -> list[int]:
        found: list[int] = []
        at = start
        while at in parent and at not in ends and parent[at] not in found:
            at = parent[at]
            found.append(at)
        return found

    def refer(self) -> None:
        """Rows of referenced tables that rows in slices point at, until nothing is added; -1 stands for every slice."""
        names = [n for n, r in self._routing.routes.items() if r.is_referenced]
        places = {n: pl.DataFrame(schema={"ord": pl.Int64, "t": pl.Int32}) for n in names}
        while True:
            before = sum(p.height for p in places.values())
            for name in names:
                for edge in self._routing.routes[name].refs:
                    new = self._pointed_at(edge, self._places(edge.child, places))
                    places[name] = pl.concat([places[name], new]).unique()
            if sum(p.height for p in places.values()) == before:
                break
        for name, found in places.items():
            everywhere = found.filter(pl.col("t") == -1).select("ord")
            self.tables[name].everywhere = everywhere
            self.tables[name].shown = found.filter(pl.col("t") >= 0).join(everywhere, on="ord", how="anti")

    def _places(self, name: TableName, places: Mapping[TableName, pl.DataFrame]) -> pl.DataFrame:
        if name in places:
            return places[name]
        derived = self.tables[name]
        return pl.concat([derived.in_slices, derived.in_every_slice.with_columns(t=pl.lit(-1, pl.Int32))])

    def _pointed_at(self, edge: Edge, pointing: pl.DataFrame) -> pl.DataFrame:
        keys = [f"key{i}" for i in range(len(edge.columns))]
        wanted = self._read.child(edge).drop_nulls(keys).join(pointing, on="ord").select(*keys, "t").unique()
        there = self._read.scan(edge.parent, *self._read.keys(edge, "parent")).join(self.tables[edge.parent].everybodys, on="ord")
        return there.join(wanted, on=keys).select("ord", "t").unique()
