"""The row rule in plain Python, written from its text alone: the tenant of every row, and what is in every slice.

    >>> outcome(case).slices["17"]["orders"]
    [0, 3, 4]

Slow on purpose: parents are found by looking at every row. Key equality: integers and decimals by value; uuid in any
spelling that PostgreSQL takes; text byte for byte, char without the blanks at its end; text equals a number only as its
canonical decimal.

Where the rule is open to two readings the closed one is taken:
- Routes: a table that is not decided by via, and whose every way (also by a self-reference or a cycle of tables)
  passes an edge to a member, is placed only through a member, so it is excluded; so are the tables that hang on it
  alone.
- Routes: via that leaves two edges to the tenant table is still an open decision.
- Routes: an open decision makes a table excluded, and edges to it have no say (no fault and no wait at its children).
- Routes: an excluded joining table makes no member; the member has no route then.
- Routes: a shared table with an edge to a table that has a route (an excluded one included) is excluded, but where
  hides names every column of the edge.
- References: an edge one of whose columns hides blanks points at nothing.
- Contradiction: one of several matching rows that is straightly another tenant's is enough.
- Quarantine wins over filtered: a deleted orphan is quarantined.
- Filtered members: a member is in a tenant's slice only where a joining row of that tenant is not filtered; where
  none is left it is filtered. Its tenancy (one tenant or several, for the edges that lead to it) counts filtered
  joining rows.
- Filtered: a deletion mark is any value but NULL (0 and the empty text too), or true; a row that where does not hold
  for, NULL included, is filtered.
- Text equals a decimal that is no integer as its shortest decimal: '0.5' is 0.50, '0.50' is not.
- Polymorphic: a pair one of whose edges has a say faults a row with a type that is not mapped, with or without an id,
  and an id without a type, whatever group its edges lie in. A type that leads to a table without a route, or to a
  shared one, abstains, as the one that is mapped to none.
- Roll-up: a tenant below a loop has the loop's tenant that it names as an ancestor, and no more.
- Referenced: any edge points, also an actor's, one that via leaves out, and one of the tenant table; only rows that are
  in the slice do.
- Filtered: a bridge hands a filter on (its own mark included, where a case gives it one).
- Unassigned: shared counts only where the table has exactly one owner edge, self-references and edges to members
  counted.
- Waiting: a row in a loop is quarantined, never everybody's.
And where the text decides, though a closer reading could be made:
- Filtered: an edge filters only where it voted, that is where it was asked (a deleted writer does not take a post
  from its project).
- Waiting: a row that has become everybody's has answered; it does not keep the rows of its group waiting (that is no
  loop).
- Members: joining rows that are quarantined or everybody's place nobody, and do not harm a member placed by others.
- Members: where joining rows match several members, each of them is a member.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from tests.rowrule.case import Case, Edge, Polymorphic, Value, canonical
from tests.rowrule.routes import Routing, routing

Answer = Literal["abstains", "votes", "waits", "fault"]
ORPHAN = "orphan"
QUARANTINED_PARENT = "parent quarantined"
SEVERAL_TENANTS = "parents in several tenants"
MIXED = "one tenant's and everybody's parents"
TWO_VOTES = "two votes"
CONTRADICTION = "contradiction in a group"
LOOP = "loop in the data"
UNASSIGNED = "unassigned"
TYPE = "a type that is not mapped"
REASONS = (ORPHAN, QUARANTINED_PARENT, SEVERAL_TENANTS, MIXED, TWO_VOTES, CONTRADICTION, LOOP, UNASSIGNED)


@dataclass(frozen=True, slots=True)
class Place:
    """Whose a row is: `tenants`', or everybody's, or nobody's for a `reason`; `voters` are the edges that voted."""

    tenants: frozenset[str] = frozenset()
    everybody: bool = False
    reason: str = ""
    voters: tuple[Edge, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of every row; rows are sorted indexes, and every written table is named, also where it has none.

    `slices`: tenant key (text) to table to rows; a filtered tenant has none. `quarantine`, `filtered`: written tables.
    `unreferenced`: the rows of `shared: referenced` tables that neither a slice's row nor everybody's row points at.
    `excluded`: the tables that are in no slice, bridges included. `reasons`: why each row of `quarantine` is there.
    """

    slices: dict[str, dict[str, list[int]]]
    quarantine: dict[str, list[int]]
    filtered: dict[str, list[int]]
    excluded: set[str]
    reasons: dict[str, dict[int, str]]
    unreferenced: dict[str, list[int]] = field(default_factory=dict)


def outcome(case: Case) -> Outcome:
    """Applies the row rule to a case; raises ValueError where the case would fail `check`."""
    _check_tenant_keys(case)
    routes = routing(case)
    places = place_rows(case, routes)
    gone = filtered_rows(case, routes, places)
    written = sorted(routes.written)
    quarantine = {t: [i for i, p in enumerate(places[t]) if p.reason] for t in written}
    slices = {key: _whole_slice(case, routes, places, gone, _and_below(case, gone, key)) for key in _tenants(case, gone)}
    everybodys = _whole_slice(case, routes, places, gone, set())  # it is everybody's also where nobody has a slice
    return Outcome(
        slices=slices,
        quarantine=quarantine,
        filtered={t: [i for i in range(len(places[t])) if (t, i) in gone] for t in written},
        excluded=set(routes.excluded),
        reasons={t: {i: places[t][i].reason for i in rows} for t, rows in quarantine.items()},
        unreferenced={t: _unreferenced(case, gone, [*slices.values(), everybodys], t) for t in sorted(case.referenced & routes.written)},
    )


def _check_tenant_keys(case: Case) -> None:
    table = case.table(case.tenant_table)
    keys = [case.key(table.name, i, (case.tenant_key,)) for i in range(len(table.rows))]
    if any(same(a, b) for i, a in enumerate(keys) for b in keys[:i]):
        raise ValueError("two tenants have one key")


def same(left: tuple[Value, ...], right: tuple[Value, ...]) -> bool:
    """Whether two keys are equal, value by value; NULL equals nothing. A uuid is a text that is its own spelling of itself."""
    return all(_same_value(a, b) for a, b in zip(left, right, strict=True))


def _same_value(a: Value, b: Value) -> bool:
    if a is None or b is None:
        return False
    if isinstance(a, str) == isinstance(b, str):
        return a == b
    return _text(a) == _text(b)


def _text(value: Value) -> str:
    return canonical(value) if isinstance(value, Decimal) else str(value)


def _as_uuid(value: Value) -> Value:
    """A text as the uuid that PostgreSQL reads in it; as it is where it reads none.

    https://www.postgresql.org/docs/current/datatype-uuid.html: braces around it, capitals, a hyphen after any four digits.
    """
    if not isinstance(value, str):
        return value
    bare = value[1:-1] if value[:1] == "{" and value[-1:] == "}" else value
    if not re.fullmatch(r"(?:[0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}", bare):
        return value
    return bare.replace("-", "").lower()


def place_rows(case: Case, routes: Routing) -> dict[str, list[Place]]:
    """A place for every row of the judged and the shared tables, groups of tables in the order parents first.

    A row of a `shared: referenced` table is everybody's here: who points at it is asked when a slice is made.
    """
    judge = Judge(case, routes)
    for group in groups(case, routes):
        judge.judge(group)
    shared = {t: [Place(everybody=True) for _ in case.table(t).rows] for t in routes.shared}
    return shared | {t: [judge.places[t, i] for i in range(len(case.table(t).rows))] for t in routes.judged}


def groups(case: Case, routes: Routing) -> list[set[str]]:
    """The strongly connected groups of the judged tables, parents first; tables that lead to each other are one."""
    near = {t: {e.parent for e in routes.owner_edges[t]} for t in routes.judged}
    near |= {member: {edge.child} for member, edge in routes.joins.items()}
    far = {t: _reachable(near, t) for t in near}
    left, ordered = set(near), list[set[str]]()
    while left:
        ready = min(t for t in left if all(u not in left or t in far[u] for u in far[t]))
        group = {ready} | {u for u in far[ready] if ready in far[u]}
        ordered.append(group)
        left -= group
    return ordered


def _reachable(near: dict[str, set[str]], start: str) -> set[str]:
    found = set(near[start])
    while True:
        grown = found | {far for table in found for far in near[table]}
        if grown == found:
            return found
        found = grown


class Judge:
    """Gives every row of a group its place; `places` lacks the rows that are undecided."""

    def __init__(self, case: Case, routes: Routing) -> None:
        self.case = case
        self.routes = routes
        self.places: dict[tuple[str, int], Place] = {}

    def judge(self, group: set[str]) -> None:
        """Places all rows of one group; the groups that it leads to have been judged."""
        if group == {self.case.tenant_table}:
            self._place_tenants()
            return
        self._ask_straight_edges(group)
        self._quarantine_contradictions(group)
        while self._settle_some(group):
            pass
        for row in self._undecided(group):
            self.places[row] = Place(reason=LOOP)

    def _place_tenants(self) -> None:
        table = self.case.table(self.case.tenant_table)
        for i in range(len(table.rows)):
            self.places[table.name, i] = Place(frozenset({str(table.value(i, self.case.tenant_key))}))

    def _ask_straight_edges(self, group: set[str]) -> None:
        """Step 1: places the rows whose straight edges vote or are at fault; all others stay undecided."""
        found = {}
        for table, row in self._undecided(group):
            place = self._wrong_type(table, row) or self._hear(row, self._straight(group, table))
            if place and (place.tenants or place.reason):
                found[table, row] = place
        self.places |= found

    def _wrong_type(self, table: str, row: int) -> Place | None:
        """The fault of a row whose type points nowhere that anybody said, or that has an id and no type."""
        pairs = [p for p in self.case.polymorphic if p.child == table and set(p.edges) & set(self.routes.owner_edges[table])]
        return Place(reason=TYPE) if any(_is_wrong(self.case, pair, row) for pair in pairs) else None

    def _quarantine_contradictions(self, group: set[str]) -> None:
        """Step 2: one pass over what step 1 gave to a tenant, on the results of step 1."""
        owned = {row: p.tenants for row, p in self.places.items() if row[0] in group and p.tenants}
        for (table, row), tenants in owned.items():
            inside = [e for e in self.routes.owner_edges[table] if e.parent in group and e.parent != table]
            parents = [(e.parent, i) for e in inside for i in self.parents(e, row)]
            if any(owned.get(parent, tenants) != tenants for parent in parents):
                self.places[table, row] = Place(reason=CONTRADICTION)

    def _settle_some(self, group: set[str]) -> bool:
        """Step 3, once: places the rows for which all edges asked have answered; returns whether there was one."""
        found = {(table, row): place for table, row in self._undecided(group) if (place := self._settle(group, table, row))}
        self.places |= found
        return bool(found)

    def _settle(self, group: set[str], table: str, row: int) -> Place | None:
        if table in self.routes.joins:
            return self._place_member(table, row)
        straight = self._straight(group, table)
        place = self._hear(row, [e for e in self.routes.owner_edges[table] if e not in straight])
        if place is None or place.tenants or place.reason:
            return place
        return Place(everybody=True) if self._is_everybodys(table, row) else Place(reason=UNASSIGNED)

    def _is_everybodys(self, table: str, row: int) -> bool:
        """Whether the configuration says so of a row without a vote."""
        if table not in self.case.unassigned_shared:
            return False
        condition = self.case.unassigned_shared[table]
        if condition is None:
            return len(self.routes.owner_edges[table]) == 1
        return condition.holds(self.case.table(table).value(row, condition.column))

    def _place_member(self, member: str, row: int) -> Place | None:
        """A member is in each tenant that owns a joining row of its; it waits until all of them are decided."""
        join = self.routes.joins[member]
        places = [self.places.get((join.child, i)) for i in joining_rows(self.case, join, row)]
        if None in places:
            return None
        tenants = frozenset(tenant for place in places if place for tenant in place.tenants)
        return Place(tenants) if tenants else Place(reason=UNASSIGNED)

    def _hear(self, row: int, edges: list[Edge]) -> Place | None:
        """The place that edges give a row: None while one waits; neither tenants nor a reason where all abstain."""
        answers = [(edge, *self.answer(edge, row)) for edge in edges]
        if any(answer == "waits" for _, answer, _ in answers):
            return None
        faults = [what for _, answer, what in answers if answer == "fault"]
        votes = {what for _, answer, what in answers if answer == "votes"}
        if faults or len(votes) > 1:
            return Place(reason=faults[0] if faults else TWO_VOTES)
        return Place(frozenset(votes), voters=tuple(edge for edge, answer, _ in answers if answer == "votes"))

    def answer(self, edge: Edge, row: int) -> tuple[Answer, str]:
        """What an edge says of a child's row, with the tenant that it votes for or the kind of its fault."""
        if None in self.case.table(edge.child).values(row, edge.columns) or not applies(self.case, edge, row):
            return "abstains", ""
        parents = [self.places.get((edge.parent, i)) for i in self.parents(edge, row)]
        places = [place for place in parents if place is not None]
        tenants = {tenant for place in places for tenant in place.tenants}
        if not parents:
            return "fault", ORPHAN
        if len(places) < len(parents):
            return "waits", ""
        if any(place.reason for place in places):
            return "fault", QUARANTINED_PARENT
        if all(place.everybody for place in places):
            return "abstains", ""
        if any(place.everybody for place in places):
            return "fault", MIXED
        return ("votes", tenants.pop()) if len(tenants) == 1 else ("fault", SEVERAL_TENANTS)

    def parents(self, edge: Edge, row: int) -> list[int]:
        return parent_rows(self.case, edge, row)

    def _straight(self, group: set[str], table: str) -> list[Edge]:
        edges = self.routes.owner_edges[table]
        return [e for e in edges if e.parent not in group and e.parent not in self.routes.joins]

    def _undecided(self, group: set[str]) -> list[tuple[str, int]]:
        rows = [(t, i) for t in sorted(group) for i in range(len(self.case.table(t).rows))]
        return [row for row in rows if row not in self.places]


def applies(case: Case, edge: Edge, row: int) -> bool:
    """Whether an edge holds for a child's row at all: one of a polymorphic pair holds for its type alone."""
    return edge.when is None or case.table(edge.child).value(row, edge.when.column) == edge.when.value


def _is_wrong(case: Case, pair: Polymorphic, row: int) -> bool:
    kind, there = case.table(pair.child).values(row, (pair.type, pair.id))
    return there is not None if kind is None else kind not in [name for name, _ in pair.types]


def parent_rows(case: Case, edge: Edge, row: int) -> list[int]:
    """The rows of the parent that a child's row points at."""
    if not applies(case, edge, row):
        return []
    key, parent = keyed(case, edge, edge.child, row), case.table(edge.parent)
    return [i for i in range(len(parent.rows)) if same(key, keyed(case, edge, edge.parent, i, parent=True))]


def joining_rows(case: Case, join: Edge, member: int) -> list[int]:
    """The rows of the joining table that point at a member's row."""
    key, joining = keyed(case, join, join.parent, member, parent=True), case.table(join.child)
    return [i for i in range(len(joining.rows)) if same(keyed(case, join, join.child, i), key)]


def keyed(case: Case, edge: Edge, table: str, row: int, *, parent: bool = False) -> tuple[Value, ...]:
    """One end of an edge in a row, as it is compared: texts as uuids where either end is one."""
    columns = edge.parent_columns if parent else edge.columns
    ends = zip(edge.columns, edge.parent_columns, strict=True)
    uuids = ["uuid" in (case.table(edge.child).type_of(c), case.table(edge.parent).type_of(p)) for c, p in ends]
    return tuple(_as_uuid(v) if uuid else v for v, uuid in zip(case.key(table, row, columns), uuids, strict=True))


def filtered_rows(case: Case, routes: Routing, places: dict[str, list[Place]]) -> set[tuple[str, int]]:
    """The rows, by table and index, that say so themselves or hang on filtered ones; never quarantined rows."""
    rows = [(t, i) for t in places for i, place in enumerate(places[t]) if not place.reason]
    gone: set[tuple[str, int]] = set()
    while True:
        grown = gone | {(t, i) for t, i in rows if _is_filtered(case, routes, places, gone, t, i)}
        if grown == gone:
            return gone
        gone = grown


def _is_filtered(case: Case, routes: Routing, places: dict[str, list[Place]], gone: set[tuple[str, int]], table: str, row: int) -> bool:
    if _says_so(case, table, row):
        return True
    if table in routes.joins:
        return not _live_tenants(case, routes, places, gone, table, row)
    voters = places[table][row].voters
    return any(_all_gone(gone, e.parent, parent_rows(case, e, row)) for e in voters)


def _says_so(case: Case, table: str, row: int) -> bool:
    """Whether a row is filtered by itself."""
    found = case.table(table)
    if table in case.where and not case.where[table].holds(found.value(row, case.where[table].column)):
        return True
    mark = found.value(row, case.soft_delete[table]) if table in case.soft_delete else None
    return mark is not None and mark is not False


def _all_gone(gone: set[tuple[str, int]], table: str, rows: Iterable[int]) -> bool:
    return all((table, i) in gone for i in rows)


def _live_tenants(
    case: Case, routes: Routing, places: dict[str, list[Place]], gone: set[tuple[str, int]], table: str, row: int
) -> frozenset[str]:
    """The tenants of a row; of a member, those that own a joining row of its that is not filtered."""
    if table not in routes.joins:
        return places[table][row].tenants
    join = routes.joins[table]
    alive = [places[join.child][i] for i in joining_rows(case, join, row) if (join.child, i) not in gone]
    return frozenset(tenant for place in alive for tenant in place.tenants)


def _tenants(case: Case, gone: set[tuple[str, int]]) -> list[str]:
    """The keys of the tenants that have a slice, in the tenant table's order."""
    table = case.table(case.tenant_table)
    alive = [i for i in range(len(table.rows)) if (table.name, i) not in gone]
    return [str(table.value(i, case.tenant_key)) for i in alive]


def _whole_slice(
    case: Case, routes: Routing, places: dict[str, list[Place]], gone: set[tuple[str, int]], tenants: set[str]
) -> dict[str, list[int]]:
    """All tables of the slice of these tenants: their rows and everybody's, then what they point at."""
    found = {t: _slice(case, routes, places, gone, t, tenants) for t in sorted(routes.written)}
    referenced = case.referenced & routes.written
    found |= {t: [] for t in referenced}
    while True:
        grown = found | {t: _pointed_at(case, gone, found, t) for t in referenced}
        if grown == found:
            return found
        found = grown


def _and_below(case: Case, gone: set[tuple[str, int]], tenant: str) -> set[str]:
    """A tenant and its descendants."""
    return {tenant, *(t for t in _tenants(case, gone) if tenant in ancestors(case, gone, t))}


def _slice(
    case: Case, routes: Routing, places: dict[str, list[Place]], gone: set[tuple[str, int]], table: str, tenants: set[str]
) -> list[int]:
    """The rows of a table that are these tenants' or everybody's."""
    alive = [(i, place) for i, place in enumerate(places[table]) if (table, i) not in gone and not place.reason]
    return [i for i, place in alive if place.everybody or tenants & _live_tenants(case, routes, places, gone, table, i)]


def ancestors(case: Case, gone: set[tuple[str, int]], tenant: str) -> list[str]:
    """The tenants above a tenant, the nearest first; none without roll-up."""
    found: list[str] = []
    above = _parent_tenant(case, gone, tenant)
    while above is not None and above not in found and not _is_in_loop(case, gone, tenant):
        found.append(above)
        tenant, above = above, _parent_tenant(case, gone, above)
    return found


def _is_in_loop(case: Case, gone: set[tuple[str, int]], tenant: str) -> bool:
    seen: list[str] = []
    above = _parent_tenant(case, gone, tenant)
    while above is not None and above not in seen:
        if above == tenant:
            return True
        seen.append(above)
        above = _parent_tenant(case, gone, above)
    return False


def _parent_tenant(case: Case, gone: set[tuple[str, int]], tenant: str) -> str | None:
    """The tenant that a tenant names as its parent, if it is there and not filtered."""
    if case.rollup is None:
        return None
    edge = Edge(case.tenant_table, (case.rollup,), case.tenant_table, (case.tenant_key,))
    table = case.table(case.tenant_table)
    rows = [i for i in range(len(table.rows)) if str(table.value(i, case.tenant_key)) == tenant]
    parents = [i for row in rows for i in parent_rows(case, edge, row) if (case.tenant_table, i) not in gone]
    return str(table.value(parents[0], case.tenant_key)) if parents else None


def _pointed_at(case: Case, gone: set[tuple[str, int]], found: dict[str, list[int]], table: str) -> list[int]:
    """The rows of a table that rows of a slice point at, or are in it."""
    edges = [e for e in case.edges if e.parent == table and e.child in found and not _is_blanked(case, e)]
    rows = {i for e in edges for row in found[e.child] for i in parent_rows(case, e, row)}
    return sorted(i for i in rows | set(found[table]) if (table, i) not in gone)


def _is_blanked(case: Case, edge: Edge) -> bool:
    """Whether a column of the edge is hidden: its value is in no file, so nobody points by it."""
    ends = ((edge.child, edge.columns), (edge.parent, edge.parent_columns))
    return any(c in case.hides.get(table, ()) for table, columns in ends for c in columns)


def _unreferenced(case: Case, gone: set[tuple[str, int]], slices: list[dict[str, list[int]]], table: str) -> list[int]:
    sliced = {i for rows in slices for i in rows[table]}
    return [i for i in range(len(case.table(table).rows)) if i not in sliced and (table, i) not in gone]
