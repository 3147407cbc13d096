"""What a person can do about an open decision: lines that the workspace file takes, and that settle it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from engine.decisions import options
from engine.plan import plan_routing
from engine.routing import Routing
from engine.schema import Column, ForeignKey, Schema, Table, TableName, UniqueKey
from engine.workspace import Workspace

Keys = dict[str, str]


def name(table: str, schema: str = "public") -> TableName:
    return TableName("app", schema, table)


def table(
    name_: TableName, keys: Keys | None = None, own: str = "id", nullable: tuple[str, ...] = (), columns: tuple[str, ...] = ()
) -> Table:
    """`keys`: column → the table it points at, as a declared key."""
    found = [Column(c, "bigint", "BIGINT", "integer", nullable=c in nullable) for c in (own, *(keys or {}), *columns)]
    declared = tuple(ForeignKey((c,), name(t), ("id",)) for c, t in (keys or {}).items())
    return Table(name_, tuple(found), (UniqueKey((own,), primary=True),), declared)


def planned(tables: list[Table], said: dict[str, object] | None = None) -> Routing:
    facts = {
        "version": 1,
        "workspace": "w",
        "sources": {"app": {"kind": "postgres", "url": "postgres://x"}},
        "tenants": {"table": "orgs"},
        "tables": said or {},
    }
    return plan_routing(Workspace.model_validate(facts | {"path": Path("nowhere.yaml")}), Schema.of(tables))


def lines(routing: Routing, table_: TableName) -> list[str]:
    return [o.line for o in options(routing.routes[table_], routing)]


DEALS = [table(name("orgs")), table(name("deals"), {"buyer_id": "orgs", "seller_id": "orgs"})]
SHARED = [table(name("orgs")), table(name("users"), {"org_id": "orgs"}), table(name("products"), {"owner_id": "users"})]
PEOPLE = [table(name("orgs")), table(name("users")), table(name("memberships"), {"org_id": "orgs", "user_id": "users"})]


def test_two_keys_to_the_tenant_table_are_a_choice_between_them() -> None:
    assert lines(planned(DEALS), name("deals")) == ["deals: {via: buyer_id}", "deals: {via: seller_id}", "deals: excluded"]


def test_a_table_with_a_route_has_nothing_to_decide() -> None:
    assert lines(planned(DEALS), name("orgs")) == []


def test_a_member_is_placed_by_its_joining_table() -> None:
    assert lines(planned(PEOPLE), name("users"))[0] == "users: {through: memberships}"


def test_a_shared_table_that_points_at_owned_rows_blanks_the_column() -> None:
    made = planned(SHARED, {"products": {"shared": True}})
    assert lines(made, name("products"))[0] == "products: {shared: true, hides: [owner_id]}"


def undeclared(name_: str, *keys: str, nullable: tuple[str, ...] = ()) -> Table:
    """A table whose keys nobody declared."""
    return table(name(name_), columns=keys, nullable=nullable)


STRICT = [
    undeclared("orgs"),
    *(undeclared(f"{n}s", "org_id") for n in ("project", "invoice", "session", "team")),
    undeclared("users", "org_id"),
    undeclared("events", "org_id", "session_id", "parent_id", "author_id", nullable=("org_id", "session_id", "parent_id")),
    undeclared("event_notes", "event_id", "user_id", "created_by"),
]


def test_ways_that_may_all_be_null_are_offered_together_first() -> None:
    made = planned(STRICT)
    assert "may be NULL" in str(made.routes[name("events")].review)
    first, *singles, last = lines(made, name("events"))
    assert first == "events: {via: [org_id, parent_id, session_id]}"
    assert singles[:2] == ["events: {via: org_id}", "events: {via: session_id}"]
    assert last == "events: excluded"
    means = options(made.routes[name("events")], made)[0].means
    assert means.startswith("the tenant that org_id, parent_id, session_id name, whichever of them a row has, where they agree")
    after = planned(STRICT, YAML(typ="safe").load(first)).routes[name("events")]
    assert (after.kind, {e.columns[0] for e in after.edges}) == ("direct", {"org_id", "parent_id", "session_id"})


def test_one_way_that_may_be_null_is_no_list() -> None:
    one = [t if t.name != name("events") else undeclared("events", "org_id", nullable=("org_id",)) for t in STRICT]
    assert lines(planned(one), name("events")) == [
        "events: {via: org_id}",
        "events: {via: org_id, unassigned: shared}",
        "events: excluded",
    ]


def test_who_acted_is_no_answer_for_a_table_that_waits() -> None:
    made = planned(STRICT)
    assert made.routes[name("event_notes")].review == "waits for the decision on events"
    assert lines(made, name("event_notes")) == ["event_notes: excluded"]
    after = planned(STRICT, {"events": {"via": "org_id"}}).routes[name("event_notes")]
    assert (after.kind, [e.columns[0] for e in after.edges]) == ("indirect", ["event_id"])


@pytest.mark.parametrize(
    ("tables", "said", "which"),
    [
        (DEALS, {}, "deals"),
        (STRICT, {}, "events"),
        (STRICT, {}, "event_notes"),
        (PEOPLE, {}, "users"),
        (SHARED, {"products": {"shared": True}}, "products"),
    ],
)
def test_every_line_settles_the_decision(tables: list[Table], said: dict[str, object], which: str) -> None:
    for line in lines(planned(tables, said), name(which)):
        after = planned(tables, said | YAML(typ="safe").load(line))
        assert after.routes[name(which)].review is None, line


def test_names_that_yaml_or_the_workspace_file_would_read_otherwise_are_quoted() -> None:
    odd = [table(name("orgs")), table(name('Order. "x": #'), {"on": "orgs", "a: b": "orgs"}), table(name("no"), {"x": "orgs", "y": "orgs"})]
    made = planned(odd)
    for which in (odd[1].name, odd[2].name):
        for line in lines(made, which):
            assert planned(odd, YAML(typ="safe").load(line)).routes[which].review is None, line


def test_a_polymorphic_pair_is_an_entry_of_relationships_to_fill_in() -> None:
    kind = Column("subject_type", "text", "VARCHAR", "text", nullable=False)
    comments = table(name("comments"), columns=("subject_id",))
    comments = replace(comments, columns=(*comments.columns, kind))
    made = planned([table(name("orgs")), comments])
    first, last = options(made.routes[name("comments")], made)
    assert (first.under, first.line) == ("relationships", '- "comments.(subject_type, subject_id) -> {Type: table.id, Other: none}"')
    assert last.line == "comments: excluded"


def test_tables_of_the_same_name_are_told_apart_by_their_schema() -> None:
    twice = [table(name("orgs")), table(name("deals"), {"a": "orgs", "b": "orgs"}), table(name("deals", "old"))]
    assert lines(planned(twice), name("deals"))[0] == "public.deals: {via: a}"


def test_what_a_line_means_names_the_evidence() -> None:
    made = planned(DEALS)
    assert options(made.routes[name("deals")], made)[0].means == "the tenant that buyer_id names (declared)"
