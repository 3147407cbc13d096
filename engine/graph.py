"""The relationship graph: edges child → parent between tables, groups of tables that lie in a cycle, reachability."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from engine.infer.actors import is_person, names_an_actor
from engine.schema import Schema, TableName
from engine.workspace.syntax import Relationship

Node = TypeVar("Node", bound=Hashable)
Origin = Literal["declared", "inferred", "configured"]


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """`columns` of `child` point at `parent_columns` of `parent`. `confidence` is 1 where nobody guessed.

    `when` is a column of the child and a value: the edge is there only for rows of that type (polymorphic); () for all rows.
    """

    child: TableName
    columns: tuple[str, ...]
    parent: TableName
    parent_columns: tuple[str, ...]
    origin: Origin = "declared"
    actor: bool = False
    confidence: float = 1.0
    evidence: str = ""
    when: tuple[str, ...] = ()

    @property
    def is_self_reference(self) -> bool:
        """A table that points at itself."""
        return self.child == self.parent

    @property
    def ends(self) -> tuple[TableName, tuple[str, ...], TableName, tuple[str, ...], tuple[str, ...]]:
        """What makes two edges the same, whatever is known of them."""
        return self.child, self.columns, self.parent, self.parent_columns, self.when

    @property
    def label(self) -> str:
        """`orders.customer_id->customers.id`; composite columns joined with `+`."""
        only = f"[{self.when[1]}]" if self.when else ""
        return f"{self.child.table}.{'+'.join(self.columns)}{only}->{self.parent.table}.{'+'.join(self.parent_columns)}"


@dataclass(frozen=True, slots=True, order=True)
class Guard:
    """A polymorphic pair of columns: an id whose type is none of `known`, or which has no type, is a fault."""

    type_column: str
    id_column: str
    known: tuple[str, ...]


def declared_edges(schema: Schema) -> list[Edge]:
    """The foreign keys between tables of the schema, sorted."""
    edges = {
        Edge(table.name, key.columns, key.parent, key.parent_columns, "declared", evidence="declared foreign key")
        for table in schema
        for key in table.foreign_keys
        if key.parent in schema
    }
    return sorted(edges)


def configured_edge(line: Relationship, resolve: Callable[[tuple[str, ...]], TableName]) -> Edge:
    """The edge of one configured relationship with one parent; `resolve` finds a table by its written name."""
    assert line.parent is not None
    child, parent = resolve(line.child.table), resolve(line.parent.table)
    return Edge(child, line.child.columns, parent, line.parent.columns, "configured", evidence="written in the workspace file")


def polymorphic_edges(line: Relationship, resolve: Callable[[tuple[str, ...]], TableName]) -> tuple[list[Edge], Guard]:
    """The edges of `t.(type, id) -> {Post: posts.id, Wiki: none}`, one a type that has a parent, and the guard of the pair."""
    assert line.types is not None
    child, (type_column, id_column) = resolve(line.child.table), line.child.columns
    edges = [
        Edge(
            child,
            (id_column,),
            resolve(to.table),
            to.columns,
            "configured",
            evidence="written in the workspace file",
            when=(type_column, name),
        )
        for name, to in line.types.items()
        if to is not None
    ]
    return edges, Guard(type_column, id_column, tuple(sorted(line.types)))


def merge_edges(found: Iterable[Edge], configured: Iterable[Edge], denied: Iterable[Edge]) -> list[Edge]:
    """Found edges with the configured ones over them and without the denied ones, sorted."""
    by_ends = {edge.ends: edge for edge in found}
    by_ends.update({edge.ends: edge for edge in configured})
    gone = {edge.ends for edge in denied}
    return sorted(edge for ends, edge in by_ends.items() if ends not in gone)


def with_actors(edges: Iterable[Edge], actors: set[tuple[TableName, tuple[str, ...]]]) -> list[Edge]:
    """The edges, those of the named columns marked as actor edges."""
    return [replace(e, actor=True) if (e.child, e.columns) in actors else e for e in edges]


def with_roles(edges: Iterable[Edge]) -> list[Edge]:
    """The edges, those marked as actor edges whose columns say who did something and which lead to people: `author_id` → users."""
    return [replace(e, actor=True) if is_person(e.parent.table) and any(map(names_an_actor, e.columns)) else e for e in edges]


def groups(nodes: Iterable[Node], successors: Mapping[Node, Iterable[Node]]) -> list[tuple[Node, ...]]:
    """Strongly connected groups, successors first (Tarjan 1972, without recursion). Deterministic for sorted input."""
    index: dict[Node, int] = {}
    low: dict[Node, int] = {}
    stack: list[Node] = []
    on_stack: set[Node] = set()
    found: list[tuple[Node, ...]] = []
    for root in nodes:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        work = [(root, iter(successors.get(root, ())))]
        while work:
            node, rest = work[-1]
            for after in rest:
                if after not in index:
                    index[after] = low[after] = len(index)
                    stack.append(after)
                    on_stack.add(after)
                    work.append((after, iter(successors.get(after, ()))))
                    break
                if after in on_stack:
                    low[node] = min(low[node], index[after])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    found.append(_pop_group(node, stack, on_stack))
    return found


def _pop_group(root: Node, stack: list[Node], on_stack: set[Node]) -> tuple[Node, ...]:
    group: list[Node] = []
    while True:
        node = stack.pop()
        on_stack.discard(node)
        group.append(node)
        if node == root:
            return tuple(reversed(group))


def reached(start: Iterable[Node], leads: Callable[[set[Node]], Iterable[Node]]) -> set[Node]:
    """The least fixpoint: `start`, and whatever `leads(known)` adds to it until it adds nothing."""
    known = set(start)
    while True:
        new = set(leads(known)) - known
        if not new:
            return known
        known |= new
