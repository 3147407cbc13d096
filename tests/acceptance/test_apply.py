"""apply and export: the catalog equals the files, field by field, without their sources; what no file names stays; there and back is nothing to do."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select

from api.cli.main import main
from engine.catalog import audit
from engine.catalog.tables import AuditRow, RoutingRow, TierRow, WorkspaceRow
from engine.catalog.workspaces import accepted_routing, find_workspace
from engine.workspace import read_workspace
from slices.installation import Installation
from slices.refresh import refresh
from tests.acceptance.http_world import SOURCE, World, tables
from tests.integration.driving import accept, installation_in, offer_tables, postgres_url

TIERS = """\
tiers:
  free: {name: Free, default: true, quotas: {queries: {limit: 1000}}}
  pro: {name: Pro, features: {sql: true, dashboards: 20}, rates: {queries: 20}, prices: [price_pro]}
"""
BASE = """\
version: 1
timezone: Europe/Vienna
sources: {app: {kind: arrow, url: http-world}}
tenants: {table: orgs, key: id, name: name}
dashboards: boards/*.yaml
"""
BOARD = 'version: 1\nslug: sales\ntitle: Sales\npanels:\n  total: {title: Total, sql: "select count(*) as n from orders"}\n'


class Place:
    """A folder with a base, two clients of it and a home; `run` is the command."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self.write("base/slicehouse.yaml", BASE + TIERS)
        self.write("base/boards/sales.yaml", BOARD)
        for client in ("north", "south"):
            self.write(f"{client}/slicehouse.yaml", f"extends: ../base/slicehouse.yaml\nworkspace: {client}\nname: {client.title()}\n")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *arguments: str, status: int = 0) -> str:
        out, told = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(told):
            found = main([*arguments, "--home", str(self.home)])
        self.told = told.getvalue()
        assert found == status, out.getvalue() + self.told
        return out.getvalue()

    def apply(self, *more: str, status: int = 0, files: str | None = None) -> dict[str, Any]:
        answer = self.run("apply", "-f", files or str(self.folder), "--json", *more, status=status)
        found: dict[str, Any] = json.loads(answer)
        return found

    def installation(self) -> Installation:
        return installation_in(self.home)


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return Place(tmp_path / "files")


def by_slug(found: dict[str, Any]) -> dict[str, Any]:
    return {w["workspace"]: w for w in found["workspaces"]}


def changes(found: dict[str, Any], slug: str) -> dict[str, tuple[Any, Any]]:
    return {c["field"]: (c["before"], c["after"]) for c in by_slug(found)[slug]["changes"]}


def test_plan_says_everything_and_makes_nothing(here: Place) -> None:
    found = here.apply("--plan")
    assert {s: w["action"] for s, w in by_slug(found).items()} == {"north": "create", "south": "create"}
    said = changes(found, "north")
    assert said["name"] == (None, "North")
    assert said["timezone"] == (None, "Europe/Vienna")
    assert said["tiers.pro.features.dashboards"] == (None, 20)
    assert not here.home.exists()
    text = here.run("apply", "-f", str(here.folder), "--plan")
    assert "north: create" in text
    assert "+ tiers.free.quotas.queries.limit: 1000" in text


def test_exit_code_of_a_plan_says_whether_there_is_something_to_do(here: Place) -> None:
    here.apply("--plan", "--exit-code", status=3)
    here.apply()
    here.apply("--plan", "--exit-code")
    assert here.run("apply", "-f", str(here.folder), "--exit-code", status=2) == ""


def test_apply_makes_the_catalog_equal_the_files_and_then_has_nothing_to_do(here: Place) -> None:
    assert here.apply()["changes"] == 2
    assert here.apply("--plan")["changes"] == 0
    assert here.apply()["changes"] == 0
    installation = here.installation()
    with installation.catalog.read() as session:
        row = find_workspace(session, "north")
        assert row is not None
        assert (row.name, row.timezone, row.path) == ("North", "Europe/Vienna", str(here.folder / "north" / "slicehouse.yaml"))
        tiers = {t.slug: t for t in session.scalars(select(TierRow).where(TierRow.workspace_id == row.id))}
        assert {s: t.version for s, t in tiers.items()} == {"free": 1, "pro": 1}
        assert (tiers["free"].is_default, tiers["pro"].features) == (True, {"sql": True, "dashboards": 20})
        actions = session.scalars(select(AuditRow.action).where(AuditRow.workspace_id == row.id).order_by(AuditRow.number)).all()
        assert actions == ["workspaces.create", "tiers.put", "tiers.put"]
        assert audit.verify(session, installation.derived_key("audit")).broken is None


def test_changed_tier_is_a_new_version_and_the_others_stay(here: Place) -> None:
    here.apply()
    text = (BASE + TIERS).replace("dashboards: 20", "dashboards: 30, own: true").replace("limit: 1000", "limit: 1000, hard: true")
    here.write("base/slicehouse.yaml", text)
    planned = here.apply("--plan")
    assert changes(planned, "south") == {"tiers.pro.features.dashboards": (20, 30), "tiers.pro.features.own": (None, True)}
    assert here.apply()["workspaces"] == planned["workspaces"]
    with here.installation().catalog.read() as session:
        rows = session.execute(select(TierRow.slug, func.max(TierRow.version)).group_by(TierRow.slug)).all()
    assert {r[0]: r[1] for r in rows} == {"free": 1, "pro": 2}


def test_tier_that_becomes_the_default_takes_it_from_one_that_is_not_in_the_file(here: Place) -> None:
    here.apply()
    here.write("base/slicehouse.yaml", BASE + "tiers: {basic: {name: Basic, default: true}}\n")
    found = here.apply()
    assert changes(found, "north")["tiers.free.default"] == (True, False)
    assert here.apply("--plan")["changes"] == 0


def test_workspace_without_a_file_is_left_alone_and_said(here: Place) -> None:
    here.apply()
    shutil.rmtree(here.folder / "south")
    found = here.apply()
    assert [w["workspace"] for w in found["left_alone"]] == ["south"]
    assert "south: not in the files, left alone" in here.run("apply", "-f", str(here.folder))
    with here.installation().catalog.read() as session:
        assert find_workspace(session, "south") is not None


def test_moved_file_is_an_update_of_its_path_and_a_copy_is_none(here: Place) -> None:
    here.apply()
    old, new = str(here.folder / "north" / "slicehouse.yaml"), here.folder / "clients" / "n.yaml"
    here.write("clients/n.yaml", Path(old).read_text())
    copied = here.apply("--plan", files=str(new))
    assert changes(copied, "north") == {}
    assert by_slug(copied)["north"]["notes"] == [f"read from {old}, which says the same"]
    Path(old).unlink()
    (change,) = by_slug(here.apply())["north"]["changes"]
    assert change == {"field": "path", "before": old, "after": str(new), "note": "the workspace file was moved"}
    assert here.apply("--plan")["changes"] == 0
    with here.installation().catalog.read() as session:
        row = find_workspace(session, "north")
        assert row is not None
        assert row.path == str(new)


def test_two_files_of_one_slug_are_refused_and_both_are_named(here: Place) -> None:
    here.write("other/slicehouse.yaml", "extends: ../base\nworkspace: north\n")
    here.run("apply", "-f", str(here.folder), status=2)
    assert "north/slicehouse.yaml" in here.told
    assert "other/slicehouse.yaml" in here.told
    assert not here.home.exists()


def test_mistake_in_one_file_applies_none_and_every_mistake_is_shown(here: Place) -> None:
    here.write("north/slicehouse.yaml", "extends: ../base\nworkspace: north\ntables: {x: {vai: y}}\n")
    here.write("base/boards/sales.yaml", BOARD.replace("title: Total", "titel: Total"))
    here.run("apply", "-f", str(here.folder), status=2)
    assert "north/slicehouse.yaml:3" in here.told
    assert "base/boards/sales.yaml:5" in here.told
    assert not here.home.exists()


def test_what_fails_on_the_way_leaves_nothing(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from api.control.workspaces import applying

    whole = applying.put_tier_in

    def failing(session: Any, installation: Any, actor: Any, workspace_id: str, slug: str, *rest: Any, **more: Any) -> Any:
        if session.scalar(select(func.count()).select_from(WorkspaceRow)) == 2:
            raise ZeroDivisionError
        return whole(session, installation, actor, workspace_id, slug, *rest, **more)

    monkeypatch.setattr(applying, "put_tier_in", failing)
    with pytest.raises(ZeroDivisionError):
        here.apply()
    with here.installation().catalog.read() as session:
        assert [session.scalar(select(func.count()).select_from(t)) for t in (WorkspaceRow, TierRow, AuditRow)] == [0, 0, 0]


def test_template_alone_is_no_workspace(here: Place) -> None:
    found = here.apply("--plan")
    assert set(by_slug(found)) == {"north", "south"}
    here.run("apply", "-f", str(here.folder / "base"), status=2)
    assert "workspace is missing" in here.told


def test_secrets_and_sources_are_not_asked(here: Place) -> None:
    here.write("base/slicehouse.yaml", BASE.replace("kind: arrow, url: http-world", 'kind: postgres, url: "${NOBODY_HAS_SET_THIS}"'))
    assert here.apply("--plan")["changes"] == 2
    assert here.apply()["changes"] == 2


# ── routings ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lock_beside_the_file_is_the_routing_that_counts(here: Place, tmp_path: Path) -> None:
    offer_tables(SOURCE, tables())
    file = here.folder / "north" / "slicehouse.yaml"
    elsewhere = installation_in(tmp_path / "elsewhere")
    accept(elsewhere, read_workspace(file))
    elsewhere.catalog.close()
    assert (here.folder / "north" / "routes.lock").is_file()
    assert "accepted by the tests" in changes(here.apply("--plan"), "north")["routing"][1]
    here.apply()
    installation = here.installation()
    assert refresh(installation, read_workspace(file)).built == 2
    here.write("north/slicehouse.yaml", file.read_text() + "tables: {orders: excluded}\n")
    elsewhere = installation_in(tmp_path / "elsewhere")
    accept(elsewhere, read_workspace(file))
    elsewhere.catalog.close()
    (change,) = [c for c in by_slug(here.apply())["north"]["changes"] if c["field"] == "routing"]
    assert "orders" in change["note"]
    with installation.catalog.read() as session:
        row = find_workspace(session, "north")
        assert row is not None
        routing = accepted_routing(session, row.id)
        assert routing is not None
        assert routing.number == 2
        actions = session.scalars(select(AuditRow.action).where(AuditRow.workspace_id == row.id)).all()
        assert actions.count("routes.accept") == 2
    assert here.apply("--plan")["changes"] == 0


# ── there and back ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_export_then_apply_has_nothing_to_do(here: Place, tmp_path: Path) -> None:
    offer_tables(SOURCE, tables())
    here.apply()
    accept(here.installation(), read_workspace(here.folder / "north"))
    out = tmp_path / "out"
    written = here.run("export", "-o", str(out)).split()
    names = {str(Path(w).relative_to(out)) for w in written}
    assert names == {"north/slicehouse.yaml", "north/routes.lock", "north/dashboards/sales.yaml"} | {
        "south/slicehouse.yaml",
        "south/dashboards/sales.yaml",
    }
    assert here.apply("--plan", "--exit-code", files=str(out))["changes"] == 0
    shutil.move(here.folder, tmp_path / "gone")
    fresh = Place(tmp_path / "files")
    assert fresh.apply(files=str(out))["changes"] == 2
    with fresh.installation().catalog.read() as session:
        assert session.scalar(select(func.count()).select_from(RoutingRow)) == 1
    assert fresh.apply("--plan", files=str(out))["changes"] == 0


def test_tiers_of_the_catalog_come_out_and_a_comment_stays(world: World, tmp_path: Path) -> None:
    boss = world.key("workspace")
    body = {"name": "Pro", "default": True, "features": {"sql": True}, "quotas": {"queries": {"limit": 5}}, "metadata": {"a": "b"}}
    for tier in ("pro", "old"):
        assert world.client.put(f"{world.base}/tiers/{tier}", json=body | {"default": tier == "pro"}, headers=boss).status_code == 201
    assert world.client.delete(f"{world.base}/tiers/old", headers=boss).status_code == 204
    world.file.write_text(
        "# ours\nversion: 1\nworkspace: acme  # a slug\nsources: {app: {kind: arrow, url: http-world}}\ntenants: {table: orgs, key: id, name: name}\n"
    )
    here = Place(tmp_path / "files")
    here.home = world.home
    out = tmp_path / "out"
    here.run("export", "acme", "-o", str(out))
    text = (out / "acme" / "slicehouse.yaml").read_text()
    assert "# ours" in text
    assert "# a slug" in text
    assert set(read_workspace(out / "acme").tiers) == {"pro"}
    assert changes(here.apply("--plan", files=str(out)), "acme") == {}


def test_workspace_that_was_made_by_program_comes_out_without_its_url_and_may_be_taken_over(world: World, tmp_path: Path) -> None:
    boss = world.key("installation")
    body = {
        "workspace": "vega",
        "tenants": {"table": "orgs"},
        "sources": {"app": {"kind": "postgres", "url": "postgresql://u:hunter2@8.8.8.8/d"}},
    }
    assert world.client.post("/v1/workspaces", json=body, headers=boss).status_code == 201
    here = Place(tmp_path / "files")
    here.home = world.home
    out = tmp_path / "out"
    here.run("export", "vega", "-o", str(out))
    assert "hunter2" not in (out / "vega" / "slicehouse.yaml").read_text()
    assert here.apply("--plan", files=str(out))["changes"] == 0
    file = here.write("vega/slicehouse.yaml", (out / "vega" / "slicehouse.yaml").read_text() + "name: Ours\n")
    here.run("status", "-w", str(file), status=2)
    assert "made by program" in here.told
    found = here.apply(files=str(file))
    assert set(changes(found, "vega")) == {"name", "path"}
    facts = world.client.get("/v1/workspaces/vega", headers=boss).json()
    assert (facts["managed_by"], facts["name"]) == ("file", "Ours")


def test_archived_workspace_is_not_taken_back_by_its_file(world: World, tmp_path: Path) -> None:
    assert world.client.delete(world.base, headers=world.key("installation")).status_code == 204
    here = Place(tmp_path / "files")
    here.home = world.home
    (item,) = here.apply(files=str(world.file))["workspaces"]
    assert (item["action"], "archived" in item["notes"][0]) == ("nothing", True)
    with world.installation.catalog.read() as session:
        assert find_workspace(session, "acme") is None


def test_no_password_of_a_file_is_written(here: Place, tmp_path: Path) -> None:
    url = "postgresql://u:hunter2@db.example/d"
    here.write("base/slicehouse.yaml", BASE.replace("kind: arrow, url: http-world", f'kind: postgres, url: "{url}"'))
    here.apply()
    out = tmp_path / "out"
    here.run("export", "-o", str(out))
    assert all("hunter2" not in p.read_text() for p in out.rglob("*") if p.is_file())
    assert read_workspace(out / "north").sources["app"].url == "${NORTH_APP_URL}"
    assert here.apply("--plan", files=str(out))["changes"] == 0


def test_export_writes_over_nothing_that_says_something_else(here: Place, tmp_path: Path) -> None:
    here.apply()
    out = tmp_path / "out"
    here.run("export", "-o", str(out))
    here.run("export", "-o", str(out))
    (out / "north" / "slicehouse.yaml").write_text("mine")
    here.run("export", "-o", str(out), status=2)
    assert (out / "north" / "slicehouse.yaml").read_text() == "mine"
    here.run("export", "-o", str(out), "--force")
    here.run("export", "nobody", status=2)
    assert "north, south" in here.told


# ── a catalog elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────


def test_plan_against_a_catalog_in_postgresql_needs_no_secret_of_the_installation(
    here: Place, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLICEHOUSE_CATALOG", postgres_url(database))
    here.apply()
    checkout = Place(tmp_path / "checkout")
    checkout.write("south/slicehouse.yaml", "extends: ../base\nworkspace: south\nname: Other\n")
    found = checkout.apply("--plan", "--exit-code", status=3)
    assert {s: changes(found, s) for s in ("north", "south")} == {"north": {}, "south": {"name": ("South", "Other")}}
    assert not checkout.home.exists()
    with psycopg.connect(database) as connection:
        assert connection.execute("select name from workspaces order by slug").fetchall() == [("North",), ("South",)]


# ── an agency ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_file_and_a_list_are_a_tenant_for_each_client(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for client, rows in (("north", 2), ("south", 3)):
            connection.execute(f"create schema {client}; create table {client}.orders (id int primary key)".encode())
            connection.execute(f"insert into {client}.orders select generate_series(1, {rows})".encode())
    monkeypatch.setenv("NORTH_URL", postgres_url(database))
    monkeypatch.setenv("SOUTH_URL", postgres_url(database))
    here = Place(tmp_path / "files")
    here.write("base/slicehouse.yaml", "version: 1\ntenants: {each: source}\n")
    file = here.write("agency/slicehouse.yaml", "extends: ../base/slicehouse.yaml\nworkspace: agency\nsources_from: clients.csv\n")
    here.write("agency/clients.csv", "name,kind,url_env,schemas\nnorth,postgres,NORTH_URL,north\nsouth,postgres,SOUTH_URL,south\n")
    assert here.apply(files=str(file))["changes"] == 1
    for verb in (["routes", "--accept"], ["refresh"]):
        here.run(*verb, "-w", str(file))
    counted = {
        t: json.loads(here.run("query", t, "select count(*) as n from orders", "-w", str(file), "--json"))["rows"]
        for t in ("north", "south")
    }
    assert counted == {"north": [["2"]], "south": [["3"]]}
    here.run("export", "agency", "-o", str(tmp_path / "out"))
    assert set(read_workspace(tmp_path / "out" / "agency").sources) == {"north", "south"}
    assert here.apply("--plan", files=str(tmp_path / "out"))["changes"] == 0
