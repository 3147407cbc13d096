"""Branding over HTTP: inherited field by field, changed by those alone who may, seen by those alone whose it is, and what anybody may see of it."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image
from pydantic import TypeAdapter

from api.control.access.permissions import PERMISSIONS, TENANT_ROLES
from api.endpoints import shapes
from engine.catalog import audit
from engine.catalog.tables import LogoRow, TenantRow, WorkspaceRow
from engine.ids import new_id
from tests.acceptance.http_world import World

WINE, PINE = "#7a0019", "#00664f"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 1"><rect width="4" height="1" fill="#7a0019"/></svg>'
PUBLIC = {"name", "logos", "colours"}


@pytest.fixture
def boss(world: World) -> dict[str, str]:
    return world.key("workspace")


def admin(world: World, scope: str = "tenant", tenant: str = "1") -> dict[str, str]:
    return world.key(scope, tenant, TENANT_ROLES["tenant admin"])


def at(world: World, tenant: str | None = "1") -> str:
    return f"{world.base}/branding" if tenant is None else f"{world.base}/tenants/{tenant}/branding"


def put(world: World, headers: dict[str, str], tenant: str | None = "1", **body: Any) -> Any:
    return world.client.put(at(world, tenant), json=body, headers=headers)


def patch(world: World, headers: dict[str, str], tenant: str | None = "1", **body: Any) -> Any:
    return world.client.patch(at(world, tenant), json=body, headers=headers)


def counts(world: World, headers: dict[str, str], tenant: str | None = "1") -> dict[str, Any]:
    """What counts for a tenant, or the workspace."""
    answer = world.client.get(at(world, tenant), headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["resolved"]
    return found


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def picture(colour: str = "red", size: tuple[int, int] = (40, 20), kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


def put_logo(world: World, headers: dict[str, str], tenant: str | None = "1", slot: str = "light", **more: Any) -> Any:
    content, media = more.pop("content", None) or picture(), more.pop("media", "image/png")
    return world.client.put(f"{at(world, tenant)}/logos/{slot}", content=content, headers=headers | {"Content-Type": media} | more)


def below(world: World, boss: dict[str, str], tenant: str = "2", parent: str | None = "1") -> None:
    assert world.client.patch(f"{world.base}/tenants/{tenant}", json={"parent": parent}, headers=boss).status_code == 200


def domains(world: World, boss: dict[str, str], *names: str, tenant: str = "1") -> Any:
    return world.client.patch(f"{world.base}/tenants/{tenant}", json={"domains": list(names)}, headers=boss)


def by_host(world: World, host: str) -> dict[str, Any]:
    answer = world.client.get("/v1/branding/by-host", params={"host": host})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


# ── what counts ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_word_the_workspaces_name_and_the_usual_colours_count(world: World, boss: dict[str, str]) -> None:
    answer = world.client.get(at(world), headers=boss).json()
    shapes.BrandingShape.model_validate(answer)
    assert {answer[f] for f in ("name", "colours", "font", "radius", "powered_by")} == {None}
    assert answer["logos"] == {"light": None, "dark": None, "mark": None} == answer["resolved"]["logos"]
    assert (answer["resolved"]["name"], answer["resolved"]["radius"], answer["resolved"]["powered_by"]) == (world.workspace.title, 12, True)


def test_each_field_is_inherited_by_itself_from_the_tenant_above_and_then_the_workspace(world: World, boss: dict[str, str]) -> None:
    below(world, boss)
    put(world, boss, None, name="House", colours={"primary": "#111111", "background": "#fffaf0"}, font={"fallback": "serif"}, radius=3)
    put(world, boss, "1", name="Reseller", colours={"primary": WINE})
    put(world, boss, "2", radius=0)
    found = counts(world, boss, "2")
    light = found["colours"]["light"]
    assert (found["name"], found["radius"], found["font"]["fallback"]) == ("Reseller", 0, "serif")
    assert (light["primary"], light["background"]) == (WINE, "#fffaf0")
    assert counts(world, boss, "1")["radius"] == 3
    patch(world, boss, "1", name=None)
    assert counts(world, boss, "2")["name"] == "House"
    below(world, boss, "2", None)
    assert counts(world, boss, "2")["colours"]["light"]["primary"] == "#111111"


def test_dark_colour_and_dark_logo_go_with_the_light_ones(world: World, boss: dict[str, str]) -> None:
    put(world, boss, None, colours={"primary": "#0000ff", "primary_dark": "#99ccff"})
    put_logo(world, boss, None, "light")
    put_logo(world, boss, None, "dark", content=picture("white"))
    assert counts(world, boss)["colours"]["dark"]["primary"] == "#99ccff"
    put(world, boss, "1", colours={"primary": "#ff0000"})
    own = put_logo(world, boss, "1", content=picture("blue")).json()["logos"]["light"]
    found = counts(world, boss)
    assert found["colours"]["dark"]["primary"] == "#ff0000", "not the blue of the workspace"
    assert found["logos"]["light"] == found["logos"]["dark"] == own


def test_tenant_that_has_left_hands_nothing_down(world: World, boss: dict[str, str]) -> None:
    below(world, boss)
    put(world, boss, "1", name="Reseller")
    assert counts(world, boss, "2")["name"] == "Reseller"
    world.client.delete(f"{world.base}/tenants/1", headers=boss)
    assert counts(world, boss, "2")["name"] == world.workspace.title


def test_tenants_in_a_ring_are_each_asked_once(world: World, boss: dict[str, str]) -> None:
    with world.installation.catalog.write() as session:
        one, two = (session.get_one(TenantRow, world.tenants[t]) for t in ("1", "2"))
        one.parent_id, two.parent_id = two.id, one.id
    put(world, boss, "2", name="Two")
    assert counts(world, boss, "1")["name"] == "Two"


def test_merge_patch_goes_into_colours_and_font_and_put_replaces(world: World, boss: dict[str, str]) -> None:
    put(world, boss, name="A", colours={"primary": "#F00", "background": "#ffffff"}, font={"family": "Acme Sans", "fallback": "slab"})
    found = patch(world, boss, colours={"background": None}, font={"family": None}).json()
    assert found["colours"] == {"primary": "#ff0000", "primary_dark": None, "background": None, "background_dark": None}
    assert (found["name"], found["font"]) == ("A", {"family": None, "fallback": "slab"})
    assert patch(world, boss, colours={"primary": None}).json()["colours"] is None
    found = put(world, boss, radius=1).json()
    assert (found["name"], found["font"], found["radius"]) == (None, None, 1)
    headers = boss | {"Content-Type": "application/merge-patch+json"}
    assert world.client.patch(at(world), content=b'{"radius": 7}', headers=headers).json()["radius"] == 7


def test_font_is_a_name_and_what_devices_have(world: World, boss: dict[str, str]) -> None:
    found = put(world, boss, font={"family": "Acme Sans", "fallback": "mono"}).json()["resolved"]["font"]
    assert found["stack"].startswith('"Acme Sans", ui-monospace')


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "a\u202eb"}, "/name"), ({"name": "a\r\nBcc: b"}, "/name"), ({"name": "x" * 10_000}, "/name"), ({"name": ""}, "/name"), ({"name": 1}, "/name"),
        ({"colours": {"primary": "red;} body{background:url(//evil)}"}}, "/colours/primary"), ({"colours": {"primary": "red"}}, "/colours/primary"),
        ({"colours": {"primary": "#12345678"}}, "/colours/primary"), ({"colours": {"accent": "#123456"}}, "/colours/accent"),
        ({"colours": {"background": "#777777"}}, "/colours/background"), ({"colours": {"background_dark": "#ffffff"}}, "/colours/background_dark"),
        ({"font": {"family": "x;}*{color:red"}}, "/font/family"), ({"font": {"family": 'x", serif'}}, "/font/family"), ({"font": {"fallback": "Comic"}}, "/font/fallback"),
        ({"font": {"family": "A", "src": "//evil/f.woff2"}}, "/font/src"), ({"font": "url(//evil)"}, "/font"),
        ({"radius": -1}, "/radius"), ({"radius": 25}, "/radius"), ({"radius": 1.5}, "/radius"), ({"powered_by": "no"}, "/powered_by"),
        ({"logo_url": "javascript:alert(1)"}, "/logo_url"), ({"logos": {"light": "data:image/svg+xml,<svg onload=alert(1)>"}}, "/logos"),
        ({"custom_css": "input[value^=a]{background:url(//evil)}"}, "/custom_css"), ({"custom_css": "</style><script>"}, "/custom_css"),
        ({"domains": ["a.example"]}, "/domains"), ({"resolved": {}}, "/resolved"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["put", "patch"])
def test_value_that_does_not_fit_is_422_and_changes_nothing(
    world: World, boss: dict[str, str], body: dict[str, Any], pointer: str, method: str
) -> None:
    put(world, boss, name="Before")
    answer = world.client.request(method, at(world), json=body, headers=boss)
    assert code(answer) == (422, "validation")
    assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]
    assert world.client.get(at(world), headers=boss).json()["name"] == "Before"


def test_text_that_looks_like_a_template_is_kept_as_it_is(world: World, boss: dict[str, str]) -> None:
    assert put(world, boss, name="{{config}} ${7*7} <b>").json()["resolved"]["name"] == "{{config}} ${7*7} <b>"


# ── the caller's own ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_branding_of_the_caller_is_that_of_its_scope(world: World, boss: dict[str, str]) -> None:
    below(world, boss)
    for tenant, name in ((None, "House"), ("1", "One"), ("2", "Two")):
        put(world, boss, tenant, name=name)
    tenant, subtree, viewer = world.key(), world.key("subtree"), world.key("workspace", permissions=[])

    def name(headers: dict[str, str], **more: str) -> Any:
        answer = world.client.get("/v1/branding", headers=headers | more)
        return answer.json()["name"] if answer.status_code == 200 else code(answer)

    assert (name(tenant), name(subtree), name(boss), name(viewer)) == ("One", "One", "House", "House")
    assert name(subtree, **{"X-Tenant-ID": "2"}) == name(boss, **{"X-Tenant-ID": "2"}) == "Two"
    assert name(tenant, **{"X-Tenant-ID": "2"}) == (403, "tenant_mismatch")
    assert name(world.key("subtree", "2"), **{"X-Tenant-ID": "1"}) == (404, "not_found")
    assert name(boss, **{"X-Tenant-ID": "nobody"}) == (404, "not_found")
    assert name({}) == (401, "credential_missing")
    shapes.ResolvedBranding.model_validate(world.client.get("/v1/branding", headers=tenant).json())


def test_etag_of_ones_own_changes_with_what_is_above_and_differs_between_tenants(world: World, boss: dict[str, str]) -> None:
    one, two = world.key(), world.key(tenant="2")
    first = world.client.get("/v1/branding", headers=one)
    assert first.headers["cache-control"] == "private, no-cache"
    assert "Authorization" in first.headers["vary"]
    same = world.client.get("/v1/branding", headers=one | {"If-None-Match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert world.client.get("/v1/branding", headers=two).headers["etag"] != first.headers["etag"]
    assert world.client.get("/v1/branding", headers=two | {"If-None-Match": first.headers["etag"]}).status_code == 200
    put(world, boss, None, radius=1)
    assert world.client.get("/v1/branding", headers=one | {"If-None-Match": first.headers["etag"]}).json()["radius"] == 1


def test_me_and_dashboards_have_it_and_the_dashboards_etag_hangs_on_it(world: World, boss: dict[str, str]) -> None:
    key = world.key()
    put(world, boss, name="Acme Insights")
    me, before = world.client.get("/v1/me", headers=key).json(), world.client.get("/v1/dashboards/sales", headers=key)
    assert me["branding"] == before.json()["branding"] == world.client.get("/v1/branding", headers=key).json()
    assert me["branding"]["name"] == "Acme Insights"
    assert world.client.get("/v1/me", headers=boss).json()["branding"]["name"] == world.workspace.title
    assert world.client.get("/v1/me", headers=world.key("installation")).json()["branding"] is None
    seen = key | {"If-None-Match": before.headers["etag"]}
    assert world.client.get("/v1/dashboards/sales", headers=seen).status_code == 304
    put(world, boss, None, radius=2)
    after = world.client.get("/v1/dashboards/sales", headers=seen)
    assert (after.status_code, after.json()["branding"]["radius"]) == (200, 2)
    assert after.headers["etag"] != before.headers["etag"]
    shapes.DashboardShape.model_validate(after.json())
    shapes.Me.model_validate(me)


# ── who may ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_own_admin_changes_its_own_and_those_above_change_those_below(world: World, boss: dict[str, str]) -> None:
    below(world, boss)
    own, reseller, customer = admin(world), admin(world, "subtree"), admin(world, "tenant", "2")
    assert put(world, own, "1", name="Mine").status_code == 200
    assert put(world, reseller, "1", name="Ours").status_code == 200
    assert put(world, reseller, "2", name="Theirs").status_code == 200
    assert put(world, customer, "2", name="Our own").status_code == 200
    assert code(put(world, own, "2", name="x")) == (403, "tenant_mismatch")
    assert code(put(world, customer, "1", name="x")) == (403, "tenant_mismatch")
    assert code(put(world, admin(world, "subtree", "2"), "1", name="x")) == (404, "not_found")
    for headers in (own, reseller, customer):
        assert code(put(world, headers, None, name="x")) == (403, "forbidden")
        assert code(world.client.get(at(world, None), headers=headers)) == (403, "forbidden")
        assert code(put_logo(world, headers, None)) == (403, "forbidden")
    for tenant in ("1", "2"):
        assert counts(world, boss, tenant)["name"] in ("Ours", "Our own")


def test_another_tenants_branding_is_neither_read_nor_changed_nor_its_logo_put(world: World, boss: dict[str, str]) -> None:
    put(world, boss, "2", name="Bolt secret")
    mine, missing = admin(world, "subtree"), "tn_" + "0" * 26
    for method, path, more in (
        ("get", "", {}),
        ("put", "", {"json": {"name": "x"}}),
        ("patch", "", {"json": {"name": "x"}}),
        ("put", "/logos/light", {"content": picture()}),
        ("delete", "/logos/light", {}),
    ):
        theirs = world.client.request(
            method, at(world, "2") + path, headers=mine | {"Content-Type": "image/png" if path else "application/json"}, **more
        )
        nobodys = world.client.request(
            method, at(world, missing) + path, headers=mine | {"Content-Type": "image/png" if path else "application/json"}, **more
        )
        assert code(theirs) == (404, "not_found")
        assert theirs.json() | {"request_id": ""} == nobodys.json() | {"request_id": ""}
    assert counts(world, boss, "2")["name"] == "Bolt secret"


def other_workspace(world: World) -> str:
    with world.installation.catalog.write() as session:
        now = world.installation.clock()
        session.add(WorkspaceRow(id=new_id("ws"), slug="vega", name="Vega", timezone="UTC", path=str(world.file), created_at=now))
        session.flush()
        row = session.query(WorkspaceRow).filter_by(slug="vega").one()
        session.add(TenantRow(id=new_id("tn"), workspace_id=row.id, key="9", name="Nine", slug="nine", state="active", created_at=now))
        return row.id


def test_another_workspaces_is_as_if_it_were_not_there(world: World, boss: dict[str, str]) -> None:
    theirs = other_workspace(world)
    everywhere = world.key("installation")
    for path in ("/branding", "/tenants/9/branding"):
        assert world.client.put(f"/v1/workspaces/{theirs}{path}", json={"name": "Vega secret"}, headers=everywhere).status_code == 200
        for method, body in (("get", None), ("put", {"name": "x"}), ("patch", {"name": "x"})):
            answer = world.client.request(method, f"/v1/workspaces/{theirs}{path}", json=body, headers=boss)
            assert code(answer) == (404, "not_found"), (method, path)
    assert code(world.client.get("/v1/branding", headers=boss | {"X-Workspace-ID": theirs})) == (404, "not_found")
    assert code(world.client.get("/v1/branding", headers=boss | {"X-Tenant-ID": "9"})) == (404, "not_found")
    assert counts(world, boss)["name"] == world.workspace.title, "nor is it inherited"


@pytest.mark.parametrize("tenant", [None, "1"])
def test_writing_needs_the_permission(world: World, tenant: str | None) -> None:
    lacking = world.key("workspace", permissions=[p for p in PERMISSIONS if p != "branding:write"])
    for answer in (put(world, lacking, tenant), patch(world, lacking, tenant), put_logo(world, lacking, tenant)):
        assert code(answer) == (403, "forbidden")
    assert code(world.client.delete(f"{at(world, tenant)}/logos/mark", headers=lacking)) == (403, "forbidden")


@pytest.mark.parametrize("state", ["suspended", "archived"])
def test_suspended_or_archived_tenant_finds_the_door_closed(world: World, boss: dict[str, str], state: str) -> None:
    key = admin(world)
    world.client.patch(f"{world.base}/tenants/1", json={"state": state}, headers=boss)
    for answer in (world.client.get("/v1/branding", headers=key), world.client.get(at(world), headers=key), put(world, key, name="x")):
        assert code(answer) == ((403, "tenant_suspended") if state == "suspended" else (404, "not_found"))


# ── tiers ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def tier(world: World, boss: dict[str, str], **features: Any) -> None:
    answer = world.client.put(f"{world.base}/tiers/pro?migrate=true", json={"name": "Pro", "features": features}, headers=boss)
    assert answer.status_code in (200, 201)


def subscribe(world: World, boss: dict[str, str], tenant: str = "1", **more: Any) -> None:
    answer = world.client.put(f"{world.base}/tenants/{tenant}/subscription", json={"tier": "pro"} | more, headers=boss)
    assert answer.status_code == 200, answer.text


def test_line_is_taken_away_only_where_the_tier_has_white_label(world: World, boss: dict[str, str]) -> None:
    tier(world, boss, branding=True)
    subscribe(world, boss)
    for headers in (admin(world), boss):
        assert code(put(world, headers, name="x", powered_by=False)) == (403, "feature_not_in_tier")
        assert code(patch(world, headers, powered_by=False)) == (403, "feature_not_in_tier")
    assert world.client.get(at(world), headers=boss).json()["name"] is None
    assert patch(world, admin(world), powered_by=True).status_code == 200
    tier(world, boss, branding=True, white_label=True)
    assert patch(world, admin(world), powered_by=False).json()["resolved"]["powered_by"] is False
    assert world.client.get("/v1/me", headers=world.key()).json()["branding"]["powered_by"] is False


def test_line_comes_back_with_the_tier_and_what_else_was_said_can_still_be_changed(world: World, boss: dict[str, str]) -> None:
    tier(world, boss, branding=True, white_label=True)
    subscribe(world, boss)
    below(world, boss)
    put(world, boss, name="One", powered_by=False)
    assert counts(world, boss, "2")["powered_by"] is False, "it is handed down"
    tier(world, boss, branding=True)
    assert (counts(world, boss, "1")["powered_by"], counts(world, boss, "2")["powered_by"]) == (True, True)
    assert world.client.get("/v1/branding", headers=world.key()).json()["powered_by"] is True
    found = put(world, boss, name="Two", powered_by=False)
    assert (found.status_code, found.json()["powered_by"], found.json()["resolved"]["powered_by"]) == (200, False, True)


def test_line_comes_back_when_the_tier_changes_by_time_alone(world: World, boss: dict[str, str]) -> None:
    tier(world, boss, branding=True, white_label=True)
    subscribe(world, boss)
    put(world, boss, powered_by=False)
    installation = world.app.state.context.installation
    world.client.put(f"{world.base}/tiers/plain", json={"name": "Plain"}, headers=boss)
    soon = (installation.clock() + timedelta(hours=1)).isoformat()
    subscribe(world, boss, tier="plain", effective_at=soon)
    key = world.key()
    assert world.client.get("/v1/me", headers=key).json()["branding"]["powered_by"] is False
    now = installation.clock
    object.__setattr__(installation, "clock", lambda: now() + timedelta(hours=2))
    assert world.client.get("/v1/me", headers=key).json()["branding"]["powered_by"] is True


def test_word_of_the_workspace_itself_asks_no_tier(world: World, boss: dict[str, str]) -> None:
    tier(world, boss)
    subscribe(world, boss)
    assert put(world, boss, None, powered_by=False).status_code == 200
    assert counts(world, boss, "1")["powered_by"] is False


def test_tier_without_branding_lets_the_tenant_change_nothing_and_the_workspace_all(world: World, boss: dict[str, str]) -> None:
    tier(world, boss)
    subscribe(world, boss)
    mine = admin(world)
    for answer in (put(world, mine, name="x"), put_logo(world, mine), world.client.delete(f"{at(world)}/logos/light", headers=mine)):
        assert code(answer) == (403, "feature_not_in_tier")
    assert put(world, boss, name="By the workspace").status_code == 200
    assert world.client.get("/v1/branding", headers=mine).json()["name"] == "By the workspace"


# ── preconditions and the audit ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tenant", [None, "1"])
def test_etag_guards_a_change(world: World, boss: dict[str, str], tenant: str | None) -> None:
    first = world.client.get(at(world, tenant), headers=boss).headers["etag"]
    done = put(world, boss | {"If-Match": first}, tenant, name="One")
    assert done.status_code == 200
    assert done.headers["etag"] == world.client.get(at(world, tenant), headers=boss).headers["etag"] != first
    for answer in (
        put(world, boss | {"If-Match": first}, tenant, name="Two"),
        patch(world, boss | {"If-Match": first}, tenant, name="Two"),
        put_logo(world, boss | {"If-Match": first}, tenant),
        world.client.delete(f"{at(world, tenant)}/logos/light", headers=boss | {"If-Match": first}),
        put(world, boss | {"If-None-Match": "*"}, tenant, name="Two"),
    ):
        assert code(answer) == (412, "precondition_failed")
    assert put(world, boss | {"If-Match": done.headers["etag"]}, tenant, name="One").headers["etag"] == done.headers["etag"], (
        "nothing changed"
    )
    assert put_logo(world, boss | {"If-Match": done.headers["etag"]}, tenant).headers["etag"] != done.headers["etag"]
    assert patch(world, boss | {"If-Match": "*"}, tenant, name="Three").status_code == 200


def test_changes_are_in_the_audit_with_what_was_and_what_is(world: World, boss: dict[str, str]) -> None:
    put(world, boss, name="One")
    patch(world, boss, name="Two", radius=4)
    put(world, boss, name="Two", radius=4)
    address = put_logo(world, boss).json()["logos"]["light"]
    world.client.delete(f"{at(world)}/logos/light", headers=boss)
    put(world, boss, None, radius=1)
    records = [r for r in world.client.get(f"{world.base}/audit", headers=boss).json()["data"] if r["action"] == "branding.update"][::-1]
    assert [(r["before"], r["after"]) for r in records][:2] == [
        ({"name": None}, {"name": "One"}),
        ({"name": "One", "radius": None}, {"name": "Two", "radius": 4}),
    ]
    assert [r["after"]["logos"]["light"] for r in records[2:4]] == [address, None]
    assert [(r["target"], r["tenant"]) for r in records] == [(world.tenants["1"],) * 2] * 4 + [(world.workspace_id, None)]
    with world.installation.catalog.read() as session:
        assert audit.verify(session, world.installation.derived_key("audit")).broken is None


# ── logos ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_logo_is_made_anew_and_served_to_anybody_who_knows_where(world: World, boss: dict[str, str]) -> None:
    answer = put_logo(world, boss, content=picture("red", (2000, 1000), "JPEG") + b"<script>alert(1)</script>", media="image/jpeg")
    address = answer.json()["logos"]["light"]
    assert re.fullmatch(r"/v1/branding/logos/[0-9a-f]{64}\.png", address)
    got = world.client.get(address)
    assert (got.status_code, got.headers["content-type"], got.headers["x-content-type-options"]) == (200, "image/png", "nosniff")
    assert got.headers["content-security-policy"] == "sandbox; default-src 'none'; style-src 'unsafe-inline'"
    assert got.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert Image.open(io.BytesIO(got.content)).size == (512, 256)
    assert b"script" not in got.content
    assert world.client.get(address, headers={"If-None-Match": got.headers["etag"]}).status_code == 304
    assert world.client.head(address).headers["content-type"] == "image/png"
    assert world.client.get(address, headers={"Authorization": "Bearer shk_wrong"}).status_code == 200


def test_drawing_is_rebuilt_and_served_as_one(world: World, boss: dict[str, str]) -> None:
    hostile = SVG.replace("<rect", "<rect onload='alert(1)'")
    address = put_logo(world, boss, slot="mark", content=hostile.encode(), media="image/svg+xml; charset=utf-8").json()["resolved"][
        "logos"
    ]["mark"]
    got = world.client.get(address)
    assert (got.headers["content-type"].split(";")[0], got.headers["x-content-type-options"]) == ("image/svg+xml", "nosniff")
    assert "sandbox" in got.headers["content-security-policy"]
    assert "alert" not in got.text
    assert 'fill="#7a0019"' in got.text
    refused = put_logo(world, boss, content=SVG.replace("<rect", "<script/><rect").encode(), media="image/svg+xml")
    assert code(refused) == (422, "validation")
    assert "'script'" in refused.json()["errors"][0]["detail"]


def test_address_cannot_be_guessed_from_the_picture_and_is_another_for_each_owner(world: World, boss: dict[str, str]) -> None:
    own = [put_logo(world, boss, tenant).json()["logos"]["light"] for tenant in (None, "1", "2")]
    assert len(set(own)) == 3
    assert len({world.client.get(a).content for a in own}) == 1
    assert put_logo(world, boss, "1", "dark").json()["logos"]["dark"] == own[1], "the same picture of the same owner is kept once"


def test_logo_that_no_slot_has_any_more_is_gone(world: World, boss: dict[str, str]) -> None:
    first = put_logo(world, boss).json()["logos"]["light"]
    put_logo(world, boss, slot="dark")
    second = put_logo(world, boss, content=picture("blue")).json()["logos"]["light"]
    assert [world.client.get(a).status_code for a in (first, second)] == [200, 200], "the first is still the dark one"
    assert world.client.delete(f"{at(world)}/logos/dark", headers=boss).status_code == 204
    assert [world.client.get(a).status_code for a in (first, second)] == [404, 200]
    assert world.client.delete(f"{at(world)}/logos/light", headers=boss).status_code == 204
    assert world.client.delete(f"{at(world)}/logos/light", headers=boss).status_code == 204
    with world.installation.catalog.read() as session:
        assert session.query(LogoRow).count() == 0


def test_put_and_patch_of_fields_leave_logos(world: World, boss: dict[str, str]) -> None:
    address = put_logo(world, boss).json()["logos"]["light"]
    assert put(world, boss, name="x").json()["logos"]["light"] == address
    assert patch(world, boss, name=None).json()["logos"]["light"] == address


@pytest.mark.parametrize(
    ("content", "media"),
    [(b"GIF89a/*\x00\x00=1;alert(1)", "image/gif"), (b"GIF89a", "image/png"), (b"", "image/png"), (picture(), "application/json"), (picture(), "image/*"),
     (b"<svg", "image/svg+xml"), (picture(), "multipart/form-data"), (picture()[:30], "image/png")],
)  # fmt: skip
def test_what_is_no_logo_is_422_and_kept_nowhere(world: World, boss: dict[str, str], content: bytes, media: str) -> None:
    answer = world.client.put(f"{at(world)}/logos/light", content=content, headers=boss | {"Content-Type": media})
    assert code(answer) == (422, "validation")
    assert answer.json()["errors"][0]["code"] == "logo"
    assert counts(world, boss)["logos"]["light"] is None


def test_logo_that_is_too_long_is_413_and_an_unknown_slot_422(world: World, boss: dict[str, str]) -> None:
    assert code(put_logo(world, boss, content=b"\x89PNG\r\n\x1a\n" + b"\0" * 600_000)) == (413, "request_too_large")
    assert code(put_logo(world, boss, slot="banner")) == (422, "validation")


@pytest.mark.parametrize(
    "file",
    ["0" * 64 + ".png", "x.png", "..%2f..%2fsecret", "0" * 64 + ".svg", "0" * 64, "%00.png", "0" * 64 + ".png%0a", "0" * 64 + ".html"],
)
def test_address_that_nobody_has_is_404(world: World, boss: dict[str, str], file: str) -> None:
    put_logo(world, boss)
    assert code(world.client.get(f"/v1/branding/logos/{file}")) == (404, "not_found")


def test_logo_is_not_served_as_another_kind(world: World, boss: dict[str, str]) -> None:
    address = put_logo(world, boss).json()["logos"]["light"]
    assert world.client.get(address.replace(".png", ".svg")).status_code == 404


# ── by host ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_host_of_a_tenant_shows_its_public_part_to_anybody(world: World, boss: dict[str, str]) -> None:
    domains(world, boss, "insights.acme.example")
    put(world, boss, name="Acme Insights", colours={"primary": WINE}, radius=1)
    put_logo(world, boss)
    found = by_host(world, "insights.acme.example")
    assert set(found) == PUBLIC
    assert (found["name"], found["colours"]["light"]["primary"]) == ("Acme Insights", WINE)
    assert world.client.get(found["logos"]["light"]).status_code == 200
    for spelt in ("INSIGHTS.acme.example", "insights.acme.example:8443", "insights.acme.example."):
        assert by_host(world, spelt) == found
    for headers in ({"Host": "insights.acme.example"}, {"Host": "insights.acme.example:443"}):
        assert world.client.get("/v1/branding/by-host", headers=headers).json() == found
    answer = world.client.get("/v1/branding/by-host?host=insights.acme.example")
    assert answer.headers["vary"] == "Host"
    assert (
        world.client.get("/v1/branding/by-host?host=insights.acme.example", headers={"If-None-Match": answer.headers["etag"]}).status_code
        == 304
    )
    TypeAdapter(shapes.PublicBranding).validate_python(found)


def test_unknown_host_and_closed_tenants_are_not_told_apart(world: World, boss: dict[str, str]) -> None:
    unknown = world.client.get("/v1/branding/by-host?host=nobody.example")
    assert unknown.json()["name"] == "Slicehouse"
    domains(world, boss, "a.acme.example", "b.acme.example")
    put(world, boss, name="Acme")
    put(world, boss, None, name="House")
    assert by_host(world, "a.acme.example")["name"] == by_host(world, "b.acme.example")["name"] == "Acme"

    def as_unknown(host: str) -> bool:
        answer = world.client.get("/v1/branding/by-host", params={"host": host})
        return (answer.content, answer.headers["etag"]) == (unknown.content, unknown.headers["etag"])

    for host in (
        "acme.example",
        "x.a.acme.example",
        "",
        "%",
        "a.acme.example/",
        "testserver",
        "*.acme.example",
        "' or 1=1 --",
    ):
        assert as_unknown(host), host
    tier(world, boss)
    subscribe(world, boss, status="paused")
    assert as_unknown("a.acme.example"), "closed by its subscription"
    subscribe(world, boss)
    assert not as_unknown("a.acme.example")
    for body in ({"state": "suspended"}, {"state": "archived"}):
        world.client.patch(f"{world.base}/tenants/1", json=body, headers=boss)
        assert as_unknown("a.acme.example"), body


def test_host_leads_to_one_tenant_of_the_installation(world: World, boss: dict[str, str]) -> None:
    theirs = other_workspace(world)
    everywhere = world.key("installation")
    assert domains(world, boss, "one.example").status_code == 200
    refused = domains(world, boss, "two.example", "one.example", tenant="2")
    assert code(refused) == (422, "validation")
    assert [(e["pointer"], e["code"]) for e in refused.json()["errors"]] == [("/domains/1", "taken")]
    assert world.tenants["1"] not in refused.text
    foreign = world.client.patch(f"/v1/workspaces/{theirs}/tenants/9", json={"domains": ["one.example"]}, headers=everywhere)
    assert code(foreign) == (422, "validation")
    put(world, boss, name="One")
    assert domains(world, boss, "one.example", "more.example").status_code == 200, "its own it may say again"
    world.client.delete(f"{world.base}/tenants/1", headers=boss)
    assert domains(world, boss, "one.example", tenant="2").status_code == 200, "who has left does not keep it"
    put(world, boss, "2", name="Two")
    assert by_host(world, "one.example")["name"] == "Two"
    world.client.patch(f"{world.base}/tenants/1", json={"state": "active"}, headers=boss)
    assert by_host(world, "one.example")["name"] == "Slicehouse", "two have it: nobody is shown"
    domains(world, boss, tenant="2")
    assert by_host(world, "one.example")["name"] == "One"


def test_batch_finds_tenants_by_their_domains_too(world: World, boss: dict[str, str]) -> None:
    lines = [{"key": "7", "domains": ["seven.example"]}, {"key": "8", "domains": ["seven.example"]}]
    body = "\n".join(json.dumps(line) for line in lines).encode()
    answer = world.client.post(f"{world.base}/tenants:batch", content=body, headers=boss)
    assert [json.loads(line)["status"] for line in answer.text.splitlines()] == [201, 422]
    put(world, boss, "7", name="Seven")
    assert by_host(world, "seven.example")["name"] == "Seven"
