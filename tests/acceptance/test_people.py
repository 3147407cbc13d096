"""People over HTTP: invited, logged in, kept within their workspaces and tenants; no more than their inviters; locked out; logged out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.acceptance.http_world import PANEL, World
from tests.acceptance.people_world import PASSWORD, browser, member, user_id

A, B = "a.reader@acme.example", "b.reader@bolt.example"


def test_invited_reader_of_one_tenant_sees_that_tenant_and_names_none(world: World) -> None:
    reader = member(world, A, roles=["tenant viewer"], tenants=["1"])
    answer = reader.ask("GET", PANEL)
    assert answer.status_code == 200, answer.text
    assert "acme-a" in answer.text
    assert "bolt" not in answer.text
    assert "Cookie" in answer.headers["vary"]
    me = reader.ask("GET", "/v1/me").json()
    assert (me["principal"]["type"], me["scope"]["type"], me["tenant"]["key"]) == ("user", "subtree", "1")


def test_another_tenant_is_not_there_for_a_reader(world: World) -> None:
    reader = member(world, A, roles=["tenant viewer"], tenants=["1"])
    for name in ("2", world.tenants["2"], "nobody"):
        assert reader.ask("GET", PANEL, headers={"X-Tenant-ID": name}).json()["code"] == "not_found"


def test_who_is_alone_in_a_tenant_names_no_other(world: World) -> None:
    reader = member(world, A, tenants=[{"tenant": "1", "roles": ["tenant viewer"], "alone": True}])
    assert reader.ask("GET", PANEL, headers={"X-Tenant-ID": "2"}).json()["code"] == "tenant_mismatch"


def test_somebody_in_two_tenants_switches_between_them(world: World) -> None:
    reader = member(world, A, roles=["tenant viewer"], tenants=["1", "2"])
    assert reader.ask("GET", PANEL).json()["code"] == "tenant_required"
    for key, word in (("1", "acme-a"), ("2", "bolt-a")):
        answer = reader.ask("GET", PANEL, headers={"X-Tenant-ID": key})
        assert word in answer.text
    (found,) = reader.ask("GET", "/v1/me/memberships").json()["data"]
    assert [t["key"] for t in found["tenants"]] == ["1", "2"]


def test_etags_of_two_tenants_in_one_browser_differ(world: World) -> None:
    reader = member(world, A, roles=["tenant viewer"], tenants=["1", "2"])
    first = reader.ask("GET", PANEL, headers={"X-Tenant-ID": "1"})
    other = reader.ask("GET", PANEL, headers={"X-Tenant-ID": "2", "If-None-Match": first.headers["etag"]})
    assert other.status_code == 200
    assert "bolt-a" in other.text


def test_another_workspace_is_not_there(world: World) -> None:
    reader = member(world, A, roles=["viewer"])
    assert reader.ask("GET", "/v1/workspaces/vega/tenants").json()["code"] == "not_found"
    assert reader.ask("GET", f"{world.base}/tenants").status_code == 200


def test_removed_member_is_out_at_their_next_request(world: World) -> None:
    reader = member(world, A, roles=["tenant viewer"], tenants=["1"])
    assert reader.ask("GET", PANEL).status_code == 200
    gone = world.client.delete(f"{world.base}/members/{user_id(reader)}", headers=world.key("workspace"))
    assert gone.status_code == 204
    assert reader.ask("GET", PANEL).json()["code"] == "forbidden"
    assert reader.ask("GET", "/v1/me/memberships").json()["data"] == []


def test_suspended_tenant_closes_the_door_for_its_people(world: World) -> None:
    reader = member(world, A, roles=["tenant viewer"], tenants=["1"])
    world.client.patch(f"{world.base}/tenants/1", json={"state": "suspended"}, headers=world.key("workspace"))
    assert reader.ask("GET", PANEL).json()["code"] == "tenant_suspended"


# ── against forged requests ───────────────────────────────────────────────────────────────────────────────────────────


def test_change_without_the_sessions_token_is_refused(world: World) -> None:
    boss = member(world, A, roles=["owner"])
    boss.csrf = ""
    assert boss.ask("PATCH", "/v1/me", json={"name": "X"}).json()["code"] == "request_forged"
    other = member(world, B, roles=["owner"])
    boss.csrf = other.csrf
    assert boss.ask("PATCH", "/v1/me", json={"name": "X"}).json()["code"] == "request_forged"


def test_change_from_a_page_of_another_site_is_refused(world: World) -> None:
    boss = member(world, A, roles=["owner"])
    answer = boss.ask("PATCH", "/v1/me", json={"name": "X"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.json()["code"] == "request_forged"
    assert boss.ask("PATCH", "/v1/me", json={"name": "X"}).status_code == 200


def test_cookie_is_host_bound_secure_strict_and_not_for_scripts(world: World) -> None:
    member(world, A, roles=["viewer"])
    answer = browser(world).log_in(A)
    said = answer.headers["set-cookie"]
    assert said.startswith("__Host-slicehouse=")
    for part in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
        assert part in said
    assert "Domain" not in said
    assert answer.headers["cache-control"] == "no-store"


def test_key_goes_before_a_cookie(world: World) -> None:
    reader = member(world, A, roles=["tenant viewer"], tenants=["1"])
    answer = reader.ask("GET", PANEL, headers=world.key("tenant", "2"))
    assert "bolt-a" in answer.text
    assert "acme" not in answer.text


# ── logging in and out ────────────────────────────────────────────────────────────────────────────────────────────────


def test_wrong_password_and_unknown_address_are_told_alike(world: World) -> None:
    member(world, A, roles=["viewer"])
    answers = [browser(world).log_in(A, "not the password at all"), browser(world).log_in("nobody@acme.example")]
    bodies = [{k: v for k, v in a.json().items() if k != "request_id"} for a in answers]
    assert bodies[0] == bodies[1]
    assert [a.status_code for a in answers] == [401, 401]


@pytest.mark.parametrize("email", [A, "nobody@acme.example"])
def test_too_many_attempts_lock_an_account_whether_or_not_it_is_there(world: World, email: str) -> None:
    member(world, A, roles=["viewer"])
    codes = [browser(world).log_in(email, "not the password at all").json()["code"] for _ in range(6)]
    assert codes == ["credential_invalid"] * 5 + ["too_many_attempts"]
    locked = browser(world).log_in(email)
    assert locked.status_code == 429
    assert 1 <= int(locked.headers["retry-after"]) <= 31


def test_lock_ends_by_itself_and_a_success_forgets_the_failures(world: World, moved_clock: Any) -> None:
    member(world, A, roles=["viewer"])
    for _ in range(5):
        browser(world).log_in(A, "not the password at all")
    assert browser(world).log_in(A).json()["code"] == "too_many_attempts"
    moved_clock(timedelta(seconds=31))
    assert browser(world).log_in(A).status_code == 201
    assert browser(world).log_in(A, "not the password at all").json()["code"] == "credential_invalid"


def test_session_ends_after_its_hours(world: World, moved_clock: Any) -> None:
    reader = member(world, A, roles=["tenant viewer"], tenants=["1"])
    assert reader.ask("GET", PANEL).status_code == 200
    moved_clock(timedelta(hours=12, seconds=1))
    assert reader.ask("GET", PANEL).json()["code"] == "credential_invalid"


def test_log_out_everywhere_ends_all_sessions(world: World) -> None:
    here = member(world, A, roles=["viewer"])
    there = browser(world)
    assert there.log_in(A).status_code == 201
    assert len(here.ask("GET", "/v1/me/sessions").json()["data"]) == 2
    kept = dict(there.client.cookies)
    assert here.ask("DELETE", "/v1/me/sessions").status_code == 204
    there.client.cookies.update(kept)
    assert there.ask("GET", "/v1/me").json()["code"] == "credential_invalid"


def test_log_out_ends_the_session_and_no_other(world: World) -> None:
    here, there = member(world, A, roles=["viewer"]), browser(world)
    there.log_in(A)
    kept = here.client.cookies["__Host-slicehouse"]
    assert here.ask("DELETE", "/v1/sessions/current").status_code == 204
    here.client.cookies.set("__Host-slicehouse", kept, domain="testserver.local")
    assert here.ask("GET", "/v1/me").status_code == 401
    assert there.ask("GET", "/v1/me").status_code == 200


def test_another_password_logs_out_and_the_old_one_opens_nothing(world: World) -> None:
    here = member(world, A, roles=["viewer"])
    new = "another horse battery staple"
    assert here.ask("PUT", "/v1/me/password", json={"password": "wrong", "new_password": new}).json()["code"] == "forbidden"
    assert here.ask("PUT", "/v1/me/password", json={"password": PASSWORD, "new_password": new}).status_code == 204
    assert browser(world).log_in(A).json()["code"] == "credential_invalid"
    assert browser(world).log_in(A, new).status_code == 201


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaaaaaa", "a.reader@acme.example", "a.reader12345"])
def test_weak_password_is_refused(world: World, weak: str) -> None:
    made = world.client.post("/v1/invitations", json={"email": A, "roles": ["viewer"]}, headers=world.key("workspace")).json()
    answer = browser(world).ask("POST", "/v1/invitations/accept", json={"invitation": made["invitation"], "password": weak})
    assert answer.json()["errors"][0]["code"] == "weak"


def test_disabled_user_is_out_at_once(world: World) -> None:
    reader = member(world, A, roles=["tenant viewer"], tenants=["1"])
    admin = world.key("installation")
    assert world.client.patch(f"/v1/users/{user_id(reader)}", json={"disabled": True}, headers=admin).status_code == 200
    assert reader.ask("GET", PANEL).json()["code"] == "credential_invalid"
    assert browser(world).log_in(A).json()["code"] == "credential_invalid"


# ── invitations ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_invitation_counts_once(world: World) -> None:
    made = world.client.post("/v1/invitations", json={"email": A, "roles": ["viewer"]}, headers=world.key("workspace")).json()
    assert made["link"].endswith(f"#invitation={made['invitation']}")
    body = {"invitation": made["invitation"], "password": PASSWORD}
    assert browser(world).ask("POST", "/v1/invitations/accept", json=body).status_code == 201
    assert browser(world).ask("POST", "/v1/invitations/accept", json=body).json()["code"] == "not_found"


def test_invitation_that_is_too_old_or_taken_back_opens_nothing(world: World, moved_clock: Any) -> None:
    boss = world.key("workspace")
    first = world.client.post("/v1/invitations", json={"email": A, "roles": ["viewer"], "expires_in": 60}, headers=boss).json()
    other = world.client.post("/v1/invitations", json={"email": A, "roles": ["viewer"]}, headers=boss).json()
    assert world.client.delete(f"/v1/invitations/{other['id']}", headers=boss).status_code == 204
    moved_clock(timedelta(seconds=61))
    for made in (first, other):
        assert browser(world).ask("POST", "/v1/invitations/open", json={"invitation": made["invitation"]}).status_code == 404
    states = {i["id"]: i["state"] for i in world.client.get("/v1/invitations", headers=boss).json()["data"]}
    assert states == {first["id"]: "expired", other["id"]: "revoked"}


def test_who_is_a_user_already_accepts_with_their_password_and_keeps_what_they_were(world: World) -> None:
    member(world, A, roles=["tenant viewer"], tenants=["1"])
    made = world.client.post(
        "/v1/invitations", json={"email": A, "roles": ["tenant editor"], "tenants": ["2"]}, headers=world.key("workspace")
    ).json()
    guess = browser(world).ask(
        "POST", "/v1/invitations/accept", json={"invitation": made["invitation"], "password": "not the password at all"}
    )
    assert guess.json()["code"] == "credential_invalid"
    found = browser(world)
    answer = found.ask("POST", "/v1/invitations/accept", json={"invitation": made["invitation"], "password": PASSWORD})
    assert answer.status_code == 201
    (place,) = found.ask("GET", "/v1/me/memberships").json()["data"]
    assert [(t["key"], t["roles"]) for t in place["tenants"]] == [("1", ["tenant viewer"]), ("2", ["tenant editor"])]


# ── delegated administration ──────────────────────────────────────────────────────────────────────────────────────────


def test_tenant_admin_invites_into_their_tenant_and_no_other(world: World) -> None:
    admin = member(world, A, roles=["tenant admin"], tenants=["1"])
    body: dict[str, Any] = {"email": B, "roles": ["tenant viewer"], "tenants": ["1"]}
    assert admin.ask("POST", "/v1/invitations", json=body).status_code == 201
    for wrong in (body | {"tenants": ["2"]}, body | {"tenants": None, "roles": ["viewer"]}, body | {"roles": ["owner"]}):
        assert admin.ask("POST", "/v1/invitations", json=wrong).status_code in (403, 422)


def test_tenant_admin_sees_and_changes_members_of_their_tenant_alone(world: World) -> None:
    admin = member(world, A, roles=["tenant admin"], tenants=["1"])
    both = member(world, B, roles=["tenant viewer"], tenants=["1", "2"])
    elsewhere = member(world, "c@bolt.example", roles=["tenant viewer"], tenants=["2"])
    listed = {m["email"]: m for m in admin.ask("GET", f"{world.base}/members").json()["data"]}
    assert set(listed) == {A, B}
    assert [t["tenant"] for t in listed[B]["tenants"]] == [world.tenants["1"]]
    assert admin.ask("GET", f"{world.base}/members/{user_id(elsewhere)}").json()["code"] == "not_found"
    assert admin.ask("DELETE", f"{world.base}/members/{user_id(elsewhere)}").json()["code"] == "not_found"
    assert admin.ask("DELETE", f"{world.base}/members/{user_id(both)}").status_code == 204
    assert "bolt-a" in both.ask("GET", PANEL).text


def test_nobody_grants_more_than_they_have(world: World) -> None:
    editor = world.key("workspace", permissions=["users:write", "query:panel", "dashboard:view"])
    reader = member(world, A, roles=["tenant viewer"], tenants=["1"])
    answer = world.client.put(f"{world.base}/members/{user_id(reader)}", json={"roles": ["owner"]}, headers=editor)
    assert answer.json()["code"] == "forbidden"


def test_tenant_admin_does_not_unseat_whoever_has_more(world: World) -> None:
    weak = world.key("tenant", "1", ["users:write", "query:panel"])
    strong = member(world, A, roles=["tenant admin"], tenants=["1"])
    assert world.client.delete(f"{world.base}/members/{user_id(strong)}", headers=weak).json()["code"] == "forbidden"


def test_stranger_cannot_be_made_a_member_by_their_id(world: World) -> None:
    admin = world.key("installation")
    made = world.client.post("/v1/users", json={"email": B}, headers=admin).json()
    path = f"{world.base}/members/{made['id']}"
    assert world.client.put(path, json={"roles": ["viewer"]}, headers=world.key("workspace")).json()["code"] == "not_found"
    assert world.client.put(path, json={"roles": ["viewer"]}, headers=admin).status_code == 201
    assert world.client.put(path, json={"roles": ["editor"]}, headers=world.key("workspace")).status_code == 200


def test_seats_of_a_subscription_are_kept(world: World) -> None:
    boss = world.key("workspace")
    world.client.put(f"{world.base}/tiers/pro", json={"name": "Pro", "features": {}}, headers=boss)
    world.client.put(f"{world.base}/tenants/1/subscription", json={"tier": "pro", "seats": 1}, headers=boss)
    member(world, A, roles=["tenant viewer"], tenants=["1"])
    made = world.client.post("/v1/invitations", json={"email": B, "roles": ["tenant viewer"], "tenants": ["1"]}, headers=boss).json()
    answer = browser(world).ask("POST", "/v1/invitations/accept", json={"invitation": made["invitation"], "password": PASSWORD})
    assert answer.json()["code"] == "quota_exceeded"


def test_users_are_for_those_who_run_the_installation(world: World) -> None:
    owner = member(world, A, roles=["owner"])
    for method, path in (("GET", "/v1/users"), ("POST", "/v1/users"), ("GET", f"/v1/users/{user_id(owner)}")):
        assert owner.ask(method, path, json={"email": B} if method == "POST" else None).json()["code"] == "forbidden"


def test_last_who_runs_the_installation_stays(world: World) -> None:
    admin = world.key("installation")
    made = world.client.post("/v1/users", json={"email": A, "password": PASSWORD, "admin": True}, headers=admin).json()
    assert world.client.patch(f"/v1/users/{made['id']}", json={"admin": False}, headers=admin).json()["code"] == "conflict"
    runs = browser(world)
    assert runs.log_in(A).status_code == 201
    assert runs.ask("GET", "/v1/users").status_code == 200
    assert "bolt-a" in runs.ask("GET", PANEL, headers={"X-Tenant-ID": "2"}).text


def test_secrets_of_people_are_in_no_audit_record(world: World) -> None:
    member(world, A, roles=["viewer"])
    text = world.client.get(f"{world.base}/audit?limit=100", headers=world.key("workspace")).text
    assert "invitations.accept" in text
    assert PASSWORD not in text
    assert "argon2" not in text
