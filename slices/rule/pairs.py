"""Where several owner edges place a table: do they agree, and what would each do alone? Asked of rows that are judged already.

Parents are taken as they lie in the end, so what an edge would do alone is exact for the table itself; what it would change in turn
for tables below is not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

from engine.duck import Connection
from engine.graph import Edge
from engine.routing import Routing
from engine.schema import TableName
from slices.rule import sql
from slices.rule.judge import Judge, Numbered

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Alone:
    """One owner edge by itself: the rows that it gives a tenant, those for which it is a fault, those for which it says nothing."""

    edge: Edge
    votes: int
    faults: int
    abstains: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Two owner edges of a table: all but `examples` add up to its rows. `examples` are keys of rows over which they disagree."""

    first: Edge
    second: Edge
    agree: int
    disagree: int
    abstain: int
    fault: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """What the owner edges of one table say of its rows, each alone and two by two."""

    rows: int
    alone: tuple[Alone, ...]
    pairs: tuple[Pair, ...]


def pairs_of(
    connection: Connection, routing: Routing, judge: Judge, progress: Callable[[str], None] = lambda table: None
) -> dict[TableName, Pairs]:
    """The report on every judged table with several owner edges. `judge` has run; a table is read once."""
    found = {}
    for route in (r for r in routing.judged if len(r.edges) > 1):
        progress(route.table.table)
        found[route.table] = _pairs(connection, judge, judge.tables[route.table])
    return found


def _pairs(connection: Connection, judge: Judge, item: Numbered) -> Pairs:
    asked = judge.ask_each(item.route.table)
    edges = [edge for edge, _ in asked]
    positions = [(a, b) for a, b in combinations(range(len(edges)), 2) if not _are_types_of_one(edges[a], edges[b])]
    query = sql.count_answers(item.number, _key(item), [ask for _, ask in asked], positions, EXAMPLES)
    row = connection.execute(query).fetchone()
    assert row is not None
    rows, *facts = row
    alone = tuple(Alone(edge, *facts[3 * i : 3 * i + 3]) for i, edge in enumerate(edges))
    rest = facts[3 * len(edges) :]
    found = []
    for i, (a, b) in enumerate(positions):
        agree, disagree, abstain, fault, examples = rest[5 * i : 5 * i + 5]
        found.append(Pair(edges[a], edges[b], agree, disagree, abstain, fault, tuple(examples or ())))
    return Pairs(rows, alone, tuple(found))


def _are_types_of_one(first: Edge, second: Edge) -> bool:
    """Two types of one polymorphic pair never answer for the same row."""
    return bool(first.when and second.when) and first.columns == second.columns


def _key(item: Numbered) -> list[str]:
    """The landed columns of the primary key, masked as they are landed; [] where it is not landed whole."""
    landed = {c.name: c.landed for c in item.landed.table.columns}
    key = item.landed.table.primary_key
    return [landed[c] for c in key] if key and all(c in landed for c in key) else []
