"""Logging in at a real OpenID provider: groups are roles, a session stays in the provider's workspace or tenant, no forged or mixed-up
token counts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.acceptance.http_world import PANEL, World
from tests.acceptance.identity_provider import Provider, provider
from tests.acceptance.people_world import browser, member, user_id


@pytest.fixture
def op() -> Iterator[Provider]:
    with provider() as found:
        yield found


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world(network_allow=["localhost"])


def register(world: World, op: Provider, headers: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    body = {"label": "Company log-in", "issuer": op.url, "client_id": "slicehouse", "client_secret": "kept to itself"} | more
    answer = world.client.post(f"{world.base}/identity-providers", json=body, headers=headers or world.key("workspace"))
    assert answer.status_code == 201, answer.text
    assert "kept to itself" not in answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_group_is_a_role_and_the_code_is_proved(world: World, op: Provider) -> None:
    made = register(world, op, groups={"analysts": {"roles": ["viewer"]}}, attributes={"region": "department"})
    op.is_user("u1", email="u1@acme.example", name="Reader", groups=["analysts", "others"], department="EMEA")
    found = browser(world)
    answer = op.log_in(found, made["login_url"], "u1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert op.proved()
    me = found.ask("GET", "/v1/me").json()
    assert (me["principal"]["label"], me["scope"]["type"], me["roles"]) == ("Reader", "workspace", ["viewer"])
    listed = world.client.get(f"{world.base}/members", headers=world.key("workspace")).json()["data"]
    assert [(m["attributes"], m["identity_provider"]) for m in listed] == [({"region": "EMEA"}, made["id"])]


def test_group_of_a_tenant_reaches_that_tenant_alone(world: World, op: Provider) -> None:
    made = register(world, op, groups={"acme": {"roles": ["tenant viewer"], "tenants": ["1"]}})
    op.is_user("u1", groups=["acme"])
    found = browser(world)
    op.log_in(found, made["login_url"], "u1")
    assert "acme-a" in found.ask("GET", PANEL).text
    assert found.ask("GET", PANEL, headers={"X-Tenant-ID": "2"}).json()["code"] == "not_found"


def test_who_has_left_the_group_has_lost_the_role_at_the_next_log_in(world: World, op: Provider) -> None:
    made = register(world, op, groups={"analysts": {"roles": ["viewer"]}})
    op.is_user("u1", groups=["analysts"])
    first = browser(world)
    op.log_in(first, made["login_url"], "u1")
    assert first.ask("GET", f"{world.base}/tenants").status_code == 200
    op.is_user("u1", groups=["others"])
    assert op.log_in(browser(world), made["login_url"], "u1").json()["code"] == "forbidden"
    assert first.ask("GET", f"{world.base}/tenants").status_code in (403, 404)


def test_same_address_elsewhere_is_somebody_else(world: World, op: Provider) -> None:
    """Who runs a provider can give any address to anybody: it opens nothing that the address's owner has."""
    owner = member(world, "boss@acme.example", roles=["owner"])
    made = register(world, op, groups={"acme": {"roles": ["tenant viewer"], "tenants": ["1"]}})
    op.is_user("thief", email="boss@acme.example", email_verified=True, groups=["acme"])
    found = browser(world)
    op.log_in(found, made["login_url"], "thief")
    assert user_id(found) != user_id(owner)
    assert found.ask("GET", f"{world.base}/members").json()["code"] == "forbidden"


def test_provider_of_a_tenant_says_who_is_who_there_alone(world: World, op: Provider) -> None:
    admin = member(world, "admin@acme.example", roles=["tenant admin"], tenants=["1"])
    body = {"label": "Acme", "issuer": op.url, "client_id": "c", "client_secret": "s"}
    for groups in ({"g": {"roles": ["viewer"]}}, {"g": {"roles": ["tenant viewer"], "tenants": ["2"]}}):
        refused = admin.ask("POST", f"{world.base}/identity-providers", json=body | {"groups": groups})
        assert refused.status_code in (403, 422)
    assert admin.ask("POST", f"{world.base}/identity-providers", json=body | {"tenant": "2"}).json()["code"] == "validation"
    made = admin.ask("POST", f"{world.base}/identity-providers", json=body | {"groups": {"*": {"roles": ["tenant viewer"]}}}).json()
    op.is_user("u1", name="Reader")
    found = browser(world)
    answer = op.log_in(found, made["login_url"], "u1")
    assert answer.status_code == 303, answer.text
    assert "acme-a" in found.ask("GET", PANEL).text
    assert found.ask("GET", PANEL, headers={"X-Tenant-ID": "2"}).json()["code"] == "not_found"


def test_disabled_provider_logs_out_and_lets_nobody_in(world: World, op: Provider) -> None:
    made = register(world, op, groups={"*": {"roles": ["viewer"]}})
    found = browser(world)
    op.log_in(found, made["login_url"], "u1")
    boss = world.key("workspace")
    world.client.patch(f"{world.base}/identity-providers/{made['id']}", json={"disabled": True}, headers=boss)
    assert found.ask("GET", "/v1/me").json()["code"] == "credential_invalid"
    assert browser(world).client.get(f"/v1/login/{made['id']}").json()["code"] == "not_found"
    assert world.client.delete(f"{world.base}/identity-providers/{made['id']}", headers=boss).status_code == 204


# ── what must not count ───────────────────────────────────────────────────────────────────────────────────────────────


def test_return_to_another_browser_logs_nobody_in(world: World, op: Provider) -> None:
    """Log-in CSRF: a victim is sent to the attacker's return address."""
    made = register(world, op, groups={"*": {"roles": ["viewer"]}})
    back = op.consent(browser(world), made["login_url"], "attacker").removeprefix("https://testserver")
    victim = browser(world)
    assert victim.client.get(back, follow_redirects=False).json()["code"] == "credential_invalid"
    assert "__Host-slicehouse" not in victim.client.cookies


def test_return_counts_once(world: World, op: Provider) -> None:
    made = register(world, op, groups={"*": {"roles": ["viewer"]}})
    found = browser(world)
    back = op.consent(found, made["login_url"], "u1").removeprefix("https://testserver")
    state = found.client.cookies["__Host-slicehouse-login"]
    assert found.client.get(back, follow_redirects=False).status_code == 303
    found.client.cookies.set("__Host-slicehouse-login", state, domain="testserver.local")
    assert found.client.get(back, follow_redirects=False).json()["code"] == "credential_invalid"


def test_code_of_another_log_in_is_refused_by_its_nonce(world: World, op: Provider) -> None:
    made = register(world, op, groups={"*": {"roles": ["viewer"]}})
    other = op.consent(browser(world), made["login_url"], "attacker").partition("code=")[2].partition("&")[0]
    found = browser(world)
    back = op.consent(found, made["login_url"], "u1").removeprefix("https://testserver")
    mine = back.partition("code=")[2].partition("&")[0]
    assert found.client.get(back.replace(mine, other), follow_redirects=False).json()["code"] == "credential_invalid"


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, body, _ = token.split(".")
    read = [json.loads(base64.urlsafe_b64decode(p + "=" * (-len(p) % 4))) for p in (header, body)]
    return read[0], read[1]


def _unsigned(token: str) -> str:
    _, claims = _parts(token)
    return jwt.encode(claims, None, "none")  # type: ignore[arg-type]


def _other_key(token: str) -> str:
    header, claims = _parts(token)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(claims, key, "RS256", {k: v for k, v in header.items() if k == "kid"})


def _shared(token: str) -> str:
    _, claims = _parts(token)
    return jwt.encode(claims, "kept to itself kept to itself ok", "HS256")


def _edited(token: str) -> str:
    header, _, signature = token.split(".")
    claims = _parts(token)[1] | {"sub": "somebody else"}
    return f"{header}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.{signature}"


@pytest.mark.parametrize("lie", [_unsigned, _other_key, _shared, _edited, lambda t: "x.y.z", lambda t: ""])
def test_forged_token_is_refused(world: World, op: Provider, lie: Callable[[str], str]) -> None:
    made = register(world, op, groups={"*": {"roles": ["viewer"]}})
    op.lie = lie
    found = browser(world)
    answer = op.log_in(found, made["login_url"], "u1")
    assert answer.status_code in (401, 502), answer.text
    assert "__Host-slicehouse" not in found.client.cookies


def test_token_for_another_client_is_refused(world: World, op: Provider) -> None:
    first = register(world, op, groups={"*": {"roles": ["viewer"]}})
    found = browser(world)
    back = op.consent(found, first["login_url"], "u1").removeprefix("https://testserver")
    world.client.patch(f"{world.base}/identity-providers/{first['id']}", json={"client_id": "another"}, headers=world.key("workspace"))
    assert found.client.get(back, follow_redirects=False).status_code in (401, 502)


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:1", "https://10.0.0.1", "https://[::1]/", "http://93.184.216.34", "ftp://93.184.216.34", "x"]
)
def test_issuer_on_a_private_network_or_without_tls_is_refused(world: World, issuer: str) -> None:
    body = {"label": "L", "issuer": issuer, "client_id": "c"}
    answer = world.client.post(f"{world.base}/identity-providers", json=body, headers=world.key("workspace"))
    assert answer.json()["errors"][0]["pointer"] == "/issuer"


def test_provider_that_does_not_answer_is_told_so(world: World, op: Provider) -> None:
    with provider() as other:
        made = register(world, other, groups={"*": {"roles": ["viewer"]}})
    answer = browser(world).client.get(f"/v1/login/{made['id']}", follow_redirects=False)
    assert (answer.status_code, answer.json()["code"]) == (502, "identity_provider_failed")


def test_ways_to_log_in_of_a_workspace_that_is_not_there_are_none(world: World, op: Provider) -> None:
    made = register(world, op)
    assert world.client.get("/v1/login?workspace=acme").json()["data"] == [{"label": "Company log-in", "login_url": made["login_url"]}]
    assert world.client.get("/v1/login?workspace=nobody").json()["data"] == []
