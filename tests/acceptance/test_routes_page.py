"""/console/routes in a real browser: decisions, drawing, search, one table's evidence; at a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from api.cli.main import main
from api.control.access.keys import make_key
from engine.settings import Settings
from engine.workspace import read_workspace
from slices.installation import open_installation
from tests.acceptance.browsing import DESK, FAINT, PHONE, TOO_WIDE
from tests.acceptance.page_world import start
from tests.acceptance.review_world import offer, write

pytestmark = pytest.mark.acceptance


@dataclass(frozen=True)
class Served:
    base: str
    key: str
    tenant_key: str
    log: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A reviewed workspace that differs from what was accepted, served by a process that cannot reach the source."""
    folder = tmp_path_factory.mktemp("routes")
    offer()
    file = write(folder, name="Review & Co")
    for verb in (["routes", "--accept"], ["refresh"], ["routes"]):
        assert main([*verb, "-w", str(file)]) == 0
    write(folder, name="Review & Co", tables={"countries": "shared"})
    assert main(["routes", "-w", str(file)]) == 0
    installation = open_installation(Settings(home=folder / ".slicehouse"))
    key, tenant = (make_key(installation, read_workspace(file), scope, None, "page").text for scope in ("workspace", "tenant:1"))
    installation.catalog.close()
    process, base = start(folder / ".slicehouse", folder / "log")
    yield Served(base, key, tenant, folder / "log")
    process.terminate()
    process.wait(30)


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, served: Served) -> Iterator[Open]:
    contexts, complaints, hosts = [], [], set()

    def opened(*, size: dict[str, int] = DESK, scheme: str = "light", key: str | None = None, drawn: bool = True) -> Page:
        context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on("request", lambda r: hosts.add(urlsplit(r.url).netloc))
        page.goto(f"{served.base}/console/routes#key={key or served.key}")
        if drawn:
            page.wait_for_selector(".drawing-box svg.rg")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert hosts == {urlsplit(served.base).netloc}


def test_page_shows_decisions_drawing_and_tables(open_page: Open) -> None:
    page = open_page()
    assert page.title() == "Routes · Review & Co"
    assert page.locator("h1").inner_text() == "Routes of Review & Co"
    assert page.locator(".routes-title .badge").inner_text() == "differs from accepted routing 1"
    assert page.locator(".decision h3").all_inner_texts() == ["deal_lines", "deals"]
    assert page.locator(".decision code").all_inner_texts() == [
        "deal_lines: excluded",
        "deals: {via: buyer_id}",
        "deals: {via: seller_id}",
        "deals: excluded",
    ]
    expect(page.locator(".rg-table")).to_have_count(7)
    expect(page.locator(".route-item")).to_have_count(7)


def test_tenants_and_routes_lead_to_one_another_and_a_tenants_key_sees_no_way(open_page: Open, served: Served) -> None:
    page = open_page()
    page.get_by_role("link", name="Tenants", exact=True).click()
    page.get_by_role("link", name="Routes", exact=True).click()
    expect(page.locator("h1")).to_have_text("Routes of Review & Co")
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{served.base}/#key={served.tenant_key}")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.get_by_role("link", name="Routes", exact=True)).to_have_count(0)


def test_what_is_no_key_is_said_at_once(open_page: Open, served: Served) -> None:
    page = open_page()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Access key").fill("clé d’accès")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("This does not look like a key")
    page.get_by_label("Access key").fill(served.key)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Routes of Review & Co")


def test_a_line_is_copied(open_page: Open) -> None:
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy deals: {via: buyer_id}").click()
    expect(page.get_by_role("button", name="Copy deals: {via: buyer_id}")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "deals: {via: buyer_id}"


def test_a_table_opens_with_its_evidence_and_is_marked_in_the_drawing(open_page: Open) -> None:
    page = open_page()
    page.locator('.route-item[data-table="tickets"] > button').click()
    details = page.locator('.route-item[data-table="tickets"] .route-details')
    assert "tickets.project_id->projects.id" in details.inner_text()
    assert "In quarantine: 2 two tenants." in details.inner_text()
    assert details.locator("tr", has_text="org_id / project_id").locator("td").all_inner_texts() == [
        "org_id / project_id", "1", "2", "1", "0", "2; 3",
    ]  # fmt: skip
    expect(page.locator(".rg-self")).to_have_attribute("data-table", "tickets")
    expect(page.locator(".rg-edge.rg-mine")).to_have_count(3)
    page.locator('.route-item[data-table="tickets"] > button').click()
    expect(page.locator(".route-details")).to_have_count(0)
    expect(page.locator(".rg-self")).to_have_count(0)


def test_a_table_of_the_drawing_opens_below(open_page: Open) -> None:
    page = open_page()
    page.get_by_label("Search tables and columns").fill("orgs")
    expect(page.locator(".rg-table:not(.rg-dim)")).to_have_count(4)
    page.locator('.rg-table[data-table="notes"]').click()
    expect(page.locator('.route-item[data-table="notes"] .route-details')).to_be_visible()
    expect(page.locator(".rg-dim")).to_have_count(0)


def test_search_and_route_leave_what_matches(open_page: Open) -> None:
    page = open_page()
    page.get_by_label("Search tables and columns").fill("seller")
    expect(page.locator(".route-item")).to_have_count(1)
    page.get_by_label("Search tables and columns").fill("")
    page.get_by_label("Route", exact=True).select_option("direct")
    assert page.locator(".route-item .name").all_inner_texts() == ["projects", "tickets"]
    page.get_by_label("Search tables and columns").fill("nothing like it")
    expect(page.locator(".nothing")).to_have_text("No table matches.")


def test_drawing_is_zoomed(open_page: Open) -> None:
    page = open_page(size=PHONE)
    width = "() => document.querySelector('.drawing-box svg').getBoundingClientRect().width"
    full = page.evaluate(width)
    page.get_by_role("button", name="Fit the width").click()
    assert page.evaluate(width) <= 390 < full
    page.get_by_role("button", name="Larger").click()
    assert page.evaluate(width) > 390


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_and_can_be_read(open_page: Open, size: dict[str, int], scheme: str) -> None:
    page = open_page(size=size, scheme=scheme)
    assert page.evaluate(TOO_WIDE) == 0
    assert page.evaluate(FAINT) == []
    page.locator('.route-item[data-table="tickets"] > button').click()
    assert page.evaluate(TOO_WIDE) == 0


def test_everything_is_reached_by_keys(open_page: Open) -> None:
    page = open_page()
    page.locator('.route-item[data-table="notes"] > button').focus()
    page.keyboard.press("Enter")
    expect(page.locator('.route-item[data-table="notes"] > button')).to_be_focused()
    expect(page.locator('.route-item[data-table="notes"] > button')).to_have_attribute("aria-expanded", "true")


def test_a_tenants_key_is_told_that_it_is_not_here(open_page: Open, served: Served) -> None:
    page = open_page(key=served.tenant_key, drawn=False)
    expect(page.locator(".state.error")).to_contain_text("this one is a tenant's")


def test_the_key_is_in_no_address_and_in_no_log(open_page: Open, served: Served) -> None:
    page = open_page()
    secret = served.key.split("_", 2)[2]
    assert secret not in page.url
    assert secret not in served.log.read_text()
