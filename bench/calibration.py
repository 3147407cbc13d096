"""Of the edges given a confidence, how many are right: by band of confidence, and by the rule that found them.

An edge that a case calls neutral counts neither way.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.schemas import Case
from engine.graph import Edge

BANDS = ((0.98, "0.98 to 1"), (0.95, "0.95 to 0.98"), (0.9, "0.9 to 0.95"), (0.7, "0.7 to 0.9"), (0.0, "below 0.7"))
_RULES = (
    ("values alone", r"are exactly (the|its) keys"),
    ("composite key", r"are the key of"),
    ("role", r"in the role|in a role"),
    ("whole name", r"is the name of"),
    ("end of the name", r"is the end of the name"),
    ("beginning of the name", r"is the beginning of the name"),
    ("of the same table", r"of the same table"),
    ("person", r"table of people"),
    ("short form", r"shortens"),
    ("own part", r" of .+ is "),
)

Key = tuple[str, tuple[str, ...], str, tuple[str, ...]]


def band(confidence: float) -> str:
    """The band of a confidence."""
    return next(shown for least, shown in BANDS if confidence >= least)


def rule(edge: Edge) -> str:
    """The rule that found an edge, as its evidence tells it."""
    return next((shown for shown, pattern in _RULES if re.search(pattern, edge.evidence)), "another")


def judged(file: Path, case: Case, edges: Iterable[Edge]) -> list[tuple[Edge, bool]]:
    """The edges of a case that are not neutral, and whether each is right."""
    raw: dict[str, Any] = json.loads(file.read_text())["truth"]
    truth: set[Key] = {(e["table"], tuple(e["columns"]), e["ref_table"], tuple(e["ref_columns"])) for e in raw["foreign_keys"]}
    neutral = {tuple(n) for n in raw.get("neutral", ())}
    found = []
    for edge in edges:
        key: Key = (case.shown(edge.child), edge.columns, case.shown(edge.parent), edge.parent_columns)
        if key in truth or (key[0], key[1][0], key[2], key[3][0]) not in neutral:
            found.append((edge, key in truth))
    return found


def table(found: Sequence[tuple[Edge, bool]]) -> list[dict[str, Any]]:
    """A row a band, then a row a rule: edges, right ones, and their share."""
    rows = _rows(found, "confidence", [shown for _, shown in BANDS], lambda e: band(e.confidence))
    return rows + _rows(found, "rule", [shown for shown, _ in _RULES] + ["another"], rule)


def _rows(found: Sequence[tuple[Edge, bool]], what: str, names: Sequence[str], name_of: Any) -> list[dict[str, Any]]:
    edges, right = Counter(name_of(e) for e, _ in found), Counter(name_of(e) for e, good in found if good)
    return [
        {"by": what, "which": n, "edges": edges[n], "right": right[n], "share": round(right[n] / edges[n], 3)} for n in names if edges[n]
    ]
