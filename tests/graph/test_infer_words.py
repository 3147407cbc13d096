"""Words of identifiers: where names are cut, what is the same in singular and plural, what shortens what, what says "key"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.infer.actors import is_person, means_a_person, names_an_actor
from engine.infer.words import forms, joined, same_word, same_words, shortened, shortens, without_marker, words_of


@pytest.mark.parametrize(
    ("identifier", "words"),
    [
        ("billingCustomerID", "billing customer id"),
        ("c_custkey", "c custkey"),
        ("Order Details", "order details"),
        ("HTTPServer", "http server"),
        ("straße_id", "straße id"),
        ("a.b-c", "a b c"),
        ("line2Item", "line2 item"),
        ("__", ""),
        ("", ""),
    ],
)
def test_names_are_cut_into_words(identifier: str, words: str) -> None:
    assert words_of(identifier) == tuple(words.split())


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("category", "categories"),
        ("person", "people"),
        ("status", "statuses"),
        ("address", "addresses"),
        ("box", "boxes"),
        ("house", "houses"),
        ("bus", "buses"),
        ("index", "indices"),
        ("branch", "branches"),
        ("rechnung", "rechnungen"),
        ("kunde", "kunden"),
        ("user", "users2"),
    ],
)
def test_singular_and_plural_are_the_same_word(one: str, many: str) -> None:
    assert same_word(one, many)
    assert same_word(many, one)


@pytest.mark.parametrize(("left", "right"), [("news", "new"), ("user", "use"), ("order", "border"), ("item", "time")])
def test_words_that_look_alike_are_not_the_same(left: str, right: str) -> None:
    assert not same_word(left, right)


@pytest.mark.parametrize(
    ("short", "long"), [("cust", "customer"), ("dept", "department"), ("org", "organization"), ("qty", "quantity"), ("emp", "employees")]
)
def test_short_forms_are_known_or_follow_the_letters(short: str, long: str) -> None:
    assert same_word(short, long) or shortens(short, long)


@pytest.mark.parametrize(("short", "long"), [("at", "category"), ("cat", "at"), ("order", "customer"), ("ctr", "car"), ("tor", "storage")])
def test_other_words_shorten_nothing(short: str, long: str) -> None:
    assert not shortens(short, long)


def test_initials_shorten_several_words() -> None:
    assert shortened(("ol",), ("order", "lines"))
    assert not shortened(("lo",), ("order", "lines"))
    assert not shortened(("o",), ("order", "lines"))


@pytest.mark.parametrize(
    ("column", "stem", "marker"),
    [
        ("customer_id", "customer", "strong"),
        ("customer_uuid", "customer", "strong"),
        ("customer_fk", "customer", "strong"),
        ("customer_id_fk", "customer", "strong"),
        ("id_customer", "customer", "strong"),
        ("fk_customer", "customer", "strong"),
        ("custkey", "cust", "strong"),
        ("customerid", "customer", "strong"),
        ("address_id_from", "address from", "strong"),
        ("country_code", "country", "weak"),
        ("accountno", "account", "weak"),
        ("customer", "customer", "none"),
        ("id", "id", "none"),
        ("paid", "paid", "none"),
    ],
)
def test_what_says_key_is_taken_off(column: str, stem: str, marker: str) -> None:
    assert without_marker(words_of(column)) == (tuple(stem.split()), marker)


def test_words_written_as_one_meet() -> None:
    assert joined(("user", "stories")) & joined(("userstory",))
    assert not joined(()) & joined(("a",))
    assert same_words(("user", "story"), ("user", "stories"))
    assert not same_words(("user",), ("user", "story"))


@pytest.mark.parametrize("column", ["author_id", "created_by", "approvedBy", "assignee_id", "manager_id", "erstellt_von"])
def test_actors_are_known_by_their_names(column: str) -> None:
    assert names_an_actor(column)


@pytest.mark.parametrize("column", ["customer_id", "order_id", "user_id", "blocked_by_id", "standby_id"])
def test_other_columns_name_no_actor(column: str) -> None:
    assert not names_an_actor(column)


@pytest.mark.parametrize(
    ("stem", "meant"), [("owner", True), ("organizer", True), ("assigned to", True), ("customer", False), ("number", False)]
)
def test_who_somebody_is_ends_as_people_do(stem: str, meant: bool) -> None:
    assert means_a_person(tuple(stem.split())) is meant


@pytest.mark.parametrize(
    ("table", "people"),
    [("auth_user", True), ("Employees", True), ("people", True), ("user_settings", False), ("orders", False), ("", False)],
)
def test_tables_of_people_end_in_a_word_for_them(table: str, people: bool) -> None:
    assert is_person(table) is people


@given(st.text(max_size=30))
def test_any_text_has_words_without_a_gap(text: str) -> None:
    words = words_of(text)
    assert all(words)
    stem, marker = without_marker(words)
    assert marker in ("strong", "weak", "none")
    assert all(stem)
    assert bool(stem) == bool(words)


@given(st.text(min_size=1, max_size=12))
def test_every_form_of_a_word_has_a_letter(text: str) -> None:
    """Tables are looked up by it."""
    assert all(form for word in words_of(text) for form in forms(word))
