"""Keys that PostgreSQL spells in ways of its own, from a real server to the built files."""

from __future__ import annotations

from pathlib import Path

import psycopg

from slices.refresh import refresh
from tests.integration.driving import Answering, accept, answering, installation_in, workspace_of

UUID = "a50e8400-e29b-41d4-a716-4466554400aa"
SPELLINGS = [
    UUID.upper(),
    f"{{{UUID}}}",
    UUID.replace("-", ""),
    f"{UUID[:4]}-{UUID[4:]}",
    f"{{{UUID}",
    f"{UUID}}}",
    f" {UUID}",
    f"{UUID}-",
    UUID[:-1],
]


def built(database: str, folder: Path, *statements: str) -> dict[str, Answering]:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
    installation = installation_in(folder / "home", builders=1)
    tables = {"notes": {"quarantine": "100%"}}
    workspace = workspace_of(folder, "postgres", database, relationships=["notes.org_id -> orgs.id"], tables=tables)
    accept(installation, workspace)
    result = refresh(installation, workspace)
    assert (result.failed, result.reasons) == (0, {})
    return answering(installation, workspace)


def test_text_is_a_uuid_where_postgresql_reads_one(database: str, tmp_path: Path) -> None:
    values = ", ".join(f"({i}, '{text}')" for i, text in enumerate(SPELLINGS))
    found = built(
        database,
        tmp_path,
        f"create table orgs (id uuid primary key); insert into orgs values ('{UUID}')",
        f"create table notes (row int, org_id text); insert into notes values {values}",
    )
    with psycopg.connect(database, autocommit=True) as connection:
        there = [i for i, text in enumerate(SPELLINGS) if _reads(connection, text)]
    assert there == [0, 1, 2, 3]
    assert [row for (row,) in found[UUID].rows("select row from notes order by 1")] == there


def _reads(connection: psycopg.Connection[object], text: str) -> bool:
    try:
        connection.execute("select %s::text::uuid", [text])
    except psycopg.DataError:
        return False
    return True


def test_tenant_key_of_char_is_named_without_its_blanks(database: str, tmp_path: Path) -> None:
    found = built(
        database,
        tmp_path,
        "create table orgs (id char(6) primary key); insert into orgs values ('a'), (' b')",
        "create table notes (row int, org_id text); insert into notes values (1, 'a'), (2, 'a '), (3, ' b')",
    )
    assert {key: tenant.rows("select row from notes") for key, tenant in found.items()} == {"a": [(1,)], " b": [(3,)]}
