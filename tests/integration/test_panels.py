"""The dashboards' panels inside a slice: the same rows offline as the statement gives with the values that the API binds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from engine import duck
from engine.dashboards import bind, read_dashboards
from engine.workspace import Workspace
from slices.refresh import Result, refresh
from tests.integration.driving import Answering, accept, answering, installation_in, offer_tables, workspace_of

DASHBOARD = """
version: 1
slug: over-view
title: Overview
parameters:
  period: {type: date_range, default: 2026-01-01/2026-02-01}
  kind: {type: select, multiple: true}
  least: {type: number, default: 2}
  name: {type: text, default: "it's"}
panels:
  by-kind:
    title: By kind
    sql: >-
      with chosen as (select * from things where made >= $period_start and made < $period_end and worth >= $least)
      select kind, p_kind, count(*) as n, $name as name, $as_of > timestamptz '2000-01-01' as later, $timezone as zone
      from chosen where $kind is null or list_contains($kind, kind) group by all order by kind
  broken: {title: Broken, sql: select nothing from things}
"""


def refreshed(folder: Path, dashboard: str = DASHBOARD) -> tuple[Workspace, Result, Answering]:
    folder.joinpath("d.yaml").write_text(dashboard)
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 31)] + [datetime(2026, 2, 1, tzinfo=UTC)]
    things = pa.table(
        {"id": [1, 2, 3, 4], "org_id": [1] * 4, "kind": ["a", "b", "a", "a"], "p_kind": ["x"] * 4, "worth": [1, 2, 3, 4], "made": days}
    )
    offer_tables(str(folder), {"orgs": (pa.table({"id": [1, 2]}), ()), "things": (things, [("org_id", "orgs")])})
    workspace = workspace_of(folder, "arrow", str(folder), dashboards="d.yaml")
    installation = installation_in(folder / "home", builders=1)
    if not answering(installation, workspace):
        accept(installation, workspace)
    result = refresh(installation, workspace)
    return workspace, result, answering(installation, workspace)["1"]


def test_a_panel_gives_the_rows_of_the_dashboard(tmp_path: Path) -> None:
    workspace, _, tenant = refreshed(tmp_path)
    dashboard = read_dashboards(workspace)[0]
    values = bind(dashboard, {}, datetime(2026, 3, 1, tzinfo=UTC), "UTC")
    assert tenant.path is not None
    with duck.reader(tenant.path) as connection:
        by_api = connection.execute(dashboard.panels["by-kind"].sql, values).fetchall()
    assert (
        tenant.rows("from panel.over_view_by_kind()") == by_api == [("a", "x", 1, "it's", True, "UTC"), ("b", "x", 1, "it's", True, "UTC")]
    )
    assert tenant.rows("select n from panel.over_view_by_kind(p_kind_ := ['a'], p_least := 0, p_period_end := date '2026-03-01')") == [(3,)]


def test_a_panel_that_does_not_work_is_said_and_left_out(tmp_path: Path) -> None:
    _, result, tenant = refreshed(tmp_path)
    assert len(result.notes) == 1
    assert result.notes[0].startswith("over-view.broken is not in the slices as panel.over_view_broken: Binder Error")
    assert tenant.rows("select function_name from duckdb_functions() where schema_name = 'panel'") == [("over_view_by_kind",)]


def test_a_changed_panel_is_a_changed_slice(tmp_path: Path) -> None:
    _, _, before = refreshed(tmp_path)
    _, same, again = refreshed(tmp_path)
    assert (same.built, again.version) == (0, before.version)
    _, changed, after = refreshed(tmp_path, DASHBOARD.replace("default: 2}", "default: 3}"))
    assert changed.built == 2
    assert after.rows("select kind, n from panel.over_view_by_kind()") == [("a", 1)]
