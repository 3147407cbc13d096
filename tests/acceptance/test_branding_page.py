"""The page in a tenant's own looks, in a real browser: name, logo, colours, font, corners; read in light and dark, on a phone and on a desk."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect
from psycopg import sql

from tests.acceptance.browsing import DESK, FAINT, PHONE, TOO_WIDE
from tests.acceptance.page_world import LONG, PageWorld, build, start
from tests.acceptance.test_page import ANSWERED, Seen
from tests.conftest import uri_for

pytestmark = pytest.mark.acceptance
PLAIN: dict[str, Any] = {"name": None, "colours": None, "font": None, "radius": None, "powered_by": None}
LOOKS: dict[str, dict[str, Any]] = {
    "wine": {"name": "Acme Insights", "colours": {"primary": "#7a0019"}, "font": {"fallback": "serif"}, "radius": 2, "powered_by": False},
    "yellow": {
        "name": LONG[:118],
        "colours": {"primary": "#ffe600", "background": "#fffbe0"},
        "font": {"fallback": "rounded"},
        "radius": 20,
    },
    "black": {"name": "N", "colours": {"primary": "#000000", "background_dark": "#000000"}, "font": {"fallback": "mono"}, "radius": 0},
    "pale": {"colours": {"primary": "#e0f7ff", "primary_dark": "#001018"}},
}
COLOUR_OF = "([selector, property]) => getComputedStyle(document.querySelector(selector))[property]"
LINES = """() => Object.values(Chart.instances).flatMap((c) => c.data.datasets.map((d) => d.colour)).flat()"""


@pytest.fixture(scope="module")
def world(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageWorld]:
    folder, name = tmp_path_factory.mktemp("branded"), f"branded_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} encoding 'UTF8' template template0").format(sql.Identifier(name)))
    home, key, tenant_key = build(uri_for(postgres, dbname=name), folder)
    process, base = start(home, folder / "server.log")
    yield PageWorld(base, folder / "server.log", key, tenant_key)
    process.terminate()
    process.wait(30)


def logo(text: str, colour: str, size: tuple[int, int] = (900, 160)) -> bytes:
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, size[1], size[1]), 40, fill=colour)
    draw.text((size[1] + 30, 10), text, fill=colour, font_size=120)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


Say = Callable[..., dict[str, Any]]


@pytest.fixture
def say(world: PageWorld) -> Iterator[Say]:
    """Says the looks of the first tenant (`at` None: of the workspace), with logos by slot; taken back at the end. Gives what counts."""
    with httpx.Client(base_url=world.base, headers={"Authorization": f"Bearer {world.key}"}, trust_env=False) as client:
        base = f"/v1/workspaces/{client.get('/v1/me').json()['scope']['workspace']['id']}"
        touched = set()

        def said(looks: dict[str, Any], at: str | None = "key:1", **logos: bytes) -> dict[str, Any]:
            path = f"{base}/branding" if at is None else f"{base}/tenants/{at}/branding"
            touched.add(path)
            answer = client.put(path, json=looks)
            assert answer.status_code == 200, answer.text
            for slot, content in logos.items():
                answer = client.put(f"{path}/logos/{slot}", content=content, headers={"Content-Type": "image/png"})
                assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()["resolved"]
            return found

        yield said
        for path in touched:
            client.put(path, json=PLAIN)
            for slot in ("light", "dark", "mark"):
                client.delete(f"{path}/logos/{slot}")


@pytest.fixture
def open_page(browser: Browser, world: PageWorld) -> Iterator[Callable[..., Page]]:
    contexts = []

    def opened(key: str | None, size: dict[str, int] = DESK, scheme: str = "light") -> Page:
        context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.seen = Seen(page)  # type: ignore[attr-defined]
        page.goto(f"{world.base}/" + (f"#key={key}" if key else ""))
        page.wait_for_selector(ANSWERED if key == world.tenant_key else "#key" if key is None else "a.tenant")
        return page

    yield opened
    for context in contexts:
        context.close()


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"


def style(page: Page, selector: str, property_: str) -> str:
    return str(page.evaluate(COLOUR_OF, [selector, property_]))


def test_page_wears_what_the_tenant_said_and_no_other_origin_is_asked(open_page: Callable[..., Page], say: Say, world: PageWorld) -> None:
    found = say(LOOKS["wine"], light=logo("Acme", "#7a0019"), dark=logo("Acme", "#ffffff"), mark=logo("", "#7a0019", (64, 64)))
    page = open_page(world.tenant_key)
    image = page.get_by_role("img", name="Acme Insights")
    expect(image).to_have_attribute("src", found["logos"]["light"])
    assert image.evaluate("(e) => e.naturalWidth") == 512, "it is loaded"
    assert page.locator("link[rel=icon]").get_attribute("href") == found["logos"]["mark"]
    assert style(page, "body", "fontFamily").startswith("Georgia")
    assert style(page, ".tile", "borderRadius") == "2px"
    assert page.evaluate("() => getComputedStyle(document.documentElement).getPropertyValue('--accent')") == "#7a0019"
    assert set(page.evaluate(LINES)) <= set(found["colours"]["light"]["palette"])
    expect(page.get_by_text("Powered by")).to_be_hidden()
    page.emulate_media(color_scheme="dark")
    expect(image).to_have_attribute("src", found["logos"]["dark"])
    page.wait_for_function(f"({LINES})().includes('{found['colours']['dark']['palette'][0]}')")
    seen: Seen = page.seen  # type: ignore[attr-defined]
    assert seen.complaints == []
    assert all(r.url.startswith((world.base, "data:", "blob:")) for r in seen.requests)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("looks", LOOKS)
def test_nothing_is_too_wide_or_too_faint_whatever_the_looks(
    open_page: Callable[..., Page], say: Say, world: PageWorld, looks: str, size: dict[str, int], scheme: str, tmp_path: Path
) -> None:
    say(LOOKS[looks], **({"light": logo("Wide logo of Acme", "#7a0019")} if looks == "wine" else {}))
    page = open_page(world.tenant_key, size, scheme)
    assert (page.evaluate(TOO_WIDE), page.evaluate(FAINT)) == (0, [])
    for button in ("About this slice", "Kind: All"):
        page.get_by_role("button", name=button, exact=True).click()
        assert (page.evaluate(TOO_WIDE), page.evaluate(FAINT)) == (0, []), button
        page.keyboard.press("Escape")


def test_form_for_a_key_wears_what_the_host_is_known_for(open_page: Callable[..., Page], say: Say, world: PageWorld) -> None:
    page = open_page(None)
    assert page.title() == "Slicehouse"
    say(LOOKS["yellow"])
    found = httpx.get(f"{world.base}/v1/branding/by-host", trust_env=False).json()
    page.route("**/by-host", lambda route: route.fulfill(json=found | {"name": "Acme", "colours": say(LOOKS["yellow"])["colours"]}))
    page.reload()
    expect(page.locator(".brand")).to_contain_text("Acme")
    assert style(page, "button.primary", "backgroundColor") == rgb("#ffe600")
    assert page.title() == "Acme"
    assert page.evaluate(FAINT) == []


def test_people_of_the_workspace_see_its_name_and_the_tenants_colours(open_page: Callable[..., Page], say: Say, world: PageWorld) -> None:
    say({"name": "House"}, at=None)
    say(LOOKS["wine"])
    page = open_page(world.key)
    assert page.title() == "Tenants · House"
    page.get_by_role("link", name="First").click()
    page.wait_for_selector(ANSWERED)
    expect(page.locator(".brand")).to_contain_text("House")
    assert style(page, ".tile", "borderRadius") == "2px"
    page.goto(f"{world.base}/#/")
    page.wait_for_function("() => document.documentElement.style.getPropertyValue('--radius') === '12px'")
    expect(page.get_by_text("Powered by Slicehouse")).to_be_visible()


def test_name_is_shown_as_it_is_written(open_page: Callable[..., Page], say: Say, world: PageWorld) -> None:
    say({"name": "<img src=x onerror=alert(1)> {{7*7}} ${7*7}"})
    page = open_page(world.tenant_key)
    assert page.locator(".brand span").inner_text() == "<img src=x onerror=alert(1)> {{7*7}} ${7*7}"
    assert page.locator(".brand img").count() == 0
