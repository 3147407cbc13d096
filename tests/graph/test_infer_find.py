"""Relationships by names and types alone: which table a column means, how surely, and what it does not mean."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.graph import Edge, with_roles
from engine.infer.find import LEAST, hints, infer
from engine.routing import SURE
from engine.schema import Column, KeyClass, Schema, Table, TableName, UniqueKey
from tests.graph.small_schemas import edge, found, name, schema, table

ROOT = Path(__file__).parents[2]


def test_singular_names_a_table_in_the_plural() -> None:
    made = schema(categories="id", people="id", addresses="id", x="id category_id person_id address_id")
    assert found(made, SURE) == {"x.category_id->categories.id", "x.person_id->people.id", "x.address_id->addresses.id"}


def test_short_forms_name_a_table() -> None:
    made = schema(customers="id", departments="id", warehouses="id", x="id cust_id dept_id whse_id")
    assert found(made) == {"x.cust_id->customers.id", "x.dept_id->departments.id", "x.whse_id->warehouses.id"}


def test_camel_case_and_a_role() -> None:
    made = schema(Customer="CustomerId", Order="OrderId CustomerId billingCustomerId")
    assert found(made, SURE) == {"Order.CustomerId->Customer.CustomerId", "Order.billingCustomerId->Customer.CustomerId"}


@pytest.mark.parametrize(
    "column", ["customer_id", "customer_uuid", "customer_fk", "id_customer", "fk_customer", "customerid", "customer_ref"]
)
def test_every_mark_of_a_key_is_read(column: str) -> None:
    assert found(schema(customers="id", x=f"id {column}"), SURE) == {f"x.{column}->customers.id"}


def test_prefixes_of_columns_are_left_out() -> None:
    made = schema(
        customer="c_custkey c_name:text c_address:text",
        orders="o_orderkey o_custkey o_status:text o_note:text",
        lineitem="l_linekey l_orderkey l_flag:text l_note:text",
    )
    assert found(made, SURE) == {"lineitem.l_orderkey->orders.o_orderkey", "orders.o_custkey->customer.c_custkey"}


@pytest.mark.parametrize("column", ["billing_address_id", "address_from_id", "from_address_id", "shipping_address_id"])
def test_a_role_stands_before_or_behind_the_name(column: str) -> None:
    assert found(schema(addresses="id", orders=f"id {column}"), SURE) == {f"orders.{column}->addresses.id"}


def test_names_written_as_one_word() -> None:
    made = schema(teams="id", posts="id", usergroups="id", threads="id teamid lastpostid groupid")
    assert found(made, 0.95) == {"threads.teamid->teams.id", "threads.lastpostid->posts.id"}
    assert edge(made, "threads.groupid->usergroups.id").confidence < SURE


def test_the_nearest_schema_is_meant() -> None:
    made = Schema.of(
        [
            table("sales.customers", "id"),
            table("crm.customers", "id"),
            table("sales.orders", "id customer_id"),
            table("hr.x", "id customer_id"),
        ]
    )
    by_child = {e.child: e for e in infer(made)}
    assert by_child[name("sales.orders")].parent == name("sales.customers")
    assert by_child[name("sales.orders")].confidence >= SURE
    assert by_child[name("hr.x")].confidence < SURE


def test_a_column_that_is_everywhere_means_the_tenant_table_and_not_its_namesake() -> None:
    others = [table(f"s{i}.t", "id account_id") for i in range(4)]
    made = Schema.of([table("core.accounts", "id"), table("books.accounts", "id"), table("books.entries", "id account_id"), *others])
    by_child = {e.child: e for e in infer(made, tenant=name("core.accounts"))}
    assert {by_child[t.name].parent for t in others} == {name("core.accounts")}
    assert all(by_child[t.name].confidence >= SURE for t in others)
    assert by_child[name("books.entries")].confidence < SURE
    assert all(e.confidence < SURE for e in infer(made) if e.child != name("books.entries"))


def test_an_id_beside_its_type_is_not_sure() -> None:
    made = schema(posts="id", comments="id post_type:text post_id commentable_type:text commentable_id")
    assert edge(made, "comments.post_id->posts.id").confidence < 0.6
    assert found(made) == {"comments.post_id->posts.id"}
    assert found(schema(posts="id", comments="id post_id"), SURE) == {"comments.post_id->posts.id"}


def test_actors_point_at_the_table_of_people_and_have_no_say() -> None:
    made = schema(users="id", documents="id created_by author_id approved_by_id reviewer user_id")
    edges = with_roles(infer(made))
    assert {e.columns[0]: e.actor for e in edges} == {
        "created_by": True,
        "author_id": True,
        "approved_by_id": True,
        "reviewer": True,
        "user_id": False,
    }
    assert all(e.confidence < SURE for e in edges if e.actor)


def test_one_part_of_a_key_of_several_is_less_sure() -> None:
    whole, part = (Schema.of([table("users", "org_id id", key), table("houses", "id author_id")]) for key in ("id", "org_id,id"))
    label = "houses.author_id->users.id"
    assert edge(part, label).confidence < edge(whole, label).confidence


def test_rows_point_at_rows_of_their_own_table() -> None:
    made = schema(categories="id parent_id", tasks="id parent_task_id", employees="id manager_id")
    assert found(made) == {"categories.parent_id->categories.id", "tasks.parent_task_id->tasks.id", "employees.manager_id->employees.id"}


def test_a_key_of_several_columns_is_met_by_columns_of_their_names() -> None:
    made = Schema.of(
        [
            table("partsupp", "ps_partkey ps_suppkey ps_cost:text", "ps_partkey,ps_suppkey"),
            table("part", "p_partkey p_name:text p_brand:text"),
            table("supplier", "s_suppkey s_name:text s_phone:text"),
            table("lineitem", "l_orderkey l_partkey l_suppkey l_note:text"),
        ]
    )
    assert "lineitem.l_partkey+l_suppkey->partsupp.ps_partkey+ps_suppkey" in found(made)


def test_a_tenants_part_of_a_key_is_carried_along() -> None:
    made = Schema.of(
        [table("people", "tenant_id id", "tenant_id,id"), table("tenants", "id"), table("houses", "tenant_id id person_id", "tenant_id,id")]
    )
    assert found(made, SURE) == {
        "houses.tenant_id->tenants.id",
        "people.tenant_id->tenants.id",
        "houses.tenant_id+person_id->people.tenant_id+id",
    }


def test_keys_that_nobody_declared_are_presumed_by_their_name() -> None:
    made = Schema.of([table("customers", "id name:text", ""), table("things", "x y", ""), table("orders", "customer_id thing_id", "")])
    assert found(made) == {"orders.customer_id->customers.id"}


@pytest.mark.parametrize(
    ("key", "column", "fits"),
    [
        ("bigint", "integer", True),
        ("integer", "numeric(10,0)", True),
        ("text", "varchar", True),
        ("char(5)", "varchar(5)", True),
        ("uuid", "uuid", True),
        ("uuid", "bigint", False),
        ("bigint", "text", False),
        ("date", "date", False),
        ("double", "double", False),
    ],
)
def test_types_have_to_agree(key: str, column: str, fits: bool) -> None:
    assert found(schema(customers=f"id:{key}", x=f"n:bigint customer_id:{column}")) == ({"x.customer_id->customers.id"} if fits else set())


def test_measures_and_keys_of_strangers_point_nowhere() -> None:
    made = schema(
        rentals="id",
        orders="id",
        customers="id",
        statuses="id",
        x="id rental_duration:smallint order status quantity position stripe_customer_id external_id session_id",
    )
    assert found(made) == set()


def test_the_end_of_a_name_means_the_table_that_is_near() -> None:
    made = schema(order_status="id", invoice_status="id", orders="id status_id", invoices="id status_id", others="id status_id")
    assert found(made, SURE) == {"orders.status_id->order_status.id", "invoices.status_id->invoice_status.id"}


def test_known_edges_keep_their_columns() -> None:
    made = schema(customers="id", clients="id", orders="id customer_id")
    known = Edge(name("orders"), ("customer_id",), name("clients"), ("id",))
    assert infer(made, [known]) == []


def test_a_short_form_may_begin_with_another_letter() -> None:
    assert "x.amt_id->ämter.id" in found(Schema.of([table("ämter", "id"), table("x", "id amt_id")]))


def test_a_table_without_a_word_in_its_name_is_no_parent() -> None:
    made = Schema.of([table("__", "a_id b_id c:text", "a_id,b_id"), table("x", "id a_id b_id")])
    assert found(made) == set()


def test_faint_hints_are_no_edges() -> None:
    made = schema(Shippers="ShipperID", Orders="OrderID ShipVia ShipName:text")
    assert found(made) == set()
    assert [(e.label, e.confidence) for e in hints(made, [])] == [("Orders.ShipVia->Shippers.ShipperID", 0.4)]


# ── whatever the schema ───────────────────────────────────────────────────────────────────────────────────────────────

_WORDS = """
order orders customer customers user users item items id uuid key fk parent created by type status code tenant c o l no person people amt ämter
"""
WORDS = _WORDS.split()
HOSTILE = [
    "",
    " ",
    "_",
    "__id",
    "id_",
    "id",
    "ID",
    "_id_id",
    "ids",
    "a" * 90,
    "1",
    "0id",
    "ß",
    "ﬃ_id",
    "İd",
    "名前_id",
    "\u202e_id",
    "a\x00b",
    "%s",
    "'\"",
    "s",
    "es",
    "ies",
    "_fk_",
    "idid",
]
PARTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)
NAMES = st.one_of(
    PARTS.map("_".join), PARTS.map(lambda p: "".join(w.capitalize() for w in p)), st.sampled_from(HOSTILE), st.text(max_size=8)
)
TYPES: list[tuple[str, KeyClass]] = [
    ("bigint", "integer"),
    ("varchar(5)", "text"),
    ("char(5)", "char"),
    ("uuid", "uuid"),
    ("numeric(10,0)", "decimal"),
    ("date", "date"),
    ("jsonb", "other"),
]


@st.composite
def tables(draw: st.DrawFn) -> list[Table]:
    names = draw(st.lists(st.tuples(st.sampled_from(["public", "core"]), NAMES), min_size=1, max_size=7, unique=True))
    made = []
    for schema_, written in names:
        columns = draw(st.lists(NAMES, min_size=1, max_size=7, unique=True))
        kinds = draw(st.lists(st.sampled_from(TYPES), min_size=len(columns), max_size=len(columns)))
        key = columns[: draw(st.integers(0, min(3, len(columns))))]
        found_ = tuple(Column(c, kind, kind, class_) for c, (kind, class_) in zip(columns, kinds, strict=True))
        made.append(Table(TableName("app", schema_, written), found_, (UniqueKey(tuple(key), primary=True),) if key else ()))
    return made


@settings(max_examples=300, deadline=None)
@given(tables(), st.randoms(use_true_random=False), st.booleans())
def test_inference_is_the_same_in_any_order_of_tables(given_: list[Table], chance: random.Random, with_tenant: bool) -> None:
    tenant = given_[0].name if with_tenant else None
    made = Schema.of(given_)
    edges = infer(made, tenant=tenant)
    turned = list(given_)
    chance.shuffle(turned)
    assert infer(Schema({t.name: t for t in turned}), tenant=tenant) == edges
    assert hints(Schema({t.name: t for t in turned}), edges) == hints(made, edges)
    assert edges == sorted(edges)
    for found_ in edges:
        assert LEAST <= found_.confidence <= 1
        assert found_.evidence
        assert len(found_.columns) == len(found_.parent_columns) >= 1
        assert all(made[found_.child].column(c) for c in found_.columns)
        assert all(made[found_.parent].column(c) for c in found_.parent_columns)
        assert (found_.child, found_.columns) != (found_.parent, found_.parent_columns)
    singles = [(e.child, e.columns) for e in edges if len(e.columns) == 1]
    assert len(singles) == len(set(singles))


@settings(max_examples=300, deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_inference_is_the_same_in_any_order_of_columns_behind_a_declared_key(given_: list[Table], chance: random.Random) -> None:
    keyed = [t for t in given_ if t.primary_key]
    turned = []
    for table_ in keyed:
        columns = list(table_.columns)
        chance.shuffle(columns)
        turned.append(Table(table_.name, tuple(columns), table_.unique_keys))
    assert infer(Schema.of(turned)) == infer(Schema.of(keyed))


def test_inference_does_not_hang_on_the_seed_of_hashes() -> None:
    code = (
        "import hashlib, pathlib; from bench.schemas import read_case; from engine.infer.find import infer\n"
        "cases = [read_case(f) for f in sorted(pathlib.Path('bench/cases').glob('*.json'))]\n"
        "print(hashlib.sha256(repr([infer(c.schema, tenant=c.tenant.table) for c in cases]).encode()).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout != ""


def test_a_schema_of_a_thousand_tables_is_not_compared_pair_by_pair() -> None:
    """Columns that no table's name fits: what is looked at grows with columns."""
    from engine.infer.lookup import ShortForms
    from engine.infer.naming import named_tables

    made = schema(**{f"{a}{b}thing{i}": f"id x{i}_id" for i in range(20) for a in "abcdefghij" for b in "klmno"})
    short = ShortForms(named_tables(made).values())
    assert len(made.tables) == 1000
    assert max(len(short._near((word, "thing"))) for word in ("abc", "xyz")) <= 200
