"""Colours: `#rrggbb` in and out, contrast by WCAG 2.2, lightness and hue in OKLCH.

Contrast and luminance are those of WCAG 2.2 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio). OKLab and OKLCH are Björn Ottosson's "A
perceptual color space for image processing" (2020, https://bottosson.github.io/posts/oklab/), as CSS Color 4 has them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

TEXT, MARK = 4.5, 3.0
"""The least contrast of text (WCAG 1.4.3), and of what is no text but must be seen (1.4.11)."""
Triple = tuple[float, float, float]
_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")


def parse(text: str) -> str:
    """`#rrggbb` in lower case, of `#rgb` or `#rrggbb`. Raises ValueError for anything else."""
    if not _HEX.fullmatch(text):
        raise ValueError("must be a colour such as #2459c4")
    digits = text[1:].lower()
    return "#" + (digits if len(digits) == 6 else "".join(2 * d for d in digits))


def linear(colour: str) -> Triple:
    """Linear light of red, green, blue, 0 to 1 (IEC 61966-2-1)."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return _light(red), _light(green), _light(blue)


def _light(value: float) -> float:
    return float(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)


def _sign(value: float) -> float:
    return float(value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055)


def luminance(colour: str) -> float:
    """Relative luminance, 0 (black) to 1 (white)."""
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(light: Triple) -> Triple:
    """OKLab of linear light: lightness 0 to 1, green to red, blue to yellow."""
    red, green, blue = light
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def lch(colour: str) -> Triple:
    """OKLCH: lightness 0 to 1, chroma 0 to about 0.37, hue in degrees."""
    lightness, a, b = lab(linear(colour))
    return lightness, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360


def of_lch(lightness: float, chroma: float, hue: float) -> str:
    """The colour of OKLCH; where the screen has none, the one of the same lightness and hue with the most chroma that it has."""
    found = _within(lightness, chroma, hue)
    if found is not None:
        return found
    low, high = 0.0, chroma
    while high - low > 0.001:
        middle = (low + high) / 2
        low, high = (middle, high) if _within(lightness, middle, hue) is not None else (low, middle)
    return _within(lightness, low, hue) or ("#000000" if lightness < 0.5 else "#ffffff")


def _within(lightness: float, chroma: float, hue: float) -> str | None:
    """The colour as `#rrggbb`, if it lies within sRGB."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    light = (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )
    if not all(-0.0005 <= v <= 1.0005 for v in light):
        return None
    return "#" + "".join(f"{round(_sign(min(1.0, max(0.0, v))) * 255):02x}" for v in light)


def readable_on(ground: str) -> str:
    """A colour of text on `ground`: white where that is enough, else a dark one. One of them always is: 4.58 is the worst case of the two."""
    return next((c for c in ("#ffffff", "#0d1526") if contrast(c, ground) >= TEXT), "#000000")


def legible(colour: str, grounds: Iterable[str], wanted: float = TEXT) -> str:
    """The colour itself where it stands out from every ground, else the nearest of its hue that does: darker on light, lighter on dark."""
    all_ = list(grounds)
    if all(contrast(colour, g) >= wanted for g in all_):
        return colour
    lightness, chroma, hue = lch(colour)
    down = sum(luminance(g) for g in all_) / len(all_) > 0.18
    for step in range(1, 101):
        moved = lightness - step / 100 if down else lightness + step / 100
        tried = of_lch(min(1.0, max(0.0, moved)), chroma, hue)
        if all(contrast(tried, g) >= wanted for g in all_):
            return tried
    return "#000000" if down else "#ffffff"
