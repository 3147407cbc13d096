"""From nothing: where a source declares no foreign key, `init`, `routes` and `refresh` give the slices that its keys would have given.

Each database is sliced twice by the same commands: as it is, then with every foreign key dropped. A table that the second run cannot place
surely is flagged, with its reason; it is in no slice until a line is written for it, and with that line it is as it was with keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from psycopg import sql
from ruamel.yaml import YAML

from api.cli.main import main
from engine.sql import name, text
from tests.differential.loaders import SAKILA, SAMPLES, Connection, load_chinook, load_demo, load_northwind, load_sakila

Slices = dict[str, dict[str, tuple[object, ...]]]
"""tenant's key → table → its columns and types, how many rows, and a digest of them in any order."""


@dataclass(frozen=True, slots=True)
class Source:
    """A database: how it is filled, its tenant table (`named` where `init` has to be told it), and what is flagged without keys alone.

    `open_with_keys` is flagged in both runs. `lines` are what a person writes under `tables:` for the flagged; tables that wait for another's decision need none.
    """

    load: Callable[[Connection], None]
    tenant: str
    named: bool = False
    open_with_keys: frozenset[str] = frozenset()
    flagged: dict[str, str] = field(default_factory=dict)
    lines: dict[str, Any] = field(default_factory=dict)


SOURCES = {
    "chinook": Source(load_chinook, "Customer"),
    "northwind": Source(
        load_northwind,
        "Customers",
        open_with_keys=frozenset({"Employees"}),
        flagged={"Shippers": "Orders.ShipVia->Shippers.ShipperID may point at it"},
        lines={"Shippers": "shared"},
    ),
    "sakila": Source(load_sakila, "store", named=True),
    "demo": Source(
        load_demo,
        "organizations",
        open_with_keys=frozenset({"audit_log"}),
        flagged={
            "comments": "waits for the decision on tasks",
            "events": "organization_id, session_id, user_id may be NULL",
            "tasks": "parent_task_id, project_id may be NULL",
            "ticket_messages": "waits for the decision on tickets",
            "tickets": "organization_id may be NULL",
        },
        lines={
            "events": {"via": ["organization_id", "session_id", "user_id"]},
            "tasks": {"via": ["parent_task_id", "project_id"]},
            "tickets": {"via": "organization_id"},
        },
    ),
}


@pytest.mark.parametrize("which", sorted(SOURCES))
def test_slices_without_a_declared_key_are_those_with_all_keys(
    which: str, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = SOURCES[which]
    if which != "demo" and not (SAMPLES.is_dir() and SAKILA.is_file()):
        pytest.skip("../shared/data is not here")
    with psycopg.connect(database, autocommit=True) as connection:
        source.load(connection)
        declared, routes = refreshed(proposed(source, database, tmp_path / "declared"), capsys)
        assert drop_foreign_keys(connection) > 0
    file = proposed(source, database, tmp_path / "dropped")
    found, said = refreshed(file, capsys)
    assert open_tables(routes) == source.open_with_keys
    assert open_tables(said) == source.open_with_keys | set(source.flagged)
    same_but_for_flagged(declared, found, set(source.flagged))
    for table in routes.keys() - set(source.flagged):
        assert counts(said[table]) == counts(routes[table]), table
    if source.flagged:
        reasons_are_said(source, file, capsys)
        settled, after = refreshed(with_lines(file, source.lines), capsys)
        assert open_tables(after) == source.open_with_keys
        same_but_for_flagged(declared, settled, set())


def same_but_for_flagged(declared: Slices, found: Slices, flagged: set[str]) -> None:
    """Fails where a tenant's table differs, or where a flagged table is in a slice."""
    assert declared.keys() == found.keys()
    assert sum(rows for tables in found.values() for _, rows, *_ in tables.values()) > 0
    for tenant, tables in declared.items():
        assert not flagged & found[tenant].keys()
        for table in (tables.keys() | found[tenant].keys()) - flagged:
            assert found[tenant].get(table) == tables.get(table), f"{table} of tenant {tenant}"


def reasons_are_said(source: Source, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fails where the file that `init` wrote, or `routes`, does not say why a table is flagged, and lines that would settle it."""
    capsys.readouterr()
    assert main(["routes", "-w", str(file)]) == 0
    said = capsys.readouterr().out.split("\n\n")[0]
    assert said.startswith(f"To decide ({len(source.open_with_keys) + len(source.flagged)}): ")
    for table, reason in source.flagged.items():
        assert f"#   {table}: {reason}" in file.read_text()
        assert f"{table} {reason}" in " ".join(said.split())
        offered = re.findall(rf"(?m)^ +{table}: (\S.*)$", said)
        assert offered[-1].startswith("excluded")
        assert (len(offered) > 1) != reason.startswith("waits for")


def with_lines(file: Path, lines: dict[str, Any]) -> Path:
    """The workspace file with these lines under `tables:`."""
    yaml = YAML()
    written = yaml.load(file.read_text())
    written["tables"] = {**(written["tables"] or {}), **lines}
    yaml.dump(written, file)
    return file


def proposed(source: Source, url: str, folder: Path) -> Path:
    """The file that `init` writes; it has the tenant table that it should have."""
    file = folder / "slicehouse.yaml"
    assert main(["init", "--url", url, "-o", str(file), *(["--tenant-table", source.tenant] if source.named else [])]) == 0
    assert YAML(typ="safe").load(file.read_text())["tenants"]["table"] == source.tenant
    return file


def refreshed(file: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Slices, dict[str, dict[str, Any]]]:
    """Every tenant's slice by the file as it is, and every table's route."""
    at = ["-w", str(file)]
    capsys.readouterr()
    assert main(["routes", "--json", "--accept", *at]) == 0
    routes = {r["table"]: r for r in json.loads(capsys.readouterr().out)}
    assert main(["refresh", *at]) == 0
    capsys.readouterr()
    assert main(["tenants", "--json", *at]) == 0
    tenants = json.loads(capsys.readouterr().out)
    assert len(tenants) > 1
    assert {t["state"] for t in tenants} == {"active"}
    (home,) = (file.parent / ".slicehouse" / "workspaces").glob("ws_*")
    return {t["key"]: digests(home / "tenants" / t["id"] / f"{t['version']}.duckdb") for t in tenants}, routes


def digests(file: Path) -> dict[str, tuple[object, ...]]:
    """Of every table of a slice: columns and types, rows, and two sums over hashes of its rows."""
    with duckdb.connect(str(file), read_only=True) as connection:
        columns: dict[str, list[tuple[str, str]]] = {}
        for table, column, kind in connection.execute(
            "select table_name, column_name, data_type from duckdb_columns() where not internal and schema_name = 'main' order by column_index"
        ).fetchall():
            columns.setdefault(table, []).append((column, kind))
        parts = [
            f"select {text(t)}, count(*), sum(h), bit_xor(h) from (select hash({', '.join(name(c) for c, _ in cs)}) as h from {name(t)})"
            for t, cs in columns.items()
        ]
        found = connection.execute(" union all ".join(parts)).fetchall()
    return {table: (tuple(columns[table]), *rest) for table, *rest in found}


def open_tables(routes: dict[str, dict[str, Any]]) -> set[str]:
    """The tables that somebody has to decide about."""
    return {table for table, route in routes.items() if route["decision"] == "review"}


def counts(route: dict[str, Any]) -> tuple[object, ...]:
    """What became of a table's rows."""
    return tuple(route[k] for k in ("route", "rows", "owned", "shared", "filtered", "quarantined", "excluded"))


def drop_foreign_keys(connection: Connection) -> int:
    """Drops every foreign key; returns how many there were."""
    keys = connection.execute(
        "select c.relnamespace::regnamespace::text, c.relname, k.conname from pg_constraint k join pg_class c on c.oid = k.conrelid where k.contype = 'f'"
    ).fetchall()
    for schema, table, key in keys:
        connection.execute(
            sql.SQL("alter table {} drop constraint if exists {}").format(sql.Identifier(schema, table), sql.Identifier(key))
        )
    return len(keys)
