"""Tables by short forms and by ends of their names, so that no column is held against every table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from engine.infer.naming import Named
from engine.infer.vocabulary import ROLE_WORDS
from engine.infer.words import Words, forms, joined, shortened
from engine.schema import Column


class ShortForms:
    """Tables by how many words their name has and its first letter: a short form begins with the letter of what it shortens.

    A word may have forms of two letters: `ämter`, `amt`.
    """

    def __init__(self, tables: Iterable[Named]) -> None:
        self._by_bare: dict[tuple[int, str], list[int]] = defaultdict(list)
        self._by_words: dict[tuple[int, str], list[int]] = defaultdict(list)
        self._tables = [t for t in tables if t.key is not None]
        self._known: dict[Words, list[tuple[float, Named]]] = {}
        for place, table in enumerate(self._tables):
            for words, index in ((table.bare, self._by_bare), (table.words, self._by_words)):
                for letter in _letters(words[0]) if words else ():
                    index[len(words), letter].append(place)

    def meant_by(self, stem: Words) -> list[tuple[float, Named]]:
        """The tables whose name, or the end of the stem's, these words shorten, each with how sure that is, in their order."""
        if stem not in self._known:
            self._known[stem] = [(score, table) for table in self._near(stem) if (score := _shortness(stem, table))]
        return self._known[stem]

    def of_one_word(self, words: Words) -> list[Named]:
        """The tables whose name is one word that begins with the letter of one of these, in their order."""
        return [self._tables[i] for i in sorted({i for w in words for c in _letters(w) for i in self._by_bare.get((1, c), ())})]

    def _near(self, stem: Words) -> list[Named]:
        lengths = {len(stem), len(stem[0])} if len(stem) == 1 else {len(stem)}
        both = (self._by_bare, self._by_words)
        found = {i for c in _letters(stem[0]) for n in lengths for index in both for i in index.get((n, c), ())}
        found |= {i for n in range(1, len(stem)) for c in _letters(stem[-n]) for i in self._by_bare.get((n, c), ())}
        return [self._tables[i] for i in sorted(found)]


def _letters(word: str) -> set[str]:
    return {form[0] for form in forms(word) if form}


def _shortness(stem: Words, table: Named) -> float:
    if any(w and shortened(stem, w) for w in (table.bare, table.words)):
        return 0.95
    return 0.9 if len(stem) > 1 and table.bare and shortened(stem[-len(table.bare) :], table.bare) else 0.0


class GluedNames:
    """Tables by their names written as one word, and by every end of it."""

    def __init__(self, tables: Iterable[Named]) -> None:
        self._tables: list[tuple[Named, Column]] = [(t, t.key) for t in tables if t.key is not None]
        self._whole: dict[str, set[int]] = defaultdict(set)
        self._ends: dict[str, set[int]] = defaultdict(set)
        for place, (table, _) in enumerate(self._tables):
            for word in joined(table.bare):
                self._whole[word].add(place)
                for start in range(1, len(word)):
                    self._ends[word[start:]].add(place)

    def meant_by(self, word: str) -> tuple[list[tuple[Named, Column]], list[tuple[Named, Column]]]:
        """The tables that a word means in a role (`lastpost`), and those whose name it ends (`group` of `usergroups`)."""
        roles = {i for n in range(1, len(word) - 3) if word[:n] in ROLE_WORDS for i in self._whole.get(word[n:], ())}
        tails = {i for form in forms(word) for i in self._ends.get(form, ())} - roles if len(word) >= 4 else set()
        return [self._tables[i] for i in sorted(roles)], [self._tables[i] for i in sorted(tails)]
