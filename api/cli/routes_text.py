"""The routing as text for a terminal of 100 to 120 characters: what needs a decision first, then the tables by their routes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

from engine.drawing.words import plain

Facts = dict[str, Any]
NARROWEST, WIDEST = 100, 120
_GROUPS = ("tenant", "direct", "indirect", "membership", "whole", "shared", "shared: referenced", "excluded")
_COUNTS = ("rows", "owned", "shared", "unreferenced", "filtered", "quarantined", "excluded")


def overview(tables: Sequence[Facts], file: str, width: int, mark: bool) -> str:
    """All tables of a review. `file` is the workspace file's name; `mark` makes headings bold."""
    width = min(max(width, NARROWEST), WIDEST)
    blocks = [_estimated(tables, width), _decisions(tables, file, width, mark), _quarantine(tables, width, mark)]
    settled = [t for t in tables if t["decision"] != "review"]
    tenant = next((t["table"] for t in tables if t["route"] == "tenant"), "")
    for kind in _GROUPS:
        group = [t for t in settled if t["route"] == kind]
        if group:
            blocks.append(_group(kind, group, tenant, width, mark))
    return "\n\n".join(b for b in [*blocks, _samples(tables, width, mark), summary(tables)] if b)


def summary(tables: Sequence[Facts]) -> str:
    """One paragraph: how many tables, how many rows, and what became of them."""
    asked = sum(t["decision"] == "review" for t in tables)
    out = sum(t["route"] == "excluded" for t in tables)
    counts = {c: sum(t.get(c) or 0 for t in tables) for c in _COUNTS}
    about = "about " if _is_estimate(tables) else ""
    parts = [f"{n:,} {c}" for c, n in counts.items() if c not in ("rows", "excluded") and n]
    left = f"; {counts['excluded']:,} more in excluded tables, by the source's own estimate" if counts["excluded"] else ""
    decide = f"{asked} to decide" if asked else "none to decide"
    judged = counts["rows"] - counts["excluded"]
    guessed = any(e["origin"] == "inferred" for t in tables for e in t["edges"] if e["role"] != "idle")
    unknown = sum(t.get("rows", 0) is None for t in tables)
    left += f"; {_count(unknown, 'table')} of unknown size besides" if unknown else ""
    legend = "~ before a column: nobody declared it, it was found by names and data.\n" if guessed else ""
    return f"{legend}{_count(len(tables), 'table')}: {len(tables) - out} in slices, {out - asked} excluded, {decide}.\n{about}{_count(judged, 'row')}: {', '.join(parts) or 'none'}{left}."


def detail(table: Facts, file: str, width: int, mark: bool) -> str:
    """One table: its route and way, the evidence of each edge, what its edges say two by two, its columns."""
    width = min(max(width, NARROWEST), WIDEST)
    open_ = table["decision"] == "review"
    lines = [_bold(plain(table["table"]), mark) + f"  {'open decision' if open_ else table['route']}"]
    lines += _wrapped(table["review"] or table["reason"], "  ", width)
    if table["path"]:
        lines += _wrapped(f"way: {table['path']}", "  ", width)
    about = "about " if _is_estimate([table]) else ""
    counts = [f"{about}{table[c]:,} {c}" for c in _COUNTS if table.get(c)]
    if counts:
        reasons = ", ".join(f"{n:,} {r.replace('_', ' ')}" for r, n in table.get("reasons", {}).items())
        lines += _wrapped(", ".join(counts) + (f" ({reasons})" if reasons else ""), "  ", width)
    lines += [f"  {name}: {plain(str(value))}" for name, value in table["rules"].items()]
    blocks = ["\n".join(lines), _options(table, file, width), _edges(table, width), _samples([table], width, mark)]
    blocks += [_pairs(table, width), _columns(table, width)]
    return "\n\n".join(b for b in blocks if b)


# ── estimates ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _is_estimate(tables: Sequence[Facts]) -> bool:
    return any(t.get("estimate") for t in tables)


def _estimated(tables: Sequence[Facts], width: int) -> str:
    if not _is_estimate(tables):
        return ""
    text = (
        "An estimate: nothing was landed. Row counts are the source's own, shares those of the first rows of each table, judged by their own "
        "keys alone. Ways that disagree, parents in quarantine and conditions are not seen: owned is at most, quarantined at least."
    )
    return "\n".join(_wrapped(text, "", width))


def _samples(tables: Sequence[Facts], width: int, mark: bool) -> str:
    """Of each way: rows looked at, those with a key, and what became of the keys in the parent; `?` where nobody looked them up."""
    rows = [
        [plain(s["edge"]), *("?" if s[c] is None else f"{s[c]:,}" for c in ("sampled", "with_key", "null", "found", "orphans"))]
        for t in tables
        for s in t.get("samples", ())
    ]
    if not rows:
        return ""
    return (
        _bold("Samples", mark)
        + "\n"
        + _table(["relationship", "looked at", "with a key", "NULL", "found", "orphans"], rows, width, texts=1)
    )


# ── blocks of the overview ────────────────────────────────────────────────────────────────────────────────────────────


def _decisions(tables: Sequence[Facts], file: str, width: int, mark: bool) -> str:
    asked = [t for t in tables if t["decision"] == "review"]
    if not asked:
        return ""
    lines = [_bold(f"To decide ({len(asked)}): in no slice until one of the lines stands under tables: in {file}", mark)]
    for table in asked:
        lines += [f"  {plain(table['table'])}", *_wrapped(table["review"], "    ", width), *_option_lines(table, width)]
    return "\n".join(lines)


def _quarantine(tables: Sequence[Facts], width: int, mark: bool) -> str:
    found = [t for t in tables if t.get("quarantined")]
    if not found:
        return ""
    lines = [_bold(f"Rows in quarantine ({len(found)} {'table' if len(found) == 1 else 'tables'}): in no slice", mark)]
    for table in found:
        reasons = ", ".join(f"{n:,} {r.replace('_', ' ')}" for r, n in table["reasons"].items())
        lines += _wrapped(
            f"{plain(table['table'])}: {'about ' if _is_estimate([table]) else ''}{table['quarantined']:,} of {table['rows']:,} rows ({reasons})",
            "  ",
            width,
        )
    return "\n".join(lines)


def _group(kind: str, group: Sequence[Facts], tenant: str, width: int, mark: bool) -> str:
    counts = [c for c in _COUNTS if c == "rows" or (kind != "excluded" and any(t.get(c) for t in group))]
    head = _bold(f"{kind[0].upper()}{kind[1:]} ({len(group)})", mark)
    rows = [[plain(t["table"]), _by(t, tenant), *(_number(t.get(c, 0)) for c in counts)] for t in group]
    about = "about " if _is_estimate(group) else ""
    return head + "\n" + _table(["table", "why" if kind == "excluded" else "by", *(about + c for c in counts)], rows, width, texts=2)


def _number(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _by(table: Facts, tenant: str) -> str:
    """The columns that place the table, those that point at the tenant table first; else the reason."""
    found = sorted((e for e in table["edges"] if e["role"] in ("owner", "joining")), key=lambda e: e["parent"] != tenant)
    return plain(" · ".join(dict.fromkeys(map(_way, found))) or table["reason"])


def _way(edge: Facts) -> str:
    end = edge["child"] + "." if edge["role"] == "joining" else ""
    return f"{'~' if edge['origin'] == 'inferred' else ''}{end}{'+'.join(edge['columns'])}"


# ── blocks of the detail ──────────────────────────────────────────────────────────────────────────────────────────────


def _options(table: Facts, file: str, width: int) -> str:
    if not table["options"]:
        return ""
    return "\n".join([f"Write one of these under tables: in {file}:", *_option_lines(table, width)])


def _option_lines(table: Facts, width: int) -> list[str]:
    longest = min(48, max(cell_len(o["line"]) for o in table["options"]))
    found = []
    for option in table["options"]:
        line = f"      {_padded(option['line'], longest)}  # "
        if cell_len(line + option["means"]) <= width:
            found.append(line + plain(option["means"]))
        else:
            found += [f"      {plain(option['line'])}", *_wrapped(option["means"], "        # ", width)]
    return found


def _edges(table: Facts, width: int) -> str:
    blocks = []
    for title, is_idle in (("Relationships in use:", False), ("Relationships without a say:", True)):
        edges = [e for e in table["edges"] if (e["role"] == "idle") == is_idle]
        if edges:
            blocks.append("\n".join([title, *(line for e in edges for line in _edge(e, width))]))
    return "\n\n".join(blocks)


def _edge(edge: Facts, width: int) -> list[str]:
    role = {"joining": ", joining", "reference": ", pointed at by"}.get(edge["role"], "")
    actor = ", says who acted" if edge["actor"] else ""
    lines = [f"  {plain(edge['label'])}  ({edge['origin']}{role}{actor}, confidence {edge['confidence']:.2f})"]
    return lines + (_wrapped(edge["evidence"], "      ", width) if edge["evidence"] else [])


def _pairs(table: Facts, width: int) -> str:
    found = table["pairs"]
    if found is None:
        return ""
    able = [a for a in found["alone"] if a["via"]]
    outcomes = [o for o in ("owned", "everybodys", "quarantined") if o != "everybodys" or any(a[o] for a in able)]
    head = ["via", *(o.replace("everybodys", "everybody's") for o in outcomes)]
    lines = [
        f"What one via: alone would make of the {found['rows']:,} rows:",
        _table(head, [[a["via"], *(f"{a[o]:,}" for o in outcomes)] for a in able], width, texts=1),
    ]
    told = [p for p in found["pairs"] if p["disagree"] or p["fault"]]
    if told:
        told.sort(key=lambda p: (-p["disagree"], -p["fault"]))
        rows = [[_pair_name(p), *(f"{p[c]:,}" for c in ("agree", "disagree", "abstain", "fault"))] for p in told]
        lines += ["", "Two by two, rows where they", _table(["pair", "agree", "disagree", "abstain", "are a fault"], rows, width, texts=1)]
    if len(told) < len(found["pairs"]):
        lines.append(f"{_count(len(found['pairs']) - len(told), 'pair')} of {len(found['pairs'])} nowhere disagree, and none is a fault.")
    for pair in (p for p in found["pairs"] if p["examples"]):
        shown = "; ".join(plain(e) for e in pair["examples"])
        lines += _wrapped(f"{_pair_name(pair)} disagree in rows with the key {shown}", "  ", width)
    return "\n".join(lines)


def _pair_name(pair: Facts) -> str:
    return f"{_column_of(pair['first'])} / {_column_of(pair['second'])}"


def _column_of(label: str) -> str:
    """`project_id` of `tickets.project_id->projects.id`."""
    return label.partition("->")[0].partition(".")[2] or label


def _columns(table: Facts, width: int) -> str:
    if not table["columns"]:
        return ""
    rows = [[plain(c["name"]), plain(c["source_type"]), c["type"], c["treatment"], plain(c["reason"])] for c in table["columns"]]
    return "Columns:\n" + _table(["column", "source", "in a slice", "treatment", "why"], rows, width, texts=5)


# ── layout ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int, texts: int) -> str:
    """Lines of at most `width`: the first `texts` columns are texts, cut where they must be, the others numbers."""
    sizes = [max(map(cell_len, column)) for column in zip(head, *rows, strict=True)]
    room = width - 2 - 2 * (len(head) - 1) - sum(sizes[texts:])
    while sum(sizes[:texts]) > room:
        widest = max(range(texts), key=lambda i: sizes[i])
        sizes[widest] -= 1
    return "\n".join("  " + _line(cells, sizes, texts) for cells in [head, *rows])


def _line(cells: Sequence[str], sizes: Sequence[int], texts: int) -> str:
    shown = [_padded(c, sizes[i]) if i < texts else c.rjust(sizes[i]) for i, c in enumerate(cells)]
    return "  ".join(shown).rstrip()


def _padded(text: str, size: int) -> str:
    """The text at exactly that width; what is too long ends in an ellipsis."""
    text = plain(text)
    return set_cell_size(text, size) if cell_len(text) <= size else set_cell_size(text, size - 1) + "…"


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    words: Iterable[str] = plain(text).split(" ")
    lines, line = [], indent
    for word in words:
        if line.strip() and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line = " " * len(indent)
        line += word if line in (indent, " " * len(indent)) else f" {word}"
    return [*lines, line]


def _bold(text: str, mark: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if mark else text


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
