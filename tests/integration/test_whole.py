"""`tenants: {each: source}` and `tenants: single`: tables are whole, each source's in the slice of its tenant and in no other."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from engine.errors import WorkspaceFileError
from engine.schema import Table, TableName, UniqueKey
from engine.workspace import Workspace
from extract.memory import ArrowSource, arrow_columns, offer
from slices.proving.audit import verify_published
from slices.refresh import Options, refresh
from tests.integration.driving import accept, answering, installation_in

PANEL = "version: 1\nslug: d\ntitle: D\npanels: {p: {title: P, sql: 'select count(*) as n from orders'}}\n"


def offered(folder: Path, source: str, tables: dict[str, pa.Table]) -> str:
    found = {Table(TableName(source, "public", n), arrow_columns(rows), (UniqueKey(("id",), True),)): rows for n, rows in tables.items()}
    offer(f"{folder}/{source}", ArrowSource(source, found))
    return f"{folder}/{source}"


def workspace_of(folder: Path, tenants: object, **more: object) -> Workspace:
    (folder / "d.yaml").write_text(PANEL)
    urls = {
        "acme": offered(folder, "acme", {"orders": pa.table({"id": [1, 2], "note": ["canary-acme", "x"]}), "extra": pa.table({"id": [1]})}),
        "bolt": offered(folder, "bolt", {"orders": pa.table({"id": [1], "amount": [7], "gone": [True]})}),
    }
    sources = {name: {"kind": "arrow", "url": url} for name, url in urls.items()}
    facts = {"version": 1, "workspace": "agency", "sources": sources, "tenants": tenants, "dashboards": "d.yaml", "path": folder / "s.yaml"}
    return Workspace.model_validate(facts | more)


def test_each_source_is_a_tenant(tmp_path: Path) -> None:
    workspace = workspace_of(tmp_path, {"each": "source"})
    installation = installation_in(tmp_path / "home", builders=1)
    accept(installation, workspace)
    assert refresh(installation, workspace).built == 2
    found = answering(installation, workspace)
    assert found["acme"].rows("select id, note from orders order by id") == [(1, "canary-acme"), (2, "x")]
    assert found["acme"].rows("select count(*) from extra") == [(1,)]
    assert found["bolt"].rows("select id, amount from orders") == [(1, 7)]
    assert found["bolt"].rows("select table_name from duckdb_tables() where schema_name = 'main'") == [("orders",)]
    assert [found[key].rows("from panel.d_p()") for key in ("acme", "bolt")] == [[(2,)], [(1,)]]
    assert b"canary-acme" not in found["bolt"].bytes()
    assert [line["result"] for line in verify_published(installation, workspace, None)] == ["whole", "whole"]
    assert refresh(installation, workspace).unchanged == 2


def test_a_source_that_is_taken_out_is_a_tenant_that_is_gone(tmp_path: Path) -> None:
    installation = installation_in(tmp_path / "home", builders=1)
    workspace = workspace_of(tmp_path, {"each": "source"})
    accept(installation, workspace)
    refresh(installation, workspace)
    fewer = workspace.model_copy(update={"sources": {"bolt": workspace.sources["bolt"]}})
    accept(installation, fewer)
    refresh(installation, fewer, Options(allow_shrink=True))
    found = answering(installation, fewer)
    assert (found["acme"].state, found["acme"].version, found["bolt"].state) == ("gone", None, "active")


def test_a_single_tenant_has_everything(tmp_path: Path) -> None:
    workspace = workspace_of(
        tmp_path, "single", tables={"acme.public.orders": {"where": "note <> 'x'"}, "bolt.public.orders": {"soft_delete": "gone"}}
    )
    installation = installation_in(tmp_path / "home", builders=1)
    accept(installation, workspace)
    refresh(installation, workspace)
    only = answering(installation, workspace)["agency"]
    assert only.rows("select id from orders") == [(1,)]
    assert only.rows("select count(*) from bolt.orders") == [(0,)]
    assert [line["result"] for line in verify_published(installation, workspace, None)] == ["whole"]


def test_what_needs_a_tenant_table_is_refused(tmp_path: Path) -> None:
    workspace = workspace_of(tmp_path, {"each": "source"}, tables={"orders": {"shared": True}})
    with pytest.raises(WorkspaceFileError, match="where a source is a tenant its tables are whole"):
        accept(installation_in(tmp_path / "home", builders=1), workspace)
    with pytest.raises(ValueError, match="names a table, or is"):
        workspace_of(tmp_path, {"each": "source", "table": "orders"})
