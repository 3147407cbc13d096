"""The row rule in plain Python, written from its text alone: the tenant of every row, and what is in every slice.

    >>> outcome(case).slices["17"]["orders"]
    [0, 3, 4]

Slow on purpose: parents are found by looking at every row. Key equality: integers by value, text byte for byte, text
equals an integer only as its canonical decimal.

Where the rule is open to two readings the closed one is taken:
- Routes: a table that is not decided by via, and whose every way (also by a self-reference or a cycle of tables)
  passes an edge to a member, is placed only through a member, so it is excluded; so are the tables that hang on it
  alone.
- Routes: via that leaves two edges to the tenant table is still an open decision.
- Routes: an open decision makes a table excluded, and edges to it have no say (no fault and no wait at its children).
- Routes: an excluded joining table makes no member; the member has no route then.
- Routes: a shared table with an edge to a table that has a route (an excluded one included) is excluded, for a case
  has no hides.
- Contradiction: one of several matching rows that is straightly another tenant's is enough.
- Quarantine wins over filtered: a deleted orphan is quarantined.
- Filtered members: a member is in a tenant's slice only where a joining row of that tenant is not filtered; where
  none is left it is filtered. Its tenancy (one tenant or several, for the edges that lead to it) counts filtered
  joining rows.
- Filtered: a deletion mark is any value but NULL (0 and the empty text too).
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

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tests.rowrule.case import Case, Edge, Value
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
    `excluded`: the tables that are in no slice, bridges included. `reasons`: why each row of `quarantine` is there.
    """

    slices: dict[str, dict[str, list[int]]]
    quarantine: dict[str, list[int]]
    filtered: dict[str, list[int]]
    excluded: set[str]
    reasons: dict[str, dict[int, str]]


def outcome(case: Case) -> Outcome:
    """Applies the row rule to a case; raises ValueError where the case would fail `check`."""
    routes = routing(case)
    places = place_rows(case, routes)
    gone = filtered_rows(case, routes, places)
    written = sorted(routes.written)
    quarantine = {t: [i for i, p in enumerate(places[t]) if p.reason] for t in written}
    return Outcome(
        slices={key: {t: _slice(case, routes, places, gone, t, key) for t in written} for key in _tenants(case, gone)},
        quarantine=quarantine,
        filtered={t: [i for i in range(len(places[t])) if (t, i) in gone] for t in written},
        excluded=set(routes.excluded),
        reasons={t: {i: places[t][i].reason for i in rows} for t, rows in quarantine.items()},
    )


def same(left: tuple[Value, ...], right: tuple[Value, ...]) -> bool:
    """Whether two keys are equal, value by value; NULL equals nothing."""
    return all(_same_value(a, b) for a, b in zip(left, right, strict=True))


def _same_value(a: Value, b: Value) -> bool:
    if a is None or b is None:
        return False
    if isinstance(a, str) == isinstance(b, str):
        return a == b
    return str(a) == str(b)


def place_rows(case: Case, routes: Routing) -> dict[str, list[Place]]:
    """A place for every row of the judged and the shared tables, groups of tables in the order parents first."""
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
            place = self._hear(row, self._straight(group, table))
            if place and (place.tenants or place.reason):
                found[table, row] = place
        self.places |= found

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
        everybody = table in self.case.unassigned_shared and len(self.routes.owner_edges[table]) == 1
        return Place(everybody=True) if everybody else Place(reason=UNASSIGNED)

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
        if None in self.case.table(edge.child).values(row, edge.columns):
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


def parent_rows(case: Case, edge: Edge, row: int) -> list[int]:
    """The rows of the parent that a child's row points at."""
    key, parent = case.table(edge.child).values(row, edge.columns), case.table(edge.parent)
    return [i for i in range(len(parent.rows)) if same(key, parent.values(i, edge.parent_columns))]


def joining_rows(case: Case, join: Edge, member: int) -> list[int]:
    """The rows of the joining table that point at a member's row."""
    key, joining = case.table(join.parent).values(member, join.parent_columns), case.table(join.child)
    return [i for i in range(len(joining.rows)) if same(joining.values(i, join.columns), key)]


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
    if table in case.soft_delete and case.table(table).value(row, case.soft_delete[table]) is not None:
        return True
    if table in routes.joins:
        return not _live_tenants(case, routes, places, gone, table, row)
    voters = places[table][row].voters
    return any(_all_gone(gone, e.parent, parent_rows(case, e, row)) for e in voters)


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


def _slice(case: Case, routes: Routing, places: dict[str, list[Place]], gone: set[tuple[str, int]], table: str, tenant: str) -> list[int]:
    """The rows of a table in one tenant's slice."""
    alive = [(i, place) for i, place in enumerate(places[table]) if (table, i) not in gone and not place.reason]
    return [i for i, place in alive if place.everybody or tenant in _live_tenants(case, routes, places, gone, table, i)]
