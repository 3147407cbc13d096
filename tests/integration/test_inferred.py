"""Relationships that nobody declared: they place rows once accepted, data can sink them, and a refresh stops where they break."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from engine.errors import ReviewRequired
from engine.routing import Routing
from engine.workspace import Workspace
from slices.installation import Installation
from slices.landing import OpenSources, plan_fresh
from slices.refresh import refresh
from tests.integration.driving import accept, answering, installation_in, offer_tables, workspace_of

ORGS = pa.table({"id": [1, 2], "name": ["A", "B"]})


def offered(folder: Path, customers_of_orders: list[int | None], **more: object) -> tuple[Installation, Workspace]:
    customers = pa.table({"id": [10, 20, 30], "org_id": [1, 1, 2]})
    orders = pa.table({"id": range(len(customers_of_orders)), "customer_id": pa.array(customers_of_orders, pa.int64())})
    offer_tables(str(folder), {"orgs": (ORGS, ()), "customers": (customers, ()), "orders": (orders, ())})
    return installation_in(folder / "home", builders=1), workspace_of(folder, "arrow", str(folder), **more)


def planned(installation: Installation, workspace: Workspace) -> Routing:
    with OpenSources(installation, workspace) as sources:
        return plan_fresh(sources, workspace, None, look=True)[1]


def kinds(routing: Routing) -> dict[str, str]:
    return {t.table: r.kind for t, r in routing.routes.items()}


def test_rows_reach_their_tenant_over_edges_that_nobody_declared(tmp_path: Path) -> None:
    installation, workspace = offered(tmp_path, [10, 20, 30, 30])
    accept(installation, workspace)
    refresh(installation, workspace)
    found = answering(installation, workspace)
    assert {key: tenant.rows("select id from orders order by 1") for key, tenant in found.items()} == {
        "1": [(0,), (1,)],
        "2": [(2,), (3,)],
    }


def test_data_that_contradicts_a_name_makes_a_question_of_it(tmp_path: Path) -> None:
    installation, workspace = offered(tmp_path, [7, 8, 9, 10])
    routing = planned(installation, workspace)
    route = next(r for t, r in routing.routes.items() if t.table == "orders")
    assert (route.kind, route.review is not None) == ("excluded", True)
    assert kinds(planned(*offered(tmp_path, [10, 20, 30, 10])))["orders"] == "indirect"


def test_inference_can_be_left_out_and_an_edge_denied(tmp_path: Path) -> None:
    assert kinds(planned(*offered(tmp_path, [10], infer=False)))["orders"] == "excluded"
    denied = planned(*offered(tmp_path, [10], relationships=["not orders.customer_id -> customers.id"]))
    assert kinds(denied) == {"orgs": "tenant", "customers": "direct", "orders": "excluded"}


def test_an_inclusion_that_breaks_stops_the_refresh_and_the_last_slices_answer(tmp_path: Path) -> None:
    installation, workspace = offered(tmp_path, [10, 20, 30, 30])
    accept(installation, workspace)
    refresh(installation, workspace)
    before = answering(installation, workspace)["1"].version
    installation, workspace = offered(tmp_path, [10, 20, 30, 77])
    with pytest.raises(ReviewRequired, match=r"orders\.customer_id->customers\.id: 1 of 4 values are in no row of customers") as told:
        refresh(installation, workspace)
    assert told.value.code == "inclusion_broken"
    assert answering(installation, workspace)["1"].version == before


def test_a_declared_key_beside_a_weak_name_goes_on(tmp_path: Path) -> None:
    """An edge that is not sure has no say; it neither places rows nor takes a table out."""
    things = pa.table({"id": [1], "org_id": [1], "widget_ref_code": ["x"]})
    widgets = pa.table({"id": [5], "org_id": [2]})
    offer_tables(str(tmp_path), {"orgs": (ORGS, ()), "widgets": (widgets, [("org_id", "orgs")]), "things": (things, [("org_id", "orgs")])})
    workspace = workspace_of(tmp_path, "arrow", str(tmp_path))
    assert kinds(planned(installation_in(tmp_path / "home"), workspace))["things"] == "direct"


def test_columns_of_two_types_whose_values_agree_are_asked_about(database: str, tmp_path: Path) -> None:
    """A bigint key that another table keeps as text: the name is faint by its type, the values speak for it, a person decides."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "create table orgs (id bigint primary key); create table imports (id int primary key, org_id text); create table notes (id int primary key, org_id text);"
            "insert into orgs select g * 7919 from generate_series(1, 300) g; insert into imports select g, (g * 7919)::text from generate_series(1, 300) g;"
            "insert into notes select g, 'x' || g from generate_series(1, 300) g; analyze"
        )
    workspace = workspace_of(tmp_path, "postgres", database)
    installation = installation_in(tmp_path / "home", builders=1)
    with OpenSources(installation, workspace) as sources:
        routing = plan_fresh(sources, workspace, None, look=True)[1]
    by_name = {t.table: r for t, r in routing.routes.items()}
    assert by_name["imports"].kind == "excluded"
    assert "imports.org_id->orgs.id" in str(by_name["imports"].review)
    assert (by_name["notes"].kind, by_name["notes"].review) == ("excluded", None)
