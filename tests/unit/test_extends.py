"""A workspace file over those that it extends, and its list of sources: what counts in the end, and where each mistake stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pydantic import ValidationError

from api.control.plans.entitlements import METERS
from api.control.schemas import schemas
from api.serving.definitions import Definitions
from api.serving.problems import Problem
from engine.dashboards.read import dashboard_files
from engine.errors import WorkspaceFileError
from engine.workspace import Workspace, read_workspace
from engine.workspace.read import keep_secrets, resolve_secrets
from engine.workspace.tiers import Meter, TierConfig

BASE = """\
version: 1
name: Template
timezone: Europe/Berlin
sources:
  app: {kind: postgres, url: "${APP}", schemas: [public, billing], schedule: every 1h}
tenants: {table: orgs, key: id}
tables:
  countries: shared
  payroll: excluded
  events: {where: "a = 1", via: org_id}
actors: [a.b, c.d]
"""


def files(folder: Path, **texts: str) -> Path:
    """Writes `a__b_yaml` to a/b.yaml; the folder."""
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_yaml", ".yaml").replace("_csv", ".csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def problems(path: Path) -> list[str]:
    with pytest.raises(WorkspaceFileError) as caught:
        read_workspace(path)
    return [str(p).removeprefix(str(path.parent.parent) + "/") for p in caught.value.problems]


def test_mappings_are_merged_lists_replaced_and_null_removes(tmp_path: Path) -> None:
    over = """\
extends: ../base/slicehouse.yaml
workspace: north
timezone: null
sources: {app: {schemas: [public], schedule: null}}
tables: {payroll: null, events: {where: "a = 2"}, countries: {where: "x"}}
actors: [e.f]
"""
    files(tmp_path, base__slicehouse_yaml=BASE, north__slicehouse_yaml=over)
    found = read_workspace(tmp_path / "north")
    app = found.sources["app"]
    assert (found.workspace, found.name, found.timezone) == ("north", "Template", "UTC")
    assert (app.kind, app.url, app.schemas, app.schedule) == ("postgres", "${APP}", ["public"], None)
    assert set(found.tables) == {"countries", "events"}
    assert (found.tables["events"].where, found.tables["events"].via) == ("a = 2", ["org_id"])
    assert (found.tables["countries"].shared, found.tables["countries"].where) == (None, "x")
    assert found.actors == ["e.f"]
    assert found.lock_path == tmp_path / "north" / "routes.lock"


def test_what_is_merged_is_what_one_file_would_say(tmp_path: Path) -> None:
    one = BASE.replace("version: 1", "version: 1\nworkspace: north").replace("every 1h", "every 2h")
    files(tmp_path, base__slicehouse_yaml=BASE, one__slicehouse_yaml=one)
    files(tmp_path, two__slicehouse_yaml="extends: ../base\nworkspace: north\nsources: {app: {schedule: every 2h}}\n")
    whole, over = (read_workspace(tmp_path / n).model_dump(exclude={"extends"}) for n in ("one", "two"))
    assert whole == over


def test_mistake_is_shown_in_the_file_that_it_stands_in(tmp_path: Path) -> None:
    over = "extends: ../base/slicehouse.yaml\nworkspace: north\ntables:\n  events:\n    vai: [x]\n"
    broken = BASE.replace("Europe/Berlin", "Europe/Berln").replace("payroll: excluded", "payroll: exclded")
    files(tmp_path, base__slicehouse_yaml=broken, north__slicehouse_yaml=over)
    assert [p[:40] for p in problems(tmp_path / "north" / "slicehouse.yaml")] == [
        "base/slicehouse.yaml:3:1: timezone: 'Eur",
        "base/slicehouse.yaml:9:3: tables.payroll",
        "north/slicehouse.yaml:5:5: tables.events",
    ]


def test_value_that_replaces_hides_the_place_of_the_one_below(tmp_path: Path) -> None:
    files(
        tmp_path,
        base__slicehouse_yaml=BASE,
        north__slicehouse_yaml="extends: ../base\nworkspace: north\nactors: 7\ntables: {events: wrong}\n",
    )
    assert [p.split(": ")[0] for p in problems(tmp_path / "north" / "slicehouse.yaml")] == [
        "north/slicehouse.yaml:3:1",
        "north/slicehouse.yaml:4:10",
    ]


def test_cycle_names_its_files(tmp_path: Path) -> None:
    files(tmp_path, a_yaml="workspace: a\nextends: b.yaml\n", b_yaml="extends: c.yaml\n", c_yaml="extends: b.yaml\n")
    (found,) = problems(tmp_path / "a.yaml")
    assert "c.yaml:1:1: extends: extends itself" in found
    assert [part.split("/")[-1] for part in found.split("itself: ")[1].split(" → ")] == ["b.yaml", "c.yaml", "b.yaml"]


@pytest.mark.parametrize("text", ["nowhere.yaml", "''", "[a]", '"a\\0b"'])
def test_base_that_is_not_there_is_said_where_it_is_named(tmp_path: Path, text: str) -> None:
    files(tmp_path, a__a_yaml=f"workspace: a\nextends: {text}\n")
    assert problems(tmp_path / "a" / "a.yaml")[0].startswith("a/a.yaml:2:1: extends: ")


def test_chain_is_bounded(tmp_path: Path) -> None:
    files(tmp_path, w0_yaml=BASE, **{f"w{n}_yaml": f"workspace: w\nextends: w{n - 1}.yaml\n" for n in range(1, 10)})
    assert read_workspace(tmp_path / "w7.yaml").workspace == "w"
    assert "more than 8 files" in problems(tmp_path / "w8.yaml")[0]


def test_dashboards_of_a_base_are_from_its_folder_unless_said_otherwise(tmp_path: Path) -> None:
    files(tmp_path, base__slicehouse_yaml=BASE + "dashboards: boards/*.yaml\n", base__boards__d_yaml="x", north__boards__e_yaml="x")
    files(tmp_path, north__slicehouse_yaml="extends: ../base\nworkspace: north\n")
    assert dashboard_files(read_workspace(tmp_path / "north")) == [tmp_path / "base" / "boards" / "d.yaml"]
    files(tmp_path, north__slicehouse_yaml="extends: ../base\nworkspace: north\ndashboards: boards/*.yaml\n")
    assert dashboard_files(read_workspace(tmp_path / "north")) == [tmp_path / "north" / "boards" / "e.yaml"]


def test_usual_folder_of_dashboards_is_looked_for_beside_the_file_then_beside_its_base(tmp_path: Path) -> None:
    files(tmp_path, base__slicehouse_yaml=BASE, base__dashboards__d_yaml="x", north__slicehouse_yaml="extends: ../base\nworkspace: north\n")
    assert dashboard_files(read_workspace(tmp_path / "north")) == [tmp_path / "base" / "dashboards" / "d.yaml"]
    files(tmp_path, north__dashboards__e_yaml="x")
    assert dashboard_files(read_workspace(tmp_path / "north")) == [tmp_path / "north" / "dashboards" / "e.yaml"]


def test_secret_lies_beside_the_workspace_file_and_a_path_is_from_where_it_is_written(tmp_path: Path) -> None:
    base = BASE.replace("tenants:", "  local: {kind: files, url: data/*.csv}\ntenants:")
    files(tmp_path, base__slicehouse_yaml=base, north__slicehouse_yaml="extends: ../base\nworkspace: north\n")
    found = read_workspace(tmp_path / "north")
    assert (found.folder_of("app"), found.folder_of("local")) == (tmp_path / "north", tmp_path / "base")


def test_change_of_a_base_is_seen_by_the_next_request(tmp_path: Path) -> None:
    files(tmp_path, base__slicehouse_yaml=BASE, north__slicehouse_yaml="extends: ../base\nworkspace: north\n")
    definitions, at = Definitions(), tmp_path / "north" / "slicehouse.yaml"
    first = definitions.workspace(at)
    assert definitions.workspace(at) is first
    files(tmp_path, base__slicehouse_yaml=BASE.replace("Template", "Changed"))
    assert definitions.workspace(at).name == "Changed"
    (tmp_path / "base" / "slicehouse.yaml").unlink()
    with pytest.raises(Problem, match="workspace_unreadable"):
        definitions.workspace(at)


# ── the list of sources ───────────────────────────────────────────────────────────────────────────────────────────────

AGENCY = "version: 1\nworkspace: agency\nsources_from: clients.csv\ntenants: {each: source}\n"
CLIENTS = """\
name,kind,url_env,schemas,schedule
north,postgres,NORTH_URL,public; billing,every 1h
"south",postgres,SOUTH_URL,,

"""


def test_list_gives_a_source_a_line(tmp_path: Path) -> None:
    files(tmp_path, slicehouse_yaml=AGENCY, clients_csv=CLIENTS)
    found = read_workspace(tmp_path)
    north, south = found.sources["north"], found.sources["south"]
    assert (list(found.sources), found.tenants.each) == (["north", "south"], "source")
    assert (north.kind, north.url, north.schemas, north.schedule) == ("postgres", "${NORTH_URL}", ["public", "billing"], "every 1h")
    assert (south.url, south.schemas, south.schedule) == ("${SOUTH_URL}", None, None)
    assert [f.name for f in found.files] == ["slicehouse.yaml", "clients.csv"]


def test_list_of_a_base_may_be_written_over(tmp_path: Path) -> None:
    files(tmp_path, base__slicehouse_yaml=AGENCY, base__clients_csv=CLIENTS)
    over = "extends: ../base\nworkspace: other\nsources: {north: {schedule: every 2h}, south: null, own: {kind: postgres, url: '${OWN}'}}\n"
    files(tmp_path, other__slicehouse_yaml=over)
    found = read_workspace(tmp_path / "other")
    assert {n: s.url for n, s in found.sources.items()} == {"north": "${NORTH_URL}", "own": "${OWN}"}
    assert found.sources["north"].schedule == "every 2h"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("name,kind,url_env\nNorth,postgres,A\nok,postgres,B\n", ["2:1: name: is no slug"]),
        ("name,kind,url_env\nn,postgres,A\nm,postgres,A\nn,postgres,B\n", ["4:1: name: n is the name of line 2 too"]),
        ("name,kind,url_env\nn,postgre,A\n", ["2:1: kind: postgre is no kind of source, did you mean postgres?"]),
        ("name,kind\nn,postgres\n", ["1:1: url_env: the column is missing"]),
        ("name,kind,url_env,scheduel\nn,postgres,A,\n", ["1:1: scheduel: unknown column, did you mean schedule?"]),
        ("name,kind,url_env,name\n", ["1:1: name: the column is there twice", "1:1: name: the column is there twice"]),
        ("name,kind,url_env\nn,postgres\n", ["2:1: has 2 values for 3 columns"]),
        ("name,kind,url_env\nn,postgres,postgresql://u:hunter2@h/d\n", ["2:1: url_env: is no name of an environment variable"]),
        ("name,kind,url_env\nX,mango,7\n", ["2:1: name: ", "2:1: kind: ", "2:1: url_env: "]),
        ("name,kind,url_env\n", ["1:1: has no line with a source"]),
        ("", ["1:1: has no line with a source"]),
        ('name,kind,url_env\nn,"postgres,A\n', ["2:1: is no CSV"]),
        ("name,kind,url_env,schedule\nn,postgres,A,hourly\n", ["2:1: sources.n.schedule: a schedule is"]),
    ],
)
def test_bad_line_is_named_with_its_number(tmp_path: Path, text: str, wanted: list[str]) -> None:
    files(tmp_path, w__slicehouse_yaml=AGENCY, w__clients_csv=text)
    found = problems(tmp_path / "w" / "slicehouse.yaml")
    assert [f.startswith("w/clients.csv:" + w) for f, w in zip(found, wanted, strict=True)] == [True] * len(wanted), found
    assert "hunter2" not in "".join(found)


def test_source_that_is_in_the_list_and_in_the_file_is_refused(tmp_path: Path) -> None:
    files(tmp_path, w__slicehouse_yaml=AGENCY + "sources: {south: {kind: postgres, url: x}}\n", w__clients_csv=CLIENTS)
    (found,) = problems(tmp_path / "w" / "slicehouse.yaml")
    assert found.startswith("w/clients.csv:3:1: name: south is a source of ")


def test_change_of_the_list_is_seen_by_the_next_request(tmp_path: Path) -> None:
    files(tmp_path, slicehouse_yaml=AGENCY, clients_csv=CLIENTS)
    definitions = Definitions()
    assert len(definitions.workspace(tmp_path / "slicehouse.yaml").sources) == 2
    files(tmp_path, clients_csv=CLIENTS + "east,postgres,EAST_URL,,\n")
    assert list(definitions.workspace(tmp_path / "slicehouse.yaml").sources) == ["north", "south", "east"]


# ── secrets of a folder that is written by program ────────────────────────────────────────────────────────────────────


def test_folder_with_a_vault_takes_nothing_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "environment")
    assert resolve_secrets("${MINE}", tmp_path / "other") == "environment"
    keep_secrets(tmp_path, {"KEPT": "a${MINE}b"}.get)
    assert resolve_secrets("${KEPT}", tmp_path) == "a${MINE}b"
    with pytest.raises(Exception, match="not kept"):
        resolve_secrets("${MINE}", tmp_path)


# ── tiers, schema ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_meters_of_the_file_are_those_that_are_counted() -> None:
    from typing import get_args

    assert set(get_args(Meter)) == set(METERS)


@pytest.mark.parametrize(
    "tier",
    [{}, {"name": "a\nb"}, {"name": "A", "quotas": {"cats": {"limit": 1}}}, {"name": "A", "features": {"x": -1}}, {"name": "A", "rates": {"queries": 0}}],
)  # fmt: skip
def test_tier_that_does_not_fit_is_refused(tier: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TierConfig.model_validate(tier)


def test_schema_takes_what_an_extending_file_may_say() -> None:
    schema = jsonschema_rs.Draft202012Validator(schemas()["workspace"])
    whole = {"version": 1, "workspace": "w", "sources": {"a": {"kind": "postgres"}}, "tenants": {"table": "t"}}
    for given in (
        whole,
        {k: v for k, v in whole.items() if k != "sources"} | {"sources_from": "clients.csv"},
        {"extends": "../base/slicehouse.yaml"},
        {"extends": "b", "timezone": None, "tables": {"a": None, "b": {"where": None}}, "tenants": {"name": "x"}, "sources": {"a": None}},
        whole | {"tiers": {"pro": {"name": "Pro", "quotas": {"queries": {"limit": 1}}}}},
    ):
        assert schema.is_valid(given), given
    for wrong in (
        {k: v for k, v in whole.items() if k != "sources"},
        whole | {"tables": {"a": None}},
        {"extends": "b", "timezome": "UTC"},
        {"extends": "b", "tables": {"x": {"vai": "a"}}},
        whole | {"origin": {}},
        whole | {"tiers": {"pro": {}}},
    ):
        assert not schema.is_valid(wrong), wrong
    assert Workspace.model_validate(whole).extends is None
