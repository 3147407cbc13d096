"""`check`: every problem at once, with its place; the files' also where no source can be reached."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from api.cli.main import main

DASHBOARD = """\
version: 1
slug: d
title: D
parameters:
  period: {type: date_range, default: P30D}
  body: {type: select, options_sql: "select bdy from notes"}
panels:
  good:
    title: Good
    sql: |
      select id, body
      from notes
      where made >= $period_start and ($body is null or body = $body)
    chart: {type: bar, x: body, y: [id]}
  column:
    title: Column
    sql: |
      select id,
             bod
      from notes
  table: {title: Table, sql: select * from note}
  excluded: {title: Excluded, sql: select * from secrets}
  parameter: {title: Parameter, sql: select $perod_start}
  syntax:
    title: Syntax
    sql: |
      select 1
      frm notes
  act: {title: Act, sql: delete from notes}
  function: {title: Function, sql: "select * from read_csv('/etc/passwd')"}
  chart: {title: Chart, sql: select id from notes, chart: {type: bar, x: bdy, y: [id]}, format: {idd: integer}}
"""
WITHOUT_TABLES = {
    "d.yaml:23:3: panels.parameter.sql: $perod_start is no parameter here",
    "d.yaml:28:1: panels.syntax.sql: Parser Error",
    "d.yaml:29:3: panels.act.sql: One SELECT is allowed",
    "d.yaml:30:3: panels.function.sql: A table function in the statement is not allowed.",
}
WITH_TABLES = WITHOUT_TABLES | {
    "d.yaml:6:26: parameters.body.options_sql: Binder Error",
    "d.yaml:19:1: panels.column.sql: Binder Error",
    "d.yaml:21:3: panels.table.sql: Catalog Error",
    "d.yaml:22:3: panels.excluded.sql: Catalog Error",
    "d.yaml:31:3: panels.chart.chart.x: there is no column bdy; the statement gives id",
    "d.yaml:31:3: panels.chart.format.idd: there is no column idd",
}


def written(folder: Path, url: str, dashboard: str = DASHBOARD) -> list[str]:
    folder.joinpath("dashboards").mkdir()
    folder.joinpath("dashboards", "d.yaml").write_text(dashboard)
    workspace = {
        "version": 1,
        "workspace": "w",
        "sources": {"app": {"kind": "postgres", "url": url}},
        "tenants": {"table": "orgs"},
        "tables": {"secrets": "excluded"},
    }
    folder.joinpath("slicehouse.yaml").write_text(json.dumps(workspace))
    return ["check", "-w", str(folder / "slicehouse.yaml")]


def places(said: str) -> set[str]:
    """Of each line the file, the line, the setting; its column too where it is the first."""
    return {line.removeprefix("slicehouse: ").removeprefix("dashboards/") for line in said.splitlines() if ".yaml:" in line}


def assert_same(found: set[str], wanted: set[str]) -> None:
    def place(line: str) -> tuple[str, str]:
        return line.split(":")[1], line.split(": ")[1]

    assert {place(line) for line in found} == {place(line) for line in wanted}
    for line in wanted:
        text = line.split(": ", 2)[2]
        assert any(place(f) == place(line) and text in f for f in found), line


def filled(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table orgs(id int primary key, name text); insert into orgs values (1, 'A')")
        connection.execute("create table notes(id int primary key, org_id int references orgs, body text, made date)")
        connection.execute("create table secrets(id int primary key, org_id int references orgs)")


def test_every_statement_is_checked_against_the_slices_tables(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(database)
    assert main(written(tmp_path, database)) == 2
    assert_same(places(capsys.readouterr().err), WITH_TABLES)


def test_without_a_source_statements_are_checked_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(written(tmp_path, f"postgresql:///x?host={tmp_path}")) == 2
    said = capsys.readouterr().err
    assert "Source app" in said
    assert_same(places(said), WITHOUT_TABLES)


def test_without_a_source_the_lock_says_what_the_tables_are(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(database)
    command = written(tmp_path, database)
    assert main(["routes", "--accept", *command[1:]]) == 0
    (tmp_path / "dashboards" / "d.yaml").rename(tmp_path / "d.yaml")
    (tmp_path / "dashboards").rmdir()
    capsys.readouterr()
    written(tmp_path, f"postgresql:///x?host={tmp_path}")
    assert main(command) == 2
    assert_same(places(capsys.readouterr().err), WITH_TABLES)


def test_problems_of_both_kinds_of_files_are_said_at_once(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(database)
    command = written(tmp_path, database, DASHBOARD.replace("slug: d", "slug: d\nttle: D"))
    other = tmp_path / "dashboards" / "e.yaml"
    other.write_text("{version: 1, slug: e, title: E, panels: {p: {title: P, sql: select x from notes}}}")
    file = tmp_path / "slicehouse.yaml"
    file.write_text(file.read_text().replace('"orgs"', '"orgz"'))
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "did you mean title" in said
    assert "did you mean orgs" in said
    assert main(["check", "-w", str(tmp_path / "nothing.yaml")]) == 2


def test_good_files_are_good(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(database)
    good = DASHBOARD.split("  column:")[0].replace("select bdy", "select body")
    assert main([*written(tmp_path, database, good), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"workspace": "w", "tables": 3, "written": 2, "dashboards": 1}]
