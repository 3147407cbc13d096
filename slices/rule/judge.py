"""The row rule (rules.md 1) in DuckDB: whose is this row? Edge by edge, a join each, groups of tables parents first.

The work database's tables are described in `slices.rule.sql`. Nothing here looks at a tenant by itself: cost is rows × edges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine import sql as quoting
from engine.duck import Connection
from engine.graph import Edge, groups
from engine.routing import Route, Routing
from engine.schema import TableName
from engine.types import key_class
from engine.used import used_edges
from extract.snapshot import LandedColumn, LandedTable
from slices.rule import sql

Key = tuple[str, quoting.KeyMode]


@dataclass(frozen=True, slots=True)
class LandedFiles:
    """One landed table and where its files are."""

    table: LandedTable
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Numbered:
    """A table of the work database: its number there, its route and its landed files."""

    number: int
    route: Route
    landed: LandedFiles


class Judge:
    """Gives every row of every routed table its state. `number[table]` names the tables v{n}, p{n}, m{n} of the result."""

    def __init__(self, connection: Connection, routing: Routing, landed: Mapping[TableName, LandedFiles], as_of: datetime) -> None:
        self._db, self._routing, self._as_of = connection, routing, as_of
        routes = [r for r in sorted(routing.routes.values(), key=lambda r: r.table) if r.is_written or r.bridge]
        self.tables = {r.table: Numbered(i, r, landed[r.table]) for i, r in enumerate(routes)}
        self._plans = {r.table: {c.name: c.normalise for c in r.columns if c.normalise} for r in routes}
        self._edges = used_edges(routing.routes.values())
        self._keys = self._stored_keys()

    # ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _landed(self, table: TableName, column: str) -> LandedColumn:
        return self.tables[table].landed.table.column(column)

    def _class(self, table: TableName, column: str) -> str:
        landed = self._landed(table, column)
        return key_class(landed.type, "" if landed.treatment == "sha256" else landed.source_type)

    def _modes(self, edge: Edge) -> list[quoting.KeyMode]:
        pairs = zip(edge.columns, edge.parent_columns, strict=True)
        return [self._mode(edge.child, c, edge.parent, p) for c, p in pairs]

    def _mode(self, child: TableName, column: str, parent: TableName, parent_column: str) -> quoting.KeyMode:
        said = self._plans[child].get(column) or self._plans[parent].get(parent_column)
        return said or quoting.key_mode(self._class(child, column), self._class(parent, parent_column))  # type: ignore[arg-type]

    def _expression(self, table: TableName, key: Key) -> str:
        column, mode = key
        return quoting.key(self._landed(table, column).landed, self._class(table, column), mode)  # type: ignore[arg-type]

    def _stored_keys(self) -> dict[TableName, list[Key]]:
        """The key columns that each table's verdicts keep: those by which others are judged."""
        stored: dict[TableName, dict[Key, None]] = {t: {} for t in self.tables}
        joins = {e for r in self._routing.routes.values() for e in r.joins}
        for edge in self._edges:
            modes = self._modes(edge)
            stored[edge.parent].update(dict.fromkeys(zip(edge.parent_columns, modes, strict=True)))
            if edge in joins:
                stored[edge.child].update(dict.fromkeys(zip(edge.columns, modes, strict=True)))
        return {table: list(keys) for table, keys in stored.items()}

    def _stored(self, table: TableName, columns: Sequence[str], modes: Sequence[quoting.KeyMode]) -> list[str]:
        return [f"k{self._keys[table].index(key)}" for key in zip(columns, modes, strict=True)]

    def _stored_expressions(self, table: TableName) -> list[str]:
        return [self._expression(table, key) for key in self._keys[table]]

    def tenant_key_forms(self) -> list[str]:
        """The expressions by which tenants' keys are compared where the routing normalises them."""
        tenant = self._routing.tenant
        leading = [e for e in self._edges if e.parent == tenant.table and e.parent_columns == (tenant.key,)]
        modes = {m for e in leading for m in self._modes(e) if m in ("lower", "rtrim", "lower_rtrim")}
        return [self._expression(tenant.table, (tenant.key, mode)) for mode in sorted(modes)]

    def _when(self, edge: Edge) -> str | None:
        """Whether a child's row is of the type that the edge is for."""
        return sql.is_type(self._as_text(edge.child, edge.when[0]), edge.when[1]) if edge.when else None

    def _as_text(self, table: TableName, column: str) -> str:
        return quoting.key(self._landed(table, column).landed, self._class(table, column), "text")  # type: ignore[arg-type]

    def _doubts(self, table: TableName) -> list[sql.Doubt]:
        guards = self.tables[table].route.guards
        return [sql.Doubt(self._as_text(table, g.type_column), self._landed(table, g.id_column).landed, g.known) for g in guards]

    def _child_keys(self, edge: Edge) -> tuple[str, ...]:
        return tuple(self._expression(edge.child, key) for key in zip(edge.columns, self._modes(edge), strict=True))

    # ── the walk ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, progress: Callable[[str], None] = lambda table: None) -> None:
        """Judges all tables; afterwards no row is undecided."""
        for table in self.tables.values():
            self._db.execute(sql.create_view(f"l{table.number}", table.landed.paths))
        if self._routing.whole:
            self._take_whole()
            return
        tenant = self.tables[self._routing.tenant.table]
        self._judge_tenants(tenant)
        judged = [t for t in self.tables if self.tables[t].route.is_judged and t != self._routing.tenant.table]
        for group in groups(judged, {t: self._leads_to(t) for t in judged}):
            progress(group[0].table)
            self._judge_group(group)
        for shared in (t for t in self.tables.values() if t.route.is_shared or t.route.is_referenced):
            self._db.execute(sql.shared_table(shared.number, self._own(shared)))
            self._db.execute(sql.places_view(shared.number, is_member=False))
        self._place(tenant)

    def _take_whole(self) -> None:
        """Every table is one tenant's: nothing is asked."""
        for name, table in self.tables.items():
            self._db.execute(sql.whole_table(table.number, self._own(table), self._routing.tenant_of(name) or 0))
            self._db.execute(sql.places_view(table.number, is_member=False))
            self._db.execute(sql.output_view(table.number, is_member=False, rolls_up=False))

    # ── where rows are in the end ─────────────────────────────────────────────────────────────────────────────────────

    def _place(self, tenant: Numbered) -> None:
        """o{n} for every table in slices: rolled up to the tenants above, then what those rows point at."""
        key = self._routing.tenant
        above = None
        if key.parent is not None:
            mode = self._mode(key.table, key.parent, key.table, key.key)
            above = self._expression(key.table, (key.parent, mode)), self._expression(key.table, (key.key, mode))
        for statement in sql.ancestors(tenant.number, above[1] if above else "NULL::VARCHAR", above[0] if above else None):
            self._db.execute(statement)
        written = [t for t in self.tables.values() if t.route.is_written]
        for table in (t for t in written if not t.route.is_referenced):
            is_member = bool(table.route.joins)
            self._db.execute(sql.output_view(table.number, is_member=is_member, rolls_up=key.rollup))
        self._refer([t for t in written if t.route.is_referenced])

    def _refer(self, tables: Sequence[Numbered]) -> None:
        """Follows what rows in slices point at, until nothing is added: references lead on to references."""
        for table in tables:
            for statement in sql.referenced_table(table.number):
                self._db.execute(statement)
        edges = [e for t in tables for e in t.route.refs]
        before = -1
        while (now := sum(self._count(sql.count_references(t.number)) for t in tables)) != before:
            for edge in (e for e in edges if before == -1 or self.tables[e.child].route.is_referenced):
                child, parent = self.tables[edge.child].number, self.tables[edge.parent].number
                keys = [self._expression(edge.parent, key) for key in zip(edge.parent_columns, self._modes(edge), strict=True)]
                self._db.execute(sql.follow(child, self._child_keys(edge), parent, keys, self._when(edge)))
            before = now

    def _leads_to(self, table: TableName) -> list[TableName]:
        route = self.tables[table].route
        return [e.parent for e in route.edges if e.parent != self._routing.tenant.table] + [e.child for e in route.joins]

    def _own(self, table: Numbered) -> str:
        """The expression of: filtered by itself. The result of a `where` is kept in x{n}, for verify too."""
        route, parts = table.route, []
        if route.soft_delete is not None:
            column = table.landed.table.column(route.soft_delete)
            parts.append(f"({column.landed} IS TRUE)" if column.type == "BOOLEAN" else f"({column.landed} IS NOT NULL)")
        if route.where is not None:
            self._named_view(table)
            self._db.execute(sql.where_rows(table.number, route.where), {"as_of": self._as_of} if "$as_of" in route.where else None)
            parts.append(sql.in_where(table.number))
        return f"({' OR '.join(parts)})" if parts else "false"

    def _named_view(self, table: Numbered) -> None:
        """w{n}: the landed rows under the source's names and types, for conditions that users write."""
        columns = [(quoting.typed(c.landed, c.type), c.name) for c in table.landed.table.columns]
        self._db.execute(sql.named_view(table.number, columns))

    def _judge_tenants(self, table: Numbered) -> None:
        self._db.execute(sql.tenant_table(table.number, self._own(table), self._stored_expressions(table.route.table)))
        self._db.execute(sql.places_view(table.number, is_member=False))

    def _judge_group(self, group: Sequence[TableName]) -> None:
        """One strongly connected group, whose parents outside are settled."""
        members = [t for t in group if self.tables[t].route.kind == "membership" or self.tables[t].route.joins]
        plain = [t for t in group if t not in members]
        rest = {t: [e for e in self.tables[t].route.edges if not self._is_straight(e, group)] for t in plain}
        for table in plain:
            self._ask_straight(table, [e for e in self.tables[table].route.edges if e not in rest[table]])
        for table in members:
            number = self.tables[table].number
            for statement in sql.member_table(number, self._own(self.tables[table]), self._stored_expressions(table)):
                self._db.execute(statement)
            self._db.execute(sql.places_view(number, is_member=True))
        self._contradict(plain, group)
        self._settle(plain, members, rest)
        self._filter(plain, members, rest)

    def _is_straight(self, edge: Edge, group: Sequence[TableName]) -> bool:
        return edge.parent not in group and not self.tables[edge.parent].route.joins

    def _ask_straight(self, table: TableName, edges: Sequence[Edge]) -> None:
        asks: list[sql.Ask | sql.Doubt] = [
            *(self._ask(e, self._child_keys(e), f"e{i}", self._when(e)) for i, e in enumerate(edges)),
            *self._doubts(table),
        ]
        number = self.tables[table].number
        self._db.execute(sql.straight(number, self._own(self.tables[table]), asks, self._stored_expressions(table)))
        self._db.execute(sql.places_view(number, is_member=False))

    def _ask(self, edge: Edge, keys: tuple[str, ...], alias: str, when: str | None) -> sql.Ask:
        """Summarises the parent's present state for this edge."""
        target = f"sum_{alias}"
        parent_keys = self._stored(edge.parent, edge.parent_columns, self._modes(edge))
        self._db.execute(sql.summary(target, self.tables[edge.parent].number, parent_keys))
        return sql.Ask(keys, target, alias, when)

    def _contradict(self, plain: Sequence[TableName], group: Sequence[TableName]) -> None:
        """One pass on the results of the straight edges; all found first, then written: nothing cascades."""
        found = []
        for table in plain:
            inside = [e for e in self.tables[table].route.edges if e.parent in group and not e.is_self_reference]
            asks = []
            for i, edge in enumerate(inside):
                keys = self._stored(edge.parent, edge.parent_columns, self._modes(edge))
                self._db.execute(sql.own_summary(f"own_{i}", self.tables[edge.parent].number, keys))
                asks.append(sql.Ask(self._child_keys(edge), f"own_{i}", f"o{i}", self._when(edge)))
            if asks:
                self._db.execute(sql.contradictions(self.tables[table].number, asks))
                found.append(self.tables[table].number)
        for number in found:
            self._db.execute(sql.apply_contradictions(number))

    # ── what the straight edges left open ─────────────────────────────────────────────────────────────────────────────

    def _settle(self, plain: Sequence[TableName], members: Sequence[TableName], rest: Mapping[TableName, list[Edge]]) -> None:
        """Asks the other edges until nothing changes; what still waits is a loop in the data."""
        open_tables = [t for t in plain if self._count(sql.count_undecided(self.tables[t].number))]
        for table in open_tables:
            self._prepare_open(table, rest[table])
        changed = True
        while changed and (open_tables or members):
            settled = [self._settle_table(t, rest[t]) for t in open_tables] + [self._settle_member(t) for t in members]
            changed = any(settled)
        for table in (*open_tables, *members):
            self._db.execute(sql.close_loops(self.tables[table].number))

    def _prepare_open(self, table: TableName, edges: Sequence[Edge]) -> None:
        item = self.tables[table]
        self._db.execute(sql.undecided(item.number, [k for e in edges for k in (*self._child_keys(e), self._when(e)) if k is not None]))
        if item.route.unassigned is not None:
            self._named_view(item)
            self._db.execute(sql.everybody_rows(item.number, item.route.unassigned))

    def _open_asks(self, edges: Sequence[Edge]) -> list[sql.Ask]:
        asks, position = [], 0
        for i, edge in enumerate(edges):
            keys = tuple(f"r{position + j}" for j in range(len(edge.columns)))
            position += len(edge.columns)
            when = f"r{position}" if edge.when else None
            position += bool(edge.when)
            asks.append(self._ask(edge, keys, f"e{i}", when))
        return asks

    def _settle_table(self, table: TableName, edges: Sequence[Edge]) -> bool:
        item = self.tables[table]
        self._db.execute(sql.settle(item.number, self._open_asks(edges), item.route.unassigned))
        settled = self._count(sql.count_settled(item.number))
        if settled:
            self._db.execute(sql.apply_settled(item.number))
        return settled > 0

    def _settle_member(self, table: TableName) -> bool:
        item = self.tables[table]
        edge, own, joining = self._joining(table)
        for statement in sql.settle_members(item.number, own, self.tables[edge.child].number, joining):
            self._db.execute(statement)
        settled = self._count(sql.count_settled(item.number))
        if settled:
            self._db.execute(sql.apply_settled(item.number))
        return settled > 0

    def _filter(self, plain: Sequence[TableName], members: Sequence[TableName], rest: Mapping[TableName, list[Edge]]) -> None:
        """Members go where all their joining rows are filtered; rows placed by the edges asked last where one votes through filtered
        parents alone. A group may hold both, so until nothing changes."""
        open_tables = [t for t in plain if rest[t] and self.has_table(f"u{self.tables[t].number}")]
        changed = bool(open_tables or members)
        while changed:
            found = [self._filter_member(t) for t in members] + [self._filter_table(t, rest[t]) for t in open_tables]
            changed = any(found)

    def _filter_table(self, table: TableName, edges: Sequence[Edge]) -> bool:
        number = self.tables[table].number
        self._db.execute(sql.filter_by_parents(number, self._open_asks(edges)))
        found = self._count(sql.count_filtered(number)) > 0
        if found:
            self._db.execute(sql.apply_filtered(number))
        return found

    def _filter_member(self, table: TableName) -> bool:
        number = self.tables[table].number
        edge, own, joining = self._joining(table)
        self._db.execute(sql.filter_members(number, own, self.tables[edge.child].number, joining))
        found = self._count(sql.count_filtered(number)) > 0
        if found:
            for statement in sql.apply_filtered_members(number):
                self._db.execute(statement)
        return found

    def _joining(self, table: TableName) -> tuple[Edge, list[str], list[str]]:
        """The edge that makes members of a table, and the stored keys of the member's and of the joining table's end."""
        edge = self.tables[table].route.joins[0]
        modes = self._modes(edge)
        return edge, self._stored(table, edge.parent_columns, modes), self._stored(edge.child, edge.columns, modes)

    def ask_each(self, table: TableName) -> list[tuple[Edge, sql.Ask]]:
        """Every owner edge of a table, to be asked by itself of the rows' parents as they are in the end."""
        edges = self.tables[table].route.edges
        return [(e, self._ask(e, self._child_keys(e), f"e{i}", self._when(e))) for i, e in enumerate(edges)]

    def has_table(self, name: str) -> bool:
        """Whether the work database has a table of that name."""
        return self._count(sql.table_exists(name)) > 0

    def _count(self, statement: str) -> int:
        row = self._db.execute(statement).fetchone()
        assert row is not None
        return int(row[0])
