"""Bad workspace files, settings, sources and disks: the command says what is wrong, where, and what to do next; nothing is traced."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.cli.main import main
from engine.errors import ReviewRequired
from slices.refresh import refresh
from tests.conftest import uri_for
from tests.integration.driving import accept, answering, installation_in, workspace_of

SECRET = "s3cretw0rd"


@dataclass(frozen=True)
class Told:
    """What a command said."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Desk:
    """A folder with a workspace file, and the command run on it."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def write(self, text: str | bytes, name: str = "slicehouse.yaml") -> Path:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def reading(self, url: str, **more: Any) -> None:
        facts = {"version": 1, "workspace": "w", "sources": {"app": {"kind": "postgres", "url": url}}, "tenants": {"table": "orgs"}}
        self.write(json.dumps(facts | more))

    def run(self, *arguments: str, at: str | None = None) -> Told:
        self.capsys.readouterr()
        status = main([*arguments, "-w", at or str(self.folder / "slicehouse.yaml"), "--home", str(self.folder / "home")])
        told = Told(status, *self.capsys.readouterr())
        for words in ("Traceback", '.py"', SECRET, str(self.folder / "home")):
            assert words not in told.out + told.err
        return told


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def run(uri: str, *statements: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


# ── the workspace file ────────────────────────────────────────────────────────────────────────────────────────────────

MISTAKES = """\
version: 1
workspace: shop
timezone: Europe/Berln
sources:
  app:
    kind: postgres
    urll: postgresql://nobody@/x
tenants: {table: orgs}
relationships:
  - orders.customer_id customers.id
tables:
  notes: shaerd
columns:
  users.email: {mask: sha265}
caller_sq: true
"""


def test_every_mistake_of_a_file_is_told_at_once_with_its_place(desk: Desk) -> None:
    desk.write(MISTAKES)
    told = desk.run("check")
    assert told.status == 2
    lines = [line.removeprefix("slicehouse: ").removeprefix(f"{desk.folder}/") for line in told.err.splitlines()]
    assert lines == [
        "slicehouse.yaml:3:1: timezone: 'Europe/Berln' is no IANA time zone, such as Europe/Berlin",
        "slicehouse.yaml:7:5: sources.app.urll: unknown, did you mean url?",
        "slicehouse.yaml:10:5: relationships.0: 'orders.customer_id customers.id': a relationship is written child.column -> parent.column",
        "slicehouse.yaml:12:3: tables.notes: 'shaerd' is no route to configure; it is shared, excluded, or a mapping with via, through, where, …",
        "slicehouse.yaml:14:17: columns.users.email.mask: should be 'sha256', 'blank', 'partial', 'drop' or 'none'",
        "slicehouse.yaml:15:1: caller_sq: unknown, did you mean caller_sql?",
    ]


NAMES = """\
version: 1
workspace: shop
sources: {{app: {{kind: postgres, url: "{url}"}}}}
tenants:
  table: orgs
relationships:
  - note.org_id -> orgs.id
  - notes.org -> orgs.id
tables:
  ntoes: excluded
  notes: {{via: orgid}}
columns:
  notes.boddy: {{mask: drop}}
  notes.body: {{type: text(5}}
"""


def test_every_name_that_the_source_does_not_have_is_told_at_once(desk: Desk, database: str) -> None:
    run(
        database, "create table orgs (id int primary key)", "create table notes (id int primary key, org_id int references orgs, body text)"
    )
    desk.write(NAMES.format(url=database))
    told = desk.run("check")
    assert told.status == 2
    assert ":7:5: relationships.0: " in told.err
    assert ":8:5: relationships.1: " in told.err
    assert ":10:3: tables.ntoes: " in told.err
    assert ":11:3: tables.notes: " in told.err
    assert told.err.count("did you mean notes?") == 2
    assert "did you mean org_id?" in told.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"version: 1\nworkspace: w\nsources: {{app: {{kind: x, url: '{SECRET}', url: '{SECRET}2'}}}}", ':3:45: found duplicate key "url"'),
        ("version: 1\nworkspace: [", ":2:13: expected the node content"),
        ("version: 1\nname: 2024-13-45", "is no YAML"),
        (b"version: 1\nname: \x01", "is no YAML"),
        (b"\xff\xfe", ":1:1: is not UTF-8"),
        ("", ":1:1: is no mapping of settings"),
        ("- version: 1", ":1:1: is no mapping of settings"),
        ("version: 1\ntables: [a]\nactors: x", ":2:1: tables: should be a mapping"),
        ("version: 2", ":1:1: version: should be 1"),
    ],
)
def test_file_that_is_no_workspace_says_what_it_is(desk: Desk, text: str | bytes, words: str) -> None:
    desk.write(text)
    told = desk.run("check")
    assert told.status == 2
    assert words in told.err


def test_file_that_is_not_there_is_told(desk: Desk) -> None:
    told = desk.run("check")
    assert (told.status, "There is no file" in told.err, "slicehouse init --url URL writes one." in told.err) == (2, True, True)
    told = desk.run("check", at=f"{desk.folder}/nothing/*.yaml")
    assert (told.status, "No file is named" in told.err) == (2, True)


def test_setting_of_the_environment_that_does_not_fit_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.reading("postgresql://nobody@/x")
    monkeypatch.setenv("SLICEHOUSE_BUILDERS", "none")
    told = desk.run("check")
    assert told.status == 2
    assert "SLICEHOUSE_BUILDERS: Input should be a valid integer" in told.err


def test_secret_that_is_not_set_lists_where_it_was_looked_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_SECRET", raising=False)
    desk.reading("${NO_SUCH_SECRET}")
    told = desk.run("check")
    assert told.status == 2
    for place in ("environment variable NO_SUCH_SECRET", "NO_SUCH_SECRET_FILE", "secrets/NO_SUCH_SECRET", "/run/secrets/NO_SUCH_SECRET"):
        assert place in told.err


@pytest.mark.parametrize(
    "url", [f"postgres//u:{SECRET}@h/x", f"postgresql://u:{SECRET}@h/x?sslmod=on", f"host=h password={SECRET} nonsense"]
)
def test_url_that_is_none_is_told_without_its_password(desk: Desk, url: str) -> None:
    desk.reading(url)
    told = desk.run("check")
    assert told.status == 2
    assert "Source app: its url is no libpq URI." in told.err


def test_kind_of_source_that_there_is_not_is_told_with_those_there_are(desk: Desk) -> None:
    desk.write("version: 1\nworkspace: w\nsources: {app: {kind: postgress, url: x}}\ntenants: {table: orgs}\n")
    told = desk.run("check")
    assert told.status == 2
    assert "sources.app.kind: postgress is unknown" in told.err
    assert "postgres" in told.err


# ── what the source became ────────────────────────────────────────────────────────────────────────────────────────────

BASE = ("create table orgs (id int primary key)", "insert into orgs values (1), (2)")
NOTES = (
    "create table notes (id int primary key, org_id int references orgs, body text)",
    "insert into notes values (1, 1, 'of 1'), (2, 2, 'of 2')",
)


def accepted(desk: Desk, database: str, url: str | None = None, **more: Any) -> None:
    run(database, *BASE, *NOTES)
    desk.reading(url or database, **more)
    assert desk.run("routes", "--accept").status == 0
    assert desk.run("refresh").status == 0


def answers(desk: Desk, sql: str = "select * from notes") -> list[str]:
    told = desk.run("query", "1", sql)
    assert told.status == 0
    return told.out.split("\n")[:-1]


def test_secret_looking_column_that_appears_later_is_in_no_slice(desk: Desk, database: str) -> None:
    accepted(desk, database)
    run(database, f"alter table notes add column password_hash text default '{SECRET}'", "insert into notes values (3, 1, 'more')")
    told = desk.run("refresh")
    assert told.status == 0
    assert "notes.password_hash: is new, and left out until it is accepted" in told.err
    assert answers(desk) == ["id\torg_id\tbody", "1\t1\tof 1", "3\t1\tmore"]
    told = desk.run("routes", "--diff")
    assert "notes.password_hash: is new, and left out until it is accepted" in told.out
    assert desk.run("routes", "--accept").status == 0
    told = desk.run("refresh", "--full")
    assert told.status == 0
    assert "password_hash" not in told.err, "accepted as dropped, it is not told again"
    assert answers(desk)[0] == "id\torg_id\tbody"
    landed = b"".join(p.read_bytes() for p in (desk.folder / "home").rglob("*") if p.is_file())
    assert SECRET.encode() not in landed


def test_columns_default_include_takes_a_new_column_but_no_secret(desk: Desk, database: str) -> None:
    accepted(desk, database, columns_default="include")
    run(database, f"alter table notes add column password_hash text default '{SECRET}', add column plain text default 'seen'")
    assert desk.run("refresh").status == 0
    assert answers(desk)[0] == "id\torg_id\tbody\tplain"


def test_row_security_switched_on_after_accept_stops_and_the_last_slices_answer(desk: Desk, postgres: str, database: str) -> None:
    run(postgres, "do $$ begin create role only_reads login; exception when duplicate_object then null; end $$")
    run(database, *BASE, *NOTES, "grant select on all tables in schema public to only_reads")
    desk.reading(uri_for(database, user="only_reads"))
    assert desk.run("routes", "--accept").status == 0
    assert desk.run("tenants").err == "No tenants yet: slicehouse refresh makes them.\n"
    assert desk.run("refresh").status == 0
    assert "name\trows\tseconds\tcpu_seconds\tpeak_mb\nextract\t4\t" in desk.run("status").out
    run(database, "alter table notes enable row level security", "create policy p on notes using (org_id = 2)")
    told = desk.run("refresh")
    assert told.status == 1
    assert "Source app: row security on notes would remove rows in silence, so nothing was read." in told.err
    assert "BYPASSRLS" in told.err
    assert answers(desk) == ["id\torg_id\tbody", "1\t1\tof 1"]
    told = desk.run("status")
    assert "source_row_security" in told.out
    assert "peak_mb" not in told.out, "it did not come through one stage"
    assert "Source app: row security on notes would remove rows in silence, so nothing was read." in told.err


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("('x'), ('x'), ('y')", "x"),
        ("('x'), (null)", "NULL"),
        (None, "is empty: nothing was published"),
    ],
)
def test_tenant_key_that_is_none_is_told(desk: Desk, database: str, rows: str | None, words: str) -> None:
    run(database, "create table orgs (id serial primary key, slug text)", *([f"insert into orgs (slug) values {rows}"] if rows else []))
    desk.reading(database, tenants={"table": "orgs", "key": "slug"})
    told = desk.run("routes", "--accept")
    assert told.status == 3
    assert "orgs" in told.err
    assert words in told.err
    assert "→" in told.err, "what to do next"


# ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────────

UNFIT = [
    ("numeric", "1.234", "decimal(10,2)", "DECIMAL(10,2)"),
    ("numeric", "123456789.00", "decimal(10,2)", "DECIMAL(10,2)"),
    ("numeric", "'NaN'", "decimal(10,2)", "DECIMAL(10,2)"),
    ("numeric", "'-Infinity'", "decimal(10,2)", "DECIMAL(10,2)"),
    ("numeric", "1.5", "integer", "INTEGER"),
    ("numeric(12,2)", "'NaN'", None, "DECIMAL(12,2)"),
    ("int8", "3000000000", "integer", "INTEGER"),
    ("text", "'yes, x'", "boolean", "BOOLEAN"),
    ("int4", "5", "boolean", "BOOLEAN"),
    ("text", "'yes, x'", "uuid", "UUID"),
    ("text", "'{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}'", "uuid", "UUID"),
    ("text", "'{\"a\":'", "json", "JSON"),
    ("text", "'yes, x'", "interval", "INTERVAL"),
    ("text", "'31.12.2024'", "date", "DATE"),
    ("interval", "'infinity'", None, "INTERVAL"),
    ("interval[]", "array['1 day'::interval, '-infinity']", None, "INTERVAL[]"),
]


@pytest.mark.parametrize(("source", "value", "chosen", "type_"), UNFIT)
def test_value_that_does_not_fit_stops_and_names_the_setting(
    database: str, tmp_path: Path, source: str, value: str, chosen: str | None, type_: str
) -> None:
    run(
        database,
        *BASE,
        f"create table t (id int primary key, org_id int references orgs, c {source})",
        f"insert into t values (1, 1, {value})",
    )
    workspace = workspace_of(tmp_path, "postgres", database, columns={"t.c": {"type": chosen}} if chosen else {})
    with pytest.raises(ReviewRequired) as stopped:
        accept(installation_in(tmp_path / "home"), workspace)
    assert stopped.value.code == "value_does_not_fit"
    assert stopped.value.message == f"Source app: t.c holds a value that does not fit {type_}."
    assert "columns: {t.c: {type: text}}" in str(stopped.value.hint)
    assert value.strip("'") not in str(stopped.value), "never the row"


@pytest.mark.parametrize("type_", ["decimal(99,2)", "hugeint", "nonsense", "int[]"])
def test_type_that_cannot_be_read_is_told(desk: Desk, database: str, type_: str) -> None:
    run(database, *BASE, *NOTES)
    desk.reading(database, columns={"notes.id": {"type": type_}})
    told = desk.run("check")
    assert told.status == 2
    assert f"columns.notes.id: '{type_}' is no type to read a column as; text, double, bigint" in told.err


FITS = [
    ("numeric", "12.50", "decimal(10,2)", "12.50"),
    ("interval", "'infinity'", "text", "infinity"),
    ("interval[]", "array['1 day'::interval, null, '-1 year -04:05:06.7']", None, "[1 day, NULL, '-1 year -04:05:06.7']"),
    ("date[]", "array['infinity'::date, '-infinity', '2020-01-01']", None, "[infinity, -infinity, 2020-01-01]"),
    ("timestamp[]", "array['infinity'::timestamp, null]", None, "[infinity, NULL]"),
    ("timestamptz[]", "array['-infinity'::timestamptz]", None, "[-infinity]"),
    ("numeric", "'Infinity'", None, "Infinity"),
    ("float8[]", "array['NaN'::float8, '-Infinity']", None, "[nan, -inf]"),
    ("text", "'true'", "boolean", "true"),
    ("text", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
]


def test_values_that_fit_arrive_as_such_infinite_ones_too(database: str, tmp_path: Path) -> None:
    columns = ", ".join(f"c{i} {source}" for i, (source, *_) in enumerate(FITS))
    values = ", ".join(value for _, value, *_ in FITS)
    run(
        database,
        *BASE,
        f"create table t (id int primary key, org_id int references orgs, {columns})",
        f"insert into t values (1, 1, {values})",
    )
    chosen = {f"t.c{i}": {"type": type_} for i, (_, _, type_, _) in enumerate(FITS) if type_}
    workspace, installation = workspace_of(tmp_path, "postgres", database, columns=chosen), installation_in(tmp_path / "home", builders=1)
    accept(installation, workspace)
    assert refresh(installation, workspace).reasons == {}
    (row,) = answering(installation, workspace)["1"].rows(f"select {', '.join(f'c{i}::varchar' for i in range(len(FITS)))} from t")
    assert list(row) == [expected for *_, expected in FITS]


# ── a full disk ───────────────────────────────────────────────────────────────────────────────────────────────────────


def refreshed(desk: Desk, limit: int | None, *more: str) -> subprocess.CompletedProcess[str]:
    """The command in a process that may write files of so many bytes; so a disk that is full refuses, too."""
    command = [
        sys.executable,
        "-m",
        "api.cli.main",
        "refresh",
        "-w",
        str(desk.folder / "slicehouse.yaml"),
        "--home",
        str(desk.folder / "home"),
    ]
    bound = (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) if limit else None
    environment = os.environ | {"SLICEHOUSE_BUILDERS": "1"}
    return subprocess.run([*command, *more], preexec_fn=bound, capture_output=True, text=True, timeout=300, check=False, env=environment)


def everything(desk: Desk) -> set[str]:
    return {str(p.relative_to(desk.folder / "home")) for p in (desk.folder / "home").rglob("*") if "catalog" not in p.name}


def named(desk: Desk) -> set[str]:
    """What the home holds where nothing is left lying, ids replaced by their kind."""
    return {"/".join(part[:3] if part[2:3] == "_" else part for part in name.split("/")) for name in everything(desk)}


# by what refuses first: the landing area, the work database, the sorted rows
@pytest.mark.parametrize("limit", [10_000, 250_000, 1_000_000])
def test_full_disk_is_told_and_the_next_refresh_leaves_nothing_lying(desk: Desk, database: str, limit: int) -> None:
    accepted(desk, database)
    before = answers(desk)
    clean = named(desk)
    # 30,000 rows that lie small in Parquet and large as rows
    run(database, "insert into notes select i, 1 + i % 2, repeat('x', 200) from generate_series(10, 30000) i")
    done = refreshed(desk, limit)
    assert done.returncode == 1, done.stderr
    assert "refused" in done.stderr or "cannot be" in done.stderr
    assert "Free space in the home folder" in done.stderr or "must be writable" in done.stderr
    for words in ("Traceback", '.py"', "xxx", str(desk.folder / "home")):
        assert words not in done.stderr
    assert answers(desk) == before, "the last good slices answer"
    assert not list((desk.folder / "home").glob("workspaces/*/runs/*"))
    done = refreshed(desk, None)
    assert done.returncode == 0, done.stderr
    assert answers(desk, "select count(*) from notes")[1] == "14997"
    assert named(desk) == clean
    assert desk.run("verify").status == 0
