"""Pairs of columns that point at several tables: subject_type and subject_id (Rails, Laravel), content_type_id and object_id (Django)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from engine.infer.naming import Named
from engine.infer.words import joined, words_of
from engine.schema import Table, TableName

_KINDS = ("type", "model", "class", "kind")


def pairs(table: Table) -> list[tuple[str, str]]:
    """(type column, id column) of every pair, in the order of the id columns.

    >>> pairs(comments)
    [('subject_type', 'subject_id')]
    """
    names = {words_of(c.name): c.name for c in table.columns}
    classes = {c.name: c.key_class for c in table.columns}
    found = []
    for words, column in names.items():
        if len(words) > 1 and words[-1] in ("id", "uuid"):
            kind = next((names[(*words[:-1], k)] for k in _KINDS if (*words[:-1], k) in names), None)
            if kind is not None and classes[kind] in ("text", "char", "other"):
                found.append((kind, column))
        if words in (("object", "id"), ("object", "pk")) and ("content", "type", "id") in names:
            found.append((names["content", "type", "id"], column))
    return found


def meant(values: Iterable[str], tables: Mapping[TableName, Named]) -> dict[str, tuple[TableName, str] | None]:
    r"""The table and key that each value of a type column names, None where none does: `Post`, `Crm::Deal`, `App\Models\Post`, `blog.post`.

    Two tables of one name are none: a person must say which.
    """
    found: dict[str, tuple[TableName, str] | None] = {}
    for value in values:
        last = re.split(r"::|\\|[./:]", value)[-1]
        words = words_of(last)
        fitting = [n for n in tables.values() if words and n.key is not None and any(joined(words) & joined(w) for w in n.names)]
        only = fitting[0] if len(fitting) == 1 else None
        found[value] = (only.name, only.key.name) if only is not None and only.key is not None else None
    return found
