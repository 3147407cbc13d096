"""Which tables have a route, and which edges have a say: the part of the oracle that looks at no row.

>>> routing(case).owner_edges["items"]
(Edge(child='items', columns=('order_id',), parent='orders', parent_columns=('id',)),)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.rowrule.case import Case, Edge


@dataclass(frozen=True, slots=True)
class Routing:
    """`judged` (the tenant table, owned tables, members and bridges) and `shared` tables; all but bridges are written.

    `owner_edges`: the edges that have a say, per judged table (none for the tenant table and for members).
    `joins`: per member table that has a route, the edge of the joining table that makes members.
    """

    judged: frozenset[str]
    bridges: frozenset[str]
    shared: frozenset[str]
    excluded: frozenset[str]
    owner_edges: Mapping[str, tuple[Edge, ...]]
    joins: Mapping[str, Edge]

    @property
    def written(self) -> frozenset[str]:
        return (self.judged - self.bridges) | self.shared


def routing(case: Case) -> Routing:
    """The routing of a case; raises ValueError where through or via name what is not there or leads nowhere."""
    _check_one_word_each(case)
    joins = {member: joining_edge(case, member) for member in case.through}
    voters = {table.name: _voters(case, joins, table.name) for table in case.tables}
    reached = _reached(case, joins, voters)
    for table in case.via:
        if table not in reached:
            raise ValueError(f"{table} cannot reach the tenant table by its via")
    edges = {t: tuple(e for e in voters[t] if e.parent in reached) for t in reached}
    written = reached - case.excluded
    bridges = _led_to(edges, written) & case.excluded
    shared = frozenset(t for t in case.shared if not any(e.parent in reached for e in _shown_owners(case, t)))
    judged = written | bridges
    return Routing(
        judged=frozenset(judged),
        bridges=frozenset(bridges),
        shared=shared,
        excluded=frozenset(t.name for t in case.tables) - written - shared,
        owner_edges={t: edges[t] for t in judged},
        joins={member: edge for member, edge in joins.items() if member in judged},
    )


def _shown_owners(case: Case, table: str) -> list[Edge]:
    """The edges of a shared table that would tell whose its rows are: those of which a column is not hidden."""
    return [e for e in case.edges_of(table) if e not in case.actors and not set(e.columns) <= set(case.hides.get(table, ()))]


def _check_one_word_each(case: Case) -> None:
    words = [case.shared, case.excluded, set(case.through), set(case.via), {case.tenant_table}]
    for table in case.tables:
        if sum(table.name in word for word in words) > 1:
            raise ValueError(f"{table.name} is said to be two things")


def joining_edge(case: Case, member: str) -> Edge:
    """The one edge of the joining table that makes rows members; raises ValueError where there is not exactly one."""
    joining, column = case.joining(member)
    found = [e for e in case.edges_of(joining) if e.parent == member and column in (None, *e.columns)]
    if len(found) != 1:
        raise ValueError(f"through {case.through[member]}: {len(found)} edges lead to {member}")
    return found[0]


def _voters(case: Case, joins: Mapping[str, Edge], table: str) -> list[Edge]:
    """The edges of a table that would have a say if their parents had a route."""
    if table == case.tenant_table or table in case.shared or table in joins:
        return []
    edges = list(case.via[table]) if table in case.via else [e for e in case.edges_of(table) if e not in case.actors]
    return [e for e in edges if not (e.parent in joins and joins[e.parent].child == table)]


def _reached(case: Case, joins: Mapping[str, Edge], voters: Mapping[str, list[Edge]]) -> set[str]:
    """The least fixpoint: tables that reach the tenant table without an open decision, excluded ones included."""
    reached = {case.tenant_table}
    while True:
        grown = reached | {t for t in voters if _has_way(case, joins, voters, reached, t)}
        if grown == reached:
            return reached
        reached = grown


def _has_way(case: Case, joins: Mapping[str, Edge], voters: Mapping[str, list[Edge]], reached: set[str], table: str) -> bool:
    if table in joins:
        return joins[table].child in reached - case.excluded
    if sum(e.parent == case.tenant_table for e in voters[table]) > 1:
        return False  # whose is it, the buyer's or the seller's? open
    if table in case.via:
        return any(e.parent in reached for e in voters[table])
    return any(e.parent in reached - set(joins) for e in voters[table])  # through a member alone: open


def _led_to(edges: Mapping[str, tuple[Edge, ...]], start: set[str]) -> set[str]:
    """The tables that owner edges lead to from the given ones, over any number of edges."""
    found: set[str] = set()
    waiting = set(start)
    while waiting:
        parents = {e.parent for e in edges[waiting.pop()]}
        waiting |= parents - found
        found |= parents
    return found
