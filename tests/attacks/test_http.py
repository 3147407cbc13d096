"""The requests of http.jsonl, each put to the routes that there are; SHOWN says which test is which, NOT_YET what has no route yet."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from engine.catalog.keys import revoke_key
from engine.catalog.tables import TenantRow
from engine.catalog.versions import slug_of
from slices.reviewing.routings import workspace_row
from tests.attacks.running import ROOT, Server, running
from tests.attacks.stage import BAIT, Stage, attacks, staged
from tests.attacks.wire import Got, ask, send

ALL = attacks("http")
BY_ID = {a["id"]: a for a in ALL}
NAMED = [a for a in ALL if a["category"] == "tenant-id"]

SHOWN: dict[str, str] = dict.fromkeys((a["id"] for a in NAMED), "test_odd_name_of_a_tenant_is_one_that_nobody_has") | {
    "HTTP-034": "test_json_web_token_is_no_credential",
    "HTTP-036": "test_json_web_token_is_no_credential",
    "HTTP-038": "test_json_web_token_is_no_credential",
    "HTTP-054": "test_thing_of_another_workspace_is_as_if_it_were_not_there",
    "HTTP-056": "test_revoked_key_ends_at_once",
    "HTTP-060": "test_huge_credential_is_refused_before_it_is_read",
    "HTTP-063": "test_two_credentials_are_none",
    "HTTP-064": "test_two_credentials_are_none",
    "HTTP-065": "test_key_in_the_query_is_no_credential_and_is_not_logged",
    "HTTP-067": "test_odd_key_is_401",
    "HTTP-068": "test_wrong_secret_and_unknown_key_answer_alike",
    "HTTP-070": "test_foreign_origin_gets_no_leave",
    "HTTP-072": "test_foreign_origin_gets_no_leave",
    "HTTP-076": "test_page_may_not_be_framed",
    "HTTP-091": "test_page_writes_no_markup_from_data",
    "HTTP-105": "test_hostile_name_of_a_source_is_quoted",
    "HTTP-108": "test_long_body_is_413_before_it_is_read",
    "HTTP-109": "test_long_body_in_chunks_is_413",
    "HTTP-110": "test_compressed_body_is_not_unpacked",
    "HTTP-112": "test_odd_number_in_a_body_is_refused_or_one_value",
    "HTTP-113": "test_odd_number_in_a_body_is_refused_or_one_value",
    "HTTP-115": "test_slow_callers_do_not_hold_up_others",
    "HTTP-116": "test_smuggled_request_is_refused",
    "HTTP-117": "test_foreign_host_is_in_no_answer",
    "HTTP-118": "test_forwarded_address_opens_no_key",
    "HTTP-119": "test_method_override_is_ignored",
    "HTTP-120": "test_range_is_bounded",
    "HTTP-121": "test_range_beyond_the_end_and_if_range_of_another_version",
    "HTTP-122": "test_other_methods_say_nothing",
    "HTTP-123": "test_other_form_of_a_path_is_no_way_in",
    "HTTP-128": "test_idempotency_key_of_another_is_not_mine",
    "HTTP-129": "test_etag_of_another_tenant_is_no_304",
    "HTTP-130": "test_two_tenants_asked_in_turn_never_get_each_others_rows",
    "HTTP-131": "test_data_is_private_and_varies_by_credential",
    "HTTP-133": "test_etags_of_two_tenants_differ_and_a_refusal_has_none",
    "HTTP-135": "test_refusal_is_not_stored",
    "HTTP-136": "test_two_tenants_asked_in_turn_never_get_each_others_rows",
    "HTTP-137": "test_dashboard_of_another_workspace_is_as_if_it_were_not_there",
    "HTTP-142": "test_unknown_field_is_422",
    "HTTP-144": "test_sort_by_an_unknown_column_is_422",
    "HTTP-150": "test_tenant_that_is_gone_or_suspended_is_refused_at_every_door",
    "HTTP-152": "test_tenant_that_is_gone_or_suspended_is_refused_at_every_door",
    "HTTP-154": "test_hostile_header_makes_no_line_of_log",
    "HTTP-158": "test_name_of_a_downloaded_file_is_ours",
    "HTTP-161": "test_unexpected_error_says_nothing",
    "HTTP-162": "tests/attacks/test_sql.py: assert_says_nothing, for every statement",
    "HTTP-163": "test_description_of_the_api_has_no_secret",
    "HTTP-037": "tests/acceptance/test_tokens.py: test_where_a_key_is_to_be_had_is_not_looked_at",
    "HTTP-040": "tests/acceptance/test_tokens.py: test_header_that_is_not_right_is_401",
    "HTTP-041": "tests/acceptance/test_tokens.py: test_token_with_a_claim_that_is_not_right_is_401",
    "HTTP-044": "tests/acceptance/test_tokens.py: test_token_with_a_claim_that_is_not_right_is_401",
    "HTTP-046": "tests/acceptance/test_tokens.py: test_token_with_a_claim_that_is_not_right_is_401",
    "HTTP-047": "tests/acceptance/test_tokens.py: test_token_with_a_claim_that_is_not_right_is_401",
    "HTTP-049": "tests/acceptance/test_tokens.py: test_token_with_a_claim_that_is_not_right_is_401",
    "HTTP-051": "tests/acceptance/test_tokens.py: test_name_that_stands_twice_in_the_payload_is_401",
    "HTTP-057": "tests/acceptance/test_tokens.py: test_ended_signing_key_is_felt_at_once_or_after_its_grace",
    "HTTP-061": "tests/acceptance/test_tokens.py: test_signature_that_was_cut_or_grown_is_401",
    "HTTP-062": "tests/acceptance/test_tokens.py: test_signature_that_was_cut_or_grown_is_401",
    "HTTP-073": "tests/acceptance/test_page.py: test_page_of_another_origin_may_not_frame_the_dashboard",
    "HTTP-074": "tests/acceptance/test_tenants_admin.py: test_value_that_does_not_fit_is_refused_and_changes_nothing",
    "HTTP-079": "tests/acceptance/test_branding_page.py: test_name_is_shown_as_it_is_written",
    "HTTP-080": "tests/acceptance/test_branding.py: test_value_that_does_not_fit_is_422_and_changes_nothing",
    "HTTP-081": "tests/acceptance/test_branding.py: test_value_that_does_not_fit_is_422_and_changes_nothing",
    "HTTP-082": "tests/acceptance/test_branding.py: test_value_that_does_not_fit_is_422_and_changes_nothing",
    "HTTP-083": "tests/acceptance/test_branding.py: test_drawing_is_rebuilt_and_served_as_one",
    "HTTP-085": "tests/acceptance/test_branding.py: test_what_is_no_logo_is_422_and_kept_nowhere",
    "HTTP-086": "tests/acceptance/test_branding.py: test_value_that_does_not_fit_is_422_and_changes_nothing",
    "HTTP-088": "tests/acceptance/test_branding.py: test_value_that_does_not_fit_is_422_and_changes_nothing",
    "HTTP-089": "tests/acceptance/test_branding.py: test_value_that_does_not_fit_is_422_and_changes_nothing",
    "HTTP-090": "tests/acceptance/test_branding.py: test_value_that_does_not_fit_is_422_and_changes_nothing",
    "HTTP-093": "tests/acceptance/test_branding.py: test_host_leads_to_one_tenant_of_the_installation",
    "HTTP-094": "tests/acceptance/test_branding.py: test_value_that_does_not_fit_is_422_and_changes_nothing",
    "HTTP-141": "tests/acceptance/test_plans_usage.py: test_tenant_sees_its_own_usage_and_a_reseller_that_of_those_below",
    "HTTP-166": "tests/acceptance/test_plans_usage.py: test_each_answer_is_metered_once_by_tenant_and_what_was_asked",
}
TOKENS, HOOKS = "tokens and embedding", "webhooks"
NOT_YET: dict[str, str] = (
    dict.fromkeys(("HTTP-053", "HTTP-075"), TOKENS)
    | dict.fromkeys(("HTTP-095", "HTTP-097"), "sources set over HTTP; the operator's file names them now")
    | dict.fromkeys(("HTTP-103", "HTTP-104"), HOOKS)
    | dict.fromkeys(("HTTP-145", "HTTP-146", "HTTP-149"), "people, invitations, roles")
    | dict.fromkeys(("HTTP-138",), "dashboards changed over HTTP")
    | dict.fromkeys(("HTTP-139",), "exports")
    | dict.fromkeys(("HTTP-069", "HTTP-126"), "rate limits and quotas")
    | dict.fromkeys(("HTTP-155", "HTTP-157"), "the guard against formulas in CSV")
    | {
        "HTTP-106": "limits of bytes and rows of a source",
        "HTTP-156": "xlsx",
        "HTTP-167": "nothing to time: a missing tenant takes the way of one that is there; no test of ours asserts a time",
        "HTTP-168": "cells: no core file of a process that holds rows",
    }
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    made = staged(tmp_path_factory.mktemp("asked"))
    theirs = (made.root / "files" / "w" / "dashboards" / "sales.yaml").read_text().replace("slug: sales", "slug: theirs")
    (made.root / "files" / "v" / "dashboards" / "theirs.yaml").write_text(theirs)
    return made


@pytest.fixture(scope="module")
def server(stage: Stage) -> Iterator[Server]:
    with running(stage.home, statement_seconds=5) as made:
        yield made


def query(server: Server, stage: Stage, key: str, body: Any, **headers: str) -> Got:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(server.port, "/v1/query", stage.as_(key, **headers), method="POST", body=sent)


def unknown(server: Server, stage: Stage) -> Got:
    return ask(server.port, "/v1/schema", stage.as_("workspace", **{"X-Tenant-ID": "nobody"}))


# ── names of tenants ──────────────────────────────────────────────────────────────────────────────────────────────────


def names_of(attack: dict[str, Any]) -> list[str]:
    """What stands for the tenant in the line's path; some lines name two, or explain the letter."""
    name = re.fullmatch(r"GET /v1/t/(.*)/tables with token of tenant a", attack["http"], re.DOTALL)
    assert name is not None
    return [n.removesuffix(" (NFC/NFD)") for n in name[1].removesuffix(" (full-width a)").split(" vs ")]


@pytest.mark.parametrize("attack", NAMED, ids=lambda a: a["id"])
def test_odd_name_of_a_tenant_is_one_that_nobody_has(server: Server, stage: Stage, attack: dict[str, Any]) -> None:
    mismatch = ask(server.port, "/v1/schema", stage.as_("a", **{"X-Tenant-ID": "b"}))
    assert (mismatch.status, mismatch.code) == (403, "tenant_mismatch")
    missing = ask(server.port, "/v1/workspaces/w/tenants/nobody", stage.as_("workspace"))
    assert (missing.status, missing.code) == (404, "not_found")
    for name in names_of(attack):
        for spelt in (name, f"key:{name}"):
            if spelt.strip() not in ("a", "key:a"):  # blanks around a header's value are no part of it
                assert ask(server.port, "/v1/schema", stage.as_("a", **{"X-Tenant-ID": spelt})).same == mismatch.same
                assert ask(server.port, "/v1/schema", stage.as_("workspace", **{"X-Tenant-ID": spelt})).same == missing.same
            in_path = quote(spelt, safe="/%\\;:$-.")
            found = ask(server.port, f"/v1/workspaces/w/tenants/{in_path}", stage.as_("workspace"))
            assert found.same == missing.same, (in_path, found)


def test_name_in_a_path_is_decoded_once(server: Server, stage: Stage) -> None:
    for name, status in (
        ("a", 200),
        ("%61", 200),
        ("key:a", 200),
        ("key%3Aa", 200),
        ("%2561", 404),
        ("key%253Aa", 404),
        ("key:key:a", 404),
    ):
        assert ask(server.port, f"/v1/workspaces/w/tenants/{name}", stage.as_("workspace")).status == status, name


def test_own_name_in_every_form_is_no_mismatch(server: Server, stage: Stage) -> None:
    for name in ("a", "key:a", stage.tenant("a").id):
        assert ask(server.port, "/v1/schema", stage.as_("a", **{"X-Tenant-ID": name})).status == 200
    for name in ("key:b", stage.tenant("b").id, "A", "", "tn_", "tn_00000000000000000000000000"):
        assert ask(server.port, "/v1/schema", stage.as_("a", **{"X-Tenant-ID": name})).code == "tenant_mismatch", name


def test_path_that_leaves_its_folder_is_no_file(server: Server, stage: Stage) -> None:
    version = stage.tenant("b").version
    for target in (
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2f%2e%2e%2fpyproject.toml",
        "/static//etc/passwd",
        f"/v1/slices/{version}/b.duckdb",
        f"/v1/slices/{stage.tenant('a').version}%2f..%2f{version}/b.duckdb",
        "/v1/slices/..%2f..%2f..%2fcatalog/a.duckdb",
        "/v1/slices/../../secret/a.duckdb",
    ):
        got = ask(server.port, target, stage.as_("a"))
        assert got.status == 404, target
        assert b"import" not in got.body


PUBLIC = [
    "/v1/sessions",
    "/v1/invitations/open",
    "/v1/invitations/accept",
    "/v1/login",
    "/v1/login/callback",
    "/v1/login/{provider}",
    "/v1/embed/token",
    "/v1/hooks/stripe",
    "/v1/branding/by-host",
    "/v1/branding/logos/{file}",
]
"""A password, an invitation, a provider's code, a session, a signature is the credential there; or it is what a log-in page shows."""


# ── who asks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_door_opens_without_a_credential(server: Server) -> None:
    description = json.loads(ask(server.port, "/openapi.json").body)
    doors = [(path, method, o) for path, methods in description["paths"].items() for method, o in methods.items() if path.startswith("/v1")]
    assert len(doors) > 10
    assert [path for path, _, o in doors if o["x-permission"] == "public"] == PUBLIC
    for path, method in ((path, method) for path, method, o in doors if o["x-permission"] != "public"):
        got = ask(server.port, re.sub(r"{\w+}", "w", path), {}, method=method.upper())
        assert (got.status, got.code) == (401, "credential_missing"), (path, got)
        assert got.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header", ['{"alg":"none"}', '{"alg":"nOnE"}', '{"alg":"RS256","jwk":{}}', '{"alg":"HS256","kid":"../../dev/null"}']
)
def test_json_web_token_is_no_credential(server: Server, header: str) -> None:
    """Until there are tokens, whatever looks like one is a key that nobody has."""
    from base64 import urlsafe_b64encode

    parts = [urlsafe_b64encode(p.encode()).decode().rstrip("=") for p in (header, '{"tenant":"b","exp":9999999999}', "")]
    assert ask(server.port, "/v1/schema", {"Authorization": "Bearer " + ".".join(parts)}).code == "credential_invalid"


def test_thing_of_another_workspace_is_as_if_it_were_not_there(server: Server, stage: Stage) -> None:
    key = stage.as_("other")
    nowhere = ask(server.port, "/v1/workspaces/nowhere/tenants/a", key)
    assert nowhere.status == 404
    w, a = workspace_row(stage.installation, stage.workspace).id, stage.tenant("a").id
    for target in (
        "/v1/workspaces/w/tenants/a",
        f"/v1/workspaces/{w}/tenants/{a}",
        f"/v1/workspaces/v/tenants/{a}",
        "/v1/workspaces/w/tenants",
    ):
        assert ask(server.port, target, key).same == nowhere.same, target
    for headers in ({"X-Workspace-ID": w, "X-Tenant-ID": "a"}, {"X-Tenant-ID": a}, {"X-Tenant-ID": "b"}):
        assert ask(server.port, "/v1/schema", key | headers).same == nowhere.same, headers
    assert ask(server.port, "/v1/schema", stage.as_("a", **{"X-Workspace-ID": "v"})).code == "tenant_mismatch"


def test_revoked_key_ends_at_once(server: Server, stage: Stage) -> None:
    key = stage.add_key("leaving", "workspace", ["schema:view"], workspace_id=workspace_row(stage.installation, stage.workspace).id)
    headers = stage.as_("leaving", **{"X-Tenant-ID": "a"})
    assert ask(server.port, "/v1/schema", headers).status == 200
    with stage.installation.catalog.write() as session:
        assert revoke_key(session, key.id, stage.installation.clock())
    assert ask(server.port, "/v1/schema", headers).code == "credential_invalid"


def test_huge_credential_is_refused_before_it_is_read(server: Server) -> None:
    got = ask(server.port, "/v1/schema", {"Authorization": "Bearer " + "a" * 1_000_000})
    assert got.status in (0, 400, 401, 413, 431)


def test_two_credentials_are_none(server: Server, stage: Stage) -> None:
    a, b = stage.keys["a"].text, stage.keys["b"].text
    twice = b"GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n"
    assert send(server.port, [twice % (a.encode(), b.encode())]).status == 400
    assert ask(server.port, "/v1/me", {"Authorization": f"Bearer {a}, Bearer {b}"}).status in (400, 401)
    assert ask(server.port, "/v1/me", {"Authorization": f"Bearer {a}", "X-API-Key": b}).status in (400, 401)


def test_key_in_the_query_is_no_credential_and_is_not_logged(server: Server, stage: Stage) -> None:
    text = stage.keys["a"].text
    for name in ("api_key", "key", "token", "access_token", "X-API-Key"):
        assert ask(server.port, f"/v1/schema?{name}={text}").code == "credential_missing"
    assert text not in server.log.read_text()


def test_odd_key_is_401(server: Server, stage: Stage) -> None:
    text = stage.keys["a"].text
    for odd in (
        text[:-1],
        text + "a",
        text.upper(),
        text.replace("shk_", "shk__"),
        "shk_é",
        "shk_" + "ａ" * 26 + "_" + "a" * 43,
        text + "\t;x",
        "%00",
    ):
        got = ask(server.port, "/v1/schema", {"Authorization": f"Bearer {odd}"})
        assert got.code == "credential_invalid", (odd, got)
    assert ask(server.port, "/v1/schema", {"Authorization": f"Bearer {text}\x00"}).status in (0, 400, 401)


def test_wrong_secret_and_unknown_key_answer_alike(server: Server, stage: Stage) -> None:
    text = stage.keys["a"].text
    wrong = ask(server.port, "/v1/schema", {"Authorization": f"Bearer {text[:-1]}{'b' if text[-1] == 'a' else 'a'}"})
    nobody = ask(server.port, "/v1/schema", {"Authorization": f"Bearer shk_{'0' * 26}_{'a' * 43}"})
    assert wrong.same == nobody.same
    assert wrong.status == 401


def test_forwarded_address_opens_no_key(server: Server, stage: Stage) -> None:
    """A key of one address, asked from another that says it came from there."""
    row = workspace_row(stage.installation, stage.workspace).id
    stage.add_key("far", "workspace", ["schema:view"], workspace_id=row, allowed_ips=["203.0.113.9"])
    headers = stage.as_("far", **{"X-Tenant-ID": "a"})
    assert ask(server.port, "/v1/schema", headers).status == 401
    for name in ("Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP"):
        assert ask(server.port, "/v1/schema", headers | {name: "203.0.113.9"}).status == 401, name


def test_forwarded_for_of_a_local_caller_opens_no_key(server: Server, stage: Stage) -> None:
    row = workspace_row(stage.installation, stage.workspace).id
    stage.add_key("far", "workspace", ["schema:view"], workspace_id=row, allowed_ips=["203.0.113.9"])
    headers = stage.as_("far", **{"X-Tenant-ID": "a", "X-Forwarded-For": "203.0.113.9"})
    assert ask(server.port, "/v1/schema", headers).status == 401


# ── browsers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_foreign_origin_gets_no_leave(server: Server, stage: Stage) -> None:
    evil = {"Origin": "https://evil.example"}
    asked = [ask(server.port, "/v1/schema", stage.as_("a") | evil)]
    preflight = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization"}
    asked += [
        ask(server.port, t, evil | preflight, method="OPTIONS") for t in ("/v1/schema", "/v1/query", "/v1/workspaces/w/tenants/a", "/")
    ]
    for got in asked:
        assert not [h for h in got.headers if h.startswith("access-control-")]


def test_page_may_not_be_framed(server: Server) -> None:
    policy = ask(server.port, "/").headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'self'" in policy
    assert "script-src" not in policy or "unsafe" not in policy.partition("script-src")[2].partition(";")[0]


def test_page_writes_no_markup_from_data() -> None:
    scripts = [p for p in (ROOT / "api" / "web").rglob("*.js") if "vendor" not in p.parts]
    assert len(scripts) > 5
    for script in scripts:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", script.read_text()), script


def test_data_is_private_and_varies_by_credential(server: Server, stage: Stage) -> None:
    for got in (
        query(server, stage, "a", {"sql": "select 1"}),
        ask(server.port, "/v1/dashboards/sales/panels/notes", stage.as_("a")),
        ask(server.port, "/v1/slice", stage.as_("a")),
    ):
        assert got.headers["cache-control"] in ("private, no-cache", "no-store")
        assert {"Authorization", "X-API-Key", "X-Tenant-ID", "X-Workspace-ID"} <= set(re.split(r", *", got.headers["vary"]))
        assert got.headers["x-content-type-options"] == "nosniff"


# ── caches ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_etag_of_another_tenant_is_no_304(server: Server, stage: Stage) -> None:
    panel = "/v1/dashboards/sales/panels/amount"
    tag = {"If-None-Match": ask(server.port, panel, stage.as_("a")).headers["etag"]}
    assert ask(server.port, panel, stage.as_("a") | tag).status == 304
    assert ask(server.port, panel, stage.as_("b") | tag).status == 200
    assert ask(server.port, panel, stage.as_("other", **{"X-Tenant-ID": "a"}) | tag).status == 200
    assert ask(server.port, panel, tag).status == 401
    assert ask(server.port, panel, stage.as_("workspace", **{"X-Tenant-ID": "nobody"}) | tag).status == 404


def test_etags_of_two_tenants_differ_and_a_refusal_has_none(server: Server, stage: Stage) -> None:
    tags = [query(server, stage, k, {"sql": s}).headers["etag"] for k in "ab" for s in ("select 1", "select 2")]
    assert len(set(tags)) == 4
    assert "etag" not in unknown(server, stage).headers
    assert "etag" not in ask(server.port, "/v1/dashboards/sales/panels/now", stage.as_("a")).headers


def test_two_tenants_asked_in_turn_never_get_each_others_rows(server: Server, stage: Stage) -> None:
    for _ in range(25):
        for key, secret in (("a", False), ("b", True)):
            got = query(server, stage, key, {"sql": "select note from orders"})
            assert (BAIT.encode() in got.body) == secret
            got = ask(server.port, "/v1/dashboards/sales/panels/notes", stage.as_("workspace", **{"X-Tenant-ID": key}))
            assert (BAIT.encode() in got.body) == secret


def test_refusal_is_not_stored(server: Server, stage: Stage) -> None:
    refusals = [query(server, stage, "a", {"sql": s}) for s in ("select * from nosuch", "select cast('x' as int)", "selec")]
    refusals += [unknown(server, stage), ask(server.port, "/v1/schema")]
    for got in refusals:
        assert got.status >= 400
        assert got.headers["cache-control"] == "no-store"
        assert "etag" not in got.headers


# ── the protocol ──────────────────────────────────────────────────────────────────────────────────────────────────────


def head(stage: Stage, *lines: str, target: str = "/v1/query") -> bytes:
    key = stage.keys["a"].text
    first = [f"POST {target} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", "Content-Type: application/json"]
    return "\r\n".join([*first, *lines, "", ""]).encode()


def test_long_body_is_413_before_it_is_read(server: Server, stage: Stage) -> None:
    got = send(server.port, [head(stage, f"Content-Length: {1 << 30}", "Connection: close")])
    assert (got.status, got.code) == (413, "request_too_large")


def test_long_body_in_chunks_is_413(server: Server, stage: Stage) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    got = send(server.port, [head(stage, "Transfer-Encoding: chunked", "Connection: close"), *[chunk] * 64])
    assert got.status in (0, 413)
    assert query(server, stage, "a", {"sql": "select 1"}).status == 200


def test_compressed_body_is_not_unpacked(server: Server, stage: Stage) -> None:
    import gzip

    got = query(server, stage, "a", gzip.compress(b" " * 1_000_000 + b'{"sql": "select 1"}'), **{"Content-Encoding": "gzip"})
    assert got.status in (400, 415, 422)


@pytest.mark.parametrize(
    "value",
    ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 5_000, '"x", "y": 1', '"\\ud800"', '"\\u0000"', "[1]", '{"a": 1}', "9" * 40],
    ids=lambda v: v[:12],
)
def test_odd_number_in_a_body_is_refused_or_one_value(server: Server, stage: Stage, value: str) -> None:
    got = query(server, stage, "a", f'{{"sql": "select $x as x", "parameters": {{"x": {value}}}}}'.encode())
    assert got.status in (200, 400, 422), got
    if got.status == 200:
        assert len(json.loads(got.body)["rows"]) == 1


def test_key_twice_in_a_body_is_one_value(server: Server, stage: Stage) -> None:
    got = query(server, stage, "a", b'{"sql": "select 1", "sql": "select 2"}')
    assert got.status in (400, 422) or json.loads(got.body)["rows"] == [[2]]


def test_body_that_is_no_json_or_no_object_is_refused(server: Server, stage: Stage) -> None:
    for body in (
        b"x",
        b"[]",
        b"null",
        b"1",
        b'"select 1"',
        b"\xff\xfe",
        b"{" * 50_000,
        b"[" * 100_000,
        b'{"sql": "\\ud800"}',
        b'{"sql": "a\\u0000b"}',
    ):
        got = query(server, stage, "a", body)
        assert got.status in (400, 422), (body[:20], got)


def test_slow_callers_do_not_hold_up_others(server: Server, stage: Stage) -> None:
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    try:
        for i, connection in enumerate(slow):
            connection.sendall(b"GET /v1/schema HTT" if i % 2 else head(stage, "Content-Length: 100") + b'{"sql"')
        assert query(server, stage, "a", {"sql": "select 1"}).status == 200
    finally:
        for connection in slow:
            connection.close()


def test_smuggled_request_is_refused(server: Server, stage: Stage) -> None:
    second = b"GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n"
    sent = {
        "both lengths": head(stage, "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + second,
        "another coding": head(stage, "Transfer-Encoding: xchunked") + b"0\r\n\r\n" + second,
        "two lengths": head(stage, "Content-Length: 5", "Content-Length: 6") + b"aaaaaa",
        "folded header": head(stage, "X-A: b\r\n c: d", "Content-Length: 0"),
        "blank before the colon": head(stage, "Content-Length : 5") + b"aaaaa",
        "length with a sign": head(stage, "Content-Length: +5") + b"aaaaa",
        "two hosts": head(stage, "Host: evil", "Content-Length: 0"),
    }
    for what, data in sent.items():
        got = send(server.port, [data], timeout=1.0)
        assert got.status in (0, 400, 413, 422, 501), (what, got)
        assert b'"principal"' not in got.body, what


def test_foreign_host_is_in_no_answer(server: Server, stage: Stage) -> None:
    extra = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher", "Forwarded": "host=evil.example"}
    targets = ("/v1/slice/file", "/v1/me", "/", "/v1/workspaces/w/tenants/", "/v1/schema/", "/openapi.json", "/static")
    for target in (*targets, "http://evil.example/v1/me"):
        got = ask(server.port, target, stage.as_("a") | extra, host="evil.example")
        assert "evil" not in str(got.headers), target
        assert b"evil" not in got.body, target


def test_method_override_is_ignored(server: Server, stage: Stage) -> None:
    for name in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
        got = ask(server.port, "/v1/schema?_method=DELETE", stage.as_("a", **{name: "DELETE"}))
        assert got.status in (200, 422)
        assert ask(server.port, "/v1/schema", stage.as_("a", **{name: "DELETE"})).status == 200


def slice_target(stage: Stage, key: str = "a") -> str:
    return f"/v1/slices/{stage.tenant(key).version}/any.duckdb"


def test_range_is_bounded(server: Server, stage: Stage) -> None:
    size = len(stage.tenant("a").bytes())
    got = ask(server.port, slice_target(stage), stage.as_("a", Range="bytes=" + ",".join(["0-"] * 1_000)))
    assert got.status in (200, 206, 400, 416)
    assert len(got.body) <= size + 1_000
    part = ask(server.port, slice_target(stage), stage.as_("a", Range="bytes=0-99"))
    assert (part.status, part.body) == (206, stage.tenant("a").bytes()[:100])
    for odd in ("bytes=-", "bytes=a-b", "bytes=5-1", "lines=1-2", "bytes=0-" + "9" * 400, "bytes=-0"):
        assert ask(server.port, slice_target(stage), stage.as_("a", Range=odd)).status in (200, 206, 400, 416), odd


def test_range_beyond_the_end_and_if_range_of_another_version(server: Server, stage: Stage) -> None:
    assert ask(server.port, slice_target(stage), stage.as_("a", Range="bytes=999999999-")).status == 416
    other = ask(server.port, slice_target(stage, "b"), stage.as_("b"), method="HEAD").headers["etag"]
    got = ask(server.port, slice_target(stage), stage.as_("a", Range="bytes=0-9", **{"If-Range": other}))
    assert (got.status, len(got.body)) == (200, len(stage.tenant("a").bytes()))


def test_other_methods_say_nothing(server: Server, stage: Stage) -> None:
    for method, allowed in (
        ("TRACE", {405, 400, 501}),
        ("CONNECT", {405, 404, 400, 501}),
        ("DELETE", {405}),
        ("PUT", {405}),
        ("PATCH", {405}),
    ):
        got = ask(server.port, "/v1/schema", stage.as_("a"), method=method)
        assert got.status in allowed, method
        assert b"orders" not in got.body
        assert stage.keys["a"].text.encode() not in got.body
    assert ask(server.port, "/v1/schema", stage.as_("a"), method="HEAD").body == b""
    assert ask(server.port, slice_target(stage, "b"), stage.as_("a"), method="HEAD").status == 404
    assert ask(server.port, "/v1/schema", method="HEAD").status == 401


def test_other_form_of_a_path_is_no_way_in(server: Server, stage: Stage) -> None:
    forms = (
        "/V1/schema",
        "//v1/schema",
        "/v1//schema",
        "/v1/schema.",
        "/v1/schema;x=1",
        "/v1/./schema",
        "/v1/x/../schema",
        "/v1/schema%00",
        "/v1/SCHEMA",
        "/v1/%73chema/x",
    )
    for target in forms:
        assert ask(server.port, target).status in (400, 401, 404), target
        assert ask(server.port, target, stage.as_("a")).status in (400, 404), target


def test_parameter_that_nobody_knows_or_that_is_locked(server: Server, stage: Stage) -> None:
    panel = "/v1/dashboards/sales/panels/notes"
    assert ask(server.port, f"{panel}?p.region=south", stage.as_("a")).code == "param_locked"
    for target in (f"{panel}?tenant=b", f"{panel}?p.nosuch=1", "/v1/schema?tenant=b", "/v1/me?workspace_id=v"):
        assert ask(server.port, target, stage.as_("a")).code == "param_unknown", target
    hostile = quote("x' or 1=1 --")
    got = ask(server.port, f"/v1/dashboards/sales/panels/amount?p.status={hostile}", stage.as_("a"))
    assert json.loads(got.body)["rows"] == [[None]]
    for odd in ("nan", "1e999", "0x10", "1;select", "%00", "1" * 400):
        assert ask(server.port, f"/v1/dashboards/sales/panels/amount?p.least={odd}", stage.as_("a")).status in (200, 422), odd
    for odd in ("0", "-1", "1e3", "99999999999", "x"):
        assert ask(server.port, f"{panel}?limit={odd}", stage.as_("a")).status == 422, odd


# ── what belongs to somebody else ─────────────────────────────────────────────────────────────────────────────────────


def test_dashboard_of_another_workspace_is_as_if_it_were_not_there(server: Server, stage: Stage) -> None:
    theirs = ask(server.port, "/v1/dashboards/theirs", stage.as_("other", **{"X-Tenant-ID": "a"}))
    assert theirs.status == 200
    for rest in ("", "/panels/notes"):
        got = ask(server.port, f"/v1/dashboards/theirs{rest}", stage.as_("a"))
        assert got.same == ask(server.port, f"/v1/dashboards/nosuch{rest}", stage.as_("a")).same
        assert got.status == 404
    for odd in ("..%2fsales", "sales.yaml", "%2e%2e%2f%2e%2e%2fv%2fdashboards%2ftheirs"):
        assert ask(server.port, f"/v1/dashboards/{odd}", stage.as_("a")).status == 404


def test_unknown_field_is_422(server: Server, stage: Stage) -> None:
    for field in ("tenant_id", "workspace_id", "role", "is_admin", "slice_path", "path", "timezone"):
        assert query(server, stage, "a", {"sql": "select 1", field: "b"}).status == 422
        body = json.dumps({"parameters": {}, field: "b"}).encode()
        assert ask(server.port, "/v1/dashboards/sales/data", stage.as_("a"), method="POST", body=body).status == 422
        body = json.dumps({"tenants": [], field: "b"}).encode()
        assert ask(server.port, "/v1/workspaces/w/refreshes", stage.as_("workspace"), method="POST", body=body).status == 422


def test_given_parameters_are_not_the_callers_to_set_for_a_panel(server: Server, stage: Stage) -> None:
    body = json.dumps({"parameters": {"as_of": "2000-01-01", "timezone": "Asia/Tokyo"}}).encode()
    assert ask(server.port, "/v1/dashboards/sales/data", stage.as_("a"), method="POST", body=body).code == "param_unknown"


def test_sort_by_an_unknown_column_is_422(server: Server, stage: Stage) -> None:
    for rest in (
        "sort=secret",
        "sort=-hash",
        "sort=id;drop",
        "order_by=hash",
        "filter=x",
        "state=x",
        "cursor=x",
        "cursor=tn_%27",
        "limit=101",
        "limit=0",
    ):
        assert ask(server.port, f"/v1/workspaces/w/tenants?{rest}", stage.as_("workspace")).status == 422, rest


def test_cursor_of_another_workspace_shows_nothing_of_it(server: Server, stage: Stage) -> None:
    for cursor in (stage.tenant("b").id, "tn_" + "z" * 26, "tn_" + "0" * 26):
        got = ask(server.port, f"/v1/workspaces/v/tenants?cursor={cursor}", stage.as_("other"))
        assert stage.tenant("a").id.encode() not in got.body
        assert stage.tenant("b").id.encode() not in got.body


def test_key_of_a_tenant_does_not_enter_its_workspace(server: Server, stage: Stage) -> None:
    for target in ("/v1/workspaces/w/tenants", "/v1/workspaces/w/tenants/a", "/v1/workspaces/w/refreshes"):
        assert ask(server.port, target, stage.as_("a")).code == "forbidden", target
    for name in ("b", "nobody"):
        assert ask(server.port, f"/v1/workspaces/w/tenants/{name}", stage.as_("a")).code == "tenant_mismatch", name
    assert ask(server.port, "/v1/workspaces/w/refreshes", stage.as_("a"), method="POST", body=b"{}").code == "forbidden"


def test_idempotency_key_of_another_is_not_mine(server: Server, stage: Stage) -> None:
    made = [
        ask(server.port, f"/v1/workspaces/{w}/refreshes", stage.as_(k, **{"Idempotency-Key": "same"}), method="POST", body=b"{}")
        for w, k in (("w", "workspace"), ("v", "other"))
    ]
    assert [m.status for m in made] == [202, 202]
    runs = [json.loads(m.body)["id"] for m in made]
    assert runs[0] != runs[1]
    assert ask(server.port, f"/v1/workspaces/v/refreshes/{runs[0]}", stage.as_("other")).status == 404


DOORS = ("/v1/schema", "/v1/slice", "/v1/slice/file", "/v1/dashboards", "/v1/dashboards/sales", "/v1/dashboards/sales/panels/notes")


@pytest.mark.parametrize(
    ("state", "status", "code"), [("suspended", 403, "tenant_suspended"), ("gone", 404, "tenant_gone"), ("erased", 404, "not_found")]
)
def test_tenant_that_is_gone_or_suspended_is_refused_at_every_door(
    server: Server, stage: Stage, state: str, status: int, code: str
) -> None:
    tag = query(server, stage, "b", {"sql": "select 1"}).headers["etag"]
    tenant, file = stage.tenant("b").id, slice_target(stage, "b")

    def become(to: str) -> None:
        with stage.installation.catalog.write() as session:
            row = session.get(TenantRow, tenant)
            assert row is not None
            row.state = to

    become(state)
    try:
        for headers in (stage.as_("b"), stage.as_("workspace", **{"X-Tenant-ID": "b"})):
            for target in (*DOORS, file):
                got = ask(server.port, target, headers | {"If-None-Match": tag})
                assert (got.status, got.code) == (status, code), target
            got = ask(server.port, "/v1/query", headers | {"If-None-Match": tag}, method="POST", body=b'{"sql": "select 1"}')
            assert (got.status, got.code) == (status, code)
    finally:
        become("active")
    assert query(server, stage, "b", {"sql": "select 1"}).status == 200


# ── what comes out ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_hostile_header_makes_no_line_of_log(server: Server, stage: Stage) -> None:
    for hostile in ("\x1b[31mred", "a\x0bb", "x" * 5_000, "{}${7*7}", "a b"):
        got = ask(server.port, "/v1/schema", stage.as_("a", **{"X-Request-Id": hostile, "User-Agent": hostile}))
        assert hostile not in str(got.headers)
    query(server, stage, "a", {"sql": "select 1 --\r\n\x1b[31mforged line"})
    ask(server.port, "/v1/%0d%0aforged%20line", stage.as_("a"))
    log = server.log.read_text()
    assert "\x1b" not in log
    assert "forged" not in log


def test_name_of_a_downloaded_file_is_ours(server: Server, stage: Stage) -> None:
    got = ask(server.port, f"/v1/slices/{stage.tenant('a').version}/%22%0d%0aX-Evil:%20..%2f.duckdb", stage.as_("a"))
    assert got.status == 404 or "x-evil" not in got.headers
    shown = ask(server.port, slice_target(stage), stage.as_("a"), method="HEAD").headers["content-disposition"]
    assert re.fullmatch(r'attachment; filename="[a-z0-9-]+-\d{8}T\d{6}Z\.duckdb"', shown)
    for name in ('../"x"\r\nX-Evil: 1', "", "a/b\\c", "\u202egnp.exe", "é" * 500, "..", "\0"):
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", slug_of(name)), name


def test_unexpected_error_says_nothing(server: Server, stage: Stage) -> None:
    manifest = Path(str(stage.tenant("a").path)).with_suffix(".json")
    aside = manifest.with_suffix(".aside")
    manifest.rename(aside)
    try:
        got = ask(server.port, "/v1/slice", stage.as_("a"))
    finally:
        aside.rename(manifest)
    assert got.status in (500, 503)
    assert not re.search(rb"Traceback|/tmp|/root|\.py|sv_|home", got.body)


def test_description_of_the_api_has_no_secret(server: Server, stage: Stage) -> None:
    text = ask(server.port, "/openapi.json").body.decode()
    for word in (str(stage.root), BAIT, stage.keys["a"].text, "127.0.0.1", "postgres://"):
        assert word not in text


def test_hostile_name_of_a_source_is_quoted(tmp_path: Path) -> None:
    """A table, a column and a tenant whose names are SQL go through a refresh into a slice."""
    import pyarrow as pa

    from slices.refresh import refresh
    from tests.integration.driving import accept, answering, installation_in, offer_tables, workspace_of

    table, column = 'x"; drop table orgs; --', "y'); drop table orgs; --"
    rows = pa.table({"id": [1, 2], "org_id": ["'; drop table orgs; --", "b"], column: ["mine", "theirs"]})
    offer_tables(str(tmp_path), {"orgs": (pa.table({"id": ["'; drop table orgs; --", "b"]}), []), table: (rows, [("org_id", "orgs")])})
    workspace, installation = workspace_of(tmp_path, "arrow", str(tmp_path)), installation_in(tmp_path / "home", builders=1)
    accept(installation, workspace)
    assert refresh(installation, workspace).failed == 0
    found = answering(installation, workspace)["'; drop table orgs; --"]
    assert found.rows('select * from "x""; drop table orgs; --"') == [(1, "'; drop table orgs; --", "mine")]


def test_every_request_of_the_list_is_shown_or_named() -> None:
    """113 lines: how many have a test, how many wait for what."""
    assert len(ALL) == 113
    assert set(SHOWN) | set(NOT_YET) == set(BY_ID)
    assert not set(SHOWN) & set(NOT_YET)
    assert all(name in globals() or name.startswith("tests/") for name in SHOWN.values())
