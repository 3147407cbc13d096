"""Colours: what is one, contrast as WCAG has it, OKLCH there and back, and themes and palettes in which everything is seen."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.control.branding.colours import MARK, TEXT, contrast, lab, lch, legible, linear, of_lch, parse, readable_on
from api.control.branding.palettes import SIZE, palette
from api.control.branding.themes import DEFAULTS, Name, require_background, shown_theme, theme

COLOUR = st.integers(0, 0xFFFFFF).map(lambda n: f"#{n:06x}")
BRANDS = [
    "#000000",
    "#ffffff",
    "#808080",
    "#ff0000",
    "#00ff00",
    "#0000ff",
    "#ffff00",
    "#2459c4",
    "#ff6600",
    "#7a0019",
    "#39cccc",
    "#f5f5dc",
]
THEMES: list[Name] = ["light", "dark"]
WEB = Path("api/web")


@pytest.mark.parametrize(("text", "colour"), [("#FFF", "#ffffff"), ("#2459C4", "#2459c4"), ("#a1b", "#aa11bb")])
def test_colour_is_three_or_six_digits(text: str, colour: str) -> None:
    assert parse(text) == colour


@pytest.mark.parametrize(
    "text",
    ["red", "", "#", "#12", "#12345", "#1234567", "#12345678", "2459c4", "#2459c4 ", " #fff", "#ggg", "#fff\n", "rgb(0,0,0)", "url(//evil)",
     "red;} body{background:url(//evil)}", "#fff;}", "var(--x)", "#\uff11\uff11\uff11"],
)  # fmt: skip
def test_what_is_no_colour_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a colour"):
        parse(text)


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#767676", "#ffffff", 4.54), ("#0000ff", "#ffffff", 8.59), ("#123456", "#123456", 1.0)],
)  # fmt: skip
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize(
    ("colour", "lightness", "chroma", "hue"),
    [("#ff0000", 0.628, 0.258, 29.23), ("#00ff00", 0.866, 0.295, 142.5), ("#0000ff", 0.452, 0.313, 264.05), ("#ffffff", 1.0, 0.0, None)],
)
def test_oklch_of_known_colours(colour: str, lightness: float, chroma: float, hue: float | None) -> None:
    found = lch(colour)
    assert found[:2] == (pytest.approx(lightness, abs=0.001), pytest.approx(chroma, abs=0.001))
    assert hue is None or found[2] == pytest.approx(hue, abs=0.1)


@given(COLOUR)
def test_oklch_leads_back(colour: str) -> None:
    again = of_lch(*lch(colour))
    assert all(abs(int(colour[at : at + 2], 16) - int(again[at : at + 2], 16)) <= 1 for at in (1, 3, 5))


@given(st.floats(0.2, 1), st.floats(0, 0.5), st.floats(0, 360))
def test_colour_that_the_screen_has_not_keeps_lightness_and_hue(lightness: float, chroma: float, hue: float) -> None:
    found = of_lch(lightness, chroma, hue)
    assert parse(found) == found
    assert abs(lch(found)[0] - lightness) < 0.02


@given(COLOUR)
def test_text_on_any_colour_is_readable(colour: str) -> None:
    assert contrast(readable_on(colour), colour) >= TEXT


@given(COLOUR, st.sampled_from(THEMES))
@settings(max_examples=60, deadline=None)
def test_everything_of_a_theme_is_seen_whatever_the_primary_colour(colour: str, name: Name) -> None:
    found = theme(name, colour, None)
    assert contrast(found.on_primary, found.primary) >= TEXT
    assert all(contrast(found.accent, ground) >= TEXT for ground in (*found.grounds, found.accent_soft))
    assert all(contrast(found.text, ground) >= TEXT and contrast(found.muted, ground) >= TEXT for ground in found.grounds)
    assert len(set(found.palette)) == SIZE
    assert all(contrast(c, found.surface) >= MARK for c in found.palette)
    assert name == "dark" or found.primary == colour, "on light the brand's colour is exactly that"


def test_legible_colour_stays_as_it_is_and_another_keeps_its_hue() -> None:
    assert legible("#2459c4", ["#ffffff"]) == "#2459c4"
    moved = legible("#ffcc00", ["#ffffff"])
    assert moved != "#ffcc00"
    assert contrast(moved, "#ffffff") >= TEXT
    assert lch(moved)[2] == pytest.approx(lch("#ffcc00")[2], abs=3)


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("primary", BRANDS)
def test_colours_of_a_palette_are_told_apart(primary: str, name: Name) -> None:
    found = palette(primary, DEFAULTS[name].surface, name)
    assert len(found) == SIZE
    nearest = min(math.dist(lab(linear(a)), lab(linear(b))) for a, b in itertools.combinations(found, 2))
    assert nearest > 0.11, "a just noticeable difference is about 0.02"
    assert found == palette(primary, DEFAULTS[name].surface, name), "the same each time"


@pytest.mark.parametrize(("name", "colour"), [("light", "#000000"), ("light", "#888888"), ("dark", "#ffffff"), ("dark", "#666666")])
def test_background_on_which_text_is_not_read_is_refused(name: Name, colour: str) -> None:
    with pytest.raises(ValueError, match="contrast"):
        require_background(name, colour)


def test_link_of_the_default_colour_is_read_on_another_background() -> None:
    found = theme("light", None, "#e0e0e0")
    assert contrast(found.accent, "#e0e0e0") >= TEXT


def test_shown_contrast_is_never_more_than_it_is() -> None:
    assert shown_theme(DEFAULTS["light"])["contrast"]["on_primary"] <= contrast("#ffffff", "#2459c4")


def test_defaults_are_those_of_the_style_sheet_and_the_charts() -> None:
    light, _, dark = (WEB / "style.css").read_text().partition("@media (prefers-color-scheme: dark)")
    charts = (WEB / "js" / "look.js").read_text()
    for name, sheet in (("light", light), ("dark", dark)):
        found = DEFAULTS[name]  # type: ignore[index]
        own = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", sheet.split("}")[0]))
        assert {own["accent"], own["primary"]} == {found.accent}
        assert (own["on-primary"], own["accent-soft"], own["page"]) == (found.on_primary, found.accent_soft, found.background)
        assert (own["surface"], own["sunken"], own["text"], own["muted"]) == (found.surface, found.sunken, found.text, found.muted)
        assert str(list(found.palette)).replace("'", '"') in charts
