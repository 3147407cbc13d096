"""Random cases of the row rule: `cases()`.

Tables are made first, then what the workspace file says of them, then rows. Every row is drawn with a home, a tenant
that its keys mostly agree on, so that owned rows are common and disagreement is not the rule.

So that examples shrink, rows are lists of numbers drawn before anything is known of the tables; and a table, an edge
and a row each have a draw of their own that leaves them out at 0 and moves no other draw.

Only what `check` would accept comes out: via names owner edges whose parents reach the tenant table and leaves one
edge at most to it; through names the one edge, to a unique key, of a joining table that reaches the tenant table
without the member; unassigned: shared has one owner edge or a condition. Open decisions do come out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from hypothesis import strategies as st

from tests.rowrule.case import (
    CHAR,
    SCALE,
    Case,
    Column,
    ColumnType,
    Condition,
    Edge,
    Fold,
    Polymorphic,
    Table,
    Value,
    canonical,
)
from tests.rowrule.routes import routing

Kind = Literal["int", "bigint", "text", "digits", "uuid", "decimal", "char", "bool"]
Role = Literal["owned", "shared", "excluded", "alone"]
TENANTS = "orgs"
MOST_ROWS = 12
LEAST_ROWS = (0, 3, 5, 6, 7, 8, 10, 12)  # otherwise most lists are short
PICKS = 4
ROW = st.tuples(st.integers(0, 12), st.integers(0, 6), st.integers(0, 15), *[st.integers(0, 23)] * PICKS)
VALUES: dict[Kind, tuple[int | str | Decimal, ...]] = {
    "int": (1, 2, 3, 0, 4, 5, 6, -1, 7, 8, 9, 10),
    "bigint": tuple(2**53 + n for n in range(MOST_ROWS + 1)),  # neighbours are equal as floats
    "text": ("a", "b", "A", "a ", "1", "01", "\u00e9", "e\u0301", "", " 1", "key:a", "'\"%"),
    "digits": ("1", "2", "01", "3", "-1", "0", "4", "10", "5", "6", "7", "8"),
    "uuid": tuple(f"{n:x}50e8400-e29b-41d4-a716-4466554400{n:x}a" for n in range(MOST_ROWS + 1)),
    "decimal": tuple(
        Decimal(n).quantize(Decimal(10) ** -SCALE) for n in ("1", "2", "10", "0", "0.5", "-1", "100", "2.5", "3", "4", "5", "6")
    ),
    "char": ("a", "b", "A", "1", "01", "", " a", "\u00e9", "2", "c", "key:a", "'\"%"),
    "bool": (True, False, True, True),
}
KEYS: tuple[Kind, ...] = ("int", "int", "bigint", "text", "digits", "uuid", "uuid", "decimal", "decimal", "char")
COLUMN_TYPES: dict[Kind, ColumnType] = {kind: kind if kind != "digits" else "text" for kind in VALUES}
OTHER_KINDS: dict[Kind, tuple[Kind, ...]] = {
    "int": ("text", "bigint", "decimal", "char"),
    "bigint": ("text", "decimal"),
    "text": ("text", "char"),
    "digits": ("int", "decimal", "char"),
    "uuid": ("text", "text", "char"),
    "decimal": ("text", "int"),
    "char": ("text", "char"),
}
MARKS: dict[int, Kind] = {4: "text", 5: "int", 6: "bool"}
ROLES: tuple[Role, ...] = ("owned",) * 12 + ("shared", "shared", "excluded", "excluded", "alone")


@dataclass(frozen=True, slots=True)
class Dice:
    """What is drawn beforehand of a table's configuration."""

    kept: bool
    via: tuple[int, int, int]  # used where the first is 4; which edges
    unassigned: int
    gone: int
    where: int
    hidden: int


@dataclass(slots=True)
class Schema:
    """Tables and edges while they are drawn; `kinds[table][column]` are the kinds of values, in the columns' order."""

    names: list[str]
    roles: dict[str, Role]
    kinds: dict[str, dict[str, Kind]]
    raw: dict[str, list[tuple[int, ...]]]  # per row the numbers drawn: home, code, deletion mark, a pick for each edge
    homes: dict[str, list[int | None]]  # per row the home; None: no row, its number stays free
    dice: dict[str, Dice]
    mess: int  # 0 to 3: how often keys disagree
    pairs: dict[str, tuple[str, str]] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    sparse: set[Edge] = field(default_factory=set)  # edges that are often NULL
    wild: set[Edge] = field(default_factory=set)  # edges whose keys agree with no home
    dropped: set[Edge] = field(default_factory=set)
    actors: set[Edge] = field(default_factory=set)
    system: str = ""  # a table with one way, that rows of everybody's may be in
    member: dict[str, str] = field(default_factory=dict)  # what through would say

    @property
    def owned(self) -> list[str]:
        return [t for t in self.names[1:] if self.roles[t] == "owned"]

    @property
    def tables(self) -> list[str]:
        """The tables that are not dropped."""
        return [t for t in self.names if self.dice[t].kept]

    @property
    def kept_edges(self) -> tuple[Edge, ...]:
        return tuple(e for e in self.edges if e not in self.dropped and {e.child, e.parent} <= set(self.tables))

    @property
    def free(self) -> list[str]:
        return [t for t in self.owned if t != self.system]

    def first_edge(self, table: str) -> Edge | None:
        return next((e for e in self.edges if e.child == table), None)


@st.composite
def cases(draw: st.DrawFn, most_tables: int = 8, *, later: bool = False) -> Case:
    """A case of 2 to `most_tables` tables with 0 to 12 rows each (1 to 4 tenants).

    `later`: roll-up, referenced tables, polymorphic pairs and normalised keys too.
    """
    schema = draw(schemas(most_tables))
    made = with_rows(schema, configured(schema))
    return draw(extended(made)) if later else made


@st.composite
def extended(draw: st.DrawFn, case: Case) -> Case:
    """The case with some of what `later` means, each as often as not; the case as it is where `check` would not take it."""
    for more in (with_rollup, with_referenced, with_polymorphic, with_normalised):
        grown = draw(more(case)) if draw(st.booleans()) else case
        case = grown if _is_accepted(grown) and _has_single_keys(grown) else case
    return case


def _has_single_keys(case: Case) -> bool:
    """Whether no two tenants have keys that are equal."""
    table = case.table(case.tenant_table)
    keys = [case.key(table.name, i, (case.tenant_key,)) for i in range(len(table.rows))]
    return len(set(keys)) == len(keys)


def _with_column(case: Case, table: str, column: Column, values: list[Value]) -> Case:
    old = case.table(table)
    new = replace(old, columns=(*old.columns, column), rows=tuple((*row, v) for row, v in zip(old.rows, values, strict=True)))
    return replace(case, tables=tuple(new if t.name == table else t for t in case.tables))


@st.composite
def with_rollup(draw: st.DrawFn, case: Case) -> Case:
    """Tenants name the tenant above them, themselves, none, or one that is not there."""
    tenants = case.table(TENANTS)
    keys = [tenants.value(i, "id") for i in range(len(tenants.rows))]
    above = [draw(st.sampled_from([None, *keys, _near_miss(keys[0])])) for _ in keys]
    grown = _with_column(case, TENANTS, Column("above", tenants.type_of("id")), above)
    return replace(grown, rollup="above", edges=(*grown.edges, Edge(TENANTS, ("above",), TENANTS, ("id",))))


@st.composite
def with_referenced(draw: st.DrawFn, case: Case) -> Case:
    """Some shared tables are referenced ones, and often another table points at one of them."""
    shared = [t for t in sorted(case.shared) if len(case.table(t).rows)]
    if not shared:
        return case
    chosen = frozenset(t for t in shared if draw(st.booleans())) | {shared[0]}
    parent = case.table(shared[0])
    able = [t for t in sorted(routing(case).written - {shared[0]}) if t not in case.via and t not in case.through]
    child = draw(st.sampled_from(able))
    keys = [parent.value(i, "id") for i in range(len(parent.rows))]
    values = [draw(st.sampled_from([None, *keys])) for _ in case.table(child).rows]
    grown = _with_column(case, child, Column("ref", parent.type_of("id")), values)
    edges = (*grown.edges, Edge(child, ("ref",), parent.name, ("id",)))
    led_to = {e.parent for e in edges if e.child in routing(case).written - {e.parent}}  # check refuses one that nothing points at
    return replace(grown, referenced=chosen & led_to, edges=edges)


@st.composite
def with_polymorphic(draw: st.DrawFn, case: Case) -> Case:
    """An owned table gets a pair of columns that points at one or two owned tables, at nothing, or at a type that nobody mapped."""
    routes = routing(case)
    owned = sorted(routes.judged - routes.bridges - {TENANTS} - set(routes.joins))
    joins = {e.child for e in routes.joins.values()}
    children = [t for t in owned if t not in case.via and t not in joins]
    if not children:
        return case
    child = draw(st.sampled_from(children))
    first = draw(st.sampled_from(owned))
    kind = case.table(first).type_of("id")
    second = draw(st.sampled_from([t for t in owned if case.table(t).type_of("id") == kind]))
    types = (("Deal", (first, "id")), ("Crm::Deal", (second, "id")), ("Wiki", None))
    pair = Polymorphic(child, "kind", "of", types)
    keys = [case.table(t).value(i, "id") for t in dict.fromkeys((first, second)) for i in range(len(case.table(t).rows))]
    rows = range(len(case.table(child).rows))
    names = [draw(st.sampled_from([None, "Deal", "Crm::Deal", "Deal", "Wiki", None, "Other"])) for _ in rows]
    names = [name if keys or name != "Other" else "Deal" for name in names]
    ids = [draw(st.sampled_from(_ids(name, keys))) for name in names]
    grown = _with_column(_with_column(case, child, Column("kind", "text"), list(names)), child, Column("of", kind), ids)
    plain = {t: c for t, c in grown.unassigned_shared.items() if t != child or c is not None}
    return replace(grown, polymorphic=(pair,), edges=(*grown.edges, *pair.edges), unassigned_shared=plain)


def _ids(name: str | None, keys: list[Value]) -> list[Value]:
    """What a row of that type may point at. A type that nobody mapped has an id: what it is without one is not decided."""
    if name is None:
        return [None, None, *keys[:1]]
    return keys if name == "Other" else [None, *keys]


@st.composite
def with_normalised(draw: st.DrawFn, case: Case) -> Case:
    """Both ends of a text edge, and of every edge that shares a column with it, are normalised alike."""
    ends = [
        {(e.child, c), (e.parent, p)}
        for e in case.edges
        for c, p in zip(e.columns, e.parent_columns, strict=True)
        if {case.table(e.child).type_of(c), case.table(e.parent).type_of(p)} == {"text"}
    ]
    if not ends:
        return case
    chosen = draw(st.sampled_from(ends))
    for _ in case.edges:
        for e in case.edges:
            for pair in [{(e.child, c), (e.parent, p)} for c, p in zip(e.columns, e.parent_columns, strict=True)]:
                chosen = chosen | pair if chosen & pair else chosen
    if {case.table(t).type_of(c) for t, c in chosen} != {"text"}:
        return case
    how: Fold = draw(st.sampled_from(("lower", "rtrim", "lower_rtrim")))
    for table, column in sorted(chosen - {(e.parent, c) for e in case.edges for c in e.parent_columns}):
        case = _loosely_written(case, table, column, draw(st.lists(st.integers(0, 3), min_size=12, max_size=12)))
    return replace(case, normalise=dict.fromkeys(sorted(chosen), how))


def _loosely_written(case: Case, table: str, column: str, ways: list[int]) -> Case:
    """The case with some texts of a column in the other case, or with a blank at their end."""
    old = case.table(table)
    place = [c.name for c in old.columns].index(column)

    def written(value: Value, way: int) -> Value:
        if not isinstance(value, str) or way > 2:
            return value
        return (value.swapcase(), f"{value} ", f"{value.swapcase()} ")[way]

    rows = [(*row[:place], written(row[place], ways[i % len(ways)]), *row[place + 1 :]) for i, row in enumerate(old.rows)]
    new = replace(old, rows=tuple(rows))
    return replace(case, tables=tuple(new if t.name == table else t for t in case.tables))


def one_in(draw: st.DrawFn, n: int) -> bool:
    """True once in n; shrinks to False."""
    return draw(st.integers(0, n - 1)) == n - 1


@st.composite
def schemas(draw: st.DrawFn, most_tables: int) -> Schema:
    """Tables with their keys and edges, without rows."""
    system, cycle, member = draw(st.booleans()), draw(st.integers(0, 3)) > 0, draw(st.integers(0, 2)) > 0
    sizes = [n for n in (2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8) if n <= most_tables]
    names = [TENANTS, *(f"t{i}" for i in range(1, draw(st.sampled_from(sizes))))]
    if one_in(draw, 4):
        names = [f"other.t{i - 1}" if i % 2 == 0 and i else name for i, name in enumerate(names)]  # t1 and other.t1
    roles: dict[str, Role] = {name: draw(st.sampled_from(ROLES)) for name in names[1:]}
    tenants = draw(st.sampled_from((2, 1, 3, 4)))  # two are the least that can be mistaken for each other
    raw = {name: draw(st.lists(ROW, min_size=draw(st.sampled_from(LEAST_ROWS)), max_size=MOST_ROWS)) for name in names[1:]}
    raw[TENANTS] = draw(st.lists(ROW, min_size=tenants, max_size=tenants))
    homes = {name: [(row[0] - 1) % tenants if row[0] else None for row in rows] for name, rows in raw.items()}
    homes[TENANTS] = list(range(tenants))
    dice = {name: _draw_dice(draw, name) for name in names}
    kinds: dict[str, dict[str, Kind]] = {name: {} for name in names}
    schema = Schema(names, {TENANTS: "owned", **roles}, kinds, raw, homes, dice, mess=draw(st.integers(0, 3)))
    for name in names:
        _draw_keys(draw, schema, name)
    if system and len(schema.owned) > 1:
        schema.system = draw(st.sampled_from(schema.owned))
    for i, name in enumerate(names[1:], 1):
        _draw_first_edge(draw, schema, name, i)
    for name in names:
        _draw_more_edges(draw, schema, name)
    if schema.system:
        _draw_system_rows(draw, schema)
    if cycle and len(schema.free) > 1:
        _draw_cycle(draw, schema)
    if member and len(schema.free) > 1:
        _draw_member(draw, schema)
    return schema


def _draw_dice(draw: st.DrawFn, name: str) -> Dice:
    kept = draw(st.integers(0, 31)) > 0 or name == TENANTS
    via = (draw(st.integers(0, 4)), draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    few = st.integers(0, 7)
    return Dice(kept, via, unassigned=draw(st.integers(0, 4)), gone=draw(few), where=draw(few), hidden=draw(st.integers(0, 2)))


def _draw_keys(draw: st.DrawFn, schema: Schema, name: str) -> None:
    """A unique id, sometimes a code that is not unique, sometimes a pair that is."""
    kinds = schema.kinds[name]
    kinds["id"] = draw(st.sampled_from(KEYS))
    if one_in(draw, 2):
        kinds["code"] = draw(st.sampled_from(KEYS))
    pair = draw(st.integers(0, 5))
    if pair >= 4:
        area: Kind = draw(st.sampled_from(("int", "text")))
        kinds |= {"area": area, "no": "int"} if pair == 4 else {"no": "int"}
        schema.pairs[name] = ("area" if pair == 4 else "f0", "no")


def _draw_first_edge(draw: st.DrawFn, schema: Schema, name: str, i: int) -> None:
    """The edge by which a table comes to its tenant, to an earlier table."""
    parent = TENANTS if name == schema.system else schema.names[draw(st.integers(0, i - 1))]
    shown = schema.roles[name] == "shared" and schema.roles[parent] != "shared" and schema.dice[name].hidden == 0
    if shown or schema.roles[name] == "alone":
        if schema.pairs.get(name, ("",))[0] == "f0":
            del schema.pairs[name]
        return
    if schema.roles[parent] in ("shared", "alone") and schema.roles[name] != "shared":
        parent = TENANTS
    plain = schema.pairs.get(name, ("",))[0] == "f0"
    _add_edge(draw, schema, name, parent, plain)


def _draw_more_edges(draw: st.DrawFn, schema: Schema, name: str) -> None:
    """Further edges to any table: other ways, cycles, self-references; those of the tenant table have no say."""
    if schema.roles[name] in ("shared", "alone") or name == schema.system:
        return
    if name == TENANTS and schema.pairs.get(name, ("",))[0] == "f0":
        del schema.pairs[name]
    most = 2 if name == TENANTS else 4
    for _ in range(draw(st.integers(0, most)) // 2):
        parent = draw(st.sampled_from(schema.names))
        again = any(e.child == name and e.parent == parent for e in schema.edges)
        if parent == TENANTS and again and not one_in(draw, 2):
            parent = name
        _add_edge(draw, schema, name, parent, plain=False)


def _add_edge(draw: st.DrawFn, schema: Schema, child: str, parent: str, plain: bool) -> Edge | None:
    """Adds an edge to one of the parent's keys (to its id, from a column of the same kind, where `plain`)."""
    key = ("id",) if plain else _draw_parent_key(draw, schema, parent)
    alike = _comparable(schema.kinds[child]["id"], schema.kinds[parent]["id"])
    if not plain and key == ("id",) and child != parent and one_in(draw, 12) and alike:
        return _append(draw, schema, Edge(child, ("id",), parent, ("id",)))  # the child's key is the parent's
    n = sum(e.child == child for e in schema.edges)
    columns = tuple(f"f{n}{chr(ord('a') + k) if len(key) > 1 else ''}" for k in range(len(key)))
    if _shares_first_column(schema, child, parent, key):
        columns = ("f0", *columns[1:])
    for column, parent_column in zip(columns, key, strict=True):
        kind = schema.kinds[parent][parent_column]
        other = kind if plain or not one_in(draw, 3) else draw(st.sampled_from(OTHER_KINDS[kind]))
        schema.kinds[child].setdefault(column, other)
    return _append(draw, schema, Edge(child, columns, parent, key))


def _comparable(one: Kind, other: Kind) -> bool:
    """Whether `check` lets an edge compare columns of these kinds."""
    return (one == "uuid") == (other == "uuid") or COLUMN_TYPES[one] in ("text", "char") or COLUMN_TYPES[other] in ("text", "char")


def _draw_parent_key(draw: st.DrawFn, schema: Schema, parent: str) -> tuple[str, ...]:
    choices: list[tuple[str, ...]] = [("id",), ("id",)]
    choices += [("code",)] * 2 if "code" in schema.kinds[parent] else []
    pair = schema.pairs.get(parent)
    choices += [pair] * 2 if pair and pair[0] in schema.kinds[parent] else []
    return draw(st.sampled_from(choices))


def _shares_first_column(schema: Schema, child: str, parent: str, key: tuple[str, ...]) -> bool:
    """Whether order_lines.(org_id, no) can point at orders.(org_id, no) by its own org_id."""
    own, theirs = schema.first_edge(child), schema.first_edge(parent)
    if key != ("f0", "no") or own is None or theirs is None or child == parent:
        return False
    alike = (own.columns, own.parent, own.parent_columns) == (("f0",), theirs.parent, theirs.parent_columns)
    return alike and schema.kinds[child]["f0"] == schema.kinds[parent]["f0"]


def _append(draw: st.DrawFn, schema: Schema, edge: Edge) -> Edge | None:
    if edge in schema.edges:
        return None
    schema.edges.append(edge)
    if one_in(draw, 3):
        schema.sparse.add(edge)
    if draw(st.integers(0, 31)) == 0:
        schema.dropped.add(edge)
    if one_in(draw, 8) and edge.parent != TENANTS:
        schema.actors.add(edge)
    return edge


def _draw_two(draw: st.DrawFn, tables: list[str]) -> tuple[str, str]:
    """Two different tables."""
    return draw(st.sampled_from([(a, b) for a in tables for b in tables if a != b]))


def _draw_way(draw: st.DrawFn, schema: Schema, table: str) -> None:
    """Often an edge to the tenant table, where the table has none."""
    if not any((e.child, e.parent) == (table, TENANTS) for e in schema.edges) and not one_in(draw, 6):
        _add_edge(draw, schema, table, TENANTS, plain=True)


def _draw_cycle(draw: st.DrawFn, schema: Schema) -> None:
    """Two tables that point at each other, and often at the tenant table: the way to a contradiction, or a loop."""
    one, other = _draw_two(draw, schema.free)
    for child, parent in ((one, other), (other, one)):
        edge = _add_edge(draw, schema, child, parent, plain=True)
        if edge and not one_in(draw, 3):
            schema.wild.add(edge)
        _draw_way(draw, schema, child)


def _draw_system_rows(draw: st.DrawFn, schema: Schema) -> None:
    """The system table's way is often NULL, and another table points at its code: everybody's beside one tenant's."""
    parent = schema.system
    child = draw(st.sampled_from([t for t in schema.owned if t != parent]))
    schema.kinds[parent].setdefault("code", "int")
    schema.sparse |= {e for e in schema.edges if e.child == parent}
    column = f"f{sum(e.child == child for e in schema.edges)}"
    schema.kinds[child][column] = schema.kinds[parent]["code"]
    _append(draw, schema, Edge(child, (column,), parent, ("code",)))


def _draw_member(draw: st.DrawFn, schema: Schema) -> None:
    """One table becomes a member by an edge of another one, and often a third one points at the member."""
    joining, member = _draw_two(draw, schema.free)
    edge = _add_edge(draw, schema, joining, member, plain=True)
    if edge is None:
        return
    if not one_in(draw, 4):
        schema.wild.add(edge)
    _draw_way(draw, schema, joining)
    alone = sum((e.child, e.parent) == (joining, member) for e in schema.edges) == 1
    schema.member = {member: joining if alone else f"{joining}.{edge.columns[0]}"}
    others = [t for t in schema.free if t not in (joining, member)]
    if others and not one_in(draw, 4):
        child = draw(st.sampled_from(others))
        schema.sparse |= {e for e in schema.edges if e.child == child}
        if one_in(draw, 5) and schema.pairs.get(child, ("",))[0] != "f0":
            schema.edges = [e for e in schema.edges if e.child != child]
        _add_edge(draw, schema, child, member, plain=True)


def configured(schema: Schema) -> Case:
    """A case without rows: the tables and edges kept, and of the configuration drawn what `check` would accept."""
    read = [t for t in schema.tables if schema.roles[t] != "excluded"]
    gone = {t: "gone" for t in read if schema.dice[t].gone in MARKS}
    for table in gone:
        schema.kinds[table]["gone"] = MARKS[schema.dice[table].gone]
    shared = frozenset(t for t in schema.tables if schema.roles[t] == "shared")
    case = Case(
        tables=_tables(schema, {}),
        edges=schema.kept_edges,
        tenant_table=TENANTS,
        tenant_key="id",
        shared=shared,
        excluded=frozenset(t for t in schema.tables if schema.roles[t] == "excluded"),
        soft_delete=gone,
        where={t: condition for t in read if schema.dice[t].where >= 6 and (condition := _condition(schema, t, schema.dice[t].where))},
        hides={t: columns for t in sorted(shared) if (columns := _hidden(schema, t))},
        actors=frozenset(e for e in schema.kept_edges if _is_actor(schema, e)),
    )
    if schema.member and _is_accepted(replace(case, through=schema.member)):
        case = replace(case, through=schema.member)
    for table in schema.tables[1:]:
        case = _with_via(case, table, schema.dice[table].via)
    return _with_unassigned(schema, case)


def _condition(schema: Schema, table: str, which: int) -> Condition | None:
    """A condition on the id that some rows do not hold; DuckDB sees char with its blanks and uuid as text, so not on those."""
    kind = schema.kinds[table]["id"]
    if kind not in ("int", "bigint", "text", "digits"):
        return None
    return Condition("id", ">" if which % 2 and kind == "int" else "<>", VALUES[kind][which % 3])


def _hidden(schema: Schema, table: str) -> tuple[str, ...]:
    """The columns of a shared table that point at tables that are not shared; where its dice say so, one too few."""
    edges = [e for e in schema.kept_edges if e.child == table and schema.roles[e.parent] != "shared"]
    columns = tuple(dict.fromkeys(c for e in edges for c in e.columns if c != "id"))
    return columns[1:] if schema.dice[table].hidden == 2 and schema.dice[table].gone > 2 else columns


def _is_actor(schema: Schema, edge: Edge) -> bool:
    """Whether an edge that was drawn so can be one: actors are told by their columns, and a joining edge is none."""
    alike = [e for e in schema.kept_edges if e.child == edge.child and set(e.columns) & set(edge.columns)]
    joins = [schema.member.get(edge.parent, "").startswith(edge.child)]
    return edge in schema.actors and len(alike) == 1 and edge.columns != ("id",) and schema.roles[edge.child] != "shared" and not any(joins)


def _with_via(case: Case, table: str, via: tuple[int, int, int]) -> Case:
    """The case with a via of one edge or two for the table, or as it was."""
    joins = {case.joining(member)[0]: member for member in case.through}
    edges = [e for e in case.edges_of(table) if e not in case.actors and joins.get(table) != e.parent]
    if via[0] != 4 or not edges or table in case.shared | case.excluded | set(case.through):
        return case
    named = dict.fromkeys(edges[n % len(edges)] for n in via[1:])
    decided = replace(case, via={**case.via, table: tuple(named)})
    return decided if _is_accepted(decided) else case


def _is_accepted(case: Case) -> bool:
    """Whether via and through lead to the tenant table, each member's joining table without the member."""
    try:
        routes = routing(case)
    except ValueError:
        return False
    via_holds = all(routes.owner_edges.get(t) == edges for t, edges in case.via.items())
    return via_holds and all(m in routes.joins and _joins_without(case, m) for m in case.through)


def _joins_without(case: Case, member: str) -> bool:
    """Whether the joining table has a route when the member has none."""
    others = {m: by for m, by in case.through.items() if m != member}
    edges = tuple(e for e in case.edges if member not in (e.child, e.parent))
    via = {t: tuple(e for e in named if e in edges) for t, named in case.via.items()}
    try:
        routes = routing(replace(case, through=others, edges=edges, via=via))
    except ValueError:
        return False
    return case.joining(member)[0] in routes.judged - routes.bridges


def _with_unassigned(schema: Schema, case: Case) -> Case:
    routes = routing(case)
    able = [t for t in sorted(routes.judged - routes.bridges) if routes.owner_edges[t]]
    chosen: dict[str, Condition | None] = {
        t: None for t in able if len(routes.owner_edges[t]) == 1 and (t == schema.system or schema.dice[t].unassigned == 2)
    }
    for table in able:
        condition = _condition(schema, table, schema.dice[table].gone)
        if schema.dice[table].unassigned > 2 and condition is not None:
            chosen[table] = condition
    return replace(case, unassigned_shared=chosen)


Cells = dict[str, list[dict[str, Value]]]  # a dict by column for every number of a row, also where there is no row


def with_rows(schema: Schema, case: Case) -> Case:
    """The case with rows: ids first, then edges to columns that are no edges themselves, then the rest."""
    cells = {table: _own_columns(schema, table) for table in schema.names}
    later = [e for e in schema.edges if e.parent_columns[0] == "f0"]
    for edge in [e for e in schema.edges if e not in later]:
        _fill_edge_columns(schema, cells, edge)
    for table, pair in schema.pairs.items():
        _number(cells[table], pair)
    for edge in later:
        _fill_edge_columns(schema, cells, edge)
    return replace(case, tables=_tables(schema, cells))


def _own_columns(schema: Schema, table: str) -> list[dict[str, Value]]:
    """Id, code, area and deletion mark of all rows of a table."""
    kinds, rows = schema.kinds[table], list[dict[str, Value]]()
    for i, (home, (_, other, mark, *_picks)) in enumerate(zip(schema.homes[table], schema.raw[table], strict=True)):
        row: dict[str, Value] = {"id": VALUES[kinds["id"]][i]}
        if "code" in kinds:
            row["code"] = None if other == 6 else VALUES[kinds["code"]][other - 2 if other > 2 else home or 0]
        if "area" in kinds:
            row["area"] = VALUES[kinds["area"]][home or 0]
        if "gone" in kinds:
            row["gone"] = VALUES[kinds["gone"]][mark % 4] if mark > 11 else None
        rows.append(row)
    return rows


def _number(rows: list[dict[str, Value]], pair: tuple[str, str]) -> None:
    """Numbers the rows within each value of the pair's first column, from 1."""
    for i, row in enumerate(rows):
        row[pair[1]] = 1 + sum(before[pair[0]] == row[pair[0]] for before in rows[:i])


def _fill_edge_columns(schema: Schema, cells: Cells, edge: Edge) -> None:
    """Keys of a parent in each row of the child: mostly of its home, else of any, or NULL, or of none."""
    if edge.columns == ("id",):
        return
    n = [e for e in schema.edges if e.child == edge.child].index(edge)
    for row, home, raw in zip(cells[edge.child], schema.homes[edge.child], schema.raw[edge.child], strict=True):
        key = _parent_key(schema, cells, edge, row, home, pick=(raw[3 + n % PICKS] + 7 * (n // PICKS)) % 24)
        for column, value in zip(edge.columns, key, strict=True):
            row.setdefault(column, _as(schema.kinds[edge.child][column], value))


def _parent_key(schema: Schema, cells: Cells, edge: Edge, row: dict[str, Value], home: int | None, pick: int) -> list[Value]:
    """The key of a row of the parent, by the number picked; NULLs where there is no row to choose from."""
    mess = schema.mess
    choices = _choices(schema, cells, edge, row, None if pick > 17 - 3 * mess or edge in schema.wild else home)
    if not choices or (edge in schema.sparse and pick % 2 == 1) or pick >= 23 - mess:
        return [None] * len(edge.columns)
    start = pick % MOST_ROWS
    parent = cells[edge.parent][next((i for i in choices if i >= start), choices[0])]
    key = [parent.get(column) for column in edge.parent_columns]
    return [*key[:-1], _near_miss(key[-1])] if pick == 22 - mess and mess > 0 else key


def _choices(schema: Schema, cells: Cells, edge: Edge, row: dict[str, Value], home: int | None) -> list[int]:
    """The rows of the parent that fit what the child's row has already, of one home where there are such."""
    told = [(c, p) for c, p in zip(edge.columns, edge.parent_columns, strict=True) if c in row]
    homes = schema.homes[edge.parent]
    there = [i for i, parent in enumerate(cells[edge.parent]) if homes[i] is not None]
    fitting = [i for i in there if all(cells[edge.parent][i].get(p) == row[c] for c, p in told)]
    return [i for i in fitting if homes[i] == home] or fitting


def _near_miss(value: Value) -> Value:
    """A value that only a careless comparison takes for the given one (or that no row has)."""
    if isinstance(value, Decimal):
        return value + Decimal(10) ** -SCALE
    if isinstance(value, int):
        return value + (1 if value >= 2**53 else 70)
    if isinstance(value, str) and value in VALUES["uuid"]:
        return f"{value[:-1]}b"
    return None if value is None else f"{value} "


def _as(kind: Kind, value: Value) -> Value:
    """A parent's value as a child's column of another kind holds it; what does not fit becomes a key of nobody."""
    wanted = COLUMN_TYPES[kind]
    if value is None or (wanted == "text" and isinstance(value, str) and not _is_uuid(value)) or (wanted == "uuid" and _is_uuid(value)):
        return value
    if wanted in ("text", "char"):
        text = _spelled(value)
        return text if wanted == "text" else text.rstrip(" ")[:CHAR].rstrip(" ")
    whole = isinstance(value, int) or (isinstance(value, Decimal) and value == value.to_integral_value())
    if wanted == "decimal":
        return value if isinstance(value, Decimal) else Decimal(_whole(value)).quantize(Decimal(10) ** -SCALE)
    if wanted == "uuid":
        return VALUES["uuid"][-1]
    return _whole(value) if whole or isinstance(value, str) else -70


def _whole(value: Value) -> int:
    return (
        int(str(value))
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value)
        else int(value)
        if not isinstance(value, str)
        else -70
    )  # type: ignore[call-overload, no-any-return]


def _is_uuid(value: Value) -> bool:
    return isinstance(value, str) and len(value) == 36 and value.count("-") == 4


def _spelled(value: Value) -> str:
    """A text that says the value, mostly; some are spellings that are another text, or none of a uuid."""
    if isinstance(value, str) and _is_uuid(value):
        ways = (value.upper(), f"{{{value}}}", value.replace("-", ""), f"{{{value}", value, f"{value[:4]}-{value[4:]}", f"{value} ")
        return ways[int(value[0], 16) % len(ways)]
    if isinstance(value, Decimal):
        return str(value) if value == 2 else canonical(value)
    return ("0" if value == 3 else "") + str(value)


def _tables(schema: Schema, cells: Cells) -> tuple[Table, ...]:
    """The tables kept, with the rows that there are and the columns that something uses."""
    return tuple(_table(schema, name, cells.get(name, [])) for name in schema.tables)


def _table(schema: Schema, name: str, cells: list[dict[str, Value]]) -> Table:
    used = {"id", "gone"} | {c for e in schema.kept_edges if e.child == name for c in e.columns}
    used |= {c for e in schema.kept_edges if e.parent == name for c in e.parent_columns}
    kinds = {column: kind for column, kind in schema.kinds[name].items() if column in used}
    pair = schema.pairs.get(name)
    return Table(
        name=name,
        columns=tuple(Column(column, COLUMN_TYPES[kind]) for column, kind in kinds.items()),
        rows=tuple(
            tuple(row.get(column) for column in kinds)
            for row, home in zip(cells, schema.homes[name], strict=bool(cells))
            if home is not None
        ),
        unique=(("id",), pair) if pair and set(pair) <= set(kinds) else (("id",),),
    )
