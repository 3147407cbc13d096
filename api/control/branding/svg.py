"""An SVG rebuilt from what draws: elements and attributes of a list, each value held against its form. What is not on the list does not come out.

What draws or styles and is not on the list is refused with its name, so that no logo comes out half; what has no effect on the drawing
(comments, metadata, titles, other namespaces) is left out. References lead to gradients and clips of the same file alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import quoteattr

from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

MOST_BYTES, MOST_ELEMENTS, MOST_DEPTH = 256 * 1024, 1_000, 24
SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
# Elements that may come out; use, image, text, mask, filter, pattern, style, script, a, foreignObject and all that moves may not.
ELEMENTS = frozenset(
    ("svg", "g", "defs", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "linearGradient", "radialGradient", "stop", "clipPath")
)  # fmt: skip
_WITHOUT_EFFECT = frozenset(("title", "desc", "metadata"))
_GRADIENTS = frozenset(("linearGradient", "radialGradient"))
_NUMBER = r"[-+]?(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})(?:[eE][-+]?\d{1,2})?"
_LENGTH = re.compile(rf"{_NUMBER}(?:px|pt|pc|mm|cm|in|em|%)?")
_NUMBERS = re.compile(r"[-+0-9eE.,\s]*")
_ID = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)
_LOCAL = re.compile(r"url\(\s*(['\"]?)#([A-Za-z_][\w.-]{0,63})\1\s*\)", re.ASCII)
_COLOUR = re.compile(r"#(?:[0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})|[a-zA-Z]{3,24}|(?:rgb|hsl)a?\([0-9a-z.,%\s/]{1,60}\)")
_WORD = re.compile(r"[A-Za-z-]{1,24}(?: [a-z]{1,24})?")
_PATH = re.compile(r"[MmZzLlHhVvCcSsQqTtAa0-9eE.,+\-\s]*")
_TRANSFORM = re.compile(r"(?:(?:matrix|translate|scale|rotate|skewX|skewY)\s*\([-+0-9eE.,\s]{1,200}\)[\s,]*){1,20}")
_FORMS: dict[re.Pattern[str], tuple[str, ...]] = {
    _LENGTH: (
        "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "fx", "fy", "fr", "width", "height", "offset", "opacity", "fill-opacity",
        "stroke-opacity", "stop-opacity", "stroke-width", "stroke-miterlimit",
    ),
    _COLOUR: ("fill", "stroke", "stop-color", "color"),
    _WORD: (
        "fill-rule", "clip-rule", "stroke-linecap", "stroke-linejoin", "gradientUnits", "clipPathUnits", "spreadMethod", "preserveAspectRatio",
        "display", "visibility", "vector-effect", "paint-order",
    ),
    _PATH: ("d",),
    _NUMBERS: ("points", "viewBox"),
    _TRANSFORM: ("transform", "gradientTransform"),
    _ID: ("id",),
}  # fmt: skip
FORMS = {name: form for form, names in _FORMS.items() for name in names}
_REFERRING = frozenset(("fill", "stroke", "clip-path"))
# Properties of a style attribute that are attributes too; the others of the list are attributes only.
_STYLED = frozenset(n for n in (*FORMS, "clip-path") if n in ("fill", "stroke", "color", "opacity", "display", "visibility") or "-" in n)
_NUMBER_ALONE = re.compile(rf"\s*({_NUMBER})\s*(?:px)?\s*")


def rebuilt(content: bytes, longest: int) -> tuple[str, int, int]:
    """The drawing as text, and its width and height in pixels, the longer one `longest`. Raises ValueError with what is wrong, for its sender."""
    if len(content) > MOST_BYTES:
        raise ValueError(f"An SVG has at most {MOST_BYTES // 1024} KB.")
    try:
        root = fromstring(content, forbid_dtd=False, forbid_entities=True, forbid_external=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise ValueError("The SVG cannot be read: it must be XML without entities.") from None
    if root.tag != f"{{{SVG}}}svg":
        raise ValueError(f"The root of an SVG is svg in the namespace {SVG}.")
    view = _view(root)
    _require_small(root)
    scale = longest / max(view[2], view[3])
    width, height = max(1, round(view[2] * scale)), max(1, round(view[3] * scale))
    frame = {"xmlns": SVG, "viewBox": " ".join(f"{v:g}" for v in view), "width": str(width), "height": str(height)}
    kept = {n: v for n, v in _attributes(root, "svg", False).items() if n not in ("viewBox", "width", "height", "x", "y")}
    inner = "".join(_written(child, False) for child in root)
    return f"<svg{_text(frame | kept)}>{inner}</svg>", width, height


def _view(root: Element) -> tuple[float, float, float, float]:
    """The part of the plane that is shown: of viewBox, else of width and height."""
    numbers = re.split(r"[\s,]+", root.get("viewBox", "").strip()) if root.get("viewBox") else []
    if not numbers:
        sizes = [_NUMBER_ALONE.fullmatch(root.get(n, "")) for n in ("width", "height")]
        numbers = ["0", "0", *(s[1] for s in sizes if s is not None)]
    if len(numbers) != 4 or not all(re.fullmatch(_NUMBER, n) for n in numbers):
        raise ValueError("An SVG has a viewBox of four numbers, or a width and a height in pixels.")
    x, y, width, height = map(float, numbers)
    if not (0.001 <= width <= 1e6 and 0.001 <= height <= 1e6 and max(abs(x), abs(y)) <= 1e7):
        raise ValueError("The size of the SVG does not fit.")
    return x, y, width, height


def _require_small(root: Element) -> None:
    """Raises ValueError for a drawing of too many elements, or too deep ones; level by level, so that depth costs no stack."""
    level, count, depth = [root], 0, 0
    while level:
        count, depth = count + len(level), depth + 1
        if count > MOST_ELEMENTS or depth > MOST_DEPTH:
            raise ValueError(f"An SVG has at most {MOST_ELEMENTS:,} elements, {MOST_DEPTH} deep.")
        level = [child for one in level for child in one]


def _written(element: Element, in_clip: bool) -> str:
    """One element and what is in it; nothing for what has no effect. Raises ValueError for what is not taken."""
    if not isinstance(element.tag, str) or not element.tag.startswith(f"{{{SVG}}}"):
        return ""
    name = element.tag.removeprefix(f"{{{SVG}}}")
    if name in _WITHOUT_EFFECT:
        return ""
    if name not in ELEMENTS or name == "svg":
        raise ValueError(f"An SVG with the element {name[:40]!r} is not taken: export the logo as plain paths, its style as attributes.")
    in_clip = in_clip or name == "clipPath"
    inner = "".join(_written(child, in_clip) for child in element)
    attributes = _text(_attributes(element, name, in_clip))
    return f"<{name}{attributes}>{inner}</{name}>" if inner else f"<{name}{attributes}/>"


def _attributes(element: Element, name: str, in_clip: bool) -> dict[str, str]:
    """The attributes that come out; those of a style attribute lie over the others, as in CSS."""
    found = {}
    for attribute, value in (*element.attrib.items(), *_declared(element.get("style", ""))):
        if attribute in ("href", f"{{{XLINK}}}href"):
            if name in _GRADIENTS and value.startswith("#") and _ID.fullmatch(value[1:]):
                found["href"] = value
        else:
            kept = _kept(attribute, value.strip(), in_clip)
            found |= {attribute: kept} if kept is not None else {}
    return found


def _declared(style: str) -> Iterator[tuple[str, str]]:
    """Properties of a style attribute that are on the list."""
    for declaration in style.split(";"):
        name, _, value = declaration.partition(":")
        if name.strip() in _STYLED:
            yield name.strip(), value.replace("!important", "").strip()


def _kept(attribute: str, value: str, in_clip: bool) -> str | None:
    """The value that comes out. A clip within a clip does not: a few of them, one in the other, would draw without end."""
    local = _LOCAL.fullmatch(value) if attribute in _REFERRING else None
    if local is not None:
        return None if in_clip and attribute == "clip-path" else f"url(#{local[2]})"
    form = FORMS.get(attribute)
    return value if form is not None and form.fullmatch(value) else None


def _text(attributes: dict[str, Any]) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
