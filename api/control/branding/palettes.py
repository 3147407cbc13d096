"""Eight colours for charts that are told apart from each other and seen on their ground, begun with a tenant's primary colour.

Each next colour is the candidate farthest from all before it (Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985). Distance
is that of OKLab, the least of what people see with all three kinds of cones, without the long and without the middle ones (Machado, Oliveira,
Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, severity 1.0).
"""

from __future__ import annotations

import math
from functools import lru_cache

from api.control.branding.colours import MARK, Triple, contrast, lab, legible, linear, of_lch

SIZE = 8
_Matrix = tuple[Triple, Triple, Triple]
_PROTAN: _Matrix = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))
_DEUTAN: _Matrix = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))
# Ranges in which a colour still shows its hue: neither mud nor neon.
_LIGHTNESS = {"light": (0.36, 0.46, 0.56, 0.66), "dark": (0.58, 0.68, 0.78, 0.88)}
_CHROMA = (0.10, 0.16)


@lru_cache(maxsize=256)
def palette(primary: str, ground: str, theme: str) -> tuple[str, ...]:
    """Eight colours for `ground` in the theme `light` or `dark`; the first is the primary one, moved until it is seen there."""
    chosen = [legible(primary, [ground], MARK)]
    seen = [_seen(chosen[0])]
    candidates = {c: _seen(c) for c in _candidates(ground, theme)}
    nearest = {c: _distance(s, seen[0]) for c, s in candidates.items()}
    while len(chosen) < SIZE:
        best = max(nearest, key=lambda c: nearest[c])
        chosen.append(best)
        nearest = {c: min(d, _distance(candidates[c], candidates[best])) for c, d in nearest.items()}
    return tuple(chosen)


def _candidates(ground: str, theme: str) -> list[str]:
    made = (of_lch(light, chroma, hue) for light in _LIGHTNESS[theme] for chroma in _CHROMA for hue in range(0, 360, 15))
    return [c for c in dict.fromkeys(made) if contrast(c, ground) >= MARK]


def _seen(colour: str) -> tuple[Triple, Triple, Triple]:
    """OKLab of a colour as three kinds of eyes have it."""
    light = linear(colour)
    return lab(light), lab(_through(_PROTAN, light)), lab(_through(_DEUTAN, light))


def _through(matrix: _Matrix, light: Triple) -> Triple:
    red, green, blue = (min(1.0, max(0.0, sum(m * v for m, v in zip(row, light, strict=True)))) for row in matrix)
    return red, green, blue


def _distance(one: tuple[Triple, ...], other: tuple[Triple, ...]) -> float:
    """The least distance; eyes that lack a kind of cone count a little less, so that the others keep their hues."""
    all_, protan, deutan = (math.dist(a, b) for a, b in zip(one, other, strict=True))
    return min(all_, 1.6 * protan, 1.6 * deutan)
