"""The routing as one SVG file: text stays text, light and dark by the reader's own setting, no script, nothing fetched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape, quoteattr

from engine.decisions import known_from
from engine.drawing.layout import lay_out
from engine.drawing.pieces import BETWEEN, HEIGHT, MARGIN, WIDTH, Box, Heading, Layout, Line
from engine.drawing.words import columns_of, cut, fitting, look_of, note_of, plain
from engine.routing import Route, Routing
from engine.schema import TableName

_BOLD = 13.4  # names are set in 12.5 pixels, and bold letters are wider

# look: stroke and fill in light, stroke and fill in dark, the words of the legend.
_LOOKS = {
    "tenant": ("#1b4fc4", "#dbe6ff", "#86b0ff", "#1d3466", "tenant table"),
    "direct": ("#2f6fde", "#f0f5ff", "#6ea2ff", "#17233c", "direct"),
    "indirect": ("#0b7d72", "#e9f7f5", "#45c7b8", "#112c2b", "indirect"),
    "membership": ("#7c3fc4", "#f5eefd", "#c194f5", "#2a1d3c", "membership"),
    "shared": ("#3c7d22", "#eff8ea", "#8ccf6d", "#1b2e14", "shared"),
    "referenced": ("#6d7416", "#f7f8e4", "#c3cb5c", "#292c12", "shared: referenced"),
    "whole": ("#a34a1f", "#fdf0ea", "#f09a6c", "#35200f", "whole"),
    "open": ("#a56100", "#fff4dc", "#f0c060", "#352a10", "open decision"),
    "excluded": ("#69738a", "#f4f5f7", "#8b95a7", "#1b2029", "excluded"),
}
_LIGHT = {"page": "#ffffff", "text": "#161b24", "muted": "#5a6475", "line": "#d5dae2"}
_DARK = {"page": "#0e1116", "text": "#e8ebf1", "muted": "#9ea8b8", "line": "#39414e"}


def svg(routing: Routing, title: str = "Routes") -> str:
    """The drawing as an SVG document. Every table is a `g.rg-table`, every edge a `path.rg-edge`, each once, with its facts as a title."""
    layout = lay_out(routing)
    shown = {name: str(routing.names[name]) for name in routing.routes}
    about = _about(routing)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="rg" role="img" aria-labelledby="rg-title rg-about" width="{layout.width:.0f}" '
        f'height="{layout.height:.0f}" viewBox="0 0 {layout.width:.0f} {layout.height:.0f}">',
        f'<title id="rg-title">{_text(title)}</title><desc id="rg-about">{_text(about)} Lines lead to the left, towards the tenant table.</desc>',
        f"<style>{_style()}</style>",
        f'<rect class="rg-page" width="{layout.width:.0f}" height="{layout.height:.0f}"/>',
        f'<text class="rg-head" x="{MARGIN}" y="38">{_text(cut(title, layout.width - 2 * MARGIN, 18))}</text>',
        f'<text class="rg-fine" x="{MARGIN}" y="58">{_text(about)}</text>',
        *_legend(routing),
        *map(_heading, layout.headings),
        *_rails(layout),
        '<g class="rg-edges">',
        *(_edge(line, shown) for line in layout.lines),
        "</g>",
        '<g class="rg-tables">',
        *(_table(box, shown) for box in layout.boxes.values()),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _text(text: str) -> str:
    return escape(plain(text))


def _attribute(text: str) -> str:
    return quoteattr(plain(text))


def _about(routing: Routing) -> str:
    counts = Counter("to decide" if r.review else r.kind for r in routing.routes.values() if r.kind != "tenant")
    tables = f"{len(routing.routes)} {'table' if len(routing.routes) == 1 else 'tables'}"
    first = ["1 tenant table"] if routing.tenant.table in routing.routes else []
    return f"{tables}: {', '.join([*first, *(f'{n} {kind}' for kind, n in sorted(counts.items(), key=lambda c: (-c[1], c[0])))])}."


def _legend(routing: Routing) -> Iterable[str]:
    x = float(MARGIN)
    used = {look_of(r) for r in routing.routes.values()}
    for look in (n for n in _LOOKS if n in used):
        words = _LOOKS[look][4]
        yield f'<rect class="rg-box rg-{look}" x="{x:.0f}" y="74" width="16" height="14" rx="3"/>'
        yield f'<text class="rg-fine" x="{x + 22:.0f}" y="85">{words}</text>'
        x += 40 + 7.2 * len(words)
    for words, look in (("declared or configured", ""), ("inferred", " rg-inferred")):
        yield f'<path class="rg-sample{look}" d="M{x:.0f} 81h26"/><text class="rg-fine" x="{x + 32:.0f}" y="85">{words}</text>'
        x += 50 + 7.2 * len(words)


def _heading(heading: Heading) -> str:
    line = f'<path class="rg-rule" d="M{heading.x:.0f} {heading.y + 6:.0f}H{heading.right:.0f}"/>'
    return f'<text class="rg-band" x="{heading.x:.0f}" y="{heading.y:.0f}">{_text(heading.text)}</text>{line}'


def _rails(layout: Layout) -> Iterable[str]:
    for points in layout.rails:
        yield f'<path class="rg-rail" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in points)}"/>'


def _edge(line: Line, shown: Mapping[TableName, str]) -> str:
    edge = line.edge
    looks = ["rg-edge", f"rg-way-{line.way}", f"rg-role-{line.role}", *(["rg-inferred"] if edge.origin == "inferred" else [])]
    only = f" where {edge.when[0]} is {edge.when[1]}" if edge.when else ""
    columns = f"{shown[edge.child]}.{'+'.join(edge.columns)} → {shown[edge.parent]}.{'+'.join(edge.parent_columns)}{only}"
    names = f"data-child={_attribute(shown[edge.child])} data-parent={_attribute(shown[edge.parent])}"
    return f'<path class="{" ".join(looks)}" {names} d="{_path(line)}"><title>{_text(f"{columns} ({known_from(edge)})")}</title></path>'


def _path(line: Line) -> str:
    (x0, y0), (x1, y1) = line.start, line.end
    if line.way == "bus":
        return f"M{x0:.1f} {y0:.1f}H{x1:.1f}"
    if line.way == "loop":
        return f"M{x0:.1f} {y0:.1f}c22 -6 22 {y1 - y0 + 6:.1f} 0 {y1 - y0:.1f}"
    if line.way == "side":
        out = 14 + min(BETWEEN - 22, abs(y1 - y0) / 10)
        return f"M{x0:.1f} {y0:.1f}C{x0 + out:.1f} {y0:.1f} {x0 + out:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
    if line.way == "down":
        return f"M{x0:.1f} {y0:.1f}C{x0 + 40:.1f} {y0:.1f} {x1:.1f} {y1 - 60:.1f} {x1:.1f} {y1:.1f}"
    if x1 > x0:  # the parent stands in the same column or further right: around, between the columns
        return f"M{x0:.1f} {y0:.1f}C{x0 - BETWEEN:.1f} {y0:.1f} {x1 + BETWEEN:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
    parts = [f"M{x0:.1f} {y0:.1f}"]
    for x, y in line.passes:
        parts += [_curve((x0, y0), (x + WIDTH, y)), f"H{x:.1f}"]
        x0, y0 = x, y
    return "".join([*parts, _curve((x0, y0), (x1, y1))])


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x0, y0), (x1, y1) = start, end
    bend = (x0 - x1) / 2
    return f"C{x0 - bend:.1f} {y0:.1f} {x1 + bend:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"


def _table(box: Box, shown: Mapping[TableName, str]) -> str:
    name, route = shown[box.route.table], box.route
    facts = f"{name}: {'open decision' if route.review else route.kind}. {route.review or route.reason}. {note_of(route) if route.edges or route.joins else ''}"
    return (
        f'<g class="rg-table rg-{look_of(route)}" data-table={_attribute(name)} transform="translate({box.x:.0f} {box.y:.0f})">'
        f'<title>{_text(facts.strip())}</title><rect class="rg-box rg-{look_of(route)}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text class="rg-name" x="10" y="15">{_text(cut(name, WIDTH - 18, _BOLD))}</text>'
        f'<text class="rg-note" x="10" y="29">{_text(_note(route))}</text></g>'
    )


def _note(route: Route) -> str:
    if route.edges and not route.joins and route.review is None:
        return fitting(columns_of(route), WIDTH - 18, 10.5)
    return cut(note_of(route), WIDTH - 18, 10.5, middle=False)


def _style() -> str:
    base = (
        ".rg{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif}.rg-head{font-size:18px;font-weight:650}"
        ".rg-fine{font-size:12px}.rg-band{font-size:12px;font-weight:600}.rg-name{font-size:12.5px;font-weight:600}.rg-note{font-size:10.5px}"
        ".rg-rule{stroke-width:1;fill:none}.rg-box{stroke-width:1.2}.rg-tenant .rg-box{stroke-width:2}.rg-open .rg-box{stroke-width:1.8}"
        ".rg-edge,.rg-rail,.rg-sample{fill:none;stroke-width:1.3}.rg-rail{stroke-width:2}.rg-way-curve,.rg-way-side,.rg-way-down{stroke-opacity:.55}"
        ".rg-role-joining{stroke-width:2;stroke-opacity:.9}.rg-inferred{stroke-dasharray:5 3}"
        ".rg-edge:hover{stroke-width:3;stroke-opacity:1}.rg-table:hover .rg-box{stroke-width:2.6}"
    )
    return base + _colours(_LIGHT, 0) + "@media (prefers-color-scheme:dark){" + _colours(_DARK, 2) + "}"


def _colours(own: dict[str, str], at: int) -> str:
    rules = [
        f".rg-page{{fill:{own['page']}}}.rg-head,.rg-name{{fill:{own['text']}}}.rg-fine,.rg-band,.rg-note{{fill:{own['muted']}}}",
        f".rg-rule{{stroke:{own['line']}}}.rg-edge,.rg-sample{{stroke:{own['muted']}}}.rg-rail,.rg-way-bus{{stroke:{_LOOKS['tenant'][at]}}}",
        f".rg-role-joining{{stroke:{_LOOKS['membership'][at]}}}.rg-role-reference{{stroke:{_LOOKS['referenced'][at]}}}",
        *(f"rect.rg-{look}{{stroke:{colours[at]};fill:{colours[at + 1]}}}" for look, colours in _LOOKS.items()),
    ]
    return "".join(rules)
