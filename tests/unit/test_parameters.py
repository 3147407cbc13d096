"""Values of a dashboard's parameters, from a URL's lists and from a body's JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from engine.dashboards import Dashboard, bind

DASHBOARD = Dashboard.model_validate(
    {
        "version": 1,
        "slug": "d",
        "title": "D",
        "parameters": {
            "region": {"type": "select", "options": ["EMEA", "APAC"], "default": "EMEA"},
            "plans": {"type": "select", "multiple": True, "default": ["Pro"]},
            "least": {"type": "number", "default": 3},
            "word": {"type": "text", "default": "x"},
        },
        "panels": {"p": {"title": "P", "sql": "select 1"}},
    }
)


@pytest.mark.parametrize(("in_body", "in_url"), [(None, [""]), ("", [""])])
@pytest.mark.parametrize("name", ["region", "plans", "least", "word"])
def test_nothing_chosen_is_null_in_a_body_and_in_a_url(name: str, in_body: Any, in_url: list[str]) -> None:
    as_of = datetime(2026, 3, 1, tzinfo=UTC)
    assert bind(DASHBOARD, {name: in_body}, as_of, "UTC")[name] is None
    assert bind(DASHBOARD, {name: in_url}, as_of, "UTC")[name] is None
