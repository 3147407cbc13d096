"""Tokens: what each claim must be, what a token narrows, and embed sessions. Every edit by hand is 401."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.acceptance.http_world import PANEL, World

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
ORIGIN = "https://app.acme.example"


@pytest.fixture
def boss(world: World) -> dict[str, str]:
    headers = world.key("workspace")
    assert world.client.patch(f"{world.base}/tenants/1", json={"allowed_origins": [ORIGIN]}, headers=headers).status_code == 200
    return headers


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def register(world: World, boss: dict[str, str], **body: Any) -> dict[str, Any]:
    answer = world.client.post(f"{world.base}/signing-keys", json={"algorithm": "HS256", "secret": SECRET} | body, headers=boss)
    assert answer.status_code == 201, answer.text
    return answer.json()


def claims(key: dict[str, Any], **more: Any) -> dict[str, Any]:
    now = int(time.time())
    said = {"iss": key["issuer"], "aud": key["audience"], "sub": "ada", "iat": now, "exp": now + 600, "jti": "j1", "tenant": "1"} | more
    return {k: v for k, v in said.items() if v is not None}


def signed(key: dict[str, Any], secret: Any = SECRET, headers: dict[str, Any] | None = None, **more: Any) -> dict[str, str]:
    text = jwt.encode(claims(key, **more), secret, key["algorithm"], {"kid": key["id"]} | (headers or {}))
    return {"Authorization": f"Bearer {text}"}


def pem(key: Any) -> str:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


# ── signing keys ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "HS256"])
def test_token_of_each_algorithm_answers_for_its_tenant(world: World, boss: dict[str, str], algorithm: str) -> None:
    private: Any = {"EdDSA": ed25519.Ed25519PrivateKey.generate, "ES256": lambda: ec.generate_private_key(ec.SECP256R1())}.get(
        algorithm, lambda: SECRET
    )()
    fields = {"secret": SECRET} if algorithm == "HS256" else {"public_key": pem(private), "secret": None}
    key = register(world, boss, algorithm=algorithm, **fields)
    token = signed(key, private, tenant=world.tenants["1"])
    assert [r[3] for r in world.client.get(PANEL, headers=token).json()["rows"]] == ["acme-a", "acme-b", "acme-c"]
    me = world.client.get("/v1/me", headers=token).json()
    assert (me["principal"], me["scope"]["type"], me["tenant"]["key"]) == (
        {"id": f"{key['id']}/ada", "type": "token", "label": "ada"},
        "tenant",
        "1",
    )
    assert set(me["permissions"]) == {"query:panel", "dashboard:view", "schema:view", "usage:view"}


def test_secret_that_we_make_is_shown_once_and_is_nowhere_in_clear(world: World, boss: dict[str, str]) -> None:
    key = register(world, boss, secret=None)
    assert world.client.get(PANEL, headers=signed(key, key["secret"])).status_code == 200
    assert "secret" not in world.client.get(f"{world.base}/signing-keys/{key['id']}", headers=boss).json()
    kept = b"".join(p.read_bytes() for p in world.home.rglob("*") if p.is_file())
    assert key["secret"].encode() not in kept
    register(world, boss)
    assert SECRET.encode() not in b"".join(p.read_bytes() for p in world.home.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    "body",
    [
        {"algorithm": "none"}, {"algorithm": "RS256"}, {"secret": "short"}, {"secret": "a" * 40}, {"algorithm": "EdDSA"},
        {"algorithm": "EdDSA", "public_key": "no pem", "secret": None}, {"public_key": "x"},
        {"algorithm": "ES256", "secret": None, "public_key": pem(ed25519.Ed25519PrivateKey.generate())},
        {"algorithm": "ES256", "secret": None, "public_key": pem(ec.generate_private_key(ec.SECP384R1()))},
        {"algorithm": "EdDSA", "secret": None, "public_key": pem(rsa.generate_private_key(65537, 2048))},
        {"scope": "tenant:nobody"}, {"permissions": ["all"]},
    ],
)  # fmt: skip
def test_signing_key_that_is_weak_or_none_is_refused(world: World, boss: dict[str, str], body: dict[str, Any]) -> None:
    answer = world.client.post(f"{world.base}/signing-keys", json={"algorithm": "HS256", "secret": SECRET} | body, headers=boss)
    assert code(answer) == (422, "validation")


def test_ended_signing_key_is_felt_at_once_or_after_its_grace(world: World, boss: dict[str, str]) -> None:
    for grace, expected in ((0, 401), (600, 200)):
        key = register(world, boss)
        token = signed(key)
        assert world.client.get("/v1/me", headers=token).status_code == 200
        ended = world.client.delete(f"{world.base}/signing-keys/{key['id']}?grace={grace}", headers=boss)
        assert (ended.status_code, ended.json()["until"] is not None) == (200, True)
        assert world.client.get("/v1/me", headers=token).status_code == expected
    later(world, timedelta(seconds=590))
    assert world.client.get("/v1/me", headers=signed(key, iat=int(time.time()) + 580, exp=int(time.time()) + 900)).status_code == 200
    later(world, timedelta(seconds=20))
    assert world.client.get("/v1/me", headers=signed(key, iat=int(time.time()) + 580, exp=int(time.time()) + 900)).status_code == 401


def later(world: World, by: timedelta) -> None:
    installation = world.app.state.context.installation
    now = installation.clock
    object.__setattr__(installation, "clock", lambda: now() + by)


def test_signing_key_of_a_tenant_reaches_its_tenant_alone(world: World, boss: dict[str, str]) -> None:
    key = register(world, boss, scope="tenant:1")
    assert key["issuer"] == world.tenants["1"]
    assert world.client.get(PANEL, headers=signed(key)).status_code == 200
    outside = [world.client.get(PANEL, headers=signed(key, tenant=t)) for t in ("2", world.tenants["2"], "nobody", "tn_" + "0" * 26)]
    assert [code(a) for a in outside] == [(404, "not_found")] * 4
    assert len({json.dumps(a.json() | {"request_id": ""}) for a in outside}) == 1


def test_tenants_administrator_registers_a_key_for_its_tenant_and_no_other(world: World, boss: dict[str, str]) -> None:
    mine = world.key("tenant", "1", ["keys:write", "query:panel"])
    made = world.client.post(f"{world.base}/signing-keys", json={"algorithm": "HS256", "secret": SECRET, "scope": "tenant:1"}, headers=mine)
    assert (made.status_code, made.json()["permissions"]) == (201, ["query:panel", "keys:write"])
    for scope in ("workspace", "tenant:2"):
        body = {"algorithm": "HS256", "secret": SECRET, "scope": scope}
        assert code(world.client.post(f"{world.base}/signing-keys", json=body, headers=mine)) == (422, "validation")
    theirs = register(world, boss, scope="tenant:2")["id"]
    assert code(world.client.get(f"{world.base}/signing-keys/{theirs}", headers=mine)) == (404, "not_found")
    assert code(world.client.delete(f"{world.base}/signing-keys/{theirs}", headers=mine)) == (404, "not_found")


# ── each claim ────────────────────────────────────────────────────────────────────────────────────────────────────────

NOW = int(time.time())
EDITS: dict[str, dict[str, Any]] = {
    "iss of another": {"iss": "ws_other"},
    "no iss": {"iss": None},
    "aud of another": {"aud": "urn:slicehouse:ws_other"},
    "aud a list": {"aud": ["urn:slicehouse:ws_other"]},
    "no aud": {"aud": None},
    "no sub": {"sub": None},
    "sub empty": {"sub": ""},
    "sub a number": {"sub": 7},
    "no exp": {"exp": None},
    "exp past": {"iat": NOW - 700, "exp": NOW - 100},
    "exp text": {"exp": "tomorrow"},
    "exp beyond an hour": {"iat": NOW, "exp": NOW + 3601},
    "exp before iat": {"iat": NOW + 30, "exp": NOW + 20},
    "no iat": {"iat": None},
    "iat in the future": {"iat": NOW + 3000, "exp": NOW + 3600},
    "nbf in the future": {"nbf": NOW + 3000},
    "no jti": {"jti": None},
    "no tenant": {"tenant": None},
    "tenant a list": {"tenant": ["1", "2"]},
    "tenant empty": {"tenant": ""},
    "role of the workspace": {"roles": ["owner"]},
    "role that nobody knows": {"roles": ["god"]},
    "roles a text": {"roles": "tenant viewer"},
    "user too long": {"user": {f"a{i}": "x" * 400 for i in range(20)}},
    "user nested": {"user": {"a": {"b": 1}}},
    "resources a text": {"resources": "sales"},
    "resource of another kind": {"resources": [{"workspace": "acme"}]},
    "params a list": {"params": ["region"]},
    "setting that nobody knows": {"settings": {"can_everything": True}},
    "setting a text": {"settings": {"can_sql": "true"}},
    "theme that nobody knows": {"theme": "neon"},
    "locale that is none": {"locale": "<script>"},
    "time zone that is none": {"time_zone": "Mars/Base"},
    "origin that the tenant does not allow": {"origins": ["https://evil.example"]},
    "origin a star": {"origins": ["*"]},
    "limits below one": {"limits": {"rows": 0}},
    "claim that nobody knows": {"scope": "workspace"},
    "permissions by hand": {"permissions": ["installation:admin"]},
}


@pytest.mark.parametrize("name", EDITS)
def test_token_with_a_claim_that_is_not_right_is_401(world: World, boss: dict[str, str], name: str) -> None:
    key = register(world, boss)
    assert world.client.get("/v1/me", headers=signed(key)).status_code == 200
    assert code(world.client.get("/v1/me", headers=signed(key, **EDITS[name]))) == (401, "credential_invalid")


def parts(token: dict[str, str]) -> list[str]:
    return token["Authorization"].removeprefix("Bearer ").split(".")


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "claim", ["tenant", "sub", "exp", "iss", "aud", "iat", "jti", "roles", "settings", "params", "resources", "user", "origins", "limits"]
)
def test_each_claim_edited_by_hand_is_401(world: World, boss: dict[str, str], claim: str) -> None:
    key = register(world, boss)
    header, payload, signature = parts(signed(key, roles=["tenant viewer"]))
    said = json.loads(base64.urlsafe_b64decode(payload + "=="))
    edited = {
        "tenant": "2",
        "exp": said["exp"] + 1,
        "iat": said["iat"] - 1,
        "roles": ["tenant admin"],
        "settings": {"can_sql": True},
        "params": {},
    }
    edited |= {"resources": [], "user": {"a": 1}, "origins": [ORIGIN], "limits": {"rows": 5}}
    token = f"{header}.{encoded(said | {claim: edited.get(claim, 'x')})}.{signature}"
    assert code(world.client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})) == (401, "credential_invalid")


HEADERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "alg none": lambda h: h | {"alg": "none"},
    "alg None": lambda h: h | {"alg": "None"},
    "alg of another": lambda h: h | {"alg": "HS512"},
    "kid of nobody": lambda h: h | {"kid": "sk_" + "0" * 26},
    "kid a path": lambda h: h | {"kid": "../../dev/null"},
    "kid a number": lambda h: h | {"kid": 7},
    "kid too long": lambda h: h | {"kid": "k" * 10_000},
    "no kid": lambda h: {k: v for k, v in h.items() if k != "kid"},
    "crit": lambda h: h | {"crit": ["exp"]},
}


@pytest.mark.parametrize("name", HEADERS)
def test_header_that_is_not_right_is_401(world: World, boss: dict[str, str], name: str) -> None:
    key = register(world, boss)
    for signature in (parts(signed(key))[2], ""):
        header = HEADERS[name]({"alg": "HS256", "typ": "JWT", "kid": key["id"]})
        token = f"{encoded(header)}.{parts(signed(key))[1]}.{signature}"
        assert code(world.client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})) == (401, "credential_invalid")


def test_algorithm_is_the_keys_and_a_public_key_is_no_secret(world: World, boss: dict[str, str]) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    key = register(world, boss, algorithm="EdDSA", secret=None, public_key=pem(private))
    body = f"{encoded({'alg': 'HS256', 'kid': key['id']})}.{encoded(claims(key))}"
    import hashlib
    import hmac

    signature = encoded(hmac.new(pem(private).encode(), body.encode(), hashlib.sha256).digest())
    assert code(world.client.get("/v1/me", headers={"Authorization": f"Bearer {body}.{signature}"})) == (401, "credential_invalid")


@pytest.mark.parametrize(
    "header", [{"jku": "http://127.0.0.1:1/jwks"}, {"x5u": "http://127.0.0.1:1/x"}, {"jwk": {"kty": "oct", "k": "AAAA"}}]
)
def test_where_a_key_is_to_be_had_is_not_looked_at(world: World, boss: dict[str, str], header: dict[str, Any]) -> None:
    key = register(world, boss)
    assert world.client.get("/v1/me", headers=signed(key, headers=header)).status_code == 200, "by the registered key"
    assert code(world.client.get("/v1/me", headers=signed(key, "another secret of sufficient length", headers=header))) == (
        401,
        "credential_invalid",
    )


def test_name_that_stands_twice_in_the_payload_is_401(world: World, boss: dict[str, str]) -> None:
    key = register(world, boss)
    text = json.dumps(claims(key)).encode()
    doubled = text[:-1] + b', "tenant": "2"}'
    token = jwt.PyJWS().encode(doubled, SECRET, "HS256", {"kid": key["id"]})
    assert code(world.client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})) == (401, "credential_invalid")


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[:-2],
        lambda t: t + "AA",
        lambda t: t + "=",
        lambda t: t.replace(".", ". "),
        lambda t: t + ".x",
        lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"),
    ],
)
def test_signature_that_was_cut_or_grown_is_401(world: World, boss: dict[str, str], change: Callable[[str], str]) -> None:
    key = register(world, boss)
    token = change(signed(key)["Authorization"].removeprefix("Bearer "))
    assert world.client.get("/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_huge_token_is_401_before_it_is_read(world: World, boss: dict[str, str]) -> None:
    key = register(world, boss)
    assert world.client.get("/v1/me", headers=signed(key, jti="x" * 20_000)).status_code == 401


def test_expired_token_is_refused_though_it_was_taken_a_moment_before(world: World, boss: dict[str, str]) -> None:
    token = signed(register(world, boss))
    assert world.client.get(PANEL, headers=token).status_code == 200
    later(world, timedelta(seconds=601))
    assert code(world.client.get(PANEL, headers=token)) == (401, "credential_invalid")


# ── what a token narrows ──────────────────────────────────────────────────────────────────────────────────────────────


def test_settings_switch_on_what_the_role_and_the_key_have(world: World, boss: dict[str, str]) -> None:
    key = register(world, boss)
    plain, bold = signed(key), signed(key, settings={"can_sql": True, "can_export": True, "can_export_slice": True})
    ask = {"sql": "select count(*) from orders"}
    assert code(world.client.post("/v1/query", json=ask, headers=plain)) == (403, "forbidden")
    assert code(world.client.get(f"{PANEL}?format=csv", headers=plain)) == (403, "forbidden")
    assert code(world.client.get("/v1/slice/file", headers=plain)) == (403, "forbidden")
    assert world.client.post("/v1/query", json=ask, headers=bold).json()["rows"] == [["3"]]
    assert world.client.get(f"{PANEL}?format=csv", headers=bold).status_code == 200
    assert world.client.get("/v1/slice/file", headers=bold, follow_redirects=False).status_code == 307
    narrow = register(world, boss, permissions=["query:panel"])
    assert code(world.client.post("/v1/query", json=ask, headers=signed(narrow, settings={"can_sql": True}))) == (403, "forbidden")


def test_token_sees_the_dashboards_that_it_names(world: World, boss: dict[str, str]) -> None:
    key = register(world, boss)
    mine, none = signed(key, resources=[{"dashboard": "sales"}]), signed(key, resources=[])
    assert [d["slug"] for d in world.client.get("/v1/dashboards", headers=mine).json()["data"]] == ["sales"]
    assert world.client.get("/v1/dashboards", headers=none).json()["data"] == []
    for call in ("/v1/dashboards/sales", PANEL):
        assert world.client.get(call, headers=mine).status_code == 200
        assert code(world.client.get(call, headers=none)) == (404, "not_found")


def test_locked_parameter_holds_at_every_door(world: World, boss: dict[str, str]) -> None:
    key = register(world, boss)
    token = signed(key, params={"status": ["paid"]}, settings={"can_sql": True, "can_export": True, "can_export_slice": True})
    assert [r[1] for r in world.client.get(PANEL, headers=token).json()["rows"]] == ["paid", "paid"]
    assert code(world.client.get(f"{PANEL}?p.status=open", headers=token)) == (403, "param_locked")
    many = world.client.post("/v1/dashboards/sales/data", json={"panels": ["orders"]}, headers=token).json()
    assert [r[1] for r in many["panels"]["orders"]["rows"]] == ["paid", "paid"]
    assert code(world.client.post("/v1/dashboards/sales/data", json={"parameters": {"status": []}}, headers=token)) == (403, "param_locked")
    shown = world.client.get("/v1/dashboards/sales", headers=token).json()["parameters"]["status"]
    assert (shown["locked"], shown["default"], shown["options"]) == (True, ["paid"], [])
    for method, path, body in (
        ("post", "/v1/query", {"sql": "select * from orders"}),
        ("get", "/v1/slice/file", None),
        ("get", "/v1/slice", None),
        ("get", "/v1/schema", None),
        ("get", f"/v1/slices/{many['panels']['orders']['meta']['slice_version']}/x.duckdb", None),
    ):
        assert code(world.client.request(method, path, json=body, headers=token)) == (403, "partial_scope"), path
    assert code(world.client.get(PANEL, headers=signed(key, params={"region": "EMEA"}))) == (403, "partial_scope")
    assert code(world.client.get(PANEL, headers=signed(key, params={"floor": "x"}))) == (422, "param_invalid")


def test_rows_of_an_answer_are_bounded_by_the_token(world: World, boss: dict[str, str]) -> None:
    token = signed(register(world, boss), limits={"rows": 2})
    answer = world.client.get(f"{PANEL}?limit=100", headers=token).json()
    assert (len(answer["rows"]), answer["meta"]["truncated"]) == (2, True)


def test_token_of_one_tenant_names_no_other(world: World, boss: dict[str, str]) -> None:
    token = signed(register(world, boss))
    for name in ("2", "nobody", world.tenants["2"]):
        assert code(world.client.get(PANEL, headers=token | {"X-Tenant-ID": name})) == (403, "tenant_mismatch")
    assert world.client.get(PANEL, headers=token | {"X-Tenant-ID": "1"}).status_code == 200


def test_token_makes_nothing_that_outlives_it(world: World, boss: dict[str, str]) -> None:
    key = register(world, boss, permissions=["keys:write", "tenants:write", "query:panel", "dashboard:view"])
    token = signed(key, roles=["tenant admin"])
    assert code(world.client.post(f"{world.base}/keys", json={"scope": "tenant:1"}, headers=token)) == (403, "forbidden")
    assert code(world.client.post(f"{world.base}/signing-keys", json={"algorithm": "HS256", "scope": "tenant:1"}, headers=token)) == (
        403,
        "forbidden",
    )
    assert code(world.client.post("/v1/embed/sessions", json={"tenant": "1", "sub": "x"}, headers=token)) == (403, "forbidden")


def test_suspended_tenants_token_is_refused_at_once(world: World, boss: dict[str, str]) -> None:
    token = signed(register(world, boss))
    assert world.client.get(PANEL, headers=token).status_code == 200
    world.client.patch(f"{world.base}/tenants/1", json={"state": "suspended"}, headers=boss)
    assert code(world.client.get(PANEL, headers=token)) == (403, "tenant_suspended")


# ── origins ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_page_of_a_named_origin_may_read_the_answer_and_no_other(world: World, boss: dict[str, str]) -> None:
    key = register(world, boss)
    token = signed(key, origins=[ORIGIN])
    answer = world.client.get(PANEL, headers=token | {"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "access-control-allow-credentials" not in answer.headers
    assert "Origin" in answer.headers["vary"]
    for headers in (token | {"Origin": "https://evil.example"}, signed(key) | {"Origin": ORIGIN}, token | {"Origin": "null"}):
        refused = world.client.get(PANEL, headers=headers)
        assert code(refused) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in refused.headers
    own = world.client.get(PANEL, headers=signed(key) | {"Origin": "http://testserver"})
    assert (own.status_code, "access-control-allow-origin" in own.headers) == (200, False)


def test_preflight_is_answered_for_an_origin_that_a_tenant_allows(world: World, boss: dict[str, str]) -> None:
    ask = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    good = world.client.options(PANEL, headers=ask | {"Origin": ORIGIN})
    assert good.headers["access-control-allow-origin"] == ORIGIN
    assert "Authorization" in good.headers["access-control-allow-headers"]
    for origin in ("https://evil.example", "null", "*", ORIGIN + ".evil.example"):
        assert not [h for h in world.client.options(PANEL, headers=ask | {"Origin": origin}).headers if h.startswith("access-control")]
    world.client.patch(f"{world.base}/tenants/1", json={"allowed_origins": []}, headers=boss)
    assert "access-control-allow-origin" not in world.client.options(PANEL, headers=ask | {"Origin": ORIGIN}).headers


def test_origin_that_the_tenant_allows_no_more_ends_the_token(world: World, boss: dict[str, str]) -> None:
    token = signed(register(world, boss), origins=[ORIGIN])
    assert world.client.get(PANEL, headers=token).status_code == 200
    world.client.patch(f"{world.base}/tenants/1", json={"allowed_origins": []}, headers=boss)
    assert code(world.client.get(PANEL, headers=token)) == (401, "credential_invalid")


# ── embed sessions ────────────────────────────────────────────────────────────────────────────────────────────────────


def embed(world: World, headers: dict[str, str], **body: Any) -> Any:
    return world.client.post("/v1/embed/sessions", json={"tenant": "1", "sub": "ada"} | body, headers=headers)


def exchanged(world: World, session: str) -> Any:
    return world.client.post("/v1/embed/token", json={"session": session})


def test_session_is_exchanged_once_for_a_token_of_its_tenant(world: World, boss: dict[str, str]) -> None:
    made = embed(world, boss, params={"status": ["paid"]}, ttl=120)
    assert made.status_code == 201
    assert made.json()["session"].startswith("ses_")
    first = exchanged(world, made.json()["session"])
    assert (first.status_code, first.json()["token"]) == (200, made.json()["token"])
    assert first.headers["cache-control"] == "no-store"
    assert code(exchanged(world, made.json()["session"])) == (401, "credential_invalid")
    token = {"Authorization": f"Bearer {first.json()['token']}"}
    assert [r[1] for r in world.client.get(PANEL, headers=token).json()["rows"]] == ["paid", "paid"]
    assert first.json()["token"].encode() not in b"".join(p.read_bytes() for p in world.home.rglob("*") if p.is_file())


def test_session_is_too_old_after_a_minute_and_the_token_after_its_time(world: World, boss: dict[str, str]) -> None:
    made = embed(world, boss, ttl=120).json()
    token = {"Authorization": f"Bearer {made['token']}"}
    later(world, timedelta(seconds=61))
    assert code(exchanged(world, made["session"])) == (401, "credential_invalid")
    assert world.client.get(PANEL, headers=token).status_code == 200
    later(world, timedelta(seconds=60))
    assert world.client.get(PANEL, headers=token).status_code == 401


def test_key_that_is_revoked_ends_its_tokens(world: World, boss: dict[str, str]) -> None:
    mine = world.key("workspace", permissions=["dashboard:view", "query:panel"])
    token = {"Authorization": f"Bearer {embed(world, mine).json()['token']}"}
    assert world.client.get(PANEL, headers=token).status_code == 200
    assert world.client.delete(f"{world.base}/keys/{world.key_id(mine)}", headers=boss).status_code == 204
    assert world.client.get(PANEL, headers=token).status_code == 401


def test_session_goes_no_further_than_its_key(world: World, boss: dict[str, str]) -> None:
    mine = world.key("tenant", "1", ["dashboard:view", "query:panel"])
    made = embed(world, mine, settings={"can_sql": True}, roles=["tenant admin"]).json()
    me = world.client.get("/v1/me", headers={"Authorization": f"Bearer {made['token']}"}).json()
    assert me["permissions"] == ["dashboard:view", "query:panel"]
    for tenant in ("2", "nobody", world.tenants["2"]):
        assert code(embed(world, mine, tenant=tenant)) == (404, "not_found")
    assert code(embed(world, world.key("tenant", "1", ["query:panel"]))) == (403, "forbidden")


@pytest.mark.parametrize(
    "body",
    [
        {"ttl": 3601},
        {"ttl": 1},
        {"roles": ["owner"]},
        {"origins": ["https://evil.example"]},
        {"exp": 1},
        {"sub": ""},
        {"user": {"a": []}, "x": 1},
    ],
)
def test_session_that_asks_too_much_is_422(world: World, boss: dict[str, str], body: dict[str, Any]) -> None:
    assert code(embed(world, boss, **body)) == (422, "validation")


@pytest.mark.parametrize("session", ["", "ses_", "ses_nothing", "x" * 200])
def test_session_of_nobody_is_401(world: World, session: str) -> None:
    assert code(exchanged(world, session)) == (401, "credential_invalid")
