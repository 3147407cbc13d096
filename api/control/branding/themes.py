"""The light and the dark theme of a page, made of a primary colour and a background, or of nothing: then they are those of the style sheet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from api.control.branding.colours import MARK, TEXT, contrast, lch, legible, of_lch, readable_on
from api.control.branding.palettes import palette

Name = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one theme. `primary` is of surfaces, with `on_primary` upon it; `accent` is primary as a colour of text, `accent_soft` a faint
    ground for it; `text` and `muted` are of all other text."""

    primary: str
    on_primary: str
    accent: str
    accent_soft: str
    background: str
    surface: str
    sunken: str
    text: str
    muted: str
    palette: tuple[str, ...]

    @property
    def grounds(self) -> tuple[str, ...]:
        """What text stands on."""
        return self.background, self.surface, self.sunken


# As in api/web/style.css and api/web/js/look.js; a test holds them together.
DEFAULTS: dict[Name, Theme] = {
    "light": Theme(
        primary="#2459c4", on_primary="#ffffff", accent="#2459c4", accent_soft="#e8effc", background="#f5f6f8", surface="#ffffff", sunken="#f0f2f5",
        text="#1a1f29", muted="#5a6373",
        palette=("#2f6bde", "#e06c10", "#14998a", "#8a1f66", "#9588e9", "#b3261e", "#25357f", "#7d8a1c"),
    ),
    "dark": Theme(
        primary="#86b0ff", on_primary="#0d1526", accent="#86b0ff", accent_soft="#1c2b49", background="#0e1116", surface="#161a21", sunken="#1f242d",
        text="#e8ebf1", muted="#9ea8b8",
        palette=("#5b93f5", "#f0913f", "#35d6c0", "#c04a9c", "#cfc4ff", "#e0493f", "#7d74e0", "#c9d05a"),
    ),
}  # fmt: skip
_GREY = 0.03
# Lightness and most chroma of the faint ground.
_SOFT: dict[Name, tuple[float, float]] = {"light": (0.955, 0.03), "dark": (0.29, 0.06)}


def theme(name: Name, primary: str | None, background: str | None) -> Theme:
    """A theme; what is None is the default's. In the dark one a primary colour that would not be seen is made lighter; black
    becomes white there, and a dark grey a light one."""
    found = DEFAULTS[name]
    found = replace(found, background=background or found.background)
    if primary is None:
        return found if background is None else replace(found, accent=legible(found.accent, (*found.grounds, found.accent_soft)))
    lightness, most = _SOFT[name]
    own, chroma, hue = lch(primary)
    if name == "dark" and chroma < _GREY and own < 0.5:
        primary = of_lch(1 - own, chroma, hue)
    soft = of_lch(lightness, min(chroma, most), hue)
    shown = primary if name == "light" else legible(primary, [found.surface, found.background], MARK)
    return replace(
        found,
        primary=shown,
        on_primary=readable_on(shown),
        accent=legible(primary, (*found.grounds, soft)),
        accent_soft=soft,
        palette=palette(primary, found.surface, name),
    )


def require_background(name: Name, colour: str) -> None:
    """Raises ValueError where text would stand out too little from a background."""
    default = DEFAULTS[name]
    least = min(contrast(default.text, colour), contrast(default.muted, colour))
    if least < TEXT:
        wanted = "lighter" if name == "light" else "darker"
        raise ValueError(f"must be {wanted}: text on it has a contrast of {least:.1f}, and needs {TEXT}")


def shown_theme(found: Theme) -> dict[str, Any]:
    """A theme as the API shows it, with the contrasts that it has."""
    return {
        "primary": found.primary,
        "on_primary": found.on_primary,
        "accent": found.accent,
        "accent_soft": found.accent_soft,
        "background": found.background,
        "surface": found.surface,
        "text": found.text,
        "muted": found.muted,
        "palette": list(found.palette),
        "contrast": {
            "on_primary": _floor(contrast(found.on_primary, found.primary)),
            "accent": _floor(min(contrast(found.accent, g) for g in (*found.grounds, found.accent_soft))),
            "text": _floor(min(contrast(found.text, g) for g in found.grounds)),
        },
    }


def _floor(ratio: float) -> float:
    """Two digits, never more than it is."""
    return int(ratio * 100) / 100
