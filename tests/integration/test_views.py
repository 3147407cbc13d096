"""Views of the source inside a slice: recomputed there, so a total counts one tenant's rows; what cannot be is left out and said."""

from __future__ import annotations

from pathlib import Path

import psycopg

from api.serving.answer import Limits, answer
from api.serving.opened import OpenSlices, SliceRef
from slices.building.build import file_digest
from slices.refresh import refresh
from tests.integration.driving import accept, answering, installation_in, workspace_of

TABLES = """
create table orgs (id int primary key, name text);
create table "Orders" (id int primary key, org_id int not null references orgs, amount numeric(10, 2), note text);
create table hidden (id int primary key, secret text);
insert into orgs values (1, 'A'), (2, 'B');
insert into "Orders" values (1, 1, 10, 'x'), (2, 1, 5, null), (3, 2, 7, 'y');
insert into hidden values (1, 'nobody sees it');
create view per_note as select o.note, count(*) as n, sum(o.amount) as total from "Orders" o left join orgs g on g.id = o.org_id group by o.note;
create view grand as with t as (select * from per_note) select sum(total) as total from t;
create materialized view kept as select count(*) as n from "Orders";
create view of_hidden as select h.secret from hidden h;
create view odd as select pg_backend_pid() as pid from "Orders";
create schema other;
create view other.totals as select sum(amount) as amount from public."Orders";
"""


def test_views_are_recomputed_inside_the_slice(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
    workspace = workspace_of(tmp_path, "postgres", database, tables={"hidden": {"route": "excluded"}})
    installation = installation_in(tmp_path / "home", builders=1)
    accept(installation, workspace)
    result = refresh(installation, workspace)
    tenants = answering(installation, workspace)
    assert tenants["1"].rows("select note, n, total from per_note order by note nulls last") == [("x", 1, 10), (None, 1, 5)]
    assert [tenants[t].rows("select total from grand") for t in "12"] == [[(15,)], [(7,)]]
    assert [tenants[t].rows("select n from kept") for t in "12"] == [[(2,)], [(1,)]]
    assert [tenants[t].rows("select amount from other.totals") for t in "12"] == [[(15,)], [(7,)]]
    slices = OpenSlices(2, "256MB", 5)
    path = tenants["1"].path
    assert path is not None
    ref = SliceRef("w", tenants["1"].id, str(tenants["1"].version), path, path.stat().st_size, file_digest(path), "UTC")
    assert answer(slices, ref, "select total from grand", {}, Limits()).rows.to_pylist() == [{"total": 15}]
    assert not any(view in ("odd", "of_hidden") for _, view in slices.get(ref).tables)
    said = sorted(note for note in result.notes if note.startswith("the view"))
    assert [line.split(" is not")[0] for line in said] == ["the view odd", "the view of_hidden"]
    assert "it reads hidden, which is in no slice" in said[1]
    assert b"nobody sees it" not in tenants["1"].bytes()


def test_a_named_view_is_extracted_as_data(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
    workspace = workspace_of(
        tmp_path, "postgres", database, tables={"hidden": {"route": "excluded"}, "kept": {"shared": True}}, views="ignore"
    )
    installation = installation_in(tmp_path / "home", builders=1)
    accept(installation, workspace)
    refresh(installation, workspace)
    tenants = answering(installation, workspace)
    assert [tenants[t].rows("select n from kept") for t in "12"] == [[(3,)], [(3,)]]
    assert tenants["1"].rows("select count(*) from duckdb_views() where not internal") == [(0,)]
