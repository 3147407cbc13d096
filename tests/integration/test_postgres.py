"""From a real PostgreSQL into a slice: every value as the server has it, and a word of our own for whatever is wrong."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from psycopg import sql

from engine.errors import ReviewRequired, SourceError
from engine.workspace import Workspace
from slices.installation import Installation
from slices.refresh import refresh
from tests.conftest import PASSWORD, PASSWORD_ROLE, uri_for
from tests.integration.driving import accept, answering, installation_in, workspace_of

PLAIN = "{c}::text", "{c}::varchar"
DAYS = (
    "case when isfinite({c}) then ({c} - date '1970-01-01')::text else {c}::text end",
    "case when isfinite({c}) then ({c} - date '1970-01-01')::varchar else {c}::varchar end",
)
INSTANT = (
    "case when isfinite({c}) then (extract(epoch from {c}) * 1000000)::numeric(40, 0)::text else {c}::text end",
    "case when isfinite({c}) then epoch_us({c})::varchar else {c}::varchar end",
)
SPAN = (
    "concat_ws(' ', extract(year from {c}) * 12 + extract(month from {c}), extract(day from {c}), "
    "(extract(hour from {c})::numeric * 3600000000 + extract(minute from {c}) * 60000000 + extract(microseconds from {c}))::numeric(40, 0))",
    "concat_ws(' ', extract(year from {c}) * 12 + extract(month from {c}), extract(day from {c}), "
    "extract(hour from {c})::hugeint * 3600000000 + extract(minute from {c}) * 60000000 + extract(microseconds from {c}))",
)
HEX = "encode({c}, 'hex')", "lower(hex({c}))"
DOUBLE, SINGLE = ("encode(float8send({c}), 'hex')", "{c}"), ("encode(float4send({c}), 'hex')", "{c}")
TEXTS = "{c}::text[]", "{c}::varchar[]"
INSTANTS = (
    "array(select extract(epoch from x)::numeric * 1000000 from unnest({c}) x)::numeric(40, 0)[]::text[]",
    "list_transform({c}, lambda x: epoch_us(x))::varchar[]",
)
HEXES = "array(select encode(x, 'hex') from unnest({c}) x)", "list_transform({c}, lambda x: lower(hex(x)))"

# type in the source, type in the slice, how both sides are told, values as SQL
COLUMNS: dict[str, tuple[str, str, tuple[str, str], list[str]]] = {
    "two": ("int2", "SMALLINT", PLAIN, ["-32768", "32767", "0"]),
    "four": ("int4", "INTEGER", PLAIN, ["-2147483648", "2147483647"]),
    "eight": ("int8", "BIGINT", PLAIN, ["-9223372036854775808", "9223372036854775807", "9007199254740993"]),
    "price": ("numeric(12,2)", "DECIMAL(12,2)", PLAIN, ["0.10", "-9999999999.99", "9999999999.99"]),
    "bare": ("numeric", "DECIMAL(38,6)", ("{c}::numeric(38, 6)::text", "{c}::varchar"), ["1.000001", "12345678901234567890", "-0.5", "7"]),
    "bare_nan": ("numeric", "VARCHAR", PLAIN, ["'NaN'", "1.50", "12345678901234567890123456789012345678901234567890.1"]),
    "wide": ("numeric(50,4)", "VARCHAR", PLAIN, ["1234567890123456789012345678901234567890123456.7890"]),
    "single": ("float4", "FLOAT", SINGLE, ["'NaN'", "'Infinity'", "'-Infinity'", "0.1", "3.4028235e38", "1.4e-45"]),
    "double": ("float8", "DOUBLE", DOUBLE, ["'NaN'", "'Infinity'", "'-Infinity'", "0.1", "'-0'", "5e-324", "1.7976931348623157e308"]),
    "yes": ("bool", "BOOLEAN", PLAIN, ["true", "false"]),
    "words": (
        "text",
        "VARCHAR",
        PLAIN,
        [
            "''",
            "E'two\\nlines\\r\\nand a tab\\t'",
            "E'\"quoted\" ''single'' \\\\N \\\\. ,'",
            "'Zürich 東京 🦆 e\u0301'",
            "'NULL'",
            "' '",
            "'\\N'",
            "'\\.'",
        ],
    ),
    "short": ("varchar(10)", "VARCHAR", PLAIN, ["''", "'ten letter'"]),
    "padded": ("char(5)", "VARCHAR", ("rpad({c}::text, 5)", "{c}"), ["'ab'", "'     '", "'abcde'"]),
    "id128": (
        "uuid",
        "UUID",
        PLAIN,
        ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    ),
    "day": (
        "date",
        "DATE",
        DAYS,
        ["'2024-02-29'", "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'12345-06-07'", "'4713-01-01 BC'", "'0001-12-31 BC'"],
    ),
    "clock": ("time", "TIME", PLAIN, ["'00:00'", "'23:59:59.999999'", "'24:00'", "'04:05:06.5'"]),
    "local": (
        "timestamp",
        "TIMESTAMP",
        INSTANT,
        [
            "'2024-02-29 12:34:56.789012'",
            "'infinity'",
            "'-infinity'",
            "'0044-03-15 12:00:00.5 BC'",
            "'12345-06-07 01:02:03'",
            "'1969-12-31 23:59:59.999999'",
        ],
    ),
    "moment": (
        "timestamptz",
        "TIMESTAMP WITH TIME ZONE",
        INSTANT,
        ["'2024-02-29 12:34:56.789012+02'", "'infinity'", "'-infinity'", "'0044-03-15 12:00:00+00 BC'", "'12345-06-07 01:02:03+00'"],
    ),
    "span": (
        "interval",
        "INTERVAL",
        SPAN,
        [
            "'1 year 2 months 3 days 04:05:06.789'",
            "'-1 month +3 days -00:00:00.5'",
            "'0'",
            "'-25:00:00'",
            "'100 hours'",
            "'-1 year -2 months'",
        ],
    ),
    "raw": ("bytea", "BLOB", HEX, ["'\\x'", "'\\x00ff5c22270a0d'"]),
    "doc": ("json", "JSON", PLAIN, ['\'{"b": 1.0,  "a":[1,null,"ü"]}\'', "'null'", "'\"\"'"]),
    "docb": ("jsonb", "JSON", PLAIN, ['\'{"b": 1.0, "a": [12345678901234567890.5, "\\\\n"]}\'', "'null'", "'[]'"]),
    "state": ("mood", "VARCHAR", PLAIN, ["'very sad'", "'Ok'"]),
    "positive": ("positive", "INTEGER", PLAIN, ["7"]),
    "ints": ("int4[]", "INTEGER[]", TEXTS, ["'{}'", "'{1,NULL,-3}'"]),
    "tags": ("text[]", "VARCHAR[]", TEXTS, ["'{}'", "array['', NULL, 'NULL', 'a,b', '{x}', E'q\"\\\\ \\n', ' ']"]),
    "sums": ("numeric(12,2)[]", "DECIMAL(12,2)[]", TEXTS, ["'{1.10,NULL,-9999999999.99}'"]),
    "moments": (
        "timestamptz[]",
        "TIMESTAMP WITH TIME ZONE[]",
        INSTANTS,
        ['\'{"2024-02-29 12:34:56.789012+02","0044-03-15 12:00:00+00 BC"}\''],
    ),
    "raws": ("bytea[]", "BLOB[]", HEXES, ["array['\\x00ff'::bytea, '\\x'::bytea]"]),
    "grid": ("int4[]", "VARCHAR", PLAIN, ["'{{1,2},{3,4}}'", "'[2:3]={5,6}'", "'{7}'"]),
    "cash": ("money", "VARCHAR", PLAIN, ["'1234.50'", "'-0.01'"]),
    "address": ("inet", "VARCHAR", ("format('%s', {c})", "{c}"), ["'10.0.0.1/8'", "'::1'"]),
    'My "Cömplex" name\'s': ("text", "VARCHAR", PLAIN, ["'odd'"]),
    "Größe": ("int4", "INTEGER", PLAIN, ["5"]),
    "ORDER": ("int4", "INTEGER", PLAIN, ["6"]),
}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def run(uri: str, *statements: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def orgs(keys: Iterable[str], *, notes: bool = True) -> list[str]:
    """Statements for tenants and three notes each."""
    statements = [
        "create table orgs (id text primary key)",
        "create table notes (id serial primary key, org_id text references orgs, body text)",
    ]
    for key in keys:
        literal = sql.Literal(key).as_string(None)
        statements += [
            f"insert into orgs values ({literal})",
            f"insert into notes (org_id, body) select {literal}, 'of ' || {literal} from generate_series(1, 3)",
        ]
    return statements


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return installation_in(tmp_path / "home", builders=1)


def reading(tmp_path: Path, url: str, **more: Any) -> Workspace:
    return workspace_of(tmp_path, "postgres", url, **more)


# ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def both(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A database with every type, and the file of the tenant that has all its rows."""
    run(postgres, "create database every_type encoding 'UTF8' template template0")
    uri, folder = uri_for(postgres, dbname="every_type", options="-c lc_monetary=C -c timezone=UTC"), tmp_path_factory.mktemp("types")
    columns = ", ".join(f"{quoted(name)} {facts[0]}" for name, facts in COLUMNS.items())
    run(
        uri,
        "create type mood as enum ('very sad', 'Ok')",
        "create domain positive as int4 check (value > 0)",
        "create table orgs (id int primary key)",
        "insert into orgs values (1), (2)",
        f"create table every (row int primary key, org_id int not null references orgs, {columns})",
    )
    for i in range(max(len(f[3]) for f in COLUMNS.values()) + 1):
        values = ", ".join((f"{f[3][i]}" if i < len(f[3]) else "null") for f in COLUMNS.values())
        run(uri, f"insert into every values ({i}, 1, {values})")
    installation, workspace = installation_in(folder / "home", builders=1), reading(folder, uri)
    accept(installation, workspace)
    refresh(installation, workspace)
    path = answering(installation, workspace)["1"].path
    assert path is not None
    return uri, path


@pytest.mark.parametrize("name", COLUMNS)
def test_value_in_the_slice_is_the_servers(both: tuple[str, Path], name: str) -> None:
    uri, path = both
    _, type_, (theirs, ours), values = COLUMNS[name]
    column = quoted(name)
    guarded = [f"case when {column} is null then null else {side.replace('{c}', column)} end" for side in (theirs, ours)]
    with psycopg.connect(uri) as connection:
        expected = [r[0] for r in connection.execute(f"select {guarded[0]} from every order by row".encode())]
    with duckdb.connect(str(path), read_only=True) as slice_:
        slice_.execute("set timezone = 'UTC'")
        found = [r[0] for r in slice_.execute(f"select {guarded[1]} from every order by row").fetchall()]
        types = {r[0]: r[1] for r in slice_.execute("describe every").fetchall()}
    if theirs in (SINGLE[0], DOUBLE[0]):
        found = [None if v is None else struct.pack(">f" if theirs == SINGLE[0] else ">d", v).hex() for v in found]
    assert found == expected
    assert sum(v is not None for v in found) == len(values)
    assert types[name] == type_


# ── who a tenant is ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_hostile_tenant_keys_each_get_their_own_slice(database: str, installation: Installation, tmp_path: Path) -> None:
    keys = ["../../etc/x", "A", "a", "a'; drop table t; --", "", ".", "ü", "u\u0308", "key:A", "a ", "%2e%2e", 'q"uote\nline']
    run(database, *orgs(keys))
    workspace = reading(tmp_path, database)
    accept(installation, workspace)
    assert refresh(installation, workspace).built == len(keys)
    found = answering(installation, workspace)
    assert set(found) == set(keys)
    assert len({t.path for t in found.values()}) == len(keys)
    for key, tenant in found.items():
        assert tenant.rows("select id from orgs") == [(key,)]
        assert tenant.rows("select org_id, body from notes") == [(key, f"of {key}")] * 3
        assert tenant.path is not None
        assert tenant.path.resolve().is_relative_to(installation.home.path)


@pytest.mark.parametrize(
    ("rows", "code"), [("('x'), ('x')", "tenant_key_duplicate"), ("('x'), (null)", "tenant_key_null"), (None, "no_tenants")]
)
def test_tenant_key_that_is_no_key_stops(database: str, installation: Installation, tmp_path: Path, rows: str | None, code: str) -> None:
    run(database, "create table orgs (id serial primary key, slug text)", *([f"insert into orgs (slug) values {rows}"] if rows else []))
    with pytest.raises(ReviewRequired) as stopped:
        accept(installation, reading(tmp_path, database, tenants={"table": "orgs", "key": "slug"}))
    assert stopped.value.code == code


def test_tenant_table_emptied_after_accept_stops_and_the_old_slices_answer(
    database: str, installation: Installation, tmp_path: Path
) -> None:
    workspace = accepted(database, installation, tmp_path)
    run(database, "truncate orgs cascade")
    stops(installation, workspace, "no_tenants")


# ── what has changed ──────────────────────────────────────────────────────────────────────────────────────────────────


def accepted(database: str, installation: Installation, tmp_path: Path, url: str | None = None) -> Workspace:
    run(database, *orgs("AB"))
    workspace = reading(tmp_path, url or database)
    accept(installation, workspace)
    refresh(installation, workspace)
    return workspace


def stops(installation: Installation, workspace: Workspace, code: str) -> str:
    """The refresh is stopped for a person to look, and what answered goes on answering."""
    before = answering(installation, workspace)
    with pytest.raises(ReviewRequired) as stopped:
        refresh(installation, workspace)
    assert stopped.value.code == code
    assert answering(installation, workspace) == before
    assert all(t.rows("select count(*) from notes") == [(3,)] for t in before.values())
    return stopped.value.message


def test_column_of_another_type_stops(database: str, installation: Installation, tmp_path: Path) -> None:
    workspace = accepted(database, installation, tmp_path)
    run(database, "alter table notes alter body type bytea using body::bytea")
    assert "notes.body: was text and is bytea now" in stops(installation, workspace, "drift")


def test_dropped_table_stops(database: str, installation: Installation, tmp_path: Path) -> None:
    workspace = accepted(database, installation, tmp_path)
    run(database, "drop table notes")
    assert "notes: is gone from the source" in stops(installation, workspace, "drift")


# ── what cannot be read ───────────────────────────────────────────────────────────────────────────────────────────────


def refused(installation: Installation, workspace: Workspace) -> SourceError:
    with pytest.raises(SourceError) as error:
        accept(installation, workspace)
    assert PASSWORD not in str(error.value)
    return error.value


def test_wrong_password_is_told_without_it(database: str, installation: Installation, tmp_path: Path) -> None:
    error = refused(installation, reading(tmp_path, uri_for(database, user=PASSWORD_ROLE, password="hunter2hunter2")))
    assert error.code == "source_password"
    assert "refused the user's password" in error.message
    assert "hunter2" not in str(error)


def test_right_password_with_odd_letters_is_taken_from_the_url(database: str, installation: Installation, tmp_path: Path) -> None:
    run(database, *orgs("AB"), f"grant select on all tables in schema public to {PASSWORD_ROLE}")
    workspace = reading(tmp_path, uri_for(database, user=PASSWORD_ROLE, password=PASSWORD))
    accept(installation, workspace)
    assert refresh(installation, workspace).built == 2


@pytest.mark.parametrize(
    "url", ["postgresql://somebody:s3cretword@127.0.0.1:1/nothing", "postgresql://somebody@/nothing?host=/nowhere/at/all"]
)
def test_server_that_is_down_is_told(installation: Installation, tmp_path: Path, url: str) -> None:
    error = refused(installation, reading(tmp_path, url))
    assert error.code == "source_unreachable"
    assert "cannot be reached" in error.message
    assert "s3cretword" not in str(error)


def test_server_that_lets_nobody_in_is_told_with_its_reason(database: str, installation: Installation, tmp_path: Path) -> None:
    error = refused(installation, reading(tmp_path, uri_for(database, user="no_such_role", password="s3cretword")))
    assert error.message == "Source app: the server refused the connection: role does not exist."
    run(database, "drop role if exists shut_out", "create role shut_out nologin")
    error = refused(installation, reading(tmp_path, uri_for(database, user="shut_out", password="s3cretword")))
    assert error.message == "Source app: the server refused the connection: role is not permitted to log in."
    assert "shut_out" not in str(error)
    run(database, "drop role shut_out")


def test_missing_database_is_told(database: str, installation: Installation, tmp_path: Path) -> None:
    assert refused(installation, reading(tmp_path, uri_for(database, dbname="no_such_database"))).code == "source_database"


@pytest.fixture
def reader(postgres: str, database: str) -> str:
    """The same database as a role that owns nothing; it may read what the test grants."""
    run(postgres, "do $$ begin create role only_reads login; exception when duplicate_object then null; end $$")
    return uri_for(database, user="only_reads")


def test_table_that_may_not_be_read_is_an_error(database: str, reader: str, installation: Installation, tmp_path: Path) -> None:
    run(database, *orgs("AB"), "grant select on orgs to only_reads")
    error = refused(installation, reading(tmp_path, reader))
    assert error.code == "source_privilege"
    assert "notes" in error.message


def test_right_that_was_taken_away_stops(database: str, reader: str, installation: Installation, tmp_path: Path) -> None:
    run(database, *orgs("AB"), "grant select on all tables in schema public to only_reads")
    workspace = reading(tmp_path, reader)
    accept(installation, workspace)
    refresh(installation, workspace)
    run(database, "revoke select on notes from only_reads")
    stops(installation, workspace, "drift")


def test_row_security_is_an_error_instead_of_fewer_rows(database: str, reader: str, installation: Installation, tmp_path: Path) -> None:
    run(database, *orgs("AB"), "grant select on all tables in schema public to only_reads")
    run(database, "alter table notes enable row level security", "create policy p on notes using (org_id = 'A')")
    error = refused(installation, reading(tmp_path, reader))
    assert error.code == "source_row_security"
    assert "notes" in error.message
