"""Tenancy derived a second time, by polars, from the landed keys alone: the other half of the proof.

Nothing of partition's code, planner or engine is used (a `where`'s stored result apart). The row rule is that of rules.md 1; the
words are the same: an edge abstains, votes, waits, or is a fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from engine.graph import Edge
from engine.routing import Route, Routing
from engine.schema import TableName
from slices.proving.derived import BAD, EVERYBODY, OPEN, OWNED, Derived
from slices.proving.keys import LandedKeys
from slices.proving.places import Places
from slices.rule.judge import LandedFiles


class Rederivation:
    """Derives all tables of a routing, group by group. `tables` has the result."""

    def __init__(
        self,
        routing: Routing,
        landed: Mapping[TableName, LandedFiles],
        where: Mapping[TableName, Path],
        everybody: Mapping[TableName, Path] | None = None,
    ) -> None:
        self._routing, self._landed, self._where, self._everybody = routing, landed, where, everybody or {}
        self._read = LandedKeys(routing, landed)
        self.tables: dict[TableName, Derived] = {}
        self._routes = {n: r for n, r in routing.routes.items() if r.is_judged}
        if routing.whole:
            self._derive_whole()
            return
        self._derive_tenants()
        for group in self._order():
            self._derive_group(group)
        for name, route in routing.routes.items():
            if route.is_shared or route.is_referenced:
                self.tables[name] = Derived(self._start(route).with_columns(state=pl.lit(EVERYBODY, pl.Int8)))
        places = Places(routing, self._read, self.tables)
        if routing.tenant.rollup:
            places.roll_up()
        places.refer()

    # ── order: a table after everything that it leads to; tables that lead to each other together ─────────────────────

    def _order(self) -> list[list[TableName]]:
        leads = {n: self._parents(r) for n, r in self._routes.items() if n != self._routing.tenant.table}
        behind = {n: self._closure(n, leads) for n in leads}
        groups = {frozenset({n, *(m for m in behind[n] if n in behind[m])}) for n in leads}
        return [sorted(g) for g in sorted(groups, key=lambda g: (max(len(behind[n] | {n}) for n in g), sorted(g)))]

    def _parents(self, route: Route) -> set[TableName]:
        return {e.parent for e in route.edges if e.parent != self._routing.tenant.table} | {e.child for e in route.joins}

    @staticmethod
    def _closure(start: TableName, leads: Mapping[TableName, set[TableName]]) -> set[TableName]:
        seen: set[TableName] = set()
        todo = [start]
        while todo:
            for after in leads.get(todo.pop(), set()) - seen:
                seen.add(after)
                todo.append(after)
        return seen

    # ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _start(self, route: Route) -> pl.DataFrame:
        """ord, state 0, no tenant, and whether the row is filtered by itself."""
        own = pl.lit(False)
        if route.soft_delete is not None:
            column = self._landed[route.table].table.column(route.soft_delete)
            own = pl.col(column.landed).fill_null(False) if column.type == "BOOLEAN" else pl.col(column.landed).is_not_null()
        rows = self._read.scan(route.table, own.alias("filtered"))
        if route.where is not None:
            out = pl.read_parquet(self._where[route.table])["ord"]
            rows = rows.with_columns(filtered=pl.col("filtered") | pl.col("ord").is_in(out.implode()))
        return rows.with_columns(state=pl.lit(OPEN, pl.Int8), t=pl.lit(None, pl.Int32))

    def _derive_whole(self) -> None:
        """All rows of a table are its source's tenant's, or the only one's."""
        for name, route in self._routing.routes.items():
            if route.is_written:
                keys = self._routing.whole
                number = keys.index(name.source) if name.source in keys else 0
                self.tables[name] = Derived(self._start(route).with_columns(state=pl.lit(OWNED, pl.Int8), t=pl.lit(number, pl.Int32)))

    def _derive_tenants(self) -> None:
        route = self._routing.routes[self._routing.tenant.table]
        rows = self._start(route).sort("ord").drop("t").with_row_index("t").with_columns(pl.col("t").cast(pl.Int32))
        self.tables[route.table] = Derived(rows.with_columns(state=pl.lit(OWNED, pl.Int8)).select("ord", "filtered", "state", "t"))

    # ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _answers(self, edge: Edge, child: pl.DataFrame) -> pl.DataFrame:
        """Per child row: says (abstain, vote, wait, fault), t of a vote, gone (all matching parents are filtered)."""
        keys = [f"key{i}" for i in range(len(edge.columns))]
        parent = self._read.scan(edge.parent, *self._read.keys(edge, "parent")).drop_nulls(keys)
        seen = parent.join(self.tables[edge.parent].placed, on="ord", how="inner")
        mine = pl.col("t").filter(pl.col("state") == OWNED)
        summary = seen.group_by(keys).agg(
            tenants=mine.drop_nulls().n_unique(),
            vote=mine.min(),
            waits=(pl.col("state") == OPEN).any(),
            bad=(pl.col("state") == BAD).any(),
            free=(pl.col("state") == EVERYBODY).any(),
            gone=pl.col("filtered").all(),
        )
        joined = child.join(summary, on=keys, how="left")
        no_key = pl.any_horizontal(*(pl.col(k).is_null() for k in keys))
        says = (
            pl.when(no_key)
            .then(pl.lit("abstain"))
            .when(pl.col("tenants").is_null())
            .then(pl.lit("fault"))
            .when(pl.col("waits"))
            .then(pl.lit("wait"))
            .when(pl.col("bad") | (pl.col("tenants") > 1) | (pl.col("free") & (pl.col("tenants") == 1)))
            .then(pl.lit("fault"))
            .when(pl.col("tenants") == 1)
            .then(pl.lit("vote"))
            .otherwise(pl.lit("abstain"))
        )
        return joined.select("ord", "gone", says=says, t=pl.when(says == "vote").then("vote").otherwise(None))

    # ── a group ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _derive_group(self, group: Sequence[TableName]) -> None:
        members = [n for n in group if self._routes[n].joins]
        others = [n for n in group if not self._routes[n].joins]
        for name in group:
            places = pl.DataFrame(schema={"ord": pl.Int64, "t": pl.Int32, "left": pl.Boolean}) if name in members else None
            self.tables[name] = Derived(self._start(self._routes[name]), places)
        straight = {
            n: [e for e in self._routes[n].edges if e.parent not in group and not self._routing.routes[e.parent].joins] for n in others
        }
        voters: dict[TableName, pl.DataFrame] = {}
        for name in others:
            voters[name] = self._decide(name, straight[name], self.tables[name].rows, doubts=self._read.doubtful(name))
        self._contradictions(others, group)
        later = {n: [e for e in self._routes[n].edges if e not in straight[n]] for n in others}
        self._rounds(others, members, later, voters)
        self._filters(others, members, later, voters)

    def _decide(
        self, name: TableName, edges: Sequence[Edge], rows: pl.DataFrame, *, last: bool = False, doubts: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """Asks the edges about these rows, writes what is settled, and returns the rows that nobody spoke for (ord)."""
        answers = [self._answers(e, self._read.child(e, rows)) for e in edges]
        empty = pl.DataFrame(schema={"ord": pl.Int64, "gone": pl.Boolean, "says": pl.String, "t": pl.Int32})
        told_before = [] if doubts is None else [doubts]
        heard = pl.concat([empty, *told_before, *(a.select("ord", "gone", "says", pl.col("t").cast(pl.Int32)) for a in answers)])
        votes = pl.col("says") == "vote"
        told = heard.group_by("ord").agg(
            waits=(pl.col("says") == "wait").any(),
            fault=(pl.col("says") == "fault").any(),
            voted=pl.col("t").filter(votes).n_unique(),
            who=pl.col("t").filter(votes).min(),
            gone=(votes & pl.col("gone").fill_null(False)).any(),
        )
        told = (
            rows.select("ord")
            .join(told, on="ord", how="left")
            .with_columns(pl.col("waits", "fault", "gone").fill_null(False), pl.col("voted").fill_null(0))
        )
        spoken = told.filter(~pl.col("waits") & (pl.col("fault") | (pl.col("voted") > 0)))
        silent = told.filter(~pl.col("waits") & ~pl.col("fault") & (pl.col("voted") == 0))
        owned = ~pl.col("fault") & (pl.col("voted") == 1)
        found = spoken.select(
            "ord",
            "gone",
            new=pl.when(owned).then(pl.lit(OWNED, pl.Int8)).otherwise(pl.lit(BAD, pl.Int8)),
            who=pl.when(owned).then("who").otherwise(None),
        )
        self._write(name, found)
        if last:
            self._write(name, self._unclaimed(name, silent))
        return silent.select("ord")

    def _unclaimed(self, name: TableName, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows that nobody claims: everybody's where the routing says so, else quarantined; no stored result says so of no row."""
        unassigned = self._routes[name].unassigned
        free = pl.lit(unassigned == "true")
        if unassigned is not None and unassigned != "true" and name in self._everybody:
            free = pl.col("ord").is_in(pl.read_parquet(self._everybody[name])["ord"].implode())
        new = pl.when(free).then(pl.lit(EVERYBODY, pl.Int8)).otherwise(pl.lit(BAD, pl.Int8))
        return rows.select("ord", gone=pl.lit(False), new=new, who=pl.lit(None, pl.Int32))

    def _write(self, name: TableName, found: pl.DataFrame) -> None:
        rows = self.tables[name].rows.join(found, on="ord", how="left", maintain_order="left")
        self.tables[name].rows = rows.select(
            "ord",
            filtered=pl.col("filtered") | pl.col("gone").fill_null(False),
            state=pl.coalesce("new", "state"),
            t=pl.when(pl.col("new").is_not_null()).then("who").otherwise("t").cast(pl.Int32),
        )

    def _contradictions(self, names: Sequence[TableName], group: Sequence[TableName]) -> None:
        """Owned rows whose edge inside the group leads to a row that its own straight edges give to another tenant."""
        found: dict[TableName, pl.DataFrame] = {}
        for name in names:
            for edge in (e for e in self._routes[name].edges if e.parent in group and not e.is_self_reference):
                keys = [f"key{i}" for i in range(len(edge.columns))]
                mine = self.tables[name].rows.filter(pl.col("state") == OWNED).select("ord", "t")
                child = self._read.child(edge, mine).drop_nulls(keys).join(mine, on="ord")
                parents = self._read.scan(edge.parent, *self._read.keys(edge, "parent")).join(
                    self.tables[edge.parent].rows.filter(pl.col("state") == OWNED).select("ord", theirs="t"), on="ord"
                )
                clash = child.join(parents.drop("ord"), on=keys).filter(pl.col("t") != pl.col("theirs")).select("ord").unique()
                found[name] = clash if name not in found else pl.concat([found[name], clash]).unique()
        for name, clash in found.items():
            self._write(name, clash.select("ord", gone=pl.lit(False), new=pl.lit(BAD, pl.Int8), who=pl.lit(None, pl.Int32)))

    def _rounds(
        self,
        others: Sequence[TableName],
        members: Sequence[TableName],
        later: Mapping[TableName, list[Edge]],
        silent: Mapping[TableName, pl.DataFrame],
    ) -> None:
        """Asks what was not asked yet until nothing changes; what still waits is quarantined."""
        while True:
            before = sum(self._open(n).height for n in (*others, *members))
            for name in members:
                self._place(name)
            for name in others:
                waiting = self._open(name).join(silent[name], on="ord", how="semi")
                if waiting.height:
                    self._decide(name, later[name], waiting, last=True)
            if sum(self._open(n).height for n in (*others, *members)) == before:
                break
        for name in (*others, *members):
            self._write(name, self._open(name).select("ord", gone=pl.lit(False), new=pl.lit(BAD, pl.Int8), who=pl.lit(None, pl.Int32)))

    def _open(self, name: TableName) -> pl.DataFrame:
        return self.tables[name].rows.filter(pl.col("state") == OPEN)

    def _place(self, name: TableName) -> None:
        """A member none of whose joining rows is open is in each tenant that owns one."""
        edge = self._routes[name].joins[0]
        keys = [f"key{i}" for i in range(len(edge.columns))]
        open_rows = self._open(name)
        if not open_rows.height:
            return
        joining = (
            self._read.child(edge).drop_nulls(keys).join(self.tables[edge.child].placed.select("ord", "state", "t"), on="ord").drop("ord")
        )
        member = self._read.scan(name, *self._read.keys(edge, "parent")).join(open_rows.select("ord"), on="ord", how="semi")
        met = member.join(joining, on=keys, how="left")
        ready = met.group_by("ord").agg(waits=(pl.col("state") == OPEN).any()).filter(~pl.col("waits").fill_null(False))
        places = (
            met.join(ready, on="ord", how="semi")
            .filter((pl.col("state") == OWNED) & pl.col("t").is_not_null())
            .select("ord", "t")
            .unique()
            .with_columns(left=pl.lit(False))
        )
        derived = self.tables[name]
        derived.places = pl.concat([derived.places, places]) if derived.places is not None else places
        homes = places.select("ord").unique().with_columns(home=pl.lit(True))
        state = pl.when(pl.col("home").fill_null(False)).then(pl.lit(OWNED, pl.Int8)).otherwise(pl.lit(BAD, pl.Int8))
        self._write(name, ready.join(homes, on="ord", how="left").select("ord", gone=pl.lit(False), new=state, who=pl.lit(None, pl.Int32)))

    def _filters(
        self,
        others: Sequence[TableName],
        members: Sequence[TableName],
        later: Mapping[TableName, list[Edge]],
        silent: Mapping[TableName, pl.DataFrame],
    ) -> None:
        """Members where all their joining rows are filtered; rows placed by later edges, one of which votes through filtered parents."""
        changed = True
        while changed:
            left = [self._leave(name) for name in members]
            changed = any(left)
            for name in others:
                for edge in later[name]:
                    rows = silent[name].join(self.tables[name].rows.filter(~pl.col("filtered")), on="ord", how="semi")
                    heard = self._answers(edge, self._read.child(edge, rows))
                    hidden = heard.filter((pl.col("says") == "vote") & pl.col("gone"))
                    changed = changed or hidden.height > 0
                    self._hide(name, hidden)

    def _leave(self, name: TableName) -> bool:
        """Takes members out of the tenants whose joining rows for them are all filtered; whether there was one."""
        derived, edge = self.tables[name], self._routes[name].joins[0]
        assert derived.places is not None
        keys = [f"key{i}" for i in range(len(edge.columns))]
        alive = self._read.child(edge).drop_nulls(keys).join(self.tables[edge.child].owned, on="ord").select(*keys, "t")
        stays = (
            self._read.scan(name, *self._read.keys(edge, "parent"))
            .join(alive, on=keys)
            .select("ord", "t")
            .unique()
            .with_columns(here=pl.lit(True))
        )
        now = derived.places.join(stays, on=["ord", "t"], how="left").select("ord", "t", left=pl.col("here").is_null())
        changed = now["left"].sum() > derived.places["left"].sum()
        derived.places = now
        self._hide(name, now.group_by("ord").agg(out=pl.col("left").all()).filter("out"))
        return bool(changed)

    def _hide(self, name: TableName, rows: pl.DataFrame) -> None:
        if rows.height:
            derived = self.tables[name]
            derived.rows = derived.rows.with_columns(filtered=pl.col("filtered") | pl.col("ord").is_in(rows["ord"].implode()))
