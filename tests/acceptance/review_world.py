"""A workspace to review: a table of every kind of decision, edges that disagree, rows in quarantine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.integration.driving import offer_tables

URL = "review"


def ints(*values: int | None) -> pa.Array:
    return pa.array(values, pa.int64())


def tables(*, more: bool = False) -> dict[str, Any]:
    """Tickets 2 and 3 disagree about their tenant; deals have a buyer and a seller. With `more`, notes and tickets have a new column."""
    orgs = {"id": ints(1, 2), "name": ["Acme", "Bolt"]}
    tickets = {"id": ints(1, 2, 3, 4), "org_id": ints(1, 1, 2, 2), "project_id": ints(10, 20, 10, None)}
    notes = {"id": ints(1, 2), "ticket_id": ints(1, 4), "body": ["a", "b"]}
    if more:
        notes["extra"] = ["x", "y"]
        tickets["extra"] = ["p", "q", "r", "s"]
    return {
        "orgs": (pa.table(orgs), ()),
        "projects": (pa.table({"id": ints(10, 20), "org_id": ints(1, 2)}), (("org_id", "orgs"),)),
        "tickets": (pa.table(tickets), (("org_id", "orgs"), ("project_id", "projects"))),
        "notes": (pa.table(notes), (("ticket_id", "tickets"),)),
        "deals": (
            pa.table({"id": ints(1), "buyer_id": ints(1), "seller_id": ints(2)}),
            (("buyer_id", "orgs"), ("seller_id", "orgs")),
        ),
        "deal_lines": (pa.table({"id": ints(1), "deal_id": ints(1)}), (("deal_id", "deals"),)),
        "countries": (pa.table({"code": ["AT"], "title": ["Austria"]}), ()),
    }


def write(folder: Path, **said: Any) -> Path:
    """The workspace file; `said` are its other keys."""
    file = folder / "slicehouse.yaml"
    facts = {
        "version": 1,
        "workspace": "review",
        "sources": {"app": {"kind": "arrow", "url": URL}},
        "tenants": {"table": "orgs", "name": "name"},
    }
    file.write_text(json.dumps(facts | said))
    return file


def offer(*, more: bool = False) -> None:
    """Makes the rows what the source has."""
    offer_tables(URL, tables(more=more))
