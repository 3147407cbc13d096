"""A schema's habits of naming: prefixes that tables share, prefixes of a table's columns, the key by which a table is pointed at."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from engine.infer.vocabulary import NOISE
from engine.infer.words import Words, forms, joined, same_word, same_words, without_marker, words_of
from engine.schema import Column, Schema, Table, TableName

_KEY_CLASSES = ("integer", "decimal", "text", "char", "uuid")


@dataclass(frozen=True)
class Named:
    """A table, its name as words, and its columns' words without the prefix that they share."""

    table: Table
    words: Words
    bare: Words
    prefix: str
    entities: frozenset[str] = frozenset()

    @property
    def name(self) -> TableName:
        """The table's name."""
        return self.table.name

    def column_words(self, column: str) -> Words:
        """The words of a column; `c_custkey` of a table whose columns begin with `c_` is `custkey`."""
        words = words_of(column)
        return words[1:] if self.prefix and len(words) > 1 and words[0] == self.prefix else words

    @cached_property
    def key(self) -> Column | None:
        """The one column by which rows of this table are pointed at: its primary key, or what looks like one; None for composites."""
        name = presumed_key(self)
        if len(name) > 1:
            own = [c for c in name if is_generic(self.column_words(c)) or same_words(without_marker(self.column_words(c))[0], self.bare)]
            name = tuple(own) if len(own) == 1 and (is_generic(w := self.column_words(own[0])) or without_marker(w)[1] == "strong") else ()
        return self.table.column(name[0]) if len(name) == 1 else None

    @property
    def has_part_of_key(self) -> bool:
        """Whether `key` is one of several columns of the primary key, and so not known to be unique."""
        return len(presumed_key(self)) > 1

    @cached_property
    def key_stem(self) -> Words:
        """What the key's name says beside "key": `ShipperID` → shipper; () for `id`."""
        if self.key is None:
            return ()
        words = self.column_words(self.key.name)
        stem, _ = without_marker(words)
        means_another = not joined(stem).isdisjoint(self.entities) and joined(stem).isdisjoint(joined(self.bare))
        return () if is_generic(words) or means_another else stem

    @cached_property
    def key_name(self) -> Words:
        """What the key's whole name says, the columns' prefix included: `cou_id` of a table whose columns begin with `cou_`."""
        words = words_of(self.key.name) if self.key is not None and self.prefix else ()
        return without_marker(words)[0] if len(words) > 1 else ()

    @cached_property
    def names(self) -> list[Words]:
        """All names by which this table may be meant."""
        return [w for w in dict.fromkeys((self.words, self.bare, self.key_stem, self.key_name)) if w]


def is_generic(words: Words) -> bool:
    """Whether a key's name says nothing of its table: id, uuid, code, …"""
    return without_marker(("x", *words))[0] == ("x",)


def is_key_like(column: Column) -> bool:
    """Whether a column's type is one that keys have."""
    return column.key_class in _KEY_CLASSES and not column.fold


def presumed_key(named: Named) -> tuple[str, ...]:
    """The primary key; where none is declared, a column that is named like one: `id`, `<table>_id`, `<table>key`."""
    table = named.table
    if table.primary_key:
        return table.primary_key
    usable = [c for c in table.columns if is_key_like(c)]
    for column in usable:
        words = named.column_words(column.name)
        if words in (("id",), ("uuid",), ("guid",), ("oid",), ("pk",)):
            return (column.name,)
    for column in usable[:3]:
        stem, marker = without_marker(named.column_words(column.name))
        if marker == "strong" and (same_words(stem, named.bare) or same_words(stem, named.words)):
            return (column.name,)
    return ()


def named_tables(schema: Schema) -> dict[TableName, Named]:
    """Every table with its words; a first word that half of the tables of a schema share says nothing and is left out."""
    words = {t.name: words_of(t.name.table) for t in schema}
    shared = _shared_prefixes(words)
    bares = {}
    for table in schema:
        own = words[table.name]
        bare = own
        while len(bare) > 1 and bare[0] in shared[table.name.schema]:
            bare = bare[1:]
        while len(bare) > 1 and (bare[-1] in NOISE or same_word(bare[-2], bare[-1])):
            bare = bare[:-2] + bare[-1:] if bare[-1] not in NOISE else bare[:-1]
        bares[table.name] = bare
    entities = frozenset(form for bare in bares.values() for form in joined(bare))
    return {t.name: Named(t, words[t.name], bares[t.name], _column_prefix(t, words[t.name]), entities) for t in schema}


def _shared_prefixes(words: dict[TableName, Words]) -> dict[str, set[str]]:
    """Per schema, first words that at least half of its (four or more) tables have, and the usual `tbl`."""
    firsts: dict[str, Counter[str]] = defaultdict(Counter)
    totals: Counter[str] = Counter()
    for name, own in words.items():
        totals[name.schema] += 1
        if len(own) > 1:
            firsts[name.schema][own[0]] += 1
    return {
        schema: {w for w, n in firsts[schema].items() if (n >= 4 and n * 2 >= total) or w in ("tbl", "tb", "tab", "t", "vw")}
        for schema, total in totals.items()
    }


def _column_prefix(table: Table, words: Words) -> str:
    """A first word that nearly all columns of a table share, and which is short or the table's own name."""
    firsts = Counter(w[0] for c in table.columns if len(w := words_of(c.name)) > 1)
    if not firsts:
        return ""
    first, count = firsts.most_common(1)[0]
    if count < 3 or count * 10 < len(table.columns) * 8:
        return ""
    own = any(not forms(first).isdisjoint(forms(w)) or w.startswith(first) for w in words) or first == "".join(w[0] for w in words)
    return first if own or (len(first) <= 4 and first not in ("is", "has", "id", "fk")) else ""


def by_last_word(tables: Iterable[Named]) -> dict[str, list[Named]]:
    """Tables by each form of the last word of their name, and of their key's stem."""
    found: dict[str, list[Named]] = defaultdict(list)
    for named in tables:
        lasts = {form for words in (named.bare, named.key_stem, named.key_name) if words for form in forms(words[-1]) | joined(words)}
        for form in sorted(lasts):
            found[form].append(named)
    return found
