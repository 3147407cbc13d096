"""Words of identifiers: where a name is cut, which words are the same in singular and plural, which one shortens which."""

from __future__ import annotations

import re
from functools import lru_cache

from engine.infer.vocabulary import MARKERS, ROLE_WORDS, UNCHANGED, WEAK_MARKERS

Words = tuple[str, ...]

# Ends and beginnings of a column's name that say "this is a key of something".
_GLUED = ("uuid", "guid", "key", "id", "no", "nr", "code", "ref", "fk", "num")
_IRREGULAR = {
    "people": "person",
    "persons": "person",
    "children": "child",
    "men": "man",
    "women": "woman",
    "media": "medium",
    "indices": "index",
    "matrices": "matrix",
    "vertices": "vertex",
    "criteria": "criterion",
    "analyses": "analysis",
    "bases": "base",
    "caches": "cache",
    "mice": "mouse",
    "feet": "foot",
    "addresses": "address",
    "statuses": "status",
    "aliases": "alias",
    "buses": "bus",
    "taxes": "tax",
    "quizzes": "quiz",
    "leaves": "leave",
    "lives": "life",
    "staves": "staff",
}
# Short forms that no rule of letters finds.
_SHORT = {
    "org": "organization",
    "orgs": "organization",
    "organisation": "organization",
    "acct": "account",
    "addr": "address",
    "adr": "address",
    "attr": "attribute",
    "cat": "category",
    "cfg": "config",
    "cust": "customer",
    "dept": "department",
    "dpt": "department",
    "doc": "document",
    "emp": "employee",
    "grp": "group",
    "inv": "invoice",
    "loc": "location",
    "mgr": "manager",
    "msg": "message",
    "ord": "order",
    "pmt": "payment",
    "prd": "product",
    "prod": "product",
    "proj": "project",
    "qty": "quantity",
    "req": "request",
    "soc": "societe",
    "sub": "subscription",
    "supp": "supplier",
    "svc": "service",
    "trx": "transaction",
    "txn": "transaction",
    "usr": "user",
    "util": "utilisateur",
    "vend": "vendor",
    "whse": "warehouse",
    "wh": "warehouse",
}


@lru_cache(maxsize=65_536)
def words_of(identifier: str) -> Words:
    """The words of a name, in lower case: cut at `_`, blanks, dots, dashes, and where small letters or digits meet capitals.

    >>> words_of("billingCustomerID"), words_of("Order Details"), words_of("c_custkey")
    (('billing', 'customer', 'id'), ('order', 'details'), ('c', 'custkey'))
    """
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", identifier)
    return tuple(w for w in re.split(r"[^0-9a-zA-Z\u00c0-\uffff]+", text.lower()) if w)


@lru_cache(maxsize=65_536)
def forms(word: str) -> frozenset[str]:
    """The forms under which a word equals its singular or plural (English, and the endings of German, Spanish, French)."""
    word = word.rstrip("0123456789") if len(word.rstrip("0123456789")) >= 3 else word
    found = {word, _IRREGULAR.get(word, word), _SHORT.get(word, word)}
    if word in UNCHANGED:
        return frozenset(found)
    for ending, instead, least in (
        ("ies", "y", 2), ("sses", "ss", 2), ("shes", "sh", 2), ("ches", "ch", 2), ("xes", "x", 2), ("ses", "s", 3), ("ses", "se", 3), ("es", "", 4), ("s", "", 2),
        ("en", "", 4), ("n", "", 4), ("e", "", 5), ("ves", "f", 2), ("zes", "z", 2), ("aux", "al", 2),
    ):  # fmt: skip
        if word.endswith(ending) and len(word) - len(ending) >= least:
            found.add(word[: len(word) - len(ending)] + instead)
    if any(mark in word for mark in ("ae", "oe", "ue", "\u00e4", "\u00f6", "\u00fc")):
        found |= {_without_umlaut(w[: -len(end)] if end and w.endswith(end) else w) for w in tuple(found) for end in ("", "er", "e")}
    if word.endswith("en") and len(word) > 5:
        found.add(word[:-2] + "o")
    return frozenset(found | {_SHORT.get(w, w) for w in found})


def _without_umlaut(word: str) -> str:
    """German plurals change the vowel: haeuser, h\u00e4user and haus are one word."""
    for mark, plain in (("\u00e4", "a"), ("\u00f6", "o"), ("\u00fc", "u"), ("ae", "a"), ("oe", "o"), ("ue", "u")):
        word = word.replace(mark, plain)
    return word


@lru_cache(maxsize=262_144)
def same_word(left: str, right: str) -> bool:
    """Whether two words are the same but for singular and plural, or a known short form."""
    return left == right or not forms(left).isdisjoint(forms(right))


def same_words(left: Words, right: Words) -> bool:
    """Whether two names have the same words in the same order."""
    return len(left) == len(right) and all(same_word(a, b) for a, b in zip(left, right, strict=True))


@lru_cache(maxsize=262_144)
def shortens(short: str, long: str) -> bool:
    """Whether a word is a short form of another: its beginning, or its consonants from the first letter on.

    >>> shortens("cust", "customer"), shortens("dept", "department"), shortens("at", "category")
    (True, True, False)
    """
    if len(short) < 3 or len(short) >= len(long) or short[0] != long[0]:
        return False
    if long.startswith(short):
        return len(short) <= 5
    if len(short) > 5 or any(letter in "aeiou" for letter in short[1:]):
        return False
    rest = iter(long)
    return all(letter in rest for letter in short)


@lru_cache(maxsize=65_536)
def joined(words: Words) -> frozenset[str]:
    """The words written as one, the last in each of its forms: ("user", "stories") and ("userstory",) meet in "userstory"."""
    return frozenset("".join(words[:-1]) + form for form in forms(words[-1])) if words else frozenset()


def shortened(left: Words, right: Words) -> bool:
    """Whether every word of `left` is, or shortens, the word of `right` at its place; or `left` is the initials of `right`."""
    if len(left) == len(right):
        return all(same_word(a, b) or any(shortens(a, f) for f in forms(b)) for a, b in zip(left, right, strict=True))
    return (
        len(left) == 1
        and len(right) >= 2
        and len(left[0]) == len(right)
        and all(w.startswith(c) for c, w in zip(left[0], right, strict=True))
    )


def without_marker(words: Words) -> tuple[Words, str]:
    """A column's words without what says "key", and which that was: `strong`, `weak` or `none`.

    >>> without_marker(("billing", "customer", "id")), without_marker(("id", "cliente")), without_marker(("custkey",))
    ((('billing', 'customer'), 'strong'), (('cliente',), 'strong'), (('cust',), 'strong'))
    """
    if len(words) > 1 and words[-1] in MARKERS:
        rest = words[:-1]
        return (rest[:-1], "strong") if len(rest) > 1 and rest[-1] in ("id", "uuid", "fk") else (rest, "strong")
    if len(words) > 1 and words[0] in MARKERS:
        return words[1:], "strong"
    middle = next((i for i in range(1, len(words) - 1) if words[i] in ("id", "uuid", "key")), 0)
    if middle and all(w in ROLE_WORDS or w.endswith("ed") for w in words[middle + 1 :]):
        return words[:middle] + words[middle + 1 :], "strong"
    if len(words) > 1 and words[-1] in WEAK_MARKERS:
        return words[:-1], "weak"
    last = words[-1] if words else ""
    for ending in _GLUED:
        if last.endswith(ending) and len(last) - len(ending) >= 3:
            return (*words[:-1], last[: -len(ending)]), "strong" if ending in MARKERS else "weak"
    return words, "none"
