"""Words of the drawing: what a table's route is called, what stands in its box, and names cut to a width."""

from __future__ import annotations

from unicodedata import category, east_asian_width

from engine.routing import Route

_NARROW, _WIDE = frozenset("ijltfrI.,:;'|!()[]- "), frozenset("mwMW@%&")


def look_of(route: Route) -> str:
    """The name of a route's look: its kind in one word, `open` for an open decision."""
    if route.review is not None:
        return "open"
    return {"shared: referenced": "referenced"}.get(route.kind, route.kind)


def note_of(route: Route) -> str:
    """The second line of a box: the columns that decide, or why there are none."""
    if route.review is not None:
        return route.review
    if route.joins:
        return "through " + ", ".join(f"{e.child.table}.{'+'.join(e.columns)}" for e in route.joins)
    if route.edges:
        return " · ".join(columns_of(route))
    return route.reason


def columns_of(route: Route) -> list[str]:
    """The columns that decide, each once; in the order of the edges."""
    return list(dict.fromkeys("+".join(e.columns) for e in route.edges))


def fitting(parts: list[str], width: float, size: float) -> str:
    """As many of the parts as fit, joined, and how many more there are; at least one, cut where it must be."""
    for count in range(len(parts), 1, -1):
        rest = f" +{len(parts) - count}" if count < len(parts) else ""
        text = plain(" · ".join(parts[:count])) + rest
        if _width(text, size) <= width:
            return text
    rest = f" +{len(parts) - 1}" if len(parts) > 1 else ""
    return cut(parts[0], width - _width(rest, size), size) + rest


def plain(text: str) -> str:
    """The text on one line, without characters that are not shown, and that could turn what stands beside them around."""
    return "".join(" " if c in "\n\r\t" else "\ufffd" if category(c) in ("Cc", "Cf", "Cs", "Cn", "Co") else c for c in text)


def cut(text: str, width: float, size: float, *, middle: bool = True) -> str:
    """The text as it fits `width` pixels at that font size; what is too long loses its middle (names differ at both ends), or its end."""
    text = plain(text)
    if _width(text, size) <= width:
        return text
    keep = len(text)
    while keep > 2 and _width(_cut(text, keep, middle), size) > width:
        keep -= 1
    return _cut(text, keep, middle)


def _cut(text: str, keep: int, middle: bool) -> str:
    tail = keep // 3 if middle else 0
    return text[: keep - tail] + "…" + text[len(text) - tail :]


def _width(text: str, size: float) -> float:
    """Roughly, in a sans-serif face."""
    return size * sum(map(_advance, text))


def _advance(character: str) -> float:
    if east_asian_width(character) in "WF":
        return 1.1
    if character in _NARROW:
        return 0.42
    return 0.96 if character in _WIDE else 0.74 if character.isupper() else 0.63
