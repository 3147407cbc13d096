"""Looks at the data of a whole snapshot: one scan a table, exact checks only for the few edges that names and sketches leave.

Cost: a scan per table, and at most `CHECKS` exact checks a column: it grows with columns, not with pairs of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from engine.duck import Connection
from engine.graph import Edge
from engine.infer import sql
from engine.infer.evidence import ColumnFacts, Inclusion, weighed
from engine.infer.find import FAINT, infer
from engine.infer.naming import Named, is_key_like, named_tables, presumed_key
from engine.infer.vocabulary import NO_TABLE
from engine.infer.words import shortens, words_of
from engine.schema import Column, Schema, TableName, UniqueKey

CHECKS = 2
_MEASURES = frozenset(
    [
        "quantity",
        "qty",
        "price",
        "cost",
        "discount",
        "tax",
        "units",
        "stock",
        "level",
        "percent",
        "ratio",
        "minutes",
        "seconds",
        "hours",
        "days",
    ]
)


@dataclass
class Work:
    """What inference on data did."""

    tables: int = 0
    columns: int = 0
    candidates: int = 0
    checks: int = 0
    undeclared_keys: list[str] = field(default_factory=list)


class ObservedTables:
    """Facts and inclusions of tables that DuckDB can read: `relations` maps each to a relation's text (a quoted name, read_parquet(…))."""

    def __init__(
        self,
        connection: Connection,
        schema: Schema,
        relations: Mapping[TableName, str],
        columns: Mapping[tuple[TableName, str], str] | None = None,
    ) -> None:
        self._db, self._schema, self._relations, self._columns = connection, schema, relations, columns or {}
        self._facts: dict[tuple[TableName, str], ColumnFacts] = {}
        self._unique: dict[tuple[TableName, tuple[str, ...]], bool] = {}
        self._inclusions: dict[tuple[object, ...], Inclusion] = {}
        self.work = Work()
        for table in schema:
            if table.name in relations:
                self._scan(table.name, [c for c in table.columns if is_key_like(c) and self._name(table.name, c.name) is not None])

    def _name(self, table: TableName, column: str) -> str | None:
        return self._columns.get((table, column)) if self._columns else column

    def _names(self, table: TableName, columns: Iterable[str]) -> list[str] | None:
        found = [self._name(table, c) for c in columns]
        return None if None in found or table not in self._relations else [str(c) for c in found]

    def _scan(self, table: TableName, columns: list[Column]) -> None:
        self.work.tables += 1
        self.work.columns += len(columns)
        if not columns:
            return
        asked = [(str(self._name(table, c.name)), c.key_class == "integer") for c in columns]
        row = self._db.execute(sql.column_facts(self._relations[table], asked)).fetchone()
        assert row is not None
        for i, column in enumerate(columns):
            values, distinct, low, high, hashes = row[1 + 5 * i : 6 + 5 * i]
            self._facts[table, column.name] = ColumnFacts(
                int(row[0]),
                int(values),
                int(distinct),
                None if low is None else int(low),
                None if high is None else int(high),
                frozenset(hashes or ()),
            )

    def facts(self, table: TableName, column: str) -> ColumnFacts | None:
        """Of one column, or None where it was not read."""
        return self._facts.get((table, column))

    def is_unique(self, table: TableName, columns: tuple[str, ...]) -> bool | None:
        """Counted exactly, once."""
        key = (table, columns)
        if any(k.columns == columns for k in self._schema[table].unique_keys):
            return True
        names = self._names(table, columns)
        if names is None:
            return None
        if key not in self._unique:
            rows = max((self._facts[table, c].values for c in columns if (table, c) in self._facts), default=0)
            found = self._db.execute(sql.exact_distinct(self._relations[table], names)).fetchone()
            assert found is not None
            self.work.checks += 1
            self._unique[key] = int(found[0]) == rows
        return self._unique[key]

    def may_include(self, edge: Edge) -> bool:
        """Whether the sketches leave it possible: the child's smallest hashes that lie below the parent's largest are among the parent's."""
        child, parent = (self.facts(t, c[0]) for t, c in ((edge.child, edge.columns), (edge.parent, edge.parent_columns)))
        if child is None or parent is None or not child.sketch or not parent.sketch:
            return True
        whole = len(parent.sketch) < sql.SKETCH
        below = {h for h in child.sketch if whole or h <= max(parent.sketch)}
        return len(below - parent.sketch) <= max(1, len(below) // 10)

    def inclusion(self, edge: Edge) -> Inclusion | None:
        """Checked exactly on the whole snapshot, once an edge."""
        left, right = self._names(edge.child, edge.columns), self._names(edge.parent, edge.parent_columns)
        if left is None or right is None:
            return None
        if edge.ends not in self._inclusions:
            row = self._db.execute(sql.inclusion(self._relations[edge.child], left, self._relations[edge.parent], right)).fetchone()
            assert row is not None
            self.work.checks += 1
            distinct, found, rows, orphans = (int(v) for v in row)
            self._inclusions[edge.ends] = Inclusion(distinct, found, rows, orphans)
        return self._inclusions[edge.ends]


def infer_on_data(schema: Schema, observed: ObservedTables, known: Iterable[Edge] = (), tenant: TableName | None = None) -> list[Edge]:
    """The inferred edges, weighed by data, and those that data alone suggests (never sure enough to place rows by themselves)."""
    known = list(known)
    schema = with_found_keys(schema, observed)
    named = infer(schema, known, tenant, least=FAINT)
    observed.work.candidates += len(named)
    edges = [weighed(e, observed) for e in named]
    kept = [e for e in edges if e.confidence >= 0.5]
    taken = {(e.child, c) for e in (*known, *kept) for c in e.columns}
    return sorted([*kept, *_by_data(schema, observed, taken)])


def with_found_keys(schema: Schema, observed: ObservedTables) -> Schema:
    """The schema with primary keys that nobody declared: a column that is named like a key, or the first, where it is unique."""
    tables = []
    for named in named_tables(schema).values():
        table = named.table
        if table.primary_key:
            tables.append(table)
            continue
        key = _found_key(named, observed)
        if key:
            observed.work.undeclared_keys.append(f"{table.name.table}.{'+'.join(key)}")
            table = replace(table, unique_keys=(*table.unique_keys, UniqueKey(key, primary=True)))
        tables.append(table)
    return Schema.of(tables)


def _found_key(named: Named, observed: ObservedTables) -> tuple[str, ...]:
    table = named.table
    guess = presumed_key(named)
    likely = [guess[0]] if len(guess) == 1 else []
    likely += [c.name for c in table.columns[:2] if is_key_like(c) and c.name not in likely]
    for column in likely:
        facts = observed.facts(table.name, column)
        if facts is not None and facts.rows > 1 and facts.looks_unique and observed.is_unique(table.name, (column,)):
            return (column,)
    firsts = [
        c.name for c in table.columns[:3] if is_key_like(c) and (f := observed.facts(table.name, c.name)) is not None and f.values == f.rows
    ]
    for count in (2, 3):
        pair = tuple(firsts[:count])
        if len(pair) == count and observed.is_unique(table.name, pair):
            return pair
    return ()


def _by_data(schema: Schema, observed: ObservedTables, taken: set[tuple[TableName, str]]) -> list[Edge]:
    """Columns without a name that means a table: the one small table whose keys are exactly their values."""
    tables = named_tables(schema)
    parents = _Keys(tables.values(), observed)
    found = []
    for named in tables.values():
        own = presumed_key(named)
        for column in named.table.columns:
            if not is_key_like(column) or (named.name, column.name) in taken or column.name in own:
                continue
            edge = _suggested(named, column, parents, observed)
            if edge is not None:
                found.append(edge)
    return found


class _Keys:
    """The keys of tables by what makes their values comparable with a column's: type, and lowest and highest, or how many there are."""

    def __init__(self, tables: Iterable[Named], observed: ObservedTables) -> None:
        self._by_ends: dict[tuple[object, ...], list[tuple[Named, Column, ColumnFacts]]] = defaultdict(list)
        self._by_count: dict[str, list[tuple[int, int, Named, Column, ColumnFacts]]] = defaultdict(list)
        for place, named in enumerate(tables):
            facts = observed.facts(named.name, named.key.name) if named.key is not None else None
            if named.key is None or facts is None:
                continue
            if facts.low is None:
                self._by_count[_group(named.key)].append((facts.distinct, place, named, named.key, facts))
            else:
                self._by_ends[_group(named.key), facts.low, facts.high].append((named, named.key, facts))
        for counted in self._by_count.values():
            counted.sort(key=lambda entry: entry[:2])

    def like(self, column: Column, facts: ColumnFacts) -> list[tuple[Named, Column]]:
        """Tables and their keys of which the column's values may be all."""
        if facts.low is not None:
            return [(named, key) for named, key, _ in self._by_ends.get((_group(column), facts.low, facts.high), ())]
        counted = self._by_count.get(_group(column), [])
        first = bisect_left(counted, facts.distinct * 20 // 21 - 1, key=lambda entry: entry[0])
        last = bisect_right(counted, facts.distinct * 20 // 19 + 1, key=lambda entry: entry[0])
        return [(named, key) for _, _, named, key, known in counted[first:last] if _alike(facts, known)]


def _group(column: Column) -> str:
    """The class of a column's type; texts of all kinds are one."""
    return "text" if column.key_class == "char" else column.key_class


def _suggested(named: Named, column: Column, parents: _Keys, observed: ObservedTables) -> Edge | None:
    facts = observed.facts(named.name, column.name)
    words = words_of(column.name)
    if facts is None or facts.distinct < 3 or facts.looks_unique or set(words) & (NO_TABLE | _MEASURES):
        return None
    fitting = []
    for parent, key in parents.like(column, facts):
        if parent is named:
            continue
        edge = Edge(named.name, (column.name,), parent.name, (key.name,), "inferred", confidence=0.6)
        if observed.may_include(edge):
            fitting.append((any(shortens(w, f) for w in words for f in parent.bare), edge))
    fitting.sort(key=lambda pair: (not pair[0], pair[1]))
    for hint, edge in fitting[:CHECKS]:
        inclusion = observed.inclusion(edge)
        if inclusion is None or inclusion.orphans or inclusion.found < max(3, observed_distinct(observed, edge)):
            continue
        alone = len(fitting) == 1
        score = 0.93 if hint else 0.6 if alone and column.key_class != "integer" else 0.0
        if score:
            return Edge(
                edge.child, edge.columns, edge.parent, edge.parent_columns, "inferred", confidence=score,
                evidence=f"its {inclusion.distinct} values are exactly the keys of {edge.parent.table}",
            )  # fmt: skip
    return None


def observed_distinct(observed: ObservedTables, edge: Edge) -> int:
    """How many keys the parent has, as counted by hashes (a little below, to be safe)."""
    key = observed.facts(edge.parent, edge.parent_columns[0])
    return int(key.distinct * 0.95) if key is not None else 0


def _alike(child: ColumnFacts, parent: ColumnFacts) -> bool:
    """Whether the child's values, not of integers, can be exactly the parent's keys."""
    return abs(child.distinct - parent.distinct) <= max(1, parent.distinct // 20)
