"""Fonts that are on people's devices already: a family by name, where the device has it, and a list to fall back to. Nothing is fetched."""

from __future__ import annotations

from typing import Any, Literal, get_args

Fallback = Literal["system", "sans", "humanist", "geometric", "rounded", "serif", "old_style", "slab", "mono"]
STACKS: dict[Fallback, str] = {
    "system": 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
    "sans": '"Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif',
    "humanist": 'Seravek, "Gill Sans Nova", Ubuntu, Calibri, "DejaVu Sans", sans-serif',
    "geometric": 'Avenir, Montserrat, Corbel, "URW Gothic", sans-serif',
    "rounded": 'ui-rounded, "Hiragino Maru Gothic ProN", Quicksand, Comfortaa, Calibri, sans-serif',
    "serif": 'Georgia, "Times New Roman", "Liberation Serif", serif',
    "old_style": '"Iowan Old Style", "Palatino Linotype", "URW Palladio L", P052, serif',
    "slab": 'Rockwell, "Rockwell Nova", "Roboto Slab", "DejaVu Serif", serif',
    "mono": "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace",
}
assert set(STACKS) == set(get_args(Fallback))


def shown_font(font: dict[str, Any] | None) -> dict[str, Any]:
    """A font as the API shows it; `stack` is the value of font-family. A family's name has letters, digits, blanks and hyphens alone."""
    family: str | None = (font or {}).get("family")
    fallback: Fallback = (font or {}).get("fallback") or "system"
    return {"family": family, "fallback": fallback, "stack": f'"{family}", {STACKS[fallback]}' if family else STACKS[fallback]}
