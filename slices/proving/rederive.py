"""Tenancy derived a second time, by polars, from the landed keys alone: the other half of the proof.

Nothing of partition's code, planner or engine is used (a `where`'s stored result apart). The row rule is that of rules.md 1; the
words are the same: an edge abstains, votes, waits, or is a fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from engine.graph import Edge
from engine.routing import Route, Routing
from engine.schema import KeyClass, TableName
from engine.types import decimal_size, key_class
from slices.rule.judge import LandedFiles

_OPEN, _OWNED, _EVERYBODY, _BAD = 0, 1, 2, 3
_UUID = r"^(\{[0-9a-fA-F]{4}(-?[0-9a-fA-F]{4}){7}\}|[0-9a-fA-F]{4}(-?[0-9a-fA-F]{4}){7})$"


@dataclass(slots=True)
class Derived:
    """One table: `rows` has ord, state, filtered, and t where it is not a member; `places` (ord, t, left: no joining row there but filtered ones) where it is."""

    rows: pl.DataFrame
    places: pl.DataFrame | None = None
    shown: pl.DataFrame | None = None
    everywhere: pl.DataFrame | None = None

    @property
    def in_slices(self) -> pl.DataFrame:
        """ord, t of rows in the slice of t: rolled up, or pointed at."""
        return self.owned if self.shown is None else self.shown

    @property
    def in_every_slice(self) -> pl.DataFrame:
        """ord of rows in every slice."""
        return self.everybodys if self.everywhere is None else self.everywhere

    @property
    def placed(self) -> pl.DataFrame:
        """One row a place: ord, state, filtered, t (null where nobody owns it)."""
        if self.places is None:
            return self.rows
        placed = self.rows.drop("t").join(self.places, on="ord", how="left")
        return placed.with_columns(filtered=pl.col("filtered") | pl.col("left").fill_null(False)).drop("left")

    @property
    def owned(self) -> pl.DataFrame:
        """ord, t of rows that are in their tenant's slice."""
        return self.placed.filter((pl.col("state") == _OWNED) & ~pl.col("filtered") & pl.col("t").is_not_null()).select("ord", "t")

    @property
    def everybodys(self) -> pl.DataFrame:
        """ord of rows that are in every slice."""
        return self.rows.filter((pl.col("state") == _EVERYBODY) & ~pl.col("filtered")).select("ord")


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
                self.tables[name] = Derived(self._start(route).with_columns(state=pl.lit(_EVERYBODY, pl.Int8)))
        if routing.tenant.rollup:
            self._roll_up()
        self._refer()

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

    def _scan(self, table: TableName, *expressions: pl.Expr) -> pl.DataFrame:
        files = self._landed[table].paths
        return pl.scan_parquet(list(files)).select("ord", *expressions).collect()

    def _start(self, route: Route) -> pl.DataFrame:
        """ord, state 0, no tenant, and whether the row is filtered by itself."""
        own = pl.lit(False)
        if route.soft_delete is not None:
            column = self._landed[route.table].table.column(route.soft_delete)
            own = pl.col(column.landed).fill_null(False) if column.type == "BOOLEAN" else pl.col(column.landed).is_not_null()
        rows = self._scan(route.table, own.alias("filtered"))
        if route.where is not None:
            out = pl.read_parquet(self._where[route.table])["ord"]
            rows = rows.with_columns(filtered=pl.col("filtered") | pl.col("ord").is_in(out.implode()))
        return rows.with_columns(state=pl.lit(_OPEN, pl.Int8), t=pl.lit(None, pl.Int32))

    def _derive_whole(self) -> None:
        """All rows of a table are its source's tenant's, or the only one's."""
        for name, route in self._routing.routes.items():
            if route.is_written:
                keys = self._routing.whole
                number = keys.index(name.source) if name.source in keys else 0
                self.tables[name] = Derived(self._start(route).with_columns(state=pl.lit(_OWNED, pl.Int8), t=pl.lit(number, pl.Int32)))

    def _derive_tenants(self) -> None:
        route = self._routing.routes[self._routing.tenant.table]
        rows = self._start(route).sort("ord").drop("t").with_row_index("t").with_columns(pl.col("t").cast(pl.Int32))
        self.tables[route.table] = Derived(rows.with_columns(state=pl.lit(_OWNED, pl.Int8)).select("ord", "filtered", "state", "t"))

    # ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _keys(self, edge: Edge, side: str) -> list[pl.Expr]:
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

    def _child(self, edge: Edge, only: pl.DataFrame | None = None) -> pl.DataFrame:
        """ord and keys of the child's rows; a row of another type than the edge's has no key."""
        rows = self._scan(edge.child, *self._keys(edge, "child"), *self._type(edge))
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

    def _doubtful(self, name: TableName) -> pl.DataFrame:
        """ord of rows whose type nobody knows, or whose id has none, in the form of answers."""
        parts = [pl.DataFrame(schema={"ord": pl.Int64})]
        for guard in self._routes[name].guards:
            id_ = self._landed[name].table.column(guard.id_column).landed
            rows = self._scan(name, pl.col(id_).is_not_null().alias("has_id"), self._text(name, guard.type_column).alias("type"))
            unknown = ~pl.col("type").is_in(list(guard.known))
            parts.append(rows.filter(pl.when(pl.col("type").is_null()).then("has_id").otherwise(unknown)).select("ord"))
        return pl.concat(parts).select("ord", gone=pl.lit(False), says=pl.lit("fault"), t=pl.lit(None, pl.Int32))

    def _answers(self, edge: Edge, child: pl.DataFrame) -> pl.DataFrame:
        """Per child row: says (abstain, vote, wait, fault), t of a vote, gone (all matching parents are filtered)."""
        keys = [f"key{i}" for i in range(len(edge.columns))]
        parent = self._scan(edge.parent, *self._keys(edge, "parent")).drop_nulls(keys)
        seen = parent.join(self.tables[edge.parent].placed, on="ord", how="inner")
        mine = pl.col("t").filter(pl.col("state") == _OWNED)
        summary = seen.group_by(keys).agg(
            tenants=mine.drop_nulls().n_unique(),
            vote=mine.min(),
            waits=(pl.col("state") == _OPEN).any(),
            bad=(pl.col("state") == _BAD).any(),
            free=(pl.col("state") == _EVERYBODY).any(),
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
            voters[name] = self._decide(name, straight[name], self.tables[name].rows, doubts=self._doubtful(name))
        self._contradictions(others, group)
        later = {n: [e for e in self._routes[n].edges if e not in straight[n]] for n in others}
        self._rounds(others, members, later, voters)
        self._filters(others, members, later, voters)

    def _decide(
        self, name: TableName, edges: Sequence[Edge], rows: pl.DataFrame, *, last: bool = False, doubts: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """Asks the edges about these rows, writes what is settled, and returns the rows that nobody spoke for (ord)."""
        answers = [self._answers(e, self._child(e, rows)) for e in edges]
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
            new=pl.when(owned).then(pl.lit(_OWNED, pl.Int8)).otherwise(pl.lit(_BAD, pl.Int8)),
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
        new = pl.when(free).then(pl.lit(_EVERYBODY, pl.Int8)).otherwise(pl.lit(_BAD, pl.Int8))
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
                mine = self.tables[name].rows.filter(pl.col("state") == _OWNED).select("ord", "t")
                child = self._child(edge, mine).drop_nulls(keys).join(mine, on="ord")
                parents = self._scan(edge.parent, *self._keys(edge, "parent")).join(
                    self.tables[edge.parent].rows.filter(pl.col("state") == _OWNED).select("ord", theirs="t"), on="ord"
                )
                clash = child.join(parents.drop("ord"), on=keys).filter(pl.col("t") != pl.col("theirs")).select("ord").unique()
                found[name] = clash if name not in found else pl.concat([found[name], clash]).unique()
        for name, clash in found.items():
            self._write(name, clash.select("ord", gone=pl.lit(False), new=pl.lit(_BAD, pl.Int8), who=pl.lit(None, pl.Int32)))

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
            self._write(name, self._open(name).select("ord", gone=pl.lit(False), new=pl.lit(_BAD, pl.Int8), who=pl.lit(None, pl.Int32)))

    def _open(self, name: TableName) -> pl.DataFrame:
        return self.tables[name].rows.filter(pl.col("state") == _OPEN)

    def _place(self, name: TableName) -> None:
        """A member none of whose joining rows is open is in each tenant that owns one."""
        edge = self._routes[name].joins[0]
        keys = [f"key{i}" for i in range(len(edge.columns))]
        open_rows = self._open(name)
        if not open_rows.height:
            return
        joining = self._child(edge).drop_nulls(keys).join(self.tables[edge.child].placed.select("ord", "state", "t"), on="ord").drop("ord")
        member = self._scan(name, *self._keys(edge, "parent")).join(open_rows.select("ord"), on="ord", how="semi")
        met = member.join(joining, on=keys, how="left")
        ready = met.group_by("ord").agg(waits=(pl.col("state") == _OPEN).any()).filter(~pl.col("waits").fill_null(False))
        places = (
            met.join(ready, on="ord", how="semi")
            .filter((pl.col("state") == _OWNED) & pl.col("t").is_not_null())
            .select("ord", "t")
            .unique()
            .with_columns(left=pl.lit(False))
        )
        derived = self.tables[name]
        derived.places = pl.concat([derived.places, places]) if derived.places is not None else places
        homes = places.select("ord").unique().with_columns(home=pl.lit(True))
        state = pl.when(pl.col("home").fill_null(False)).then(pl.lit(_OWNED, pl.Int8)).otherwise(pl.lit(_BAD, pl.Int8))
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
                    heard = self._answers(edge, self._child(edge, rows))
                    hidden = heard.filter((pl.col("says") == "vote") & pl.col("gone"))
                    changed = changed or hidden.height > 0
                    self._hide(name, hidden)

    def _leave(self, name: TableName) -> bool:
        """Takes members out of the tenants whose joining rows for them are all filtered; whether there was one."""
        derived, edge = self.tables[name], self._routes[name].joins[0]
        assert derived.places is not None
        keys = [f"key{i}" for i in range(len(edge.columns))]
        alive = self._child(edge).drop_nulls(keys).join(self.tables[edge.child].owned, on="ord").select(*keys, "t")
        stays = (
            self._scan(name, *self._keys(edge, "parent")).join(alive, on=keys).select("ord", "t").unique().with_columns(here=pl.lit(True))
        )
        now = derived.places.join(stays, on=["ord", "t"], how="left").select("ord", "t", left=pl.col("here").is_null())
        changed = now["left"].sum() > derived.places["left"].sum()
        derived.places = now
        self._hide(name, now.group_by("ord").agg(out=pl.col("left").all()).filter("out"))
        return bool(changed)

    # ── where rows are in the end ─────────────────────────────────────────────────────────────────────────────────────

    def _roll_up(self) -> None:
        """What is in a tenant is also in the tenants above it."""
        above = pl.DataFrame(
            [(t, a) for t, chain in self._chains().items() for a in (t, *chain)], schema={"t": pl.Int32, "a": pl.Int32}, orient="row"
        )
        for name in self._routes:
            derived = self.tables[name]
            derived.shown = derived.owned.join(above, on="t").select("ord", t="a").unique()

    def _chains(self) -> dict[int, list[int]]:
        """Per tenant the tenants above it, nearest first; a filtered or missing one ends it; none for tenants in a loop."""
        tenant = self._routing.tenant
        assert tenant.parent is not None
        link = Edge(tenant.table, (tenant.parent,), tenant.table, (tenant.key,))
        rows = self.tables[tenant.table].rows
        keys = self._scan(tenant.table, *self._keys(link, "parent")).join(rows, on="ord")
        number = {k: t for k, t, gone in keys.select("key0", "t", "filtered").rows() if not gone}
        ups = self._scan(tenant.table, *self._keys(link, "child")).join(rows, on="ord").select("t", "key0", "filtered").rows()
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

    def _refer(self) -> None:
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
        wanted = self._child(edge).drop_nulls(keys).join(pointing, on="ord").select(*keys, "t").unique()
        there = self._scan(edge.parent, *self._keys(edge, "parent")).join(self.tables[edge.parent].everybodys, on="ord")
        return there.join(wanted, on=keys).select("ord", "t").unique()

    def _hide(self, name: TableName, rows: pl.DataFrame) -> None:
        if rows.height:
            derived = self.tables[name]
            derived.rows = derived.rows.with_columns(filtered=pl.col("filtered") | pl.col("ord").is_in(rows["ord"].implode()))


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
