"""`slicehouse routes`: what a person reads before accepting, and what accepting one table alone does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from api.cli.main import main
from api.cli.routes_text import overview
from engine import lock as locks
from tests.acceptance.review_world import offer, write

pytestmark = pytest.mark.acceptance
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `routes` on the workspace; status, stdout, stderr."""
    offer()
    write(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        status = main(["routes", "-w", str(tmp_path / "slicehouse.yaml"), *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def locked(folder: Path) -> locks.Lock:
    return locks.load((folder / "routes.lock").read_text(), "routes.lock")


def routes_of(folder: Path) -> dict[str, str]:
    return {name.rpartition(".")[2]: table.route for name, table in locked(folder).tables.items()}


# ── what is read ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_decisions_come_first_with_the_lines_to_write(run: Run) -> None:
    status, out, _ = run()
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "To decide (2): in no slice until one of the lines stands under tables: in slicehouse.yaml"
    assert [line.split("  #")[0].strip() for line in lines if line.startswith("      ")] == [
        "deal_lines: excluded",
        "deals: {via: buyer_id}",
        "deals: {via: seller_id}",
        "deals: excluded",
    ]


def test_tables_are_grouped_by_route_and_counted(run: Run) -> None:
    _, out, _ = run()
    heads = [line for line in out.splitlines() if line and not line.startswith(" ")]
    assert heads[1:6] == ["Rows in quarantine (1 table): in no slice", "Tenant (1)", "Direct (2)", "Indirect (1)", "Excluded (1)"]
    assert "tickets: 2 of 4 rows (2 two tenants)" in out
    assert "7 tables: 4 in slices, 1 excluded, 2 to decide." in out
    assert "10 rows: 8 owned, 2 quarantined" in out


def test_lines_fit_a_terminal_whatever_a_source_calls_its_tables() -> None:
    edge = {"role": "owner", "origin": "inferred", "child": "c", "parent": "orgs", "columns": ["column_" * 20]}
    facts: dict[str, Any] = {"route": "direct", "decision": "accepted", "rows": 10**12, "owned": 10**12, "reason": "r", "edges": [edge] * 9}
    tables = [facts | {"table": name} for name in ("t" * 200, "表" * 90, "\x1b[31mred\n", "short")]
    for width in (20, 100, 120, 500):
        out = overview(tables, "slicehouse.yaml", width, mark=False)
        assert max(sum(2 if c == "表" else 1 for c in line) for line in out.splitlines()) <= max(100, min(width, 120))
        assert "\x1b" not in out
        assert len(out.splitlines()) == 2 + 4 + 4


def test_json_is_one_array_with_the_keys_of_the_contract(run: Run) -> None:
    _, out, _ = run("--json")
    rows = json.loads(out)
    keys = {"table", "route", "path", "evidence", "confidence", "decision", "rows", "owned", "shared", "unreferenced", "filtered", "quarantined", "excluded", "copies"}  # fmt: skip
    assert all(keys <= set(r) for r in rows)
    assert [r["table"] for r in rows][:2] == ["deal_lines", "deals"]
    counts = ("owned", "shared", "unreferenced", "filtered", "quarantined", "excluded")
    assert all(sum(r[c] for c in counts) == r["rows"] for r in rows)


def test_one_table_shows_edges_pairs_and_columns(run: Run) -> None:
    status, out, _ = run("--table", "tickets")
    assert status == 0
    assert "tickets.project_id->projects.id  (declared, confidence 1.00)" in out
    assert "org_id / project_id disagree in rows with the key 2; 3" in out
    assert [line.split() for line in out.splitlines() if line.strip().startswith(("org_id  ", "project_id  "))][:2] == [
        ["org_id", "4", "0"],
        ["project_id", "3", "1"],
    ]


def test_relationships_without_a_say_are_shown_with_their_evidence(run: Run) -> None:
    _, out, _ = run("--table", "deals")
    lines = out.splitlines()
    at = lines.index("Relationships without a say:")
    assert [line.split("  (")[0].strip() for line in lines[at + 1 :] if "->" in line] == [
        "deals.buyer_id->orgs.id",
        "deals.seller_id->orgs.id",
    ]


def test_one_table_as_json_has_no_more_than_three_examples(run: Run) -> None:
    facts = json.loads(run("--table", "tickets", "--json")[1])
    assert facts["pairs"]["pairs"][0]["examples"] == ["2", "3"]
    assert facts["pairs"]["alone"][0] == {"label": "tickets.org_id->orgs.id", "via": "org_id", "owned": 4, "everybodys": 0, "quarantined": 0, "faults": 0, "abstains": 0}  # fmt: skip
    assert {c["name"] for c in facts["columns"]} == {"id", "org_id", "project_id"}


def test_a_table_that_is_not_there_is_wrong_use(run: Run) -> None:
    status, _, err = run("--table", "tikets")
    assert status == 2
    assert "tickets" in err


def test_open_table_in_detail_says_what_to_write(run: Run) -> None:
    _, out, _ = run("--table", "deals")
    assert "deals: {via: buyer_id}" in out


# ── the drawing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_graph_is_drawn_by_the_ending_of_the_file(run: Run, tmp_path: Path) -> None:
    assert run("--graph", str(tmp_path / "g.svg"))[0] == 0
    assert ElementTree.parse(tmp_path / "g.svg").getroot().get("class") == "rg"
    assert run("--graph", str(tmp_path / "g.MMD"))[0] == 0
    assert (tmp_path / "g.MMD").read_text().splitlines()[1] == "flowchart RL"


def test_other_endings_are_refused_before_anything_is_read(run: Run, tmp_path: Path) -> None:
    status, _, err = run("--graph", str(tmp_path / "g.png"))
    assert (status, (tmp_path / ".slicehouse").exists()) == (2, False)
    assert ".svg nor .mmd" in err


# ── what differs ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_differs_from_what_was_just_accepted(run: Run) -> None:
    assert run("--accept")[0] == 0
    assert run("--diff")[1] == "Nothing differs from the accepted routing.\n"


def test_columns_alone_are_told_as_columns(run: Run) -> None:
    run("--accept")
    offer(more=True)
    lines = run("--diff")[1].splitlines()
    assert "columns: notes: extra: new → keep" in lines
    assert not [line for line in lines if line.startswith(("route:", "edge:"))]


def test_edges_that_come_and_go_are_shown(run: Run, tmp_path: Path) -> None:
    run("--accept")
    write(tmp_path, tables={"tickets": {"via": "project_id", "where": "id > 1"}, "deals": {"via": "buyer_id"}})
    lines = run("--diff")[1].splitlines()
    assert "route: tickets: direct → indirect" in lines
    assert "edge: tickets: − tickets.org_id->orgs.id (declared)" in lines
    assert "edge: deals: + deals.buyer_id->orgs.id (declared)" in lines
    assert "rule: tickets: where: none → id > 1" in lines
    assert any(line.startswith("route: deals: excluded, open: 2 columns") and line.endswith("→ direct") for line in lines)


# ── accepting one table ───────────────────────────────────────────────────────────────────────────────────────────────


def test_accepting_one_table_leaves_the_others_as_they_were(run: Run, tmp_path: Path) -> None:
    run("--accept")
    before = locked(tmp_path)
    offer(more=True)
    write(tmp_path, tables={"tickets": {"via": "project_id"}, "notes": "excluded"})
    status, _, err = run("--accept", "tickets")
    assert (status, "tickets alone" in err) == (0, True)
    after = locked(tmp_path)
    assert routes_of(tmp_path)["tickets"] == "indirect"
    assert after.tables["app.public.tickets"].columns["extra"].treatment == "keep"
    assert after.tables["app.public.tickets"].quarantined == 25
    same = [t for t in before.tables if not t.endswith(".tickets")]
    assert {t: before.tables[t] for t in same} == {t: after.tables[t] for t in same}
    assert [line for line in run("--diff")[1].splitlines() if "tickets" in line] == [
        "edge: notes: − notes.ticket_id->tickets.id (declared)"
    ]


def test_refresh_runs_by_a_table_that_was_accepted_alone(run: Run, tmp_path: Path) -> None:
    run("--accept")
    write(tmp_path, tables={"deals": {"via": "buyer_id"}, "projects": "excluded"})
    assert run("--accept", "deals")[0] == 0
    assert main(["refresh", "-w", str(tmp_path / "slicehouse.yaml")]) == 0
    assert main(["query", "1", "select count(*) from deals, projects", "-w", str(tmp_path / "slicehouse.yaml")]) == 0


def test_what_one_table_takes_along_stops_the_refresh(run: Run, tmp_path: Path) -> None:
    """Ticket 4 is quarantined by its project alone, its note with it: the share that was accepted for notes stays."""
    run("--accept")
    write(tmp_path, tables={"tickets": {"via": "project_id"}})
    assert run("--accept", "tickets")[0] == 0
    assert main(["refresh", "-w", str(tmp_path / "slicehouse.yaml")]) == 3


def test_a_table_over_one_that_is_not_accepted_is_refused(run: Run, tmp_path: Path) -> None:
    run("--accept")
    write(tmp_path, tables={"deals": {"via": "buyer_id"}})
    lock = (tmp_path / "routes.lock").read_bytes()
    status, _, err = run("--accept", "deal_lines")
    assert status == 3
    assert "deal_lines.deal_id->deals.id leads over deals, which is excluded there" in err
    assert (tmp_path / "routes.lock").read_bytes() == lock
    assert run("--accept", "deal_lines", "deals")[0] == 0
    assert routes_of(tmp_path)["deal_lines"] == "indirect"


def test_a_table_that_others_are_judged_by_is_not_taken_away_from_them(run: Run, tmp_path: Path) -> None:
    run("--accept")
    write(tmp_path, tables={"tickets": "shared", "notes": "excluded"})
    status, _, err = run("--accept", "tickets")
    assert status == 3
    assert "notes.ticket_id->tickets.id" in err


def test_a_table_with_an_open_decision_is_refused(run: Run) -> None:
    run("--accept")
    status, _, err = run("--accept", "deals")
    assert (status, "deals has an open decision" in err) == (3, True)


def test_one_table_cannot_be_the_first_that_is_accepted(run: Run, tmp_path: Path) -> None:
    status, _, err = run("--accept", "tickets")
    assert (status, "No routing has been accepted yet" in err) == (3, True)
    assert not (tmp_path / "routes.lock").exists()


def test_who_a_tenant_is_concerns_all_tables(run: Run, tmp_path: Path) -> None:
    run("--accept")
    write(tmp_path, tenants={"table": "projects"})
    status, _, err = run("--accept", "notes")
    assert (status, "who a tenant is" in err) == (3, True)


def test_a_lock_file_that_differs_is_settled_whole(run: Run, tmp_path: Path) -> None:
    run("--accept")
    file = tmp_path / "routes.lock"
    file.write_text(file.read_text().replace("accepted_by: ", "accepted_by: x"))
    assert run("--accept", "tickets")[0] == 3
    assert run("--accept")[0] == 0


def test_accepting_everything_lists_what_stays_open(run: Run) -> None:
    status, _, err = run("--accept")
    assert status == 0
    assert "open: deals: 2 columns point at the tenant table" in err
