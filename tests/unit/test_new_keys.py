"""A key is told as new only where it is: not where the plan, made without a look at data, takes a way that data spoke against."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from engine.drift import Change, advice, drift
from engine.plan import plan_routing
from engine.routing import Routing
from engine.schema import ForeignKey, Schema, Table, TableName, UniqueKey
from extract.memory import arrow_columns
from tests.integration.driving import workspace_of

COLUMNS = {"orgs": ["id"], "things": ["id", "org_id"], "parts": ["id", "thing_id"]}


def schema_of(*keys: tuple[str, str, str]) -> Schema:
    """The tables with these foreign keys: table, column, parent."""
    return Schema.of([_table(name, [(c, p) for t, c, p in keys if t == name]) for name in COLUMNS])


def _table(name: str, keys: list[tuple[str, str]]) -> Table:
    rows = pa.table({c: pa.array([], pa.int64()) for c in COLUMNS[name]})
    foreign = tuple(ForeignKey((c,), TableName("app", "public", p), ("id",)) for c, p in keys)
    return Table(TableName("app", "public", name), arrow_columns(rows), (UniqueKey(("id",), True),), foreign)


def plan(schema: Schema, *, refuted: bool = False) -> Routing:
    return plan_routing(workspace_of(Path(), "arrow", "x"), schema, None, (lambda known, found: []) if refuted else None)


def told(accepted: Routing, schema: Schema) -> list[str]:
    return [str(c) for c in drift(accepted, schema, (), plan(schema))]


def test_key_behind_an_inferred_way_that_was_refuted_is_not_new() -> None:
    schema = schema_of(("parts", "thing_id", "things"))
    accepted, planned = plan(schema, refuted=True), plan(schema)
    parts = TableName("app", "public", "parts")
    assert not accepted.routes[parts].is_written
    assert planned.routes[parts].is_written, "the plan takes the way again"
    assert told(accepted, schema) == []


def test_key_that_brings_a_table_in_is_new() -> None:
    accepted = plan(schema_of(), refuted=True)
    assert told(accepted, schema_of(("things", "org_id", "orgs"))) == [
        "things: the foreign key things.org_id->orgs.id is new: routes --diff shows what it would change"
    ]


def test_advice_is_by_what_stops() -> None:
    refused, gone, new = (
        Change("stops", "a", "may no longer be read", True),
        Change("stops", "b", "is gone"),
        Change("reported", "c", "is new"),
    )
    assert advice([refused, new]) == "GRANT SELECT on a to the role that reads, or exclude it under tables:."
    assert advice([gone, new]).startswith("slicehouse routes --diff")
    assert advice([refused, gone]) == f"{advice([refused])} {advice([gone])}"
