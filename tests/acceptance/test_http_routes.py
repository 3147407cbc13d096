"""The routing over HTTP: as it was last reviewed, for keys of the workspace alone, and without a look at the source."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import TypeAdapter

from api.endpoints import shapes
from slices.reviewing.review import accept_review, review
from tests.acceptance import http_world, review_world
from tests.acceptance.http_world import World
from tests.integration.driving import offer_tables

pytestmark = pytest.mark.acceptance


def get(world: World, path: str = "", headers: dict[str, str] | None = None) -> Any:
    return world.client.get(f"{world.base}/routes{path}", headers=world.key("workspace") if headers is None else headers)


def reviewed(world: World) -> dict[str, Any]:
    """Reviews the source with a project beside orders: orders 12 disagrees with its project."""
    offered = http_world.tables()
    orders, keys = offered["orders"]
    ints = review_world.ints
    offered["orders"] = (orders.append_column("team_id", ints(1, 1, 2, 2, 2)), (*keys, ("team_id", "teams")))
    offered["teams"] = (http_world.pa.table({"id": ints(1, 2), "org_id": ints(1, 2)}), (("org_id", "orgs"),))
    offer_tables(http_world.SOURCE, offered)
    review(world.installation, world.workspace)
    found: dict[str, Any] = get(world).json()
    return found


def tables_of(found: dict[str, Any]) -> dict[str, Any]:
    return {t["table"]: t for t in found["tables"]}


def test_what_was_accepted_is_shown_before_any_review(world: World) -> None:
    found = get(world).json()
    TypeAdapter(shapes.RoutesShape).validate_python(found)
    assert (found["shows"], found["is_accepted"], found["reviewed_at"]) == ("accepted", True, None)
    assert tables_of(found)["orders"]["route"] == "direct"
    assert tables_of(found)["orders"]["edges"][0]["label"] == "orders.org_id->orgs.id"


def test_the_last_review_is_shown_with_rows_evidence_and_pairs(world: World) -> None:
    found = reviewed(world)
    TypeAdapter(shapes.RoutesShape).validate_python(found)
    assert (found["shows"], found["is_accepted"], found["accepted"]["number"]) == ("review", False, 1)
    orders = tables_of(found)["orders"]
    assert (orders["rows"], orders["owned"], orders["quarantined"], orders["reasons"]) == (5, 4, 1, {"two_tenants": 1})
    assert orders["pairs"]["pairs"][0]["examples"] == ["12"]
    assert {e["label"] for e in orders["edges"]} == {"orders.org_id->orgs.id", "orders.team_id->teams.id"}


def test_an_accepted_review_says_so(world: World) -> None:
    reviewed(world)
    accept_review(world.installation, world.workspace, review(world.installation, world.workspace), "the tests")
    found = get(world).json()
    assert (found["shows"], found["is_accepted"], found["accepted"]["number"]) == ("review", True, 2)


def test_the_source_is_not_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = reviewed(world)
    monkeypatch.setattr("slices.landing.open_source", lambda *_: pytest.fail("the source was opened"))
    assert get(world).json() == before


def test_it_is_drawn_as_svg_and_mermaid(world: World) -> None:
    reviewed(world)
    answer = get(world, "/drawing")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert "Routes of" in ElementTree.fromstring(answer.text)[0].text  # type: ignore[operator]
    assert get(world, "/drawing?format=mmd").text.splitlines()[1] == "flowchart RL"
    assert get(world, "/drawing?format=png").status_code == 422


def test_the_drawing_holds_no_row(world: World) -> None:
    reviewed(world)
    assert not any(secret in get(world, f"/drawing?format={f}").text for f in ("svg", "mmd") for secret in ("Acme", "acme-a", "bolt-a"))


@pytest.mark.parametrize("path", ["", "/drawing"])
def test_a_tenants_key_sees_nothing_of_it(world: World, path: str) -> None:
    reviewed(world)
    for headers in (world.key(), world.key(permissions=["routes:view"]), world.key("workspace", permissions=["tenants:view"])):
        answer = get(world, path, headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "12" not in answer.json()["detail"]
    assert get(world, path, {}).status_code == 401
    assert world.client.get(f"/v1/workspaces/ws_elsewhere/routes{path}", headers=world.key("workspace")).status_code == 404


def test_an_installations_key_sees_it(world: World) -> None:
    assert get(world, headers=world.key("installation")).status_code == 200


def test_nothing_reviewed_and_nothing_accepted_is_an_answer_too(world: World) -> None:
    from sqlalchemy import delete

    from engine.catalog.tables import RoutingRow

    with world.installation.catalog.write() as session:
        session.execute(delete(RoutingRow))
    assert get(world).json() == {"shows": "nothing", "reviewed_at": None, "is_accepted": False, "accepted": None, "tables": []}
    assert get(world, "/drawing").status_code == 404
