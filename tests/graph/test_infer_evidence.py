"""What data does to a confidence: surprise raises it, broken inclusion and doubled parents sink it, chance counts for nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.schemas import key_class_of
from engine import duck, sql
from engine.graph import Edge
from engine.infer.evidence import ColumnFacts, Inclusion, chance, numbers, weighed
from engine.infer.observe import ObservedTables, infer_on_data
from engine.routing import SURE
from engine.schema import Column, Schema, Table, TableName
from tests.graph.small_schemas import name, schema, table

EDGE = Edge(name("orders"), ("customer_id",), name("customers"), ("id",), "inferred", confidence=0.9, evidence="its name")


class Told:
    """Facts as a test says them; what it does not say nobody has looked at."""

    def __init__(
        self, inclusion: Inclusion | None, child: ColumnFacts | None, parent: ColumnFacts | None, unique: bool | None = True
    ) -> None:
        self._inclusion, self._facts, self._unique = inclusion, {"orders": child, "customers": parent}, unique

    def facts(self, table: TableName, column: str) -> ColumnFacts | None:
        return self._facts[table.table]

    def is_unique(self, table: TableName, columns: tuple[str, ...]) -> bool | None:
        return self._unique

    def inclusion(self, edge: Edge) -> Inclusion | None:
        return self._inclusion


def integers(rows: int, low: int, high: int, distinct: int) -> ColumnFacts:
    return ColumnFacts(rows, rows, distinct, low, high)


SPARSE = integers(1000, 1, 1_000_000, 1000)
DENSE = integers(1000, 1, 1000, 1000)
ALL = Inclusion(100, 100, 500, 0)


def test_inclusion_in_sparse_keys_is_no_chance() -> None:
    after = weighed(EDGE, Told(ALL, integers(500, 5, 999_000, 100), SPARSE))
    assert after.confidence >= SURE
    assert after.evidence == "its name; all 100 values are there"


def test_inclusion_in_dense_keys_says_nothing() -> None:
    few = Inclusion(7, 7, 500, 0)
    told = Told(few, integers(500, 1, 7, 7), DENSE)
    assert chance(EDGE, few, told) == 1
    assert weighed(EDGE, told).confidence == EDGE.confidence


def test_more_values_are_more_surprise() -> None:
    found = [weighed(EDGE, Told(Inclusion(n, n, n, 0), None, None)).confidence for n in (1, 2, 5, 20)]
    assert found == sorted(set(found))
    assert EDGE.confidence < found[0]


def test_broken_inclusion_sinks_an_edge() -> None:
    after = weighed(EDGE, Told(Inclusion(100, 50, 500, 260), integers(500, 1, 100, 100), SPARSE))
    assert after.confidence < 0.5
    assert "50 of 100 values are there, 260 of 500 rows have none" in after.evidence


def test_few_orphans_leave_an_edge_and_keep_it_from_being_sure() -> None:
    sure = Edge(name("orders"), ("customer_id",), name("customers"), ("id",), "inferred", confidence=0.99)
    after = weighed(sure, Told(Inclusion(100, 98, 500, 3), integers(500, 5, 999_000, 100), SPARSE))
    assert 0.5 < after.confidence < SURE
    assert weighed(EDGE, Told(Inclusion(100, 98, 500, 3), None, SPARSE)).confidence <= EDGE.confidence


def test_doubled_parents_sink_an_edge() -> None:
    after = weighed(EDGE, Told(ALL, None, None, unique=False))
    assert after.confidence < 0.5
    assert "parents are doubled" in after.evidence


def test_nothing_seen_changes_nothing() -> None:
    assert weighed(EDGE, Told(None, None, None)) == EDGE
    empty = weighed(EDGE, Told(Inclusion(0, 0, 0, 0), None, None))
    assert (empty.confidence, empty.evidence) == (EDGE.confidence, "its name; no values to look at")


def test_a_sample_is_called_one() -> None:
    assert "of a sample all 3 values" in weighed(EDGE, Told(Inclusion(3, 3, 3, 0, sampled=True), None, None)).evidence
    assert numbers(Inclusion(4, 3, 9, 2)) == {"distinct": 4, "found": 3, "rows": 9, "orphans": 2}
    assert numbers(None) == {}


def test_dense_and_unique_columns_are_told() -> None:
    assert DENSE.is_dense
    assert not SPARSE.is_dense
    assert not ColumnFacts(10, 10, 10).is_dense
    assert DENSE.looks_unique
    assert not ColumnFacts(1000, 999, 999).looks_unique
    assert not ColumnFacts(1000, 1000, 800).looks_unique


# ── on real rows ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def db() -> Iterator[duck.Connection]:
    with duck.blank() as connection:
        yield connection


def looked(db: duck.Connection, given: Schema, **rows: str) -> tuple[dict[str, Edge], ObservedTables]:
    """What is found on these rows, each table's a query; and what was done for it."""
    for written, query in rows.items():
        db.execute(f"create table {sql.name(written)} as {query}")
    observed = ObservedTables(db, given, {t.name: sql.name(t.name.table) for t in given})
    return {e.label: e for e in infer_on_data(given, observed)}, observed


def test_dense_integers_within_a_key_by_chance_are_no_edge(db: duck.Connection) -> None:
    given = schema(rental="rental_id", film="film_id rental_duration:smallint length:smallint")
    edges, observed = looked(
        db,
        given,
        rental="select i + 1 as rental_id from range(16000) r(i)",
        film="select i + 1 as film_id, (i % 5 + 3)::smallint as rental_duration, (i % 140 + 46)::smallint as length from range(1000) r(i)",
    )
    assert edges == {}
    assert observed.work.checks == 0


def test_a_true_reference_gets_surer_and_a_namesake_sinks(db: duck.Connection) -> None:
    given = schema(customers="id", orders="id customer_id", imports="id customer_id")
    edges, _ = looked(
        db,
        given,
        customers="select i * 7 + 1000 as id from range(500) r(i)",
        orders="select i as id, (i % 500) * 7 + 1000 as customer_id from range(5000) r(i)",
        imports="select i as id, -i as customer_id from range(300) r(i)",
    )
    assert set(edges) == {"orders.customer_id->customers.id"}
    assert edges["orders.customer_id->customers.id"].confidence > 0.99


def test_keys_nobody_declared_are_found_where_they_are_unique(db: duck.Connection) -> None:
    given = Schema.of([table("shops", "shop_no:integer town:text", ""), table("lines", "order_no line_no shop_no", "")])
    edges, observed = looked(
        db,
        given,
        shops="select i + 10 as shop_no, 'x' as town from range(40) r(i)",
        lines="select i // 4 as order_no, i % 4 as line_no, i % 40 + 10 as shop_no from range(400) r(i)",
    )
    assert observed.work.undeclared_keys == ["lines.order_no+line_no", "shops.shop_no"]
    assert "lines.shop_no->shops.shop_no" in edges


def test_values_that_are_exactly_the_keys_of_a_table_with_a_like_name_are_suggested(db: duck.Connection) -> None:
    given = schema(Shippers="ShipperID Company:text", Orders="OrderID ShipVia Quantity", Regions="RegionID")
    edges, _ = looked(
        db,
        given,
        Shippers="""select i + 1 as "ShipperID", 'x' as "Company" from range(3) r(i)""",
        Orders="""select i + 1 as "OrderID", i % 3 + 1 as "ShipVia", i % 3 + 1 as "Quantity" from range(90) r(i)""",
        Regions="""select i + 1 as "RegionID" from range(4) r(i)""",
    )
    assert {label: e.confidence < SURE for label, e in edges.items()} == {"Orders.ShipVia->Shippers.ShipperID": True}


def test_sketches_refuse_what_is_not_there_and_never_what_is(db: duck.Connection) -> None:
    given = schema(parents="id", children="id parent_ref other_ref")
    _, observed = looked(
        db,
        given,
        parents="select i * 3 as id from range(2000) r(i)",
        children="select i as id, (i % 700) * 3 as parent_ref, i * 3 + 1 as other_ref from range(3000) r(i)",
    )
    true, false = (Edge(name("children"), (c,), name("parents"), ("id",)) for c in ("parent_ref", "other_ref"))
    assert observed.may_include(true)
    assert not observed.may_include(false)


def test_each_edge_is_checked_once(db: duck.Connection) -> None:
    given = schema(customers="id", orders="id customer_id")
    _, observed = looked(
        db, given, customers="select i as id from range(9) r(i)", orders="select i as id, i % 9 as customer_id from range(90) r(i)"
    )
    edge = Edge(name("orders"), ("customer_id",), name("customers"), ("id",))
    before = observed.work.checks
    assert observed.inclusion(edge) == observed.inclusion(edge) == Inclusion(9, 9, 90, 0)
    assert observed.work.checks == before


def test_hostile_names_are_quoted(db: duck.Connection) -> None:
    odd = 'Kun"de; --'
    given = Schema.of([table(odd, "id"), table("x", 'id Kun"de;--_id')])
    edges, _ = looked(
        db,
        given,
        **{odd: "select i * 7 as id from range(50) r(i)", "x": 'select i as id, (i % 50) * 7 as "Kun""de;--_id" from range(500) r(i)'},
    )
    assert len(edges) == 1


def test_checks_grow_with_columns_and_not_with_pairs(db: duck.Connection) -> None:
    """Every column of twelve tables has the values of every key: at most a few checks a column are made."""
    tables = {f"t{i}": "id ref_a:integer ref_b:integer kind:integer" for i in range(12)}
    rows = dict.fromkeys(
        tables, "select i + 1 as id, i % 9 + 1 as ref_a, i % 9 + 1 as ref_b, i % 9 + 1 as kind from range(9) r(i), range(5)"
    )
    _, observed = looked(db, schema(**tables), **rows)
    assert observed.work.columns == 48
    assert observed.work.checks <= 3 * observed.work.columns


KINDS = {
    "bigint": st.one_of(st.none(), st.integers(-3, 12), st.integers(-(2**63), 2**63 - 1)),
    "varchar": st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3)),
    "uuid": st.one_of(st.none(), st.uuids()),
    "numeric(10,0)": st.one_of(st.none(), st.integers(-9, 9)),
}
COLUMNS = (
    "id",
    "ORDER_ID",
    "customer_id",
    "kunde id",
    'quo"te_id',
    "parent_id",
    "code",
    "x_type",
    "x_id",
    "select",
    "名前_id",
    "author_id",
)


@st.composite
def filled(draw: st.DrawFn) -> list[tuple[Table, list[tuple[object, ...]]]]:
    made = []
    for written in draw(
        st.lists(st.sampled_from(["orders", "customers", "users", 'kun"de', "__", "select"]), min_size=1, max_size=4, unique=True)
    ):
        columns = draw(
            st.lists(st.tuples(st.sampled_from(COLUMNS), st.sampled_from(sorted(KINDS))), min_size=1, max_size=5, unique_by=lambda c: c[0])
        )
        rows = draw(st.lists(st.tuples(*(KINDS[kind] for _, kind in columns)), max_size=8))
        described = tuple(Column(c, kind, kind, key_class_of(kind)) for c, kind in columns)
        made.append((Table(name(written), described), rows))
    return made


@settings(max_examples=60, deadline=None)
@given(filled())
def test_any_rows_are_looked_at_without_a_fault_and_the_same_way_twice(given_: list[tuple[Table, list[tuple[object, ...]]]]) -> None:
    made = Schema.of([table_ for table_, _ in given_])
    with duck.blank() as connection:
        for table_, rows in given_:
            listed = ", ".join(f"{sql.name(c.name)} {c.source_type}" for c in table_.columns)
            connection.execute(f"create table {sql.name(table_.name.table)} ({listed})")
            for row in rows:
                connection.execute(f"insert into {sql.name(table_.name.table)} values ({', '.join('?' * len(row))})", list(row))
        relations = {t.name: sql.name(t.name.table) for t in made}
        edges = infer_on_data(made, ObservedTables(connection, made, relations))
        assert infer_on_data(made, ObservedTables(connection, made, dict(reversed(relations.items())))) == edges
    assert all(0 <= e.confidence <= 1 for e in edges)
