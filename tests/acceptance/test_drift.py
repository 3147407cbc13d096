"""What a change of the source does to a refresh: what goes on, what stops with exit 3, what is only told. docs/drift.md is its table.

Each case changes a copy of one accepted, published database and refreshes it by the command.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from api.cli.main import main
from tests.conftest import uri_for
from tests.integration.driving import answering, installation_in, workspace_of

TENANTS = 20
BASE = f"""
create table orgs (id int primary key, name text);
create table teams (id int primary key);
create table marks (id int primary key, org_id int not null references orgs);
create table notes (
    id int primary key, org_id int references orgs, body varchar(20), amount int, big bigint, token text, team_id int
);
create table tags (id int primary key, org_id int references orgs);
create table events (id int, org_id int references orgs, primary key (id)) partition by range (id);
create table events_1 partition of events for values from (0) to (100);
create table audit (id int primary key, what text);
create table logs (id int primary key, org_id int not null);
insert into logs select i, 1 + i % {TENANTS} from generate_series(0, 99) i;
insert into orgs select i, 'org ' || i from generate_series(1, {TENANTS}) i;
insert into teams select i from generate_series(1, {TENANTS}) i;
insert into marks select i, i from generate_series(1, {TENANTS}) i;
insert into notes select i, 1 + i % {TENANTS}, 'note ' || i, i, i, 't', 1 from generate_series(0, 199) i;
insert into tags select i, case when i > 10 then 1 + i % {TENANTS} end from generate_series(1, 40) i;
insert into events select i, 1 + i % {TENANTS} from generate_series(0, 39) i;
insert into audit values (1, 'x');
"""
NEW = "insert into notes values (1000, 1, 'later', 1, 1, 't', 1)"
"""A row of tenant 1 in every case: it is in the slice after a refresh that goes on, and not after one that stops."""
FACTS: dict[str, Any] = {
    "version": 1,
    "workspace": "w",
    "tenants": {"table": "orgs"},
    "tables": {"tags": {"unassigned": "shared"}},
}


@dataclass(frozen=True)
class Drift:
    """A change of the source: statements, the exit code of the refresh after it, what it says, and what it must not say."""

    name: str
    change: str
    status: int
    says: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    facts: tuple[tuple[str, Any], ...] = ()
    options: tuple[str, ...] = ()
    role: str | None = None


def left_by(which: str) -> str:
    """The tenants that this is true of are gone, their rows another's."""
    moved = "; ".join(f"update {t} set org_id = 1 where org_id {which}" for t in ("marks", "notes", "tags", "events", "logs"))
    return f"{moved}; delete from orgs where id {which}"


STOPS = 3
DRIFTS = [
    # ── tables
    Drift("new table", "create table extra (id int primary key, org_id int references orgs)", 0, ("extra: is new, and excluded until it is accepted",)),
    Drift("dropped table in slices", "drop table marks", STOPS, ("marks: is gone from the source", "routes --diff")),
    Drift("dropped excluded table", "drop table audit", 0, ("audit: is gone from the source",)),
    Drift("dropped table that the file names", "drop table audit", 2, ("tables.audit: there is no table audit",), facts=(("tables", {"tags": {"unassigned": "shared"}, "audit": {"route": "excluded"}}),)),
    Drift("renamed table", "alter table marks rename to points", STOPS, ("marks: is gone from the source",)),
    Drift("table moved to another schema", "create schema s; alter table marks set schema s", STOPS, ("marks: is gone from the source",)),
    Drift("renamed tenant table", "alter table orgs rename to companies", STOPS, ("orgs: is gone from the source",)),
    Drift("table that may no longer be read", "grant select on all tables in schema public to drift_reads; revoke select on marks from drift_reads", STOPS, ("marks: may no longer be read", "GRANT SELECT on marks"), silent=("routes --accept",), role="drift_reads"),
    Drift("partition added", "create table events_2 partition of events for values from (100) to (200); insert into events values (150, 1)", 0, silent=("events_2", "is new")),
    Drift("view added", "create view shown as select * from notes", 0, silent=("is gone",)),
    # ── columns
    Drift("new column", "alter table notes add column extra text default 'x'", 0, ("notes.extra: is new, and left out until it is accepted",)),
    Drift("new column, columns_default include", "alter table notes add column extra text default 'x'", 0, ("notes.extra: is new, and taken",), facts=(("columns_default", "include"),)),
    Drift("new secret column, columns_default include", "alter table notes add column api_key text default 'x'", 0, ("notes.api_key: is new, and left out until it is accepted",), facts=(("columns_default", "include"),)),
    Drift("dropped column", "alter table notes drop column body", STOPS, ("notes.body: is gone from the source",)),
    Drift("dropped column that was left out", "alter table notes drop column token; alter table notes add column token2 int", 0, ("notes.token: is gone from the source",)),
    Drift("renamed column", "alter table notes rename column body to content", STOPS, ("notes.body: is gone from the source",)),
    Drift("widened column", "alter table notes alter column amount type bigint", 0, ("notes.amount: was integer and is bigint now",)),
    Drift("widened column with a value that needs it", "alter table notes alter column amount type bigint; update notes set amount = 5000000000 where id = 1", STOPS, ("notes.amount",)),
    Drift("longer text", "alter table notes alter column body type text", 0, ("notes.body: was character varying(20) and is text now",)),
    Drift("narrowed column", "alter table notes alter column big type int", STOPS, ("notes.big: was bigint and is integer now",)),
    Drift("retyped column", "alter table notes alter column body type int using 1", STOPS, ("notes.body: was character varying(20) and is integer now",)),
    Drift("widened key", "alter table notes alter column org_id type bigint", STOPS, ("notes.org_id: was integer and is bigint now",)),
    # ── keys
    Drift("new key", "alter table notes add foreign key (team_id) references marks", 0, ("notes: the foreign key notes.team_id->marks.id is new: routes --diff shows what it would change",)),
    Drift("new key of a table that was in no slice", "alter table audit add foreign key (id) references orgs", 0, ("audit: the foreign key audit.id->orgs.id is new",), silent=("is gone",)),
    Drift("new key that has no say", "alter table notes add foreign key (team_id) references teams", 0, silent=("is gone", "no longer", "is new")),
    Drift("key of an inferred relationship", "alter table logs add foreign key (org_id) references orgs", 0, silent=("is gone", "no longer", "is new")),
    Drift("vanished key", "alter table notes drop constraint notes_org_id_fkey", STOPS, ("notes: the foreign key notes.org_id->orgs.id, which a route uses, is no longer declared",)),
    Drift("key changed to another parent", "alter table notes drop constraint notes_org_id_fkey; alter table notes add foreign key (org_id) references teams", STOPS, ("the foreign key notes.org_id->orgs.id, which a route uses, is no longer declared",)),
    Drift("inferred relationship broken", "update logs set org_id = 1000 + id where id < 50", STOPS, ("An inferred relationship is broken", "logs.org_id", "relationships:")),
    Drift("primary key of the tenant table dropped", "alter table orgs drop constraint orgs_pkey cascade", STOPS, ("no longer declared",)),
    # ── rows
    Drift("tenant table empty", "truncate orgs cascade", STOPS, ("The tenant table orgs is empty: nothing was published.",)),
    Drift("one tenant in twenty gone", left_by("= 20"), 0, ("1 gone",)),
    Drift("three tenants in twenty gone", left_by("> 17"), STOPS, ("3 of 20 tenants are gone from the source", "--allow-shrink")),
    Drift("three tenants in twenty gone, allowed", left_by("> 17"), 0, ("3 gone",), options=("--allow-shrink",)),
    Drift("table shrunk by half", "delete from events where id >= 20", STOPS, ("events: 40 rows before, 20 now", "--allow-shrink")),
    Drift("table shrunk by half, allowed", "delete from events where id >= 20", 0, options=("--allow-shrink",)),
    Drift("table shrunk by less", "delete from events where id >= 21", 0),
    Drift("partition dropped", "drop table events_1", STOPS, ("events: 40 rows before, 0 now",)),
    Drift("more everybody's rows", "update tags set org_id = null where id < 13", STOPS, ("tags: 12 rows are everybody's now, 10 were when that was accepted.",)),
    Drift("a tenth more everybody's rows", "update tags set org_id = null where id = 11", 0),
    Drift("quarantined share above the accepted", "update notes set org_id = null where id < 5", STOPS, ("notes: 5 of 201 rows, more than 1% (5 unassigned)", "quarantine: 12%")),
    Drift("quarantined share below its limit", "update notes set org_id = null where id = 2", 0, ("1 rows in quarantine",)),
]  # fmt: skip


NO_ACCEPT = {"renamed tenant table", "primary key of the tenant table dropped", "tenant table empty", "key changed to another parent"}
"""Of these the file or the source has to change first."""


@dataclass(frozen=True)
class Place:
    """A workspace over its own database, and the command run on it."""

    folder: Path
    url: str

    def write(self, **facts: Any) -> None:
        body = {**FACTS, "sources": {"app": {"kind": "postgres", "url": self.url}}, **facts}
        (self.folder / "slicehouse.yaml").write_text(json.dumps(body))

    def run(self, *words: str) -> int:
        return main([*words, "-w", str(self.folder / "slicehouse.yaml"), "--home", str(self.folder / "home")])

    def ids(self, tenant: str) -> set[int]:
        """The notes in the slice that answers."""
        file = workspace_of(self.folder, "postgres", self.url)
        return {i for (i,) in answering(installation_in(self.folder / "home"), file)[tenant].rows("select id from notes")}

    def columns(self, tenant: str, table: str) -> list[str]:
        file = workspace_of(self.folder, "postgres", self.url)
        asked = f"select column_name from duckdb_columns() where table_name = '{table}' and schema_name = 'main' order by column_index"
        return [c for (c,) in answering(installation_in(self.folder / "home"), file)[tenant].rows(asked)]


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture(scope="module")
def accepted(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Accepted and published once; every case has a copy of its database and of its folder."""
    name = f"drift_{uuid.uuid4().hex}"
    execute(postgres, "do $$ begin create role drift_reads login; exception when duplicate_object then null; end $$")
    execute(postgres, f"create database {name} encoding 'UTF8' template template0")
    place = Place(tmp_path_factory.mktemp("drift"), uri_for(postgres, dbname=name))
    execute(place.url, BASE, "analyze")
    place.write()
    assert place.run("routes", "--accept") == 0
    assert place.run("refresh") == 0
    yield place
    execute(postgres, f"drop database {name} with (force)")


@pytest.fixture
def place(accepted: Place, postgres: str, tmp_path: Path) -> Iterator[Place]:
    name = f"drift_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        base = str(psycopg.conninfo.conninfo_to_dict(accepted.url)["dbname"])
        connection.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(base)))
    copy = Place(shutil.copytree(accepted.folder, tmp_path / "w"), uri_for(postgres, dbname=name))
    yield copy
    execute(postgres, f"drop database {name} with (force)")


def drifted(place: Place, drift: Drift) -> Place:
    """The place after the change, read by the role of the case."""
    there = place if drift.role is None else Place(place.folder, uri_for(place.url, user=drift.role))
    there.write(**dict(drift.facts))
    execute(place.url, NEW, drift.change)
    return there


@pytest.mark.parametrize("drift", DRIFTS, ids=lambda d: d.name)
def test_change_of_the_source(drift: Drift, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    before = place.ids("1")
    assert len(before) == 10
    there = drifted(place, drift)
    capsys.readouterr()
    status = there.run("refresh", *drift.options)
    told = capsys.readouterr().err
    assert status == drift.status, told
    for words in drift.says:
        assert words in told
    for words in drift.silent:
        assert words not in told
    if drift.status:
        assert there.ids("1") == before, "the last good slices answer"
        assert there.ids("20") != set()
    else:
        assert 1000 in there.ids("1"), "the refresh has gone on"


ACCEPTED = [d for d in DRIFTS if d.status == STOPS and d.role is None and d.name not in NO_ACCEPT]


@pytest.mark.parametrize("drift", ACCEPTED, ids=lambda d: d.name)
def test_accept_goes_on_after_a_stop(drift: Drift, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    there = drifted(place, drift)
    assert there.run("refresh", *drift.options) == STOPS
    assert there.run("routes", "--accept") == 0, capsys.readouterr().err
    assert there.run("refresh", "--allow-shrink") == 0, capsys.readouterr().err
    assert 1000 in there.ids("1")


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("renamed tenant table", 2, "tenants.table: there is no table orgs"),
        ("primary key of the tenant table dropped", 2, "name the key with tenants: {key: …}"),
        ("tenant table empty", 3, "The tenant table orgs is empty"),
    ],
)
def test_what_no_accept_can_take_is_told_again(name: str, status: int, says: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    there = drifted(place, next(d for d in DRIFTS if d.name == name))
    before = there.ids("1")
    assert there.run("routes", "--accept") == status
    assert says in capsys.readouterr().err
    assert there.run("refresh") == STOPS
    assert there.ids("1") == before


def test_table_whose_key_leads_elsewhere_is_in_no_slice_once_that_is_accepted(place: Place) -> None:
    there = drifted(place, next(d for d in DRIFTS if d.name == "key changed to another parent"))
    assert there.run("routes", "--accept") == 0
    assert there.run("refresh") == 0
    assert there.columns("1", "notes") == []
    assert there.columns("1", "marks") == ["id", "org_id"]


def test_new_column_is_in_no_slice_until_it_is_accepted(place: Place) -> None:
    execute(place.url, "alter table notes add column extra text default 'x'", NEW.replace("'t', 1)", "'t', 1, 'x')"))
    place.write()
    assert place.run("refresh") == 0
    assert "extra" not in place.columns("1", "notes")
    assert place.run("routes", "--accept") == 0
    assert place.run("refresh") == 0
    assert place.columns("1", "notes")[-1] == "extra"


def test_new_key_is_told_until_it_is_accepted(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    there = drifted(place, next(d for d in DRIFTS if d.name == "new key"))
    told = []
    for _ in range(2):
        assert there.run("refresh") == 0
        told.append("is new: routes --diff" in capsys.readouterr().err)
    there.run("routes", "--diff")
    assert "notes.team_id->marks.id" in capsys.readouterr().out
    assert there.run("routes", "--accept") == 0
    capsys.readouterr()
    there.run("refresh", "--allow-shrink")
    told.append("is new: routes --diff" in capsys.readouterr().err)
    assert told == [True, True, False]


def test_new_table_is_in_no_slice_until_it_is_accepted(place: Place) -> None:
    execute(place.url, "create table extra (id int primary key, org_id int references orgs)", "insert into extra values (1, 1)")
    place.write()
    assert place.run("refresh") == 0
    assert place.columns("1", "extra") == []
    assert place.run("routes", "--accept") == 0
    assert place.run("refresh") == 0
    assert place.columns("1", "extra") == ["id", "org_id"]


def test_documentation_has_every_case_and_no_other() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "drift.md").read_text()
    named = re.findall(r"`([^`|]+)` \|$", text, re.MULTILINE)
    assert sorted(named) == sorted(d.name for d in DRIFTS)
