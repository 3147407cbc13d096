"""The page in a real browser: a key in the fragment, tenants, charts, parameters, and what it shows when something is wrong."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect
from psycopg import sql

from tests.acceptance.browsing import DESK, FAINT, PHONE, TOO_WIDE
from tests.acceptance.page_world import CHARTS, LONG, PageWorld, build, start
from tests.conftest import uri_for

pytestmark = pytest.mark.acceptance
ANSWERED = ".grid:not(:has(.tile[aria-busy])) .panel-body > :not(.skeleton)"
DRAWN = """() => [...document.querySelectorAll('.canvas canvas')].filter((c) => {
  const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
  return data.some((value, at) => at % 4 === 3 && value > 0);
}).length"""


@pytest.fixture(scope="module")
def world(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageWorld]:
    folder, name = tmp_path_factory.mktemp("page"), f"page_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} encoding 'UTF8' template template0").format(sql.Identifier(name)))
    home, key, tenant_key = build(uri_for(postgres, dbname=name), folder)
    process, base = start(home, folder / "server.log")
    yield PageWorld(base, folder / "server.log", key, tenant_key)
    process.terminate()
    process.wait(30)


class Seen:
    """What a page asked for and complained of."""

    def __init__(self, page: Page) -> None:
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        page.on("request", lambda r: self.requests.append(r))
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.complaints.append(str(e)))


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, world: PageWorld) -> Iterator[Open]:
    """Opens the page with a key in the fragment, and the first tenant where it is told to."""
    contexts = []

    def opened(*, tenant: str | None = "First", size: dict[str, int] = DESK, scheme: str = "light", key: str | None = None) -> Page:
        context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.seen = Seen(page)  # type: ignore[attr-defined]
        page.goto(f"{world.base}/#key={key or world.key}")
        if tenant is not None:
            page.get_by_role("link", name=tenant).click()
            page.wait_for_selector(ANSWERED)
        return page

    yield opened
    for context in contexts:
        context.close()


def seen(page: Page) -> Seen:
    found: Seen = page.seen  # type: ignore[attr-defined]
    return found


def total(page: Page) -> str:
    page.wait_for_selector(ANSWERED)
    return page.locator(".panel-number strong").inner_text()


def test_key_in_the_fragment_opens_tenants_and_their_charts(open_page: Open, world: PageWorld) -> None:
    page = open_page(tenant=None)
    expect(page.locator("a.tenant")).to_have_count(3)
    assert page.locator("a.tenant .name").all_inner_texts() == [LONG.strip(), "First", "Nothing yet"]
    assert page.title() == "Tenants · Page"
    page.get_by_role("link", name="First").click()
    page.wait_for_selector(ANSWERED)
    expect(page.locator(".canvas canvas")).to_have_count(len(CHARTS))
    assert page.evaluate(DRAWN) == len(CHARTS) >= 6
    assert page.title() == "Sales · First"
    assert "As of" in page.locator(".fresh").inner_text()
    assert page.locator(".panel-table tbody tr").count() == 150
    assert seen(page).complaints == []
    assert {urlsplit(r.url).netloc for r in seen(page).requests if not r.url.startswith(("data:", "blob:"))} == {
        urlsplit(world.base).netloc
    }


def test_the_key_is_in_no_address_and_in_no_log(open_page: Open, world: PageWorld) -> None:
    page = open_page()
    secret = world.key.split("_", 2)[2]
    assert "key" not in page.url
    assert secret not in page.content()
    assert all(secret not in r.url.split("#")[0] for r in seen(page).requests)
    assert all(secret not in r.headers.get("referer", "") for r in seen(page).requests)
    log = world.log.read_text()
    assert "GET /v1/me" in log
    assert secret not in log
    page.reload()
    page.wait_for_selector(ANSWERED)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_selector("#key")
    assert page.evaluate("() => JSON.stringify({ ...sessionStorage, ...localStorage })") == "{}"


def test_parameters_change_the_numbers(open_page: Open) -> None:
    page = open_page()
    whole = total(page)
    page.get_by_role("button", name="Kind: All").click()
    page.get_by_label("beta").check()
    expect(page.locator(".panel-number strong")).not_to_have_text(whole)
    part = total(page)
    assert "kind=beta" in page.url
    page.keyboard.press("Escape")
    page.get_by_role("button", name="30 d").click()
    expect(page.locator(".panel-number strong")).not_to_have_text(part)
    page.wait_for_selector(ANSWERED)
    page.reload()
    page.wait_for_selector(ANSWERED)
    assert page.get_by_role("button", name="Kind: beta").is_visible()
    page.get_by_role("button", name="Reset parameters").click()
    expect(page.locator(".panel-number strong")).to_have_text(whole)


def test_a_download_names_no_parameter_that_is_not_set(open_page: Open) -> None:
    page = open_page()
    page.evaluate("() => { location.hash += '?kind='; }")
    page.wait_for_selector(ANSWERED)
    page.get_by_role("button", name="Menu of Sideways").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download Sideways as CSV").click()
    assert Path(download.value.path()).read_text().startswith('"kind","total"')
    asked = [r.url for r in seen(page).requests if "format=csv" in r.url]
    assert len(asked) == 1
    assert "p.kind" not in asked[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_is_wider_than_the_window_or_too_faint(open_page: Open, size: dict[str, int], scheme: str) -> None:
    page = open_page(tenant=None, size=size, scheme=scheme)
    expect(page.locator("a.tenant")).to_have_count(3)
    assert (page.evaluate(TOO_WIDE), page.evaluate(FAINT)) == (0, [])
    page.get_by_role("link", name="Donau").click()
    page.wait_for_selector(ANSWERED)
    assert (page.evaluate(TOO_WIDE), page.evaluate(FAINT)) == (0, [])
    for button in ("About this slice", "Kind: All", "Menu of Pie"):
        page.get_by_role("button", name=button, exact=True).click()
        assert (page.evaluate(TOO_WIDE), page.evaluate(FAINT)) == (0, []), button
        page.keyboard.press("Escape")
    assert page.evaluate(DRAWN) == len(CHARTS)


def test_a_tenant_without_rows_says_so(open_page: Open) -> None:
    page = open_page(tenant="Nothing yet")
    expect(page.get_by_text("No data in this period")).to_have_count(len(CHARTS) + 2)
    assert seen(page).complaints == []


def test_a_tenants_own_key_opens_its_dashboard(open_page: Open, world: PageWorld) -> None:
    page = open_page(tenant=None, key=world.tenant_key)
    page.wait_for_selector(ANSWERED)
    assert page.locator("h1").inner_text() == "First"
    assert page.get_by_role("link", name="Tenants").count() == 0


def test_a_wrong_key_is_asked_for_again(open_page: Open, world: PageWorld) -> None:
    page = open_page(tenant=None, key=world.key[:-2] + "xx")
    expect(page.get_by_role("alert").first).to_contain_text("This key is not accepted")
    page.get_by_label("Access key").fill(world.key)
    page.keyboard.press("Enter")
    expect(page.locator("a.tenant")).to_have_count(3)


def test_an_api_that_is_down_is_said_once_and_can_be_asked_again(open_page: Open) -> None:
    page = open_page()
    page.route("**/v1/**", lambda route: route.abort())
    page.get_by_role("button", name="30 d").click()
    expect(page.locator(".trouble")).to_contain_text("No connection")
    expect(page.get_by_role("button", name="Try again")).to_have_count(1)
    page.unroute("**/v1/**")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".canvas canvas")).to_have_count(len(CHARTS))
    expect(page.locator(".trouble")).to_be_hidden()


def test_a_slow_panel_holds_up_no_other(open_page: Open) -> None:
    page = open_page(tenant=None)
    held: list[Route] = []

    def answered(route: Route) -> None:
        if json.loads(route.request.post_data or "{}")["panels"] == ["area"]:
            held.append(route)
        else:
            route.continue_()

    page.route("**/data", answered)
    page.get_by_role("link", name="First").click()
    expect(page.locator(".tile[aria-busy]")).to_have_count(1)
    expect(page.locator(".canvas canvas")).to_have_count(len(CHARTS) - 1)
    expect(page.get_by_text("Still waiting for the answer")).to_be_visible(timeout=15_000)
    held[0].continue_()
    expect(page.locator(".canvas canvas")).to_have_count(len(CHARTS))
    expect(page.get_by_text("Still waiting for the answer")).to_have_count(0)


def test_a_panel_that_fails_says_why_in_its_place(open_page: Open) -> None:
    page = open_page()
    problem = {"title": "The statement took too long", "detail": "It was ended.", "status": 422}

    def answered(route: Route) -> None:
        panels = json.loads(route.request.post_data or "{}")["panels"]
        if panels == ["pie"]:
            route.fulfill(json={"panels": {"pie": {"problem": problem}}})
        else:
            route.continue_()

    page.route("**/data", answered)
    page.get_by_role("button", name="30 d").click()
    expect(page.locator(".panel-pie .state.error")).to_contain_text("The statement took too long")
    expect(page.locator(".canvas canvas")).to_have_count(len(CHARTS) - 1)
    page.unroute("**/data")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".canvas canvas")).to_have_count(len(CHARTS))
    expect(page.locator(".trouble")).to_be_hidden()


def test_every_control_is_reached_by_the_keyboard_and_shows_it(open_page: Open) -> None:
    page = open_page()
    names = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            """() => { const e = document.activeElement;
            return [e.getAttribute('aria-label') || e.textContent.trim(), getComputedStyle(e).outlineStyle]; }"""
        )
        names.add(name)
        assert outline != "none" or name in ("Period: from", "Period: to") or "Skip to content" in name, name
    assert {"About this slice", "Slice file", "Ask again", "30 d", "Kind: All", "Menu of Pie", "Rows: table"} <= names


# ── within a page of the customer's own ───────────────────────────────────────────────────────────────────────────────


class HostPage(BaseHTTPRequestHandler):
    """The customer's page: whatever `markup` is."""

    markup = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(type(self).markup.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def host() -> Iterator[int]:
    """The port of a server of the customer's: an allowed origin by one name, another origin by the other."""
    with ThreadingHTTPServer(("127.0.0.1", 0), HostPage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def embedded_in(browser: Browser, world: PageWorld, host: int, name: str, size: dict[str, int] = DESK) -> Page:
    """A page of the customer's, asked by that name, with the first tenant's dashboard in a frame, as a back end makes it."""
    allowed, headers = f"http://127.0.0.1:{host}", {"Authorization": f"Bearer {world.key}"}
    with httpx.Client(base_url=world.base, headers=headers, trust_env=False) as client:
        at = f"/v1/workspaces/{client.get('/v1/me').json()['scope']['workspace']['id']}/tenants/key:1"
        assert client.patch(at, json={"allowed_origins": [allowed]}).status_code == 200
        made = client.post("/v1/embed/sessions", json={"tenant": "key:1", "sub": "ada", "origins": [allowed]}).json()
    HostPage.markup = f'<!doctype html><title>Ours</title><h1>Ours</h1><iframe title="Sales" src="{world.base}{made["url"]}" style="width:100%;height:80vh;border:0"></iframe>'
    context = browser.new_context(viewport=size)  # type: ignore[arg-type]
    page = context.new_page()
    page.seen = Seen(page)  # type: ignore[attr-defined]
    page.goto(f"http://{name}:{host}/")
    return page


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_dashboard_in_a_page_of_an_allowed_origin_needs_no_key_and_shows_no_bar(
    browser: Browser, world: PageWorld, host: int, size: dict[str, int]
) -> None:
    page = embedded_in(browser, world, host, "127.0.0.1", size)
    frame = page.frame_locator("iframe")
    frame.locator(ANSWERED).first.wait_for()
    expect(frame.get_by_role("heading", name="Sales")).to_be_visible()
    expect(frame.locator("#top")).to_be_hidden()
    expect(frame.get_by_text("Slice file")).to_be_hidden()
    expect(frame.get_by_text("Key 1")).to_be_hidden()
    inside = page.frames[1]
    assert "session" not in inside.url
    assert inside.evaluate("Object.keys(sessionStorage).length + Object.keys(localStorage).length") == 0
    assert inside.evaluate(TOO_WIDE) <= 0
    inside.evaluate("location.reload()")
    expect(frame.get_by_text("This dashboard has ended")).to_be_visible()
    expect(frame.get_by_label("Access key")).to_have_count(0)
    page.context.close()


def test_page_of_another_origin_may_not_frame_the_dashboard(browser: Browser, world: PageWorld, host: int) -> None:
    page = embedded_in(browser, world, host, "localhost")
    page.wait_for_load_state("networkidle")
    assert any("frame-ancestors" in text for text in seen(page).complaints)
    assert not page.frames[1].url.startswith(world.base)
    for tenant in ("tn_" + "0" * 26, "nobody"):
        policy = httpx.get(f"{world.base}/embed/{tenant}", trust_env=False).headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
    page.context.close()
