"""Who did it, or whose it is: columns that name an actor, and tables of people."""

from __future__ import annotations

from engine.infer.vocabulary import BY, BY_THINGS, NOISE, NOUNS, OWNERS, PEOPLE, ROLES, THINGS
from engine.infer.words import Words, forms, words_of


def is_person(table: str) -> bool:
    """Whether a table's name says that its rows are people who act: users, employees, staff, …

    >>> is_person("auth_user"), is_person("user_settings"), is_person("people")
    (True, False, True)
    """
    words = words_of(table)
    while len(words) > 1 and words[-1] in NOISE:
        words = words[:-1]
    return bool(words) and not forms(words[-1]).isdisjoint(PEOPLE)


def names_an_actor(column: str) -> bool:
    """Whether a column's name says who did something: `author_id`, `created_by`, `assignee_id`.

    >>> names_an_actor("approved_by_id"), names_an_actor("user_id"), names_an_actor("customer_id")
    (True, False, False)
    """
    return names_a_role(words_of(column))


def names_a_role(words: Words) -> bool:
    """The same for words."""
    return says_by_whom(words) or any(w in ROLES for w in words)


def says_by_whom(words: Words) -> bool:
    """`created_by`, `erstellt_von`."""
    return any(w in BY for w in words[-2:]) and BY_THINGS.isdisjoint(words)


def is_a_role(words: Words) -> bool:
    """Whether the words are one noun for somebody who acts: a column `creator`, without any `_id`."""
    return len(words) == 1 and words[0] in NOUNS


def means_a_person(words: Words) -> bool:
    """Whether a column's words, without its marker, say who somebody is: an actor, an owner, whoever ends in -er, -or or -ee."""
    last = words[-2] if len(words) > 1 and words[-1] == "to" else words[-1]
    return (
        says_by_whom(words)
        or last in ROLES
        or last in OWNERS
        or (len(last) >= 6 and last.endswith(("er", "or", "ee")) and last not in THINGS)
    )
