"""A route for every table, with its reason: whose rows they are, by which edges, and what is still to be decided.

Example: `organizations` is the tenant table; `projects.organization_id` makes projects *direct*; `tasks.project_id` makes tasks
*indirect*; `countries: shared` is *shared*; whatever cannot reach the tenant table is *excluded* (default deny).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.columns import ColumnPlan
from engine.graph import Edge, Guard
from engine.names import SliceName
from engine.schema import TableName

SURE = 0.98  # an inferred edge below it has no say until somebody accepts it


Kind = Literal["tenant", "direct", "indirect", "membership", "shared", "shared: referenced", "whole", "excluded"]


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What the user decided of one table, names resolved (from the workspace file)."""

    shared: bool = False
    referenced: bool = False
    excluded: bool = False
    through: tuple[Edge, ...] = ()
    via: tuple[Edge, ...] = ()
    where: str | None = None
    soft_delete: str | None = None
    unassigned: str | None = None
    hides: tuple[str, ...] = ()
    quarantine: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to settle an open decision, and the edge that it is about, if one; `also` are the others where it names several.

    `value` is what to write for the table under `tables:`, or, where `under` says so, an entry of `relationships:` to be filled in.
    """

    value: str
    edge: Edge | None = None
    also: tuple[Edge, ...] = ()
    under: Literal["tables", "relationships"] = "tables"


@dataclass(frozen=True, slots=True)
class Route:
    """How the rows of one table reach their tenant.

    `edges` are the owner edges that have a say; `joins` the edges joining table → member that place a membership table;
    `bridge` marks an excluded table whose key columns judge others; `review` is the open decision that keeps it excluded.
    `unassigned` is the condition under which rows without a vote are everybody's ("true" for all of them). `guards` are the
    polymorphic pairs whose unknown types are faults; `refs` the edges that lead to a `shared: referenced` table.
    `choices` are ways to settle `review`, the likeliest first; `idle` the known edges of the table that have no say.
    """

    table: TableName
    kind: Kind
    reason: str
    edges: tuple[Edge, ...] = ()
    joins: tuple[Edge, ...] = ()
    bridge: bool = False
    review: str | None = None
    where: str | None = None
    soft_delete: str | None = None
    unassigned: str | None = None
    hides: tuple[str, ...] = ()
    quarantine: int | None = None
    path: tuple[str, ...] = ()
    columns: tuple[ColumnPlan, ...] = ()
    guards: tuple[Guard, ...] = ()
    refs: tuple[Edge, ...] = ()
    choices: tuple[Choice, ...] = ()
    idle: tuple[Edge, ...] = ()

    @property
    def is_written(self) -> bool:
        """Whether its rows are in slices."""
        return self.kind != "excluded"

    @property
    def is_judged(self) -> bool:
        """Whether its rows get a tenant by the row rule (a bridge's too)."""
        return self.bridge or self.kind in ("tenant", "direct", "indirect", "membership")

    @property
    def is_shared(self) -> bool:
        """Whole in every slice."""
        return self.kind == "shared"

    @property
    def is_referenced(self) -> bool:
        """In a slice as far as the slice's rows point at it."""
        return self.kind == "shared: referenced"

    @property
    def has_everybodys(self) -> bool:
        """Whether some rows may be in every slice."""
        return self.is_shared or self.is_referenced or self.unassigned is not None


@dataclass(frozen=True, slots=True)
class TenantKey:
    """The tenant table, its unique key column, the column with the display name, and the one with the parent tenant's key.

    With `rollup` a parent's slice holds its descendants' rows too.
    """

    table: TableName
    key: str
    name: str | None = None
    parent: str | None = None
    rollup: bool = False


NO_TABLE = TenantKey(TableName("slicehouse", "slicehouse", "tenants"), "key")


@dataclass(frozen=True, slots=True)
class Routing:
    """The routes of all tables of a workspace, and what the tables are called inside a slice.

    `whole` are the keys of the tenants where tenants are no rows: the sources' names, or the workspace's; `tenant` is `NO_TABLE` then.
    """

    tenant: TenantKey
    routes: Mapping[TableName, Route]
    names: Mapping[TableName, SliceName]
    timezone: str = "UTC"
    whole: tuple[str, ...] = ()

    def tenant_of(self, table: TableName) -> int | None:
        """The number of the one tenant that a table is whole of; None where its rows are judged, or everybody's."""
        if not self.whole or self.routes[table].kind != "whole":
            return None
        return self.whole.index(table.source) if table.source in self.whole else 0

    @property
    def written(self) -> list[Route]:
        """The routes of tables that are in slices, in the order of their names in a slice."""
        return sorted((r for r in self.routes.values() if r.is_written), key=lambda r: str(self.names[r.table]))

    @property
    def judged(self) -> list[Route]:
        """The routes of tables that get a tenant by the row rule, sorted by name."""
        return sorted((r for r in self.routes.values() if r.is_judged), key=lambda r: r.table)

    @property
    def open_decisions(self) -> list[Route]:
        """Tables that stay excluded until somebody decides."""
        return [r for r in self.routes.values() if r.review is not None]


def is_sure(edge: Edge) -> bool:
    """Whether an edge counts without being named: declared, configured, or inferred with confidence enough."""
    return edge.origin != "inferred" or edge.confidence >= SURE
