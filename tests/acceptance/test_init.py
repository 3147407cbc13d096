"""`init` on databases that nobody here wrote: a right tenant table with reasons, a file that passes `check`, and slices by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import psycopg
import pytest
from ruamel.yaml import YAML

from api.cli.main import main
from api.control.schemas import schemas
from tests.conftest import PASSWORD, PASSWORD_ROLE, uri_for
from tests.differential.loaders import SAMPLES, load_chinook, load_northwind, load_tpch

Load = Callable[[Any, Path], None]
FOREIGN: dict[str, tuple[Load, dict[str, str], int]] = {
    "chinook": (lambda c, _: load_chinook(c), {"table": "Customer", "key": "CustomerId", "name": "LastName"}, 59),
    "northwind": (lambda c, _: load_northwind(c), {"table": "Customers", "key": "CustomerID", "name": "CompanyName"}, 93),
    "tpch": (lambda c, folder: load_tpch(c, 0.01, 20, folder), {"table": "tenants", "key": "id", "name": "name"}, 20),
}


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_proposal_works_without_a_touch(name: str, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load, tenants, count = FOREIGN[name]
    if name != "tpch" and not SAMPLES.is_dir():
        pytest.skip("../shared/data is not here")
    with psycopg.connect(database, autocommit=True) as connection:
        load(connection, tmp_path / "parquet")
    file = tmp_path / "w" / "slicehouse.yaml"
    assert main(["init", "--url", database, "-o", str(file)]) == 0
    text = file.read_text()
    assert YAML(typ="safe").load(text)["tenants"] == tenants
    assert f"table: {tenants['table']}   # its name says " in text
    assert "to it: " in text
    at = ["-w", str(file)]
    assert main(["check", *at]) == 0
    capsys.readouterr()
    assert main(["routes", "--json", "--accept", *at]) == 0
    routes = {r["table"]: r for r in json.loads(capsys.readouterr().out)}
    assert [t for t, r in routes.items() if r["route"] == "tenant"] == [tenants["table"]]
    assert all(f"#   {t}: " in text for t, r in routes.items() if r["route"] == "excluded")
    assert main(["refresh", *at]) == 0
    assert main(["verify", *at]) == 0
    capsys.readouterr()
    assert main(["tenants", "--json", *at]) == 0
    assert len(json.loads(capsys.readouterr().out)) == count
    assert json.loads((file.parent / ".slicehouse" / "workspace.schema.json").read_text())


def test_nothing_is_written_over_unsaid(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "create table orgs(id int primary key, name text); create table notes(id int primary key, org int references orgs)"
        )
    file = tmp_path / "slicehouse.yaml"
    command = ["init", "--url", database, "-o", str(file)]
    (tmp_path / ".gitignore").write_text("dist")
    assert main(command) == 0
    said = capsys.readouterr().err
    assert f"{file}: written\n" in said
    assert "workspace.schema.json" in said
    assert ".slicehouse/ added" in said
    assert (tmp_path / ".gitignore").read_text() == "dist\n.slicehouse/\n"
    file.write_text("mine")
    assert main(command) == 2
    assert file.read_text() == "mine"
    assert "is there already" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    assert "written over the one that was there" in capsys.readouterr().err
    assert (tmp_path / ".gitignore").read_text() == "dist\n.slicehouse/\n"


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("select 1", "shows no table"),
        ("create table orgs(id int primary key)", "shows one table, orgs"),
        ("create table a(id int primary key); create table b(id int primary key, a int references a)", "a: 1 table leads to it: b"),
        ("create table orgs(id int); create table notes(id int)", "never NULL"),
    ],
    ids=["no table", "one table", "no likely one", "no key"],
)
def test_what_cannot_be_proposed_is_said(sql: str, says: str, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.encode())
    assert main(["init", "--url", database, "-o", str(tmp_path / "slicehouse.yaml")]) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_named_tenant_table_is_taken_and_a_wrong_name_is_not(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table mandanten(nr int primary key); create table b(id int primary key, nr int references mandanten)")
    command = ["init", "--url", database, "-o", str(tmp_path / "slicehouse.yaml"), "--tenant-table"]
    assert main([*command, "mandant"]) == 2
    assert "did you mean mandanten?" in capsys.readouterr().err
    assert main([*command, "mandanten"]) == 0
    assert main(["check", "-w", str(tmp_path / "slicehouse.yaml")]) == 0


def test_odd_names_do_no_harm(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute('create table orgs("null" int primary key, "the name: #1" text)')
        connection.execute('create table "123"(id int primary key, org int references orgs, "api: key" text)')
        connection.execute('create table "odd\ncolumns: {}"(id int primary key)')
        connection.execute('create table "true"(id int primary key, "a.b" int references "123", c int references "odd\ncolumns: {}")')
    file = tmp_path / "slicehouse.yaml"
    assert main(["init", "--url", database, "-o", str(file)]) == 0
    assert YAML(typ="safe").load(file.read_text())["tenants"]["key"] == "null"
    assert main(["check", "-w", str(file)]) == 0


UNDECIDED = """
    create table orgs(id int primary key, name text);
    create table sessions(id int primary key, org_id int not null);
    create table projects(id int primary key, org_id int not null);
    create table teams(id int primary key, org_id int not null);
    create table invoices(id int primary key, org_id int not null);
    create table events(id int primary key, org_id int, session_id int);
    create table event_notes(id int primary key, event_id int not null);
    create table "odd\ntable"(id int primary key, org_id int not null references orgs, for_org_id int not null references orgs);
    create table remarks(id int primary key, subject_type text, subject_id int);
    insert into orgs select n, n::text from generate_series(1, 50) n;
    insert into sessions select n, n from generate_series(1, 50) n;
    insert into events select n, n, n from generate_series(1, 50) n;
    insert into remarks values (1, 'Event', 1)
"""


def uncommented(text: str, start: str) -> str:
    """The file with the # taken from the one line that begins so."""
    (line,) = [li for li in text.splitlines() if li.startswith(f"  # {start}")]
    return text.replace("tables: {}   # to take lines below, take the {} away", "tables:").replace(line, line.replace("  # ", "  ", 1))


def test_an_open_table_has_its_lines_and_each_settles_it(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(UNDECIDED.encode())
    file = tmp_path / "slicehouse.yaml"
    assert main(["init", "--url", database, "-o", str(file)]) == 0
    text = file.read_text()
    assert "#   events: org_id, session_id may be NULL" in text
    assert "  # events: {via: [org_id, session_id]}   # the tenant that org_id, session_id name" in text
    assert '  #   - "remarks.(subject_type, subject_id) -> {Type: table.id, Other: none}"   # under relationships:' in text
    assert "#   odd table: 2 columns point at the tenant table" in text
    assert "odd table: {via" not in text
    for start in ("events: {via: [org_id, session_id]}", "events: {via: org_id}", "events: excluded", "remarks: excluded"):
        file.write_text(uncommented(text, start))
        assert main(["check", "-w", str(file)]) == 0
        capsys.readouterr()
        assert main(["routes", "--json", "-w", str(file)]) == 0
        routes = {r["table"]: r for r in json.loads(capsys.readouterr().out)}
        assert routes[start.partition(":")[0]]["decision"] != "review", start


@pytest.mark.parametrize("as_uri", [True, False])
def test_a_password_is_in_no_file(
    as_uri: bool, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table orgs(id int primary key); create table notes(id int primary key, org int references orgs)")
        connection.execute(f"grant select on all tables in schema public to {PASSWORD_ROLE}")
    url = uri_for(database, user=PASSWORD_ROLE, password=PASSWORD)
    if as_uri:
        parts = psycopg.conninfo.conninfo_to_dict(url)
        url = f"postgresql://{PASSWORD_ROLE}:open%20sesame%20%2F%20100%25@/{parts['dbname']}?host={parts['host']}"
    file = tmp_path / "slicehouse.yaml"
    assert main(["init", "--url", url, "-o", str(file)]) == 0
    assert "sesame" not in "".join(f.read_text() for f in tmp_path.rglob("*") if f.is_file()) + capsys.readouterr().err
    assert main(["check", "-w", str(file)]) != 0
    monkeypatch.setenv("SLICEHOUSE_SOURCE_URL", url)
    assert main(["check", "-w", str(file)]) == 0


WORKSPACES = [
    {"version": 1, "workspace": "w", "sources": {"a": {"kind": "postgres"}}, "tenants": {"table": "t"}},
    {
        "version": 1,
        "workspace": "w",
        "sources": {"a": {"kind": "postgres", "schedule": "every 10m"}},
        "tenants": {"table": "t", "parent": {"column": "p", "data": "none"}},
        "relationships": ["a.b -> c.d"],
        "tables": {
            "x": "shared",
            "y": "excluded",
            "z": {"via": "a_id", "quarantine": "12%"},
            "v": {"via": ["a"], "hides": "b", "quarantine": 5},
        },
        "columns": {"a.b": {"mask": "drop"}},
    },
]
TENANTS: dict[str, tuple[object, bool]] = {
    "a table": ({"table": "t", "key": "id", "name": "n", "single": False, "each": None}, True),
    "each source": ({"each": "source"}, True),
    "the word": ("single", True),
    "single, as a mapping": ({"single": True, "gone_after": "2d"}, True),
    "another word": ("double", False),
    "none": ({}, False),
    "a table without a name": ({"table": ""}, False),
    "not single": ({"single": False}, False),
    "a table and each source": ({"table": "t", "each": "source"}, False),
    "each source and single": ({"each": "source", "single": True}, False),
    "a table and single": ({"table": "t", "single": True}, False),
    "a key of no table": ({"each": "source", "key": "id"}, False),
    "a parent of no table": ({"single": True, "parent": {"column": "p"}}, False),
    "each of something else": ({"each": "table"}, False),
}
CHART = {"version": 1, "slug": "d", "title": "D", "panels": {"p": {"title": "P", "sql": "select 1", "chart": "table"}}}


def test_schemas_are_draft_2020_12_and_say_what_the_models_say() -> None:
    from engine.dashboards import Dashboard
    from engine.workspace import Workspace

    made = schemas()
    for schema in made.values():
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        jsonschema_rs.meta.validate(schema)
    workspace, dashboard = (jsonschema_rs.Draft202012Validator(made[n]) for n in ("workspace", "dashboard"))
    for given in WORKSPACES:
        Workspace.model_validate(given)
        workspace.validate(given)
    for wrong in ({"tables": {"x": "shred"}}, {"tables": {"x": {"vai": "a"}}}, {"path": "x"}, {"tenants": {}}, {"timezome": "UTC"}):
        assert not workspace.is_valid(WORKSPACES[0] | wrong), wrong
    Dashboard.model_validate(CHART)
    dashboard.validate(CHART)
    assert not dashboard.is_valid(CHART | {"panels": {"p": {"title": "P", "sql": "select 1", "chart": "donut"}}})


@pytest.mark.parametrize("which", sorted(TENANTS))
def test_the_schema_of_tenants_takes_what_the_model_takes(which: str) -> None:
    from pydantic import ValidationError

    from engine.workspace import Workspace

    tenants, is_right = TENANTS[which]
    given = WORKSPACES[0] | {"tenants": tenants}
    assert jsonschema_rs.Draft202012Validator(schemas()["workspace"]).is_valid(given) == is_right
    if is_right:
        Workspace.model_validate(given)
        return
    with pytest.raises(ValidationError):
        Workspace.model_validate(given)


def test_the_demo_and_a_lock_fit_their_schemas(database: str, tmp_path: Path) -> None:
    made, yaml = schemas(), YAML(typ="safe")
    for file in sorted((Path(__file__).parents[2] / "api" / "demo" / "dashboards").glob("*.yaml")):
        jsonschema_rs.Draft202012Validator(made["dashboard"]).validate(yaml.load(file))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table orgs(id int primary key); create table notes(id int primary key, org int references orgs)")
        connection.execute("insert into orgs values (1)")
    at = str(tmp_path / "slicehouse.yaml")
    assert [main(["init", "--url", database, "-o", at]), main(["routes", "--accept", "-w", at])] == [0, 0]
    for line in ("routes.lock", "slicehouse.yaml"):
        named = (tmp_path / line).read_text().split("$schema=", 1)[1].split()[0]
        schema = json.loads((tmp_path / named).read_text())
        jsonschema_rs.Draft202012Validator(schema).validate(yaml.load(tmp_path / line))
