"""Polymorphic pairs: found by name, and the tables that their types mean."""

from __future__ import annotations

from pathlib import Path

import psycopg

from api.control.proposal import propose
from engine.infer.naming import named_tables
from engine.infer.polymorphic import meant, pairs
from engine.schema import Column, Schema, Table, TableName, UniqueKey

TABLES = """
create table accounts (id bigint primary key, name text not null);
create table posts (id bigint primary key, account_id bigint not null references accounts);
create table crm_deals (id bigint primary key, account_id bigint not null references accounts);
create table comments (id bigint primary key, subject_type text, subject_id bigint, body text);
insert into accounts values (1, 'A');
insert into comments values (1, 'Post', 1, ''), (2, 'Crm::Deal', 1, ''), (3, 'Wiki', 2, ''), (4, null, null, '');
"""


def table(name: str, **columns: str) -> Table:
    kinds = {c: Column(c, t, t, "integer" if t == "bigint" else "text") for c, t in columns.items()}  # type: ignore[arg-type]
    return Table(TableName("app", "public", name), tuple(kinds.values()), (UniqueKey(("id",), True),))


def test_pairs_are_found_by_their_names() -> None:
    assert pairs(table("c", id="bigint", subject_type="text", subject_id="bigint")) == [("subject_type", "subject_id")]
    assert pairs(table("c", id="bigint", recordType="text", recordId="bigint")) == [("recordType", "recordId")]
    assert pairs(table("c", id="bigint", content_type_id="bigint", object_id="bigint")) == [("content_type_id", "object_id")]
    assert pairs(table("c", id="bigint", customer_type="bigint", customer_id="bigint")) == []


def test_types_mean_the_table_of_their_last_word() -> None:
    schema = Schema.of(
        [table("posts", id="bigint"), table("crm_deals", id="bigint"), table("a_tags", id="bigint"), table("b_tags", id="bigint")]
    )
    found = meant(["Post", "App\\Models\\Post", "Crm::CrmDeal", "blog.post", "Tag", "Wiki", ""], named_tables(schema))
    assert {value: to[0].table if to else None for value, to in found.items()} == {
        "Post": "posts", "App\\Models\\Post": "posts", "Crm::CrmDeal": "crm_deals", "blog.post": "posts", "Tag": None, "Wiki": None, "": None,
    }  # fmt: skip


def test_init_proposes_a_line_that_works(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
    text = propose(database, "accounts", tmp_path / "slicehouse.yaml").text
    line = next(line for line in text.splitlines() if "subject_type" in line and "->" in line)
    assert '"Post": posts.id' in line
    assert '"Wiki": none' in line
    assert line.startswith("  # - ")
    assert "comments: subject_id points at what subject_type says" in text
