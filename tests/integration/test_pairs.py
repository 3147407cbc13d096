"""What the owner edges of a table say of its rows, each alone and two by two, on rows that are judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine.graph import Edge
from engine.schema import TableName
from slices.landing import OpenSources, land_workspace, plan_fresh
from slices.reviewing import routings
from slices.reviewing.judging import judging
from slices.rule.pairs import Pairs, pairs_of
from tests.integration.driving import installation_in, offer_tables, workspace_of

URL = "pairs"


def ints(*values: int | None) -> pa.Array:
    return pa.array(values, pa.int64())


def tables() -> dict[str, Any]:
    """Two tenants, a project each; ticket 1 agrees, 2 and 3 disagree, 4 and 5 say one thing, 6 has no such project, 7 says nothing."""
    tickets = {
        "id": ints(1, 2, 3, 4, 5, 6, 7),
        "org_id": ints(1, 1, 2, None, 2, 1, None),
        "project_id": ints(10, 20, 10, 20, None, 99, None),
    }
    return {
        "orgs": (pa.table({"id": ints(1, 2)}), ()),
        "projects": (pa.table({"id": ints(10, 20), "org_id": ints(1, 2)}), (("org_id", "orgs"),)),
        "tickets": (pa.table(tickets), (("org_id", "orgs"), ("project_id", "projects"))),
        "notes": (pa.table({"id": ints(1), "ticket_id": ints(1)}), (("ticket_id", "tickets"),)),
    }


def report(tmp_path: Path, offered: dict[str, Any], **said: Any) -> dict[str, Pairs]:
    offer_tables(URL, offered)
    installation = installation_in(tmp_path / "home")
    workspace = workspace_of(tmp_path, "arrow", URL, **said)
    row = routings.workspace_row(installation, workspace)
    with OpenSources(installation, workspace) as sources:
        schema, routing = plan_fresh(sources, workspace, None)
        snapshots = land_workspace(installation, row, sources, schema, routing)
    with judging(installation, row.id, routing, snapshots) as work:
        return {t.table: p for t, p in pairs_of(work.connection, routing, work.judge).items()}


def columns(edge: Edge) -> str:
    return "+".join(edge.columns)


def test_every_row_of_a_pair_agrees_disagrees_abstains_or_is_a_fault(tmp_path: Path) -> None:
    found = report(tmp_path, tables())
    assert list(found) == ["tickets"]
    (pair,) = found["tickets"].pairs
    assert {columns(pair.first), columns(pair.second)} == {"org_id", "project_id"}
    assert (pair.agree, pair.disagree, pair.abstain, pair.fault) == (1, 2, 3, 1)
    assert found["tickets"].rows == 7
    assert pair.examples == ("2", "3")


def test_each_edge_alone_says_how_many_rows_it_would_own(tmp_path: Path) -> None:
    alone = {columns(a.edge): (a.votes, a.faults, a.abstains) for a in report(tmp_path, tables())["tickets"].alone}
    assert alone == {"org_id": (5, 0, 2), "project_id": (4, 1, 2)}


def test_what_an_edge_would_own_alone_is_what_via_makes_of_it(tmp_path: Path) -> None:
    from slices.reviewing.review import review

    said = {"tables": {"tickets": {"via": "project_id"}}}
    offer_tables(URL, tables())
    found = review(installation_in(tmp_path / "home"), workspace_of(tmp_path, "arrow", URL, **said))
    verdicts = found.verdicts[TableName("app", "public", "tickets")]
    assert (verdicts.owned, verdicts.quarantined) == (4, 3)


def test_a_table_that_points_at_itself_is_asked_about_it_too(tmp_path: Path) -> None:
    offered = tables()
    rows = offered["tickets"][0].append_column("parent_id", ints(None, None, None, None, None, None, 1))
    found = report(tmp_path, offered | {"tickets": (rows, (*offered["tickets"][1], ("parent_id", "tickets")))})["tickets"]
    assert {columns(a.edge): a.votes for a in found.alone} == {"org_id": 5, "project_id": 4, "parent_id": 1}
    assert len(found.pairs) == 3


def test_no_more_than_three_examples_are_kept(tmp_path: Path) -> None:
    many = tables()
    many["tickets"] = (pa.table({"id": ints(*range(50)), "org_id": ints(*[1] * 50), "project_id": ints(*[20] * 50)}), many["tickets"][1])
    (pair,) = report(tmp_path, many)["tickets"].pairs
    assert (pair.disagree, pair.examples) == (50, ("0", "1", "2"))


@pytest.mark.parametrize("mask", ["drop", "sha256"])
def test_masked_keys_are_shown_as_they_are_landed(tmp_path: Path, mask: str) -> None:
    offered = tables() | {"notes": (pa.table({"id": ints(1)}), ())}
    (pair,) = report(tmp_path, offered, columns={"tickets.id": {"mask": mask}})["tickets"].pairs
    assert not {"2", "3"} & set(pair.examples)
    assert len(pair.examples) == 2
