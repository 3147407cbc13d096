"""The oracle of the row rule: facts by hand, the hard cases, and what holds in every generated case."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.rowrule import hard
from tests.rowrule.case import Case, Column, Edge, Table, Value
from tests.rowrule.oracle import (
    CONTRADICTION,
    LOOP,
    MIXED,
    ORPHAN,
    REASONS,
    SEVERAL_TENANTS,
    TYPE,
    UNASSIGNED,
    groups,
    outcome,
)
from tests.rowrule.routes import routing
from tests.rowrule.strategies import TENANTS, cases


def table(name: str, columns: str, *rows: tuple[Value, ...], text: str = "") -> Table:
    """A table of int columns, those named in `text` apart."""
    made = tuple(Column(c, "text" if c in text.split() else "int") for c in columns.split())
    return Table(name, made, rows)


def edge(hop: str) -> Edge:
    """`child.a+b->parent.c+d` as an edge."""
    (child, columns), (parent, parent_columns) = (side.split(".") for side in hop.split("->"))
    return Edge(child, tuple(columns.split("+")), parent, tuple(parent_columns.split("+")))


ORGS = table("orgs", "id", (1,), (2,))
USERS = table("users", "id", (1,), (2,))


def case(tables: list[Table], hops: str, tenants: Table = ORGS) -> Case:
    return Case((tenants, *tables), tuple(edge(hop) for hop in hops.split()), "orgs", "id")


def slices(made: Case, name: str) -> dict[str, list[int]]:
    """The rows of one table in each slice."""
    return {tenant: rows[name] for tenant, rows in outcome(made).slices.items()}


def test_row_with_one_vote_is_in_that_tenants_slice_alone() -> None:
    made = case([table("t", "id org_id", (1, 1), (2, 2), (3, 1))], "t.org_id->orgs.id")
    assert slices(made, "t") == {"1": [0, 2], "2": [1]}
    assert slices(made, "orgs") == {"1": [0], "2": [1]}


def test_row_with_two_tenants_is_quarantined() -> None:
    tables = [table("a", "id org_id", (1, 1), (2, 2)), table("t", "org_id a_id", (1, 1), (1, 2))]
    made = case(tables, "a.org_id->orgs.id t.org_id->orgs.id t.a_id->a.id")
    assert slices(made, "t") == {"1": [0], "2": []}
    assert outcome(made).quarantine["t"] == [1]


def test_orphan_and_its_child_are_quarantined() -> None:
    made = case([table("t", "id org_id", (1, 9)), table("u", "t_id", (1,))], "t.org_id->orgs.id u.t_id->t.id")
    assert outcome(made).reasons["t"] == {0: ORPHAN}
    assert outcome(made).quarantine["u"] == [0]


def test_row_without_a_tenant_is_everybodys_only_where_the_configuration_says_so() -> None:
    made = case([table("t", "org_id", (None,), (2,))], "t.org_id->orgs.id")
    assert outcome(made).reasons["t"] == {0: UNASSIGNED}
    assert slices(replace(made, unassigned_shared={"t": None}), "t") == {"1": [0], "2": [0, 1]}


def test_orphan_is_quarantined_though_the_unassigned_are_shared() -> None:
    made = case([table("t", "org_id", (9,))], "t.org_id->orgs.id")
    assert outcome(replace(made, unassigned_shared={"t": None})).quarantine["t"] == [0]


def test_everybodys_and_one_tenants_parents_mixed_are_a_fault() -> None:
    tables = [table("s", "code org_id", (5, None), (5, 1), (6, None)), table("t", "org_id code", (1, 5), (1, 6))]
    made = replace(case(tables, "s.org_id->orgs.id t.org_id->orgs.id t.code->s.code"), unassigned_shared={"s": None})
    assert outcome(made).reasons["t"] == {0: MIXED}
    assert slices(made, "t") == {"1": [1], "2": []}


def test_duplicated_parent_key_votes_where_all_are_one_tenants() -> None:
    tables = [table("a", "code org_id", (5, 1), (5, 1), (6, 1), (6, 2)), table("t", "code", (5,), (6,))]
    made = case(tables, "a.org_id->orgs.id t.code->a.code")
    assert slices(made, "t") == {"1": [0], "2": []}
    assert outcome(made).reasons["t"] == {1: SEVERAL_TENANTS}


def test_rows_of_a_tree_inherit_and_a_loop_is_quarantined() -> None:
    tree = table("t", "id up org_id", (1, None, 1), (2, 1, None), (3, 2, None), (4, 5, None), (5, 4, None), (6, 6, None))
    made = case([tree], "t.up->t.id t.org_id->orgs.id")
    assert slices(made, "t") == {"1": [0, 1, 2], "2": []}
    assert outcome(made).reasons["t"] == {3: LOOP, 4: LOOP, 5: LOOP}


def test_self_reference_to_another_tenants_row_is_no_contradiction() -> None:
    made = case([table("t", "id up org_id", (1, None, 1), (2, 1, 2))], "t.up->t.id t.org_id->orgs.id")
    assert slices(made, "t") == {"1": [0], "2": [1]}


def test_contradiction_in_a_group_does_not_cascade() -> None:
    rows_a, rows_b = [(1, 1, 1), (2, 2, 1)], [(1, 2, None), (2, 2, 9), (3, 1, 1)]
    tables = [table("a", "id org_id b_id", *rows_a), table("b", "id org_id a_id", *rows_b)]
    hops = "a.org_id->orgs.id a.b_id->b.id b.org_id->orgs.id b.a_id->a.id"
    found = outcome(case(tables, hops))
    assert found.reasons["a"] == {0: CONTRADICTION}  # tenant 1's points at tenant 2's
    assert found.quarantine["b"] == []  # row 2 points at the quarantined row, and keeps its tenant


def test_row_waits_for_every_edge_it_asks() -> None:
    tables = [
        table("a", "id b1 b2", (1, 1, 2), (2, 3, None)),
        table("b", "id org_id a_id", (1, 1, None), (2, None, 2), (3, 2, None)),
    ]
    found = outcome(case(tables, "a.b1->b.id a.b2->b.id b.org_id->orgs.id b.a_id->a.id"))
    assert found.quarantine == {"orgs": [], "a": [0], "b": []}
    assert found.slices["2"] == {"orgs": [1], "a": [1], "b": [1, 2]}


def membership(*rows: tuple[Value, ...], columns: str = "user_id org_id") -> Case:
    made = case([USERS, table("m", columns, *rows)], "m.user_id->users.id m.org_id->orgs.id")
    return replace(made, through={"users": "m"})


def test_member_is_in_each_tenant_that_has_a_joining_row() -> None:
    made = membership((1, 1), (1, 2), (9, 2))
    assert slices(made, "users") == {"1": [0], "2": [0]}
    assert slices(made, "m") == {"1": [0], "2": [1, 2]}
    assert outcome(made).quarantine["users"] == [1]


def test_members_own_edges_do_not_vote() -> None:
    users = table("users", "id current_org_id", (1, 2))
    made = case([users, table("m", "u org_id", (1, 1))], "users.current_org_id->orgs.id m.u->users.id m.org_id->orgs.id")
    assert slices(replace(made, through={"users": "m"}), "users") == {"1": [0], "2": []}


def test_edge_to_a_member_is_asked_only_where_the_straight_edges_abstain() -> None:
    made = membership((1, 1))
    posts = table("posts", "org_id user_id", (2, 1), (2, 2), (None, 1), (None, 2))
    edges = (*made.edges, edge("posts.org_id->orgs.id"), edge("posts.user_id->users.id"))
    made = replace(made, tables=(*made.tables, posts), edges=edges)
    assert slices(made, "posts") == {"1": [2], "2": [0, 1]}


def test_table_placed_only_through_a_member_is_excluded_until_via_decides() -> None:
    made = membership((1, 1))
    notes = table("notes", "id user_id up", (1, 1, None), (2, None, 1))
    edges = (edge("notes.user_id->users.id"), edge("notes.up->notes.id"))
    made = replace(made, tables=(*made.tables, notes), edges=(*made.edges, *edges))
    assert outcome(made).excluded == {"notes"}
    assert slices(replace(made, via={"notes": edges}), "notes") == {"1": [0, 1], "2": []}


def test_two_edges_to_the_tenant_table_leave_a_table_excluded_and_its_children_without_a_way() -> None:
    tables = [table("deals", "id buyer seller", (1, 1, 2)), table("lines", "deal_id", (1,))]
    made = case(tables, "deals.buyer->orgs.id deals.seller->orgs.id lines.deal_id->deals.id")
    assert outcome(made).excluded == {"deals", "lines"}
    assert slices(replace(made, via={"deals": (edge("deals.buyer->orgs.id"),)}), "lines") == {"1": [0], "2": []}


def test_excluded_table_on_the_way_is_a_bridge_and_never_written() -> None:
    tables = [table("pay", "id org_id", (1, 1), (2, 9)), table("slips", "pay_id", (1,), (2,))]
    made = replace(case(tables, "pay.org_id->orgs.id slips.pay_id->pay.id"), excluded=frozenset({"pay"}))
    found = outcome(made)
    assert found.excluded == {"pay"}
    assert found.slices == {"1": {"orgs": [0], "slips": [0]}, "2": {"orgs": [1], "slips": []}}
    assert found.quarantine == {"orgs": [], "slips": [1]}


def test_edge_to_a_shared_table_has_no_say() -> None:
    tables = [table("countries", "code", (49,)), table("t", "org_id country", (1, 7), (2, 49))]
    made = replace(case(tables, "t.org_id->orgs.id t.country->countries.code"), shared=frozenset({"countries"}))
    assert slices(made, "t") == {"1": [0], "2": [1]}
    assert slices(made, "countries") == {"1": [0], "2": [0]}


def test_deleted_parent_filters_its_children_but_only_where_the_edge_voted() -> None:
    tables = [
        table("p", "id org_id up gone", (1, 1, None, 1), (2, 1, 1, None)),
        table("c", "p_id", (1,), (2,)),
    ]
    made = replace(case(tables, "p.org_id->orgs.id p.up->p.id c.p_id->p.id"), soft_delete={"p": "gone"})
    assert outcome(made).filtered == {"orgs": [], "p": [0], "c": [0]}
    assert outcome(made).slices["1"] == {"orgs": [0], "p": [1], "c": [1]}


def test_filtered_tenant_has_no_slice_and_its_rows_are_filtered() -> None:
    orgs = table("orgs", "id gone", (1, None), (2, 5))
    made = case([table("t", "org_id", (1,), (2,), (9,))], "t.org_id->orgs.id", orgs)
    found = outcome(replace(made, soft_delete={"orgs": "gone"}))
    assert found.slices == {"1": {"orgs": [0], "t": [0]}}
    assert (found.filtered, found.quarantine["t"]) == ({"orgs": [1], "t": [1]}, [2])


def test_member_leaves_the_slice_where_its_joining_rows_are_deleted() -> None:
    made = membership((1, 1, 5), (1, 2, None), (2, 1, 5), columns="user_id org_id gone")
    made = replace(made, soft_delete={"m": "gone"})
    assert slices(made, "users") == {"1": [], "2": [0]}
    assert outcome(made).filtered["users"] == [1]


def test_text_equals_an_integer_only_as_its_canonical_decimal() -> None:
    rows = [(v,) for v in ("1", "01", "1.0", " 1", "", "2", "-1")]
    made = case([table("t", "org", *rows, text="org")], "t.org->orgs.id")
    assert slices(made, "t") == {"1": [0], "2": [5]}


def test_big_integers_and_near_texts_are_not_equal() -> None:
    orgs = table("orgs", "id code", (2**53, "é"), (2**53 + 1, "e\u0301"), text="code")
    tables = [table("t", "org", (2**53 + 1,)), table("u", "code", ("e\u0301",), ("é ",), ("É",), text="code")]
    made = case(tables, "t.org->orgs.id u.code->orgs.code", orgs)
    assert slices(made, "t") == {str(2**53): [], str(2**53 + 1): [0]}
    assert (slices(made, "u")[str(2**53 + 1)], outcome(made).quarantine["u"]) == ([0], [1, 2])


def test_composite_key_with_a_null_abstains_and_without_matches_whole() -> None:
    tables = [
        table("orders", "org_id no", (1, 7), (2, 7)),
        table("lines", "org_id no", (1, 7), (2, 7), (1, None), (1, 8)),
    ]
    found = outcome(case(tables, "orders.org_id->orgs.id lines.org_id+no->orders.org_id+no"))
    assert (found.slices["1"]["lines"], found.slices["2"]["lines"]) == ([0], [1])
    assert found.reasons["lines"] == {2: UNASSIGNED, 3: ORPHAN}


HARD_CASES = sorted(hard.FOLDER.glob("*.json"))


@pytest.mark.skipif(not HARD_CASES, reason="no hard cases beside the repository (../shared/graph/hard)")
@pytest.mark.parametrize("path", HARD_CASES, ids=lambda path: path.stem)
def test_oracle_is_right_on_every_hard_case(path: Path) -> None:
    for state in hard.translate(hard.load(path)):
        assert hard.seen(state, outcome(state.case)) == (state.slices, state.quarantine)


@given(cases(later=True))
@settings(max_examples=300, deadline=None)
def test_every_row_of_a_written_table_is_in_a_slice_or_filtered_or_quarantined(made: Case) -> None:
    found, routes = outcome(made), routing(made)
    for name in routes.written:
        sliced = {row for rows in found.slices.values() for row in rows[name]}
        parts = [sorted(sliced), found.filtered[name], found.quarantine[name], found.unreferenced.get(name, [])]
        whole = [row for part in parts for row in part]
        assert len(whole) == len(set(whole))
        assert not found.slices or sorted(whole) == list(range(len(made.table(name).rows)))


@given(cases())
@settings(max_examples=300, deadline=None)
def test_row_is_in_two_slices_only_as_a_member_or_as_everybodys(made: Case) -> None:
    found, routes = outcome(made), routing(made)
    for name in routes.written - routes.shared - set(routes.joins) - set(made.unassigned_shared):
        count = Counter(row for rows in found.slices.values() for row in rows[name])
        assert not count or max(count.values()) == 1


@given(cases())
@settings(max_examples=200, deadline=None)
def test_order_of_tables_edges_and_rows_does_not_matter(made: Case) -> None:
    turned = replace(
        made,
        tables=tuple(replace(t, rows=t.rows[::-1]) for t in made.tables[::-1]),
        edges=made.edges[::-1],
    )
    found, other = outcome(made), outcome(turned)
    last = {t.name: len(t.rows) - 1 for t in made.tables}

    def back(tables: dict[str, list[int]]) -> dict[str, list[int]]:
        return {name: sorted(last[name] - row for row in rows) for name, rows in tables.items()}

    assert {tenant: back(rows) for tenant, rows in other.slices.items()} == found.slices
    assert (back(other.quarantine), back(other.filtered)) == (found.quarantine, found.filtered)


@given(cases())
@settings(max_examples=300, deadline=None)
def test_generated_cases_are_well_formed(made: Case) -> None:
    keys = [row[0] for row in made.table(made.tenant_table).rows]
    assert keys
    assert None not in keys
    assert len(set(keys)) == len(keys)
    for each in made.tables:
        for key in each.unique:
            seen = [each.values(row, key) for row in range(len(each.rows))]
            filled = [values for values in seen if None not in values]
            assert len(filled) == len(set(filled))
    for hop in made.edges:
        assert {c.name for c in made.table(hop.child).columns} >= set(hop.columns)
        assert {c.name for c in made.table(hop.parent).columns} >= set(hop.parent_columns)


def test_generator_reaches_every_part_of_the_rule_often() -> None:
    seen: Counter[str] = Counter()

    @given(cases())
    @settings(
        max_examples=600,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def look(made: Case) -> None:
        seen.update(parts(made))

    look()
    wanted = {*REASONS, "owned", "member", "member of several", "cycle", "filtered", "bridge", "via", "open decision"}
    wanted |= {"where", "hidden", "not hidden", "actor", "by a bool", "other schema", "everybody's by a condition"}
    wanted |= {"uuid in text", "char in text", "text in char", "decimal in text", "decimal in int", "int in decimal"}
    assert {part: seen[part] for part in wanted if seen[part] < (3 if " in " in part else 6)} == {}


def test_generator_reaches_what_is_later_too() -> None:
    seen: Counter[str] = Counter()

    @given(cases(later=True))
    @settings(
        max_examples=200, derandomize=True, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    def look(made: Case) -> None:
        found, plain = outcome(made), outcome(replace(made, normalise={}))
        seen.update(
            {
                "rolled up": made.rollup is not None and any(len(rows[TENANTS]) > 1 for rows in found.slices.values()),
                "unreferenced": any(found.unreferenced.values()),
                "referenced": any(rows[t] for rows in found.slices.values() for t in found.unreferenced),
                "type not mapped": TYPE in {r for rows in found.reasons.values() for r in rows.values()},
                "by a type": any(e.when for t in routing(made).judged for e in routing(made).owner_edges[t]),
                "normalised": found != plain,
            }
        )

    look()
    wanted = {"rolled up", "unreferenced", "referenced", "type not mapped", "by a type", "normalised"}
    assert {part: seen[part] for part in wanted if seen[part] < 3} == {}


def parts(made: Case) -> set[str]:
    """The parts of the rule that a case exercises."""
    found, routes = outcome(made), routing(made)
    sliced = {name: Counter(r for rows in found.slices.values() for r in rows[name]) for name in routes.written}
    true = {
        "owned": any(sliced[name] for name in routes.written - routes.shared - {made.tenant_table}),
        "member": any(sliced[name] for name in routes.joins),
        "member of several": any(count > 1 for name in routes.joins for count in sliced[name].values()),
        "cycle": any(len(group) > 1 for group in groups(made, routes)),
        "filtered": any(found.filtered.values()),
        "bridge": bool(routes.bridges),
        "via": bool(made.via),
        "open decision": any(sum(e.parent == made.tenant_table for e in made.edges_of(t)) > 1 for t in routes.excluded - made.excluded),
    }
    true |= {
        "where": bool(set(made.where) & routes.written),
        "hidden": any(made.hides[t] for t in set(made.hides) & routes.shared),
        "not hidden": bool(made.shared & routes.excluded),
        "actor": any(e.child in routes.judged and e.parent in routes.judged for e in made.actors),
        "by a bool": any(found.filtered.get(t) and made.table(t).type_of(c) == "bool" for t, c in made.soft_delete.items()),
        "other schema": any("." in t for t in routes.written),
        "everybody's by a condition": any(
            condition and count == len(found.slices) > 1
            for t, condition in made.unassigned_shared.items()
            for count in sliced.get(t, Counter()).values()
        ),
    }
    for one in (e for t in routes.judged for e in routes.owner_edges[t]):
        for child, parent in zip(one.columns, one.parent_columns, strict=True):
            true[f"{made.table(one.parent).type_of(parent)} in {made.table(one.child).type_of(child)}"] = True
    reasons = {reason for rows in found.reasons.values() for reason in rows.values()}
    return reasons | {part for part, holds in true.items() if holds}
