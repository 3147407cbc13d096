"""The API's own document: whole, true, and shown by a page of our own files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from pydantic import TypeAdapter

from api.control.access.permissions import PERMISSIONS
from api.endpoints import shapes
from api.endpoints.examples import ANSWERS
from api.endpoints.people import shapes as people_shapes
from api.openapi import operations
from api.serving.problems import CODES
from tests.acceptance.http_world import PANEL, World, address
from tests.acceptance.live import live

WEB = Path("api/web")


@pytest.fixture
def document(world: World) -> dict[str, Any]:
    return world.client.get("/openapi.json").json()


def _resolved(document: dict[str, Any], reference: str) -> Any:
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [r for v in node.values() for r in _references(v)]
    return [r for v in node for r in _references(v)] if isinstance(node, list) else []


def lacking(document: dict[str, Any]) -> list[str]:
    """What an operation must have and has not, as texts."""
    found, ids, tags = [], set(), {t["name"] for t in document["tags"]}
    for path, method, operation in operations(document):
        at = f"{method} {path}: "
        if not operation.get("operationId") or operation["operationId"] in ids:
            found.append(at + "operationId")
        ids.add(operation.get("operationId"))
        if not operation.get("tags") or not set(operation["tags"]) <= tags:
            found.append(at + "tags")
        if not operation.get("summary") or not operation.get("description"):
            found.append(at + "text")
        if operation.get("x-permission") not in {*PERMISSIONS, "any", "public"}:
            found.append(at + "x-permission")
        if (operation.get("security") == []) != (operation.get("x-permission") == "public"):
            found.append(at + "security")
        if "Problem" not in str(operation["responses"].get("default")):
            found.append(at + "problem")
        good = [r for s, r in operation["responses"].items() if s[0] in "23"]
        if not good or not all(m.get("example") is not None for r in good for m in r.get("content", {}).values()):
            found.append(at + "example")
        is_empty = list(operation["responses"]) == ["204", "default"]
        if not is_empty and not any(r.get("content") or r.get("headers", {}).get("Location", {}).get("example") for r in good):
            found.append(at + "example")
        if "requestBody" in operation and not all("example" in m for m in operation["requestBody"]["content"].values()):
            found.append(at + "example of the body")
        found += [at + p["name"] for p in operation["parameters"] if p.get("in") == "path" and "example" not in p]
    return found


def test_every_operation_is_whole(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert lacking(document) == []


def test_the_walk_sees_what_is_missing(document: dict[str, Any]) -> None:
    for name in ("operationId", "tags", "x-permission", "responses", "security"):
        path, method, operation = next(o for o in operations(document) if o[2].get("x-permission") == "public")
        broken = {k: v for k, v in operation.items() if k != name} | ({"responses": {"200": {}}} if name == "responses" else {})
        copy = document | {"paths": document["paths"] | {path: document["paths"][path] | {method: broken}}}
        assert lacking(copy), name


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in _references(document):
        _resolved(document, reference)


def test_every_route_is_in_it(world: World, document: dict[str, Any]) -> None:
    assert {o["operationId"] for _, _, o in operations(document)} == set(ANSWERS)


def test_problems_and_security_are_described(document: dict[str, Any]) -> None:
    components = document["components"]
    assert set(components["schemas"]["ProblemBody"]["properties"]["code"]["enum"]) == set(CODES)
    assert components["responses"]["Problem"]["content"].keys() == {"application/problem+json"}
    assert document["security"] == [{"bearer": []}, {"session": []}, {"key": []}]
    assert set(components["securitySchemes"]) == {"bearer", "session", "key"}
    assert "HTTPValidationError" not in components["schemas"]


def test_examples_have_the_shape_that_is_documented(document: dict[str, Any]) -> None:
    known = {name: getattr(module, name) for module in (shapes, people_shapes) for name in dir(module)}
    checked = set()
    for _, _, operation in operations(document):
        for response in operation["responses"].values():
            content = response.get("content", {}).get("application/json", {})
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            match = re.fullmatch(r"ListOf_(\w+)_", name)
            shape = known["ListOf"][known[match[1]]] if match else known.get(name)
            if shape is not None:
                TypeAdapter(shape).validate_python(content["example"])
                checked.add(shape)
    assert len(checked) >= 10


def test_answers_have_the_shape_that_is_documented(world: World) -> None:
    own, boss = world.key(), world.key("workspace")
    run = world.client.post(f"{world.base}/refreshes", headers=boss).json()["id"]
    asked: list[tuple[Any, str, dict[str, str]]] = [
        (shapes.Data, PANEL, own),
        (shapes.ListOf[shapes.DashboardSummary], "/v1/dashboards", own),
        (shapes.DashboardShape, "/v1/dashboards/sales", own),
        (shapes.SchemaShape, "/v1/schema", own),
        (shapes.Me, "/v1/me", own),
        (shapes.ListOf[shapes.TenantShape], f"{world.base}/tenants", boss),
        (shapes.TenantShape, f"{world.base}/tenants/1", boss),
        (shapes.ListOf[shapes.Run], f"{world.base}/refreshes", boss),
        (shapes.Run, f"{world.base}/refreshes/{run}", boss),
        (shapes.Alive, "/healthz", {}),
        (shapes.Ready, "/readyz", {}),
    ]
    for shape, path, headers in asked:
        TypeAdapter(shape).validate_python(world.client.get(path, headers=headers).json())
    refused = world.client.get(PANEL)
    shapes.ProblemBody.model_validate(refused.json())
    many = world.client.post("/v1/dashboards/sales/data", json={"panels": ["orders", "broken"]}, headers=own)
    shapes.ManyData.model_validate(many.json())


@pytest.mark.parametrize("format", ["json", "arrow", "csv", "parquet"])
def test_media_of_each_format_is_in_the_document(world: World, document: dict[str, Any], format: str) -> None:
    boss = world.key("workspace")
    for name, path, headers in (("get_panel", PANEL, world.key()), ("get_workspace_usage", f"{world.base}/usage", boss)):
        operation = next(o for _, _, o in operations(document) if o["operationId"] == name)
        answer = world.client.get(path, params={"format": format}, headers=headers)
        if answer.status_code == 200:
            assert answer.headers["content-type"].split(";")[0] in operation["responses"]["200"]["content"], name
        offered = next(p["schema"] for p in operation["parameters"] if p.get("name") == "format")["enum"]
        assert (format in offered) == (answer.status_code == 200), name


def test_permissions_in_the_document_are_those_that_are_asked(world: World, document: dict[str, Any]) -> None:
    """A key with every permission but the documented one is refused with `forbidden`, for every operation."""
    for path, method, operation in operations(document):
        needed = operation["x-permission"]
        if needed in ("any", "public"):
            continue
        scope = "installation" if path == "/metrics" else "workspace" if "{ws}" in path else "tenant"
        key = world.key(scope, permissions=[p for p in PERMISSIONS if p != needed])
        place = address(path, ws=world.workspace_id, t="1", slug="sales", panel="orders")
        answer = world.client.request(method, place, headers=key, json={} if "requestBody" in operation else None)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)
        assert needed in answer.json()["detail"], (method, path)


# ── request ids ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/healthz", PANEL, "/v1/nowhere", "/static/style.css"])
def test_a_request_id_comes_back(world: World, path: str) -> None:
    answer = world.client.get(path, headers={"X-Request-Id": "mine-1.2_3"})
    assert answer.headers["x-request-id"] == "mine-1.2_3"
    if answer.status_code >= 400:
        assert answer.json()["request_id"] == "mine-1.2_3"


@pytest.mark.parametrize("given", [None, "", "a b", "<script>", "x" * 65, "a\tb"])
def test_a_request_id_that_is_none_is_made(world: World, given: str | None) -> None:
    ids = [world.client.get("/healthz", headers={} if given is None else {"X-Request-Id": given}).headers["x-request-id"] for _ in range(2)]
    assert all(re.fullmatch("[0-9a-f]{32}", i) for i in ids)
    assert ids[0] != ids[1]


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_docs_refers_to_own_files_alone(world: World) -> None:
    page = world.client.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert linked
    for link in linked:
        assert not re.match(r"(?i)[a-z]+:|//", link)
        assert world.client.get("/" + link).status_code == 200, link
    assert "<script>" not in page.text  # nothing inline: the policy forbids it


def test_vendored_files_have_their_licences() -> None:
    folder = WEB / "vendor" / "swagger"
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert (folder / "NOTICE").is_file()


def test_docs_shows_every_operation_in_a_browser_without_leaving_home(world: World, browser: Browser) -> None:
    asked: list[str] = []
    errors: list[str] = []
    with live(world.app) as base, browser.new_context() as context:
        page = context.new_page()
        page.on("request", lambda r: asked.append(r.url))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.goto(f"{base}/docs")
        page.wait_for_selector(".opblock", timeout=60_000)
        shown = page.locator(".opblock").count()
    assert shown == len(ANSWERS)
    assert [u for u in asked if not u.startswith((base, "data:"))] == []
    assert errors == []
