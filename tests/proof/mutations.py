"""Partition, builder and masks broken on purpose, one way each, and who has to see it.

`landing`: other rows are landed than the source has sent, the refresh stops. `accounting`: verdicts do not add up to the landed rows,
the refresh stops. `verify`: the proof of each file sees it, the tenant is listed as failed. `oracle`: both halves of the proof read the
broken part, so only the comparison with the oracle of the row rule does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import pyarrow as pa
import pytest

import slices.landing
import slices.refresh
from engine import sql as quoting
from extract import masks, snapshot
from slices.building import build, builder
from slices.building import sql as building
from slices.rule import buckets, sql
from slices.rule.judge import Judge
from slices.rule.sql import Reason, State

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Mutation:
    """`apply` breaks the code; `words` are in the reason that a tenant failed."""

    name: str
    apply: Callable[[Patch], None]
    words: str = "rows of"
    seen_by: Literal["verify", "oracle", "accounting", "landing"] = "verify"


def text(function: str, *changes: tuple[str, str]) -> Callable[[Patch], None]:
    """A statement of slices.rule.sql with some of its text changed; fails where there is nothing to change."""

    def apply(patch: Patch) -> None:
        real = getattr(sql, function)
        patch.setattr(sql, function, lambda *a, **k: _changed(real(*a, **k), changes))

    return apply


def _changed(statement: Any, changes: tuple[tuple[str, str], ...]) -> Any:
    if isinstance(statement, list):
        return [_changed(s, changes) for s in statement]
    for old, new in changes:
        statement = statement.replace(old, new)
    return statement


def said(class_: type, name: str, *changes: tuple[str, str]) -> Callable[[Patch], None]:
    """A property of Ask or Doubt with its text changed."""

    def apply(patch: Patch) -> None:
        real = getattr(class_, name).fget
        patch.setattr(class_, name, property(lambda self: _changed(real(self), changes)))

    return apply


def replaced(owner: Any, name: str, make: Callable[[Any], Any]) -> Callable[[Patch], None]:
    """A function in place of another, made from it."""
    return lambda patch: patch.setattr(owner, name, make(getattr(owner, name)))


def value(owner: Any, name: str, new: Any) -> Callable[[Patch], None]:
    """A name of a module with another value."""
    return lambda patch: patch.setattr(owner, name, new)


def both(*parts: Callable[[Patch], None]) -> Callable[[Patch], None]:
    """Several changes at once."""

    def apply(patch: Patch) -> None:
        for part in parts:
            part(patch)

    return apply


def _first_key_only(real: Any) -> Any:
    return property(lambda ask: real.fget(ask).split(" AND ")[0])


def _without_order(real: Any) -> Any:
    return lambda number, columns, order: real(number, columns, order).replace("ORDER BY p.t", "ORDER BY p.t DESC")


def _next_tenant(real: Any) -> Any:
    return lambda rows, table, tenant: real(rows, table, (tenant + 1) % 3)


def _twice(real: Any) -> Any:
    return lambda rows, table, tenant: [part for part in real(rows, table, tenant) for _ in range(2)]


def _own_alone(real: Any) -> Any:
    return lambda rows, table, tenant: real(rows, table, tenant)[:1]


def _with_a_copy(real: Any) -> Any:
    def create(connection: Any, table: Any, parts: Any) -> None:
        real(connection, table, parts)
        if table.name == "tasks":
            real(connection, table.model_copy(update={"name": "tasks_too"}), parts)

    return create


def _with_a_column(real: Any) -> Any:
    return lambda schema, table, columns, parts: real(schema, table, [*columns, ("'more'", "more")] if table == "tasks" else columns, parts)


def _capitals(real: Any) -> Any:
    """people.mail is the third column."""
    return lambda schema, table, columns, parts: real(
        schema, table, [(f"upper({e})", n) if n == "mail" else (e, n) for e, n in columns], parts
    )


def _as_text(real: Any) -> Any:
    return lambda schema, table, columns, parts: real(
        schema, table, [(f"CAST({e} AS VARCHAR)", n) if n == "points" else (e, n) for e, n in columns], parts
    )


def _unmasked(treatment: str) -> Callable[[Any], Any]:
    return lambda real: lambda array, plan, key: array if plan.treatment == treatment else real(array, plan, key)


def _generous(real: Any) -> Any:
    """The end of whatever follows an @, which may be a sentence."""
    return lambda value: f"{value[:1]}***@***.{value.partition('@')[2].rpartition('.')[2]}" if "@" in value else real(value)


def _all_columns(real: Any) -> Any:
    return lambda route, routing: tuple(route.columns) if route.is_written else real(route, routing)


def _last_row_lost(real: Any) -> Any:
    def numbered(batches: Any, columns: Any, key: bytes) -> Any:
        for batch in real(batches, columns, key):
            yield batch.slice(0, batch.num_rows - 1) if batch.num_rows > 4 else batch

    return numbered


def _first_row_twice(real: Any) -> Any:
    def numbered(batches: Any, columns: Any, key: bytes) -> Any:
        for batch in real(batches, columns, key):
            twice = pa.Table.from_batches([batch, batch.slice(0, 1)]).combine_chunks().to_batches()[0]
            yield twice.set_column(0, "ord", pa.arange(0, twice.num_rows)) if "points" in {c.name for c in columns} else batch

    return numbered


def _other_facts(real: Any) -> Any:
    return lambda row, key, *more: real(row, "b" if key == "a" else key, *more)


def _turned(real: Any) -> Any:
    return lambda number, condition: real(number, condition if condition == "true" else f"NOT ({condition})")


def _undeleted(real: Any) -> Any:
    return lambda judge, table: real(judge, replace(table, route=replace(table.route, soft_delete=None)))


ONE_BUCKET = replaced(slices.refresh, "make_buckets", lambda real: lambda numbers, rows, count: real(numbers, rows, 1))
ORPHAN = f"hit IS NULL THEN {-Reason.ORPHAN}"
MUTATIONS = [
    # ── landing
    Mutation("the last row of a table is not landed", replaced(snapshot, "_numbered", _last_row_lost), seen_by="landing"),
    Mutation("the first row of a table is landed twice", replaced(snapshot, "_numbered", _first_row_twice), seen_by="landing"),
    # ── joins and answers of an edge
    Mutation("a condition of a join of two columns is dropped", replaced(sql.Ask, "join", _first_key_only), seen_by="accounting"),
    Mutation("an outer join is made inner", said(sql.Ask, "join", ("LEFT JOIN", "JOIN")), seen_by="accounting"),
    Mutation("an abstention is a vote for the first tenant", said(sql.Ask, "answer", ("IS NULL) THEN NULL", "IS NULL) THEN 0"))),
    Mutation("an orphan abstains", said(sql.Ask, "answer", (ORPHAN, "hit IS NULL THEN NULL"))),
    Mutation("an edge to a quarantined row abstains", said(sql.Ask, "answer", (f"bad THEN {-Reason.PARENT_QUARANTINED}", "bad THEN NULL"))),
    Mutation("parents in several tenants vote for the first", text("summary", ("max(t) AS hi", "min(t) AS hi"))),
    Mutation("an unknown type is no fault", said(sql.Doubt, "answer", (f"THEN {-Reason.UNKNOWN_TYPE}", "THEN NULL"))),
    Mutation("the type of a pair is ignored", replaced(Judge, "_when", lambda real: lambda judge, edge: None)),
    Mutation("a key is not normalised", replaced(quoting, "key", lambda real: lambda c, own, m: real(c, own, "same" if m == "lower" else m))),
    # ── verdicts
    Mutation("of two votes the first counts", both(
        value(sql, "_STATE", sql._STATE.replace("lo_ < 0 OR lo_ <> hi_", "lo_ < 0")),
        value(sql, "_TENANT", "CASE WHEN lo_ >= 0 THEN lo_ END::INTEGER"),
    )),
    Mutation("contradictions are let be", text("contradictions", (" WHERE ", " WHERE false AND "))),
    Mutation("rows in a loop are the first tenant's", text("close_loops", (f"state = {State.QUARANTINED},", f"state = {State.OWNED}, t = 0,"))),
    Mutation("one round is enough", replaced(Judge, "_settle_table", lambda real: lambda *a: real(*a) and False)),
    Mutation("rows that nobody claims are lost", text("settle", (f"THEN {State.EVERYBODY} ELSE", f"THEN {State.QUARANTINED} ELSE"))),
    Mutation("a deleted row is kept", replaced(Judge, "_own", _undeleted)),
    Mutation("every filtered row is kept", text("output_view", ("p.filtered", "false AS filtered"), ("t, filtered", "t, false AS filtered"))),
    Mutation("rows of a deleted parent are kept", said(sql.Ask, "gone", ("coalesce(", "false AND coalesce("))),
    Mutation("quarantined rows get no verdict", replaced(sql, "straight", lambda real: lambda *a: real(*a) + " WHERE (lo_ >= 0 AND lo_ = hi_) IS NOT FALSE"), seen_by="accounting"),
    # ── members, roll-up, references
    Mutation("a member is in every tenant", text("places_view", (" LEFT JOIN m", " CROSS JOIN (SELECT DISTINCT t, false AS gone FROM m"), (" m USING (ord)", ") m"))),
    Mutation("a member stays where the membership ended", text("filter_members", ("HAVING bool_and(j.filtered)", "HAVING false"))),
    Mutation("roll-up goes down", text("ancestors", ("SELECT t, a FROM walk", "SELECT a AS t, t AS a FROM walk"))),
    Mutation("roll-up is forgotten", replaced(sql, "output_view", lambda real: lambda n, is_member, rolls_up: real(n, is_member=is_member, rolls_up=False))),
    Mutation("all rows of a referenced table go into slices", text("follow", ("c ON ", "c ON true OR "))),
    Mutation("the first referenced row is left out", text("follow", (" WHERE c.t IS NOT NULL", " WHERE c.t IS NOT NULL AND l.ord > 0"))),
    # ── order, buckets, files
    Mutation("everybody's rows are lost", text("shared_rows_in_order", ("WHERE", "WHERE false AND"))),
    Mutation("a filtered row is written", text("tenant_rows_in_order", (" AND NOT p.filtered", ""))),
    Mutation("rows are not in the order of tenants", replaced(sql, "tenant_rows_in_order", _without_order), words=""),
    Mutation("the cut between buckets is a row late", replaced(buckets, "_first_above", lambda real: lambda v, limit, start: min(real(v, limit, start) + 1, len(v))), words=""),
    Mutation("the builder takes a row of the next tenant", both(ONE_BUCKET, replaced(builder, "_ranges", lambda real: lambda table: {t: (a, min(b + 1, table.num_rows)) for t, (a, b) in real(table).items()}))),
    Mutation("the builder loses a tenant's first row", replaced(builder, "_ranges", lambda real: lambda table: {t: (a + 1, b) for t, (a, b) in real(table).items()})),
    Mutation("the builder takes another tenant's rows", replaced(builder._BucketRows, "parts", _next_tenant)),
    Mutation("every row is written twice", replaced(builder._BucketRows, "parts", _twice)),
    Mutation("the builder forgets everybody's rows", replaced(builder._BucketRows, "parts", _own_alone)),
    Mutation("a table too many is written", replaced(build, "_create_table", _with_a_copy), words="1 tables too many, 0 missing"),
    Mutation("a column too many is written", replaced(building, "create_table", _with_a_column), words="other columns than accepted: main.tasks"),
    Mutation("a value is changed", replaced(building, "create_table", _capitals)),
    Mutation("a number is written as text", replaced(building, "create_table", _as_text), words="other columns than accepted: main.tasks"),
    # ── whose a file is
    Mutation("keys and numbers of tenants are shifted", text("tenant_rows", ("SELECT v.t, ", "SELECT (v.t + 1) % 4 AS t, ")), words="it would answer under another tenant's key"),
    Mutation("a file says that it is another tenant's", replaced(slices.refresh, "slice_facts", _other_facts), words="its _slice.manifest has another tenant_key"),
    # ── masks
    Mutation("sha256 is skipped", replaced(masks, "_masked", _unmasked("sha256")), words="4 landed values of people.name are not masked by sha256"),
    Mutation("partial is skipped", replaced(masks, "_masked", _unmasked("partial")), words="3 landed values of people.mail are not masked by partial"),
    Mutation("blank is skipped", replaced(masks, "_masked", _unmasked("blank")), words="2 landed values of projects.note are not masked by blank"),
    Mutation("hides is skipped", replaced(masks, "_masked", _unmasked("blank")), words="1 landed values of plans.person are not masked by blank"),
    Mutation("partial shows the end of a sentence", replaced(masks, "_partial", _generous), words="1 landed values of people.mail are not masked by partial"),
    Mutation("a dropped column is landed", replaced(slices.landing, "landed_columns", _all_columns), words="4 landed values of people.pin are not left out"),
    # ── what the proof cannot see: it reads the same landed rows and the same stored results
    Mutation("where is turned round", text("where_rows", ("IS TRUE) IS FALSE", "IS TRUE) IS TRUE")), seen_by="oracle"),
    Mutation("a condition of everybody's rows is turned round", replaced(sql, "everybody_rows", _turned), seen_by="oracle"),
]  # fmt: skip
