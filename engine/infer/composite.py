"""Relationships of several columns: tables whose key has more than one, each of them in the child under its own name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from engine.graph import Edge
from engine.infer.actors import is_person
from engine.infer.naming import Named, is_generic, presumed_key
from engine.infer.vocabulary import TRANSLATIONS
from engine.infer.words import Words, same_words, without_marker
from engine.schema import TableName


def single_ends(edges: Iterable[Edge]) -> dict[tuple[TableName, str], TableName]:
    """Where each column points that points alone."""
    return {(e.child, e.columns[0]): e.parent for e in edges if len(e.columns) == 1}


def composites(tables: Mapping[TableName, Named], singles: Iterable[Edge], tenant: TableName | None) -> list[Edge]:
    """Edges to tables whose key has several columns: each of them is in the child under its own name."""
    to = single_ends(singles)
    having: dict[Words, list[Named]] = defaultdict(list)
    for child in tables.values():
        for words in {child.column_words(c.name) for c in child.table.columns}:
            having[words].append(child)
    found = []
    for parent in tables.values():
        key = presumed_key(parent)
        if len(key) < 2 or not parent.bare or parent.bare[-1] in TRANSLATIONS:
            continue
        parts = [parent.column_words(part) for part in key if parent.key is None or part != parent.key.name]
        for child in min((having.get(words, []) for words in parts), key=len):
            if child is not parent and (edge := _composite(child, parent, key, to, tenant)):
                found.append(edge)
    return found


def completed(tables: Mapping[TableName, Named], edge: Edge, to: Mapping[tuple[TableName, str], TableName]) -> Edge | None:
    """An edge to one column of a key of several, with the others: they have the same names in both tables."""
    parent, child = tables[edge.parent], tables[edge.child]
    key = presumed_key(parent)
    own = {child.column_words(c.name): c.name for c in child.table.columns}
    columns = [edge.columns[0] if part == edge.parent_columns[0] else own.get(parent.column_words(part)) for part in key]
    if None in columns or len(set(columns)) < len(key):
        return None
    pairs = [(c, p) for c, p in zip(columns, key, strict=True) if p != edge.parent_columns[0]]
    if any(to.get((edge.child, str(c))) != to.get((edge.parent, p)) for c, p in pairs):
        return None
    return replace(edge, columns=tuple(str(c) for c in columns), parent_columns=key, confidence=round(min(0.99, edge.confidence + 0.1), 3))


def _composite(
    child: Named, parent: Named, key: tuple[str, ...], to: Mapping[tuple[TableName, str], TableName], tenant: TableName | None
) -> Edge | None:
    mentions = child.bare != parent.bare and any(
        same_words(child.bare[i : i + len(parent.bare)], parent.bare) for i in range(len(child.bare))
    )
    to_what = [to.get((parent.name, part)) for part in key]
    pure = all(t is not None and t != tenant and not is_person(t.table) for t in to_what) and len(parent.table.columns) > len(key)
    own = parent.key is not None
    if not (mentions or pure or own) or {c.name for c in parent.table.columns} <= {c.name for c in child.table.columns}:
        return None
    words = {child.column_words(c.name): c.name for c in child.table.columns}
    columns = []
    for part in key:
        wanted = parent.column_words(part)
        named = words.get(wanted)
        if parent.key is not None and part == parent.key.name:
            stems = ((c, *without_marker(w)) for w, c in words.items())
            named = next(
                (c for c, stem, marker in stems if marker == "strong" and same_words(stem, parent.bare)),
                None if is_generic(wanted) else named,
            )
        elif named is not None and to.get((child.name, named)) != to.get((parent.name, part)):
            return None
        if named is None:
            return None
        columns.append(named)
    if len(set(columns)) < len(key) or (set(presumed_key(child)) == set(columns) and not mentions):
        return None
    why = f"{', '.join(columns)} are the key of {parent.name.table}"
    return Edge(child.name, tuple(columns), parent.name, key, "inferred", confidence=0.98 if mentions or own else 0.6, evidence=why)
