"""What becomes of every column of a routed table: by the file, by what was accepted, by its name, in that order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from engine.columns import ColumnPlan, Normalise, Treatment, looks_secret, masked
from engine.graph import Edge
from engine.names import column_names
from engine.routing import Route, Routing, TenantKey
from engine.schema import Column, Table, TableName
from engine.types import key_class
from engine.used import key_columns

_SECRET_TYPES = frozenset({"VARCHAR", "BLOB", "JSON", "UUID"})


@dataclass(frozen=True, slots=True)
class Said:
    """What `columns:` says of one column."""

    treatment: Treatment | None = None
    type: str | None = None
    normalise: Normalise | None = None


Treatments = Mapping[tuple[TableName, str], Said]


def ends_of(edge: Edge, treatments: Treatments) -> list[tuple[Treatment | None, Treatment | None]]:
    """What the file makes of the columns of an edge, pair by pair."""
    pairs = zip(edge.columns, edge.parent_columns, strict=True)
    return [(treatments.get((edge.child, c), Said()).treatment, treatments.get((edge.parent, p), Said()).treatment) for c, p in pairs]


def same_mask(child: Treatment | None, parent: Treatment | None) -> bool:
    """Whether keys that were treated so can still be compared."""
    both = {child or "keep", parent or "keep"}
    return both in ({"keep"}, {"sha256"})


class ColumnPlans:
    """Plans columns under what the file says of them, and what was accepted before."""

    def __init__(self, said: Treatments, accepted: Routing | None, default: Literal["review", "include"]) -> None:
        self._said, self._accepted, self._default = said, accepted, default

    def columns(self, table: Table, route: Route, routes: Mapping[TableName, Route], tenant: TenantKey) -> tuple[ColumnPlan, ...]:
        """The plan of every column of a table, in its order; `routes` say which columns are keys."""
        shown = column_names(c.name for c in table.columns)
        keys = key_columns(route.table, routes.values())
        keys |= {c for c in (tenant.key, tenant.parent) if c is not None} if route.kind == "tenant" else set()
        return tuple(
            self._column(route, c, shown[c.name], self._said.get((route.table, c.name), Said()), c.name in keys) for c in table.columns
        )

    def _column(self, route: Route, column: Column, shown: str, said: Said, is_key: bool) -> ColumnPlan:
        treatment, reason = self._treatment(route, column, said.treatment, is_key)
        if said.type is not None:
            column = replace(column, type=said.type, key_class=key_class(said.type, column.source_type), as_text=False)
        type_, class_ = masked(column, treatment)
        return ColumnPlan(
            column.name, shown, column.source_type, type_, class_, treatment, reason, column.as_text, column.comment, said.normalise
        )

    def _treatment(self, route: Route, column: Column, said: Treatment | None, is_key: bool) -> tuple[Treatment, str]:
        if said is not None:
            return said, "columns: in the workspace file"
        if column.name in route.hides:
            return "blank", "hides: in the workspace file"
        secret = looks_secret(column.name) and column.type in _SECRET_TYPES and not is_key
        known = self._accepted_column(route.table, column.name)
        if known is not None and known.treatment not in ("new", "blank"):
            return known.treatment, known.reason
        if self._accepted is not None and route.table in self._accepted.routes and known is None:
            if self._default == "include" and not secret:
                return "keep", "columns_default: include"
            return "new", "looks like a secret, and nobody has reviewed it" if secret else "nobody has reviewed it"
        return ("drop", "its name says that it is a secret") if secret else ("keep", "")

    def _accepted_column(self, table: TableName, column: str) -> ColumnPlan | None:
        route = self._accepted.routes.get(table) if self._accepted else None
        return next((c for c in route.columns if c.name == column), None) if route else None
