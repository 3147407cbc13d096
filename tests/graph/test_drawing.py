"""The drawing of a routing: well-formed, every table and edge there once, hostile names as text, columns by hops, nothing over anything."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.schemas import read_case
from engine.drawing import mermaid, svg
from engine.drawing.layout import hops, lay_out
from engine.drawing.pieces import GAP, HEIGHT, WIDTH
from engine.drawing.words import cut
from engine.graph import Edge, with_roles
from engine.infer.find import infer
from engine.names import SliceName, slice_names
from engine.owners import route_tables
from engine.routing import NO_TABLE, Route, Routing, TablePlan, TenantKey
from engine.schema import Schema, Table, TableName

ROOT = Path(__file__).parents[2]
SCHEMAS = [*sorted((ROOT / "bench" / "cases").glob("*.json")), *sorted((ROOT.parent / "shared" / "graph" / "schemas").glob("*.json"))]
S = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "</text><script>alert(1)</script>",
    '"] --> x',
    "a&b<c>'d\"",
    "line\nbreak\x00\x08\x1b",
    "\u202eright",
    "%%{init: 1}%%",
    "`**`",
    "#quot;",
    "表" * 60,
]


def name(table: str) -> TableName:
    return TableName("app", "public", table)


def edge(child: str, column: str, parent: str, **facts: object) -> Edge:
    return Edge(name(child), (column,), name(parent), ("id",), **facts)  # type: ignore[arg-type]


def routing(tables: list[str], edges: list[Edge], plans: dict[str, TablePlan] | None = None) -> Routing:
    schema = Schema.of([Table(name(t), ()) for t in tables])
    tenant = TenantKey(name(tables[0]), "id")
    routes = route_tables(schema, edges, tenant, {name(t): p for t, p in (plans or {}).items()})
    return Routing(tenant, routes, slice_names(schema, tenant.table))


def of_case(path: Path) -> Routing:
    case = read_case(path)
    edges = with_roles(infer(case.schema, tenant=case.tenant.table))
    return Routing(case.tenant, route_tables(case.schema, edges, case.tenant, {}), slice_names(case.schema, case.tenant.table))


@pytest.fixture(scope="module")
def small() -> Routing:
    """Every kind of route but whole: a member, a reference, a self-reference, an open decision, a type."""
    joining = edge("memberships", "user_id", "users", origin="inferred", confidence=0.99, evidence="names agree")
    made = routing(
        ["orgs", "users", "memberships", "tasks", "notes", "countries", "products", "deals", "lost"],
        [
            edge("memberships", "org_id", "orgs"),
            joining,
            edge("tasks", "org_id", "orgs", origin="configured"),
            edge("tasks", "parent_id", "tasks"),
            edge("notes", "task_id", "tasks", when=("type", "Task")),
            edge("deals", "buyer_id", "orgs"),
            edge("deals", "seller_id", "orgs"),
        ],
        {"users": TablePlan(through=(joining,)), "countries": TablePlan(shared=True), "products": TablePlan(shared=True, referenced=True)},
    )
    products = made.routes[name("products")]
    routes = dict(made.routes) | {products.table: Route(products.table, products.kind, "", refs=(edge("tasks", "product_id", "products"),))}
    return Routing(made.tenant, routes, made.names)


def facts(picture: str) -> tuple[Counter[str], Counter[tuple[str, str, str]]]:
    """Tables, and edges as (child, parent, title), of an SVG text."""
    root = ElementTree.fromstring(picture)
    tables = Counter(g.get("data-table", "") for g in root.iter(f"{S}g") if "rg-table" in g.get("class", "").split())
    paths = [p for p in root.iter(f"{S}path") if "rg-edge" in p.get("class", "").split()]
    return tables, Counter((p.get("data-child", ""), p.get("data-parent", ""), p.findtext(f"{S}title") or "") for p in paths)


def test_every_table_and_edge_is_drawn_once(small: Routing) -> None:
    tables, edges = facts(svg(small))
    assert tables == Counter(str(n) for n in small.names.values())
    used = [e for r in small.routes.values() for e in (*r.edges, *r.joins, *r.refs)]
    assert len(used) == 6
    assert Counter(e[:2] for e in edges) == Counter((e.child.table, e.parent.table) for e in used)
    assert set(edges.values()) == {1}


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda p: p.stem)
def test_real_schemas_are_drawn_whole_and_nothing_lies_on_anything(path: Path) -> None:
    made = of_case(path)
    tables, edges = facts(svg(made))
    assert tables == Counter(str(n) for n in made.names.values())
    assert edges.total() == sum(len(r.edges) + len(r.joins) + len(r.refs) for r in made.routes.values())
    layout = lay_out(made)
    for a, b in combinations(layout.boxes.values(), 2):
        assert abs(a.x - b.x) >= WIDTH + GAP or abs(a.y - b.y) >= HEIGHT + GAP, (a.route.table, b.route.table)
    assert all(0 < b.x < layout.width - WIDTH and 0 < b.y < layout.height - HEIGHT for b in layout.boxes.values())


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda p: p.stem)
def test_lines_pass_columns_between_their_boxes(path: Path) -> None:
    layout = lay_out(of_case(path))
    for line in (li for li in layout.lines if li.way == "curve" and li.end[0] < li.start[0]):
        for x, y in line.passes:
            assert not [b for b in layout.boxes.values() if b.x == x and b.y <= y <= b.y + HEIGHT], (line.edge.label, x, y)


def test_columns_follow_the_hops(small: Routing) -> None:
    far, boxes = hops(small), lay_out(small).boxes
    assert {t.table: h for t, h in far.items()} == {"orgs": 0, "memberships": 1, "tasks": 1, "users": 2, "notes": 2}
    assert boxes[name("orgs")].x < boxes[name("tasks")].x < boxes[name("notes")].x
    assert boxes[name("users")].x == boxes[name("notes")].x
    apart = [boxes[name(t)].y for t in ("deals", "countries", "lost")]
    assert max(boxes[t].y for t in far) < apart[0] < apart[1] < apart[2]


def test_inferred_edges_are_dashed_and_others_are_not(small: Routing) -> None:
    dashed = re.findall(r'class="rg-edge[^"]*rg-inferred"[^>]*data-child="(\w+)"', svg(small))
    assert dashed == ["memberships"]
    assert mermaid(small).count(".->") == 1
    assert "confidence 0.99: names agree" in svg(small)


def test_colour_follows_the_route_and_the_legend_has_those_in_use(small: Routing) -> None:
    picture = svg(small)
    looks = {table: look for look, table in re.findall(r'class="rg-table rg-(\w+)" data-table="(\w+)"', picture)}
    assert looks == {
        "orgs": "tenant",
        "memberships": "direct",
        "tasks": "direct",
        "notes": "indirect",
        "users": "membership",
        "countries": "shared",
        "products": "referenced",
        "deals": "open",
        "lost": "excluded",
    }
    assert ">open decision</text>" in picture
    assert ">whole</text>" not in picture


def test_hostile_names_are_text() -> None:
    made = routing(["orgs", *HOSTILE], [edge(t, "org_id", "orgs") for t in HOSTILE])
    picture = svg(made, "</title><script>x</script>")
    root = ElementTree.fromstring(picture)
    assert {e.tag.removeprefix(S) for e in root.iter()} == {"svg", "title", "desc", "style", "rect", "text", "path", "g"}
    assert not any(a.startswith("on") or "href" in a for e in root.iter() for a in e.attrib)
    assert "\u202e" not in picture
    assert sum(facts(picture)[0].values()) == len(HOSTILE) + 1
    titles = [e.text or "" for e in root.iter(f"{S}title")]
    assert any(t.startswith(HOSTILE[0]) for t in titles)


def test_hostile_names_stay_labels_in_mermaid() -> None:
    made = routing(["orgs", *HOSTILE], [edge(t, 'x" --> t0', "orgs") for t in HOSTILE])
    lines = mermaid(made, "title\nflowchart LR").splitlines()
    assert lines[:2] == ["%% title flowchart LR", "flowchart RL"]
    known = r'%% .*|flowchart RL|  subgraph g\d+\["[^"<>&`]*"\]|    t\d+\["[^"<>&`%*]*"\]:::\w+|  end|  t\d+ -- "[^"<>&`]*" --> t\d+|  classDef \w+ [\w:#,-]+'
    assert [line for line in lines if not re.fullmatch(known, line)] == []


def test_long_names_lose_their_middle_and_keep_their_title() -> None:
    long = "a_rather_long_name_of_a_table_that_nobody_would_type_twice"
    picture = svg(routing(["orgs", long], [edge(long, "org_id", "orgs")]))
    shown = ElementTree.fromstring(picture).findall(f".//{S}text[@class='rg-name']")[1].text or ""
    assert shown.startswith("a_rather")
    assert shown.endswith("twice")
    assert "…" in shown
    assert f"<title>{long}: direct." in picture
    assert cut("short", 100, 12) == "short"


def test_drawing_is_the_same_whatever_the_order_of_the_routes(small: Routing) -> None:
    turned = Routing(small.tenant, dict(reversed(small.routes.items())), small.names)
    assert svg(turned) == svg(small)
    assert mermaid(turned) == mermaid(small)


def test_a_tenant_table_alone_is_a_drawing() -> None:
    tables, edges = facts(svg(routing(["orgs"], [])))
    assert (tables, edges.total()) == (Counter(["orgs"]), 0)


def test_whole_tables_are_drawn_without_a_tenant_table() -> None:
    tables = [name("a"), TableName("other", "public", "a")]
    routes = {t: Route(t, "whole", f"all of {t.source}") for t in tables}
    made = Routing(NO_TABLE, routes, {tables[0]: SliceName("main", "a"), tables[1]: SliceName("other", "a")}, whole=("app", "other"))
    assert facts(svg(made))[0] == Counter(["a", "other.a"])
    assert "2 tables: 2 whole." in svg(made)
    assert 'subgraph g0["whole"]' in mermaid(made)


def test_cycles_are_drawn() -> None:
    made = routing(
        ["orgs", "a", "b"], [edge("a", "org_id", "orgs"), edge("b", "org_id", "orgs"), edge("a", "b_id", "b"), edge("b", "a_id", "a")]
    )
    assert facts(svg(made))[1].total() == 4
