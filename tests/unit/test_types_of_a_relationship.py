"""`comments.(type, id) -> {Post: posts.id, …}`: what a type may be, and what is told of one that cannot be read."""

from __future__ import annotations

import pytest

from engine.workspace.syntax import ColumnsRef, parse_relationship


def types(text: str) -> dict[str, str]:
    found = parse_relationship(f"notes.(kind, id) -> {{{text}}}").types
    assert found is not None
    return {name: str(target) for name, target in found.items()}


@pytest.mark.parametrize("written", ["Crm::Deal", '"Crm::Deal"', ' "Crm::Deal" '])
def test_type_may_hold_colons(written: str) -> None:
    assert types(f"{written}: deals.id, Ticket: tickets.id") == {"Crm::Deal": "deals.id", "Ticket": "tickets.id"}


def test_type_in_quotes_may_hold_commas_quotes_and_blanks() -> None:
    assert types('"a, b": a.id, "say ""x"" ": b.id') == {"a, b": "a.id", 'say "x" ': "b.id"}


def test_type_may_point_nowhere_or_at_a_quoted_or_dotted_name() -> None:
    assert types('Wiki: none, A: app.public.posts.id, B: "Odd: Table"."Its Id"') == {
        "Wiki": "None",
        "A": str(ColumnsRef(("app", "public", "posts"), ("id",))),
        "B": str(ColumnsRef(("Odd: Table",), ("Its Id",))),
    }


@pytest.mark.parametrize("text", ["Post", "Post:", ": posts.id", "Post: posts.id,, Photo: photos.id"])
def test_what_is_no_type_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="write Type"):
        types(text)
