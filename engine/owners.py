"""Which edges say whose a row is, which tables they reach, and what stays for a person to decide (rules.md 1)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property

from engine.graph import Edge, reached
from engine.infer.actors import is_person
from engine.infer.polymorphic import pairs
from engine.infer.words import same_word, words_of
from engine.routing import Choice, Kind, Route, TablePlan, TenantKey, is_sure
from engine.schema import Schema, TableName

_YAML_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def route_tables(schema: Schema, edges: Iterable[Edge], tenant: TenantKey, plans: Mapping[TableName, TablePlan]) -> dict[TableName, Route]:
    """A route for every table of the schema, by rules.md 1: default deny, open decisions stay excluded with `review`.

    `edges` are all accepted edges of the graph (declared, configured, inferred); `plans` what the user decided.
    """
    graph = _OwnerGraph(schema, list(edges), tenant.table, plans)
    open_tables: dict[TableName, str] = {}
    while True:
        known = graph.reach(set(open_tables))
        new = {t: why for t in known if (why := graph.undecided(t, known)) is not None}
        if not new:
            break
        open_tables.update(new)
    routes = {table.name: graph.route(table.name, known, open_tables) for table in schema}
    return {name: _with_plan(replace(route, idle=graph.idle(route)), plans.get(name)) for name, route in routes.items()}


def _with_plan(route: Route, plan: TablePlan | None) -> Route:
    if plan is None:
        return route
    return replace(
        route, where=plan.where, soft_delete=plan.soft_delete, unassigned=plan.unassigned, hides=plan.hides, quarantine=plan.quarantine
    )


class _OwnerGraph:
    """The owner edges of a schema under the user's decisions, and what can be reached over them."""

    def __init__(self, schema: Schema, edges: list[Edge], tenant: TableName, plans: Mapping[TableName, TablePlan]) -> None:
        self.schema, self.edges, self.tenant, self.plans = schema, edges, tenant, plans
        self.of: dict[TableName, list[Edge]] = {}
        for edge in edges:
            self.of.setdefault(edge.child, []).append(edge)
        self.shared = {t for t, p in plans.items() if p.shared}
        self.members = {t: p.through for t, p in plans.items() if p.through}
        self.joins = {(edge.child, edge.parent) for through in self.members.values() for edge in through}
        self.acting: set[Edge] = set()
        without = self.reach(set(), acting=False)
        self.acting = {e for t in without for e in self.candidates(t) if self._may_act(e)}

    def candidates(self, table: TableName) -> list[Edge]:
        """The edges of a table that could have a say: neither its own decision nor reachability is asked yet."""
        plan = self.plans.get(table, TablePlan())
        if table == self.tenant or table in self.shared or table in self.members:
            return []
        if plan.via:
            return list(plan.via)
        return [e for e in self.of.get(table, ()) if not e.actor and is_sure(e) and e not in self.acting and self._may_own(e)]

    def _may_own(self, edge: Edge) -> bool:
        return edge.parent not in self.shared and (edge.child, edge.parent) not in self.joins

    def _may_act(self, edge: Edge) -> bool:
        """Whether an edge to a table of people says who acted: it has no say where a table has another way."""
        via = self.plans.get(edge.child, TablePlan()).via
        return edge.parent not in (edge.child, self.tenant, *self.members) and not via and is_person(edge.parent.table)

    def reach(self, undecided: set[TableName], *, over_members: bool = True, acting: bool = True) -> set[TableName]:
        """The tables whose rows can reach the tenant table, none of them undecided; without `acting`, not over tables of people."""

        def leads(known: set[TableName]) -> Iterable[TableName]:
            sources = known if over_members else known - set(self.members)
            for name in self.schema.tables:
                if name in known or name in undecided:
                    continue
                joined = any(edge.child in known for edge in self.members.get(name, ()))
                decided = over_members or bool(self.plans.get(name, TablePlan()).via)
                parents = known if decided else sources
                ways = (e for e in self.candidates(name) if acting or not self._may_act(e))
                if joined or any(e.parent in parents and not e.is_self_reference for e in ways):
                    yield name

        return reached({self.tenant}, leads)

    def undecided(self, table: TableName, known: set[TableName]) -> str | None:
        """Why a reached table is an open decision, or None."""
        plan = self.plans.get(table, TablePlan())
        if table == self.tenant or table in self.members:
            return None
        to_tenant = [e for e in self.candidates(table) if e.parent == self.tenant and not e.when]
        if len(to_tenant) > 1:
            columns = ", ".join("+".join(e.columns) for e in to_tenant)
            return f"{len(to_tenant)} columns point at the tenant table ({columns}): say which one owns the row with via:"
        if plan.via:
            return None
        shown = self._above(table)
        if shown is not None:
            return shown
        undecided = {t for t in self.schema.tables if t not in known}
        if table not in self.reach(undecided, over_members=False):
            return "placed only through a member, who may change tenants: confirm with via:, or leave it excluded"
        return None

    def _above(self, table: TableName) -> str | None:
        """Whether a table that only inferred edges place looks like one of several tenants: they point at it, or a table joins it to them."""
        ways = self.candidates(table)
        if any(e.origin != "inferred" for e in ways):
            return None
        joining = self._named_joining(table)
        if joining is not None:
            return f"{joining.table} may put a row into several tenants: through: {joining.table}, or confirm with via:"
        if self._may_be_everybodys(table, ways):
            columns = ", ".join(_spelled(e) for e in ways)
            return f"{columns} may be NULL, unlike most that place a table: rows without a tenant may be everybody's; confirm with via:"
        if any(e.parent == self.tenant for e in ways):
            return None
        if any(e.parent == table for e in self.of.get(self.tenant, ())):
            return f"the tenant table points at it, so a row may be several tenants': confirm {ways[0].label} with via:"
        joining = next((t.name for t in self.schema if self._joins(t.name, table)), None)
        if joining is not None:
            return f"{joining.table} puts a row into several tenants: through: {joining.table}, or confirm with via:"
        return None

    def _named_joining(self, table: TableName) -> TableName | None:
        """A table whose name says that it joins a table of people to tenants."""
        return next((t.name for t in self.schema if is_person(table.table) and self._is_named_for(t.name, table)), None)

    def _may_be_everybodys(self, table: TableName, ways: list[Edge]) -> bool:
        """Whether all ways of a table may be NULL, where such columns are never NULL in most other tables, or the table is of people."""
        if not all(self._is_nullable(e) for e in ways):
            return False
        return self.is_strict or (is_person(table.table) and any(e.parent == self.tenant for e in ways))

    def _is_nullable(self, edge: Edge) -> bool:
        columns = self.schema[edge.child].columns
        return any(c.nullable for c in columns if c.name in edge.columns)

    @cached_property
    def is_strict(self) -> bool:
        """Whether most columns that point at the tenant table are never NULL."""
        direct = [self._is_nullable(e) for e in self.edges if e.parent == self.tenant and e.child != self.tenant]
        return len(direct) >= 4 and direct.count(True) * 3 <= len(direct)

    def _is_named_for(self, joining: TableName, table: TableName) -> bool:
        """Whether a table's name is that of people and of the tenant table together: company_user."""
        words = words_of(joining.table)
        both = (words_of(table.table)[-1], words_of(self.tenant.table)[-1])
        return joining not in (table, self.tenant) and len(words) > 1 and all(any(same_word(w, b) for w in words) for b in both)

    def _joins(self, joining: TableName, table: TableName) -> bool:
        """Whether a table's key is a column that points at `table` and one that points at the tenant table."""
        key = self.schema[joining].primary_key
        if len(key) != 2 or joining == table:
            return False
        parents = {e.parent for e in self.of.get(joining, ()) if len(e.columns) == 1 and e.columns[0] in key}
        return {table, self.tenant} <= parents

    def route(self, table: TableName, known: set[TableName], open_tables: Mapping[TableName, str]) -> Route:
        """The route of one table."""
        plan = self.plans.get(table, TablePlan())
        if table == self.tenant:
            return Route(table, "tenant", "the tenant table")
        if plan.shared:
            return self._shared(table, plan, known)
        if table in open_tables and plan.excluded:
            return Route(table, "excluded", "excluded in the workspace file")
        if table in open_tables:
            return Route(table, "excluded", "an open decision", review=open_tables[table], choices=self._choices(table, known, open_tables))
        if table not in known:
            reason = "excluded in the workspace file" if plan.excluded else f"no way to {self.tenant.table}"
            review = None if plan.excluded else self._unsure(table, known, open_tables)
            return Route(table, "excluded", reason, review=review, choices=self._choices(table, known, open_tables) if review else ())
        if table in self.members:
            joins = tuple(e for e in self.members[table] if e.child in known)
            return self._bridged(
                Route(table, "membership", "by its joining rows", joins=joins, path=tuple(e.label for e in joins)), plan, known
            )
        edges = tuple(e for e in self.candidates(table) if e.parent in known)
        kind: Kind = "direct" if any(e.parent == self.tenant for e in edges) else "indirect"
        reason = "via: in the workspace file" if plan.via else _origins(edges)
        return self._bridged(Route(table, kind, reason, edges, path=self._path(table, known)), plan, known)

    def _unsure(self, table: TableName, known: set[TableName], open_tables: Mapping[TableName, str]) -> str | None:
        """What a person could decide of a table that no accepted edge leads from: a weak edge, an actor's, a membership."""
        near = known | set(open_tables)
        own = [e for e in self.of.get(table, ()) if not e.is_self_reference and self._may_own(e)]
        weak = [e for e in own if e.parent in near and not e.actor and not is_sure(e)]
        if weak:
            best = max(weak, key=lambda e: e.confidence)
            return f"{best.label} was found by its name alone, with confidence {best.confidence:.2f}: accept it with via: {_spelled(best)}"
        types = [p for p in pairs(self.schema[table]) if not any(e.when for e in own)]
        if types:
            kind, id_ = types[0]
            return f'{id_} points at what {kind} says: relationships: - "{table.table}.({kind}, {id_}) -> {{Type: table.id, …}}" says where'
        waiting = self._waiting(table, open_tables)
        if waiting:
            return f"waits for the decision on {waiting[0].parent.table}"
        acting = [e for e in own if e.parent in near and e.actor]
        if acting:
            return f"only {acting[0].label} leads on, and it says who acted: confirm with via: {_spelled(acting[0])}, or leave it excluded"
        if is_person(table.table):
            joining = sorted(e.child for e in self.edges if e.parent == table and not e.actor and e.child in known and e.child != table)
            if joining:
                return f"placed through {joining[0].table}? through: {joining[0].table} puts a row into each tenant that has a joining row"
        pointing = sorted(e for e in self.edges if e.parent == table and e.child in known and not is_sure(e) and not e.actor)
        if pointing and not any(e.parent == table and e.child in known and is_sure(e) for e in self.edges):
            return f"{pointing[0].label} may point at it (confidence {pointing[0].confidence:.2f}): shared, if its rows are everybody's"
        return None

    def idle(self, route: Route) -> tuple[Edge, ...]:
        """The edges of a table that are known and have no say: actors', unsure ones, those that `via:` does not name, those to shared tables."""
        placing = {e for through in self.members.values() for e in through}
        return tuple(e for e in self.of.get(route.table, ()) if e not in route.edges and e not in placing)

    def _waiting(self, table: TableName, open_tables: Mapping[TableName, str]) -> list[Edge]:
        """The edges that would place the table if another's decision were made."""
        own = (e for e in self.of.get(table, ()) if not e.is_self_reference and self._may_own(e))
        return [e for e in own if e.parent in open_tables and is_sure(e) and not e.actor]

    def _together(self, table: TableName, known: set[TableName], open_tables: Mapping[TableName, str]) -> list[Edge]:
        """All ways of a table that is open because each of them may be NULL: they place it together, as they would if it were not open."""
        every = self.candidates(table)
        ways = [e for e in every if e.parent in known or e.parent in open_tables]
        alone = len(ways) < 2 or table not in open_tables or sum(e.parent == self.tenant for e in ways) > 1
        if alone or self._named_joining(table) is not None or any(e.origin != "inferred" for e in every):
            return []
        return ways if self._may_be_everybodys(table, every) else []

    def _choices(self, table: TableName, known: set[TableName], open_tables: Mapping[TableName, str]) -> tuple[Choice, ...]:
        """What the user could say of an open table: its relationships with a way to the tenant table, together or one, or a table that
        joins it. Who acted is no answer for a table that waits for another's decision, and has a way once that is made."""
        own = [e for e in self.of.get(table, ()) if e.parent in known and not e.is_self_reference and not e.when and self._may_own(e)]
        if table not in open_tables and self._waiting(table, open_tables):
            own = [e for e in own if not e.actor and e not in self.acting]
        joining = [e for e in self.edges if e.parent == table and e.child in known and e.child != table and not e.actor and is_sure(e)]
        apart = [e for e in joining if is_person(table.table) or self._joins(e.child, table)]
        ways = sorted(own, key=lambda e: (e.actor, -e.confidence, e))
        free = ways if len(ways) == 1 and self._may_be_everybodys(table, ways) else []
        types = [] if any(e.when for e in self.of.get(table, ())) or any(is_sure(e) for e in ways) else pairs(self.schema[table])
        pointing = sorted(e for e in self.edges if e.parent == table and e.child in known and not is_sure(e) and not e.actor)
        together = self._together(table, known, open_tables)
        all_of_them = ", ".join(dict.fromkeys(_in_yaml(_spelled(e)) for e in together))
        return (
            *(Choice(f"{{via: [{all_of_them}]}}", e, tuple(together[1:])) for e in together[:1]),
            *(Choice(f"{{via: {_in_yaml(_spelled(e))}}}", e) for e in ways),
            *(Choice(f"{{via: {_in_yaml(_spelled(e))}, unassigned: shared}}", e) for e in free),
            *(Choice(f"{{through: {_in_yaml(_joining(e, joining))}}}", e) for e in apart),
            *(Choice(_by_type(table, *pair), under="relationships") for pair in types),
            *(Choice("shared", e) for e in pointing[:1] if not ways and not apart and not types),
        )

    def _bridged(self, route: Route, plan: TablePlan, known: set[TableName]) -> Route:
        if not plan.excluded:
            return route
        needed = any(route.table in (e.parent for e in self.candidates(t)) for t in known if t != route.table)
        needed = needed or any(e.child == route.table for m in self.members.values() for e in m)
        if not needed:
            return Route(route.table, "excluded", "excluded in the workspace file")
        return replace(route, kind="excluded", bridge=True, reason="excluded in the workspace file; its keys judge other tables")

    def _shared(self, table: TableName, plan: TablePlan, known: set[TableName]) -> Route:
        owners = [e for e in self.edges if e.child == table and e.parent in known and not e.actor and not e.is_self_reference]
        leaks = sorted({c for e in owners for c in e.columns} - set(plan.hides))
        if leaks:
            shown = ", ".join(leaks)
            review = f"shared, but {shown} points at owned rows: hides: [{shown}] blanks it"
            hidden = ", ".join(map(_in_yaml, sorted({*leaks, *plan.hides})))
            choice = Choice(f"{{shared: {'referenced' if plan.referenced else 'true'}, hides: [{hidden}]}}")
            return Route(table, "excluded", "an open decision", review=review, choices=(choice,))
        if plan.referenced:
            return Route(table, "shared: referenced", "shared: referenced in the workspace file")
        return Route(table, "shared", "shared in the workspace file")

    def _path(self, table: TableName, known: set[TableName]) -> tuple[str, ...]:
        """A shortest way to the tenant table, one label a hop."""
        ways: dict[TableName, tuple[str, ...]] = {self.tenant: ()}
        level = [self.tenant]
        children = [e for t in known for e in (*self.candidates(t), *(_turned(j) for j in self.members.get(t, ())))]
        while level:
            after: list[TableName] = []
            for edge in sorted(children):
                if edge.parent in level and edge.child not in ways:
                    ways[edge.child] = (edge.label, *ways[edge.parent])
                    after.append(edge.child)
            level = after
        return ways.get(table, ())


def _spelled(edge: Edge) -> str:
    return edge.columns[0] if len(edge.columns) == 1 else f"({', '.join(edge.columns)})"


def _joining(edge: Edge, joining: list[Edge]) -> str:
    """A joining table as `through:` names it: with its column where several lead to the member."""
    several = sum(e.child == edge.child for e in joining) > 1
    name = edge.child.table if edge.child.table.isidentifier() else '"' + edge.child.table.replace('"', '""') + '"'
    column = edge.columns[0] if edge.columns[0].isidentifier() else '"' + edge.columns[0].replace('"', '""') + '"'
    return f"{name}.{column}" if several else name


def _by_type(table: TableName, kind: str, id_: str) -> str:
    """An entry of `relationships:` for a polymorphic pair, its types to be filled in; JSON's quotes are YAML's too."""
    return "- " + json.dumps(f"{table.table}.({kind}, {id_}) -> {{Type: table.id, Other: none}}", ensure_ascii=False)


def _in_yaml(text: str) -> str:
    """The text as a value within `{}` or `[]`: in single quotes where YAML would read more than a word."""
    return text if re.fullmatch(r"[A-Za-z_][\w.]*", text) and text.lower() not in _YAML_WORDS else "'" + text.replace("'", "''") + "'"


def _turned(edge: Edge) -> Edge:
    """The same edge walked from the member to its joining table."""
    return replace(edge, child=edge.parent, columns=edge.parent_columns, parent=edge.child, parent_columns=edge.columns)


def _origins(edges: Iterable[Edge]) -> str:
    kinds = sorted({edge.origin for edge in edges})
    return " and ".join(kinds) + " relationships"
