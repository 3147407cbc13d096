"""The lock: the routing that was reviewed and accepted, as stable YAML that a diff can be read of.

It holds tables, routes, edges with kind and decision, columns with type and treatment, accepted shares, a digest of the
evidence, who accepted and when; no other counts.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

from engine.columns import ColumnPlan, Normalise, Treatment
from engine.errors import ConfigurationError
from engine.graph import Edge, Guard, Origin
from engine.names import SliceName
from engine.routing import Kind, Route, Routing, TenantKey
from engine.schema import TableName
from engine.types import key_class
from engine.workspace.syntax import split_name


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LockColumn(_Strict):
    """One column: the source's type, the slice's type, and what becomes of it."""

    source: str
    type: str
    treatment: Treatment = "keep"
    shown: str | None = None
    reason: str | None = None
    as_text: bool = False
    comment: str | None = None
    normalise: Normalise | None = None


class LockEdge(_Strict):
    """One edge in use: columns, the table and columns they point at, where it is known from."""

    columns: list[str]
    parent: str
    parent_columns: list[str]
    kind: Origin
    decision: Literal["accepted"]
    when: list[str] = Field(default=[], description="a column and its value: the edge of one type of a polymorphic pair")


class LockGuard(_Strict):
    """A polymorphic pair: its type column, its id column, the types that are known."""

    type: str
    id: str
    known: list[str]


class LockTable(_Strict):
    """One table: its route and what it is decided by."""

    route: Kind
    name: str
    reason: str
    bridge: bool = False
    review: str | None = None
    edges: list[LockEdge] = []
    joins: list[LockEdge] = Field(default=[], description="joining rows that place a member: the columns are the joining table's")
    joining: list[str] = []
    guards: list[LockGuard] = []
    refs: list[LockEdge] = Field(default=[], description="edges that lead to a shared: referenced table")
    referring: list[str] = []
    path: list[str] = []
    where: str | None = None
    soft_delete: str | None = None
    unassigned: str | None = None
    hides: list[str] = []
    quarantine: int | None = None
    quarantined: int = Field(default=0, description="whole percent of the rows quarantined when accepted")
    columns: dict[str, LockColumn] = {}


class LockTenant(_Strict):
    """Who a tenant is."""

    table: str
    key: str
    name: str | None = None
    parent: str | None = None
    rollup: bool = False


class Lock(_Strict):
    """The whole lock of one workspace."""

    version: Literal[1] = 1
    workspace: str
    accepted_by: str
    accepted_at: str
    evidence: str
    timezone: str
    tenant: LockTenant
    whole: list[str] = Field(default=[], description="keys of the tenants where each source, or the workspace, is one")
    tables: dict[str, LockTable]


def make_lock(workspace: str, routing: Routing, *, by: str, at: str, shares: Mapping[TableName, int] | None = None) -> Lock:
    """The lock of a routing. `shares` is the whole percent of rows quarantined per table when it was accepted."""
    tables = {_written(route.table): _lock_table(route, routing, (shares or {}).get(route.table, 0)) for route in routing.routes.values()}
    tenant = LockTenant(
        table=_written(routing.tenant.table),
        key=routing.tenant.key,
        name=routing.tenant.name,
        parent=routing.tenant.parent,
        rollup=routing.tenant.rollup,
    )
    return Lock(
        workspace=workspace,
        accepted_by=by,
        accepted_at=at,
        evidence=digest(routing),
        timezone=routing.timezone,
        tenant=tenant,
        whole=list(routing.whole),
        tables=dict(sorted(tables.items())),
    )


def routing_of(lock: Lock) -> Routing:
    """The routing that a lock holds."""
    tenant = TenantKey(_table(lock.tenant.table), lock.tenant.key, lock.tenant.name, lock.tenant.parent, lock.tenant.rollup)
    routes = {_table(name): _route(_table(name), table) for name, table in lock.tables.items()}
    names = {_table(name): _slice_name(table.name) for name, table in lock.tables.items()}
    return Routing(tenant, routes, names, lock.timezone, tuple(lock.whole))


def shares_of(lock: Lock) -> dict[TableName, int]:
    """Whole percent quarantined per table at the accept."""
    return {_table(name): table.quarantined for name, table in lock.tables.items()}


def digest(routing: Routing) -> str:
    """What decides the content of slices, as one sha256: the same digest means the same decisions."""
    facts = {
        _written(r.table): _lock_table(r, routing, 0).model_dump(
            exclude={"quarantined", "quarantine", "reason", "path"}, exclude_defaults=True
        )
        for r in routing.routes.values()
    }
    tenant = routing.tenant
    who = [_written(tenant.table), tenant.key, tenant.name, *([tenant.parent, tenant.rollup] if tenant.parent else [])]
    who += [list(routing.whole)] if routing.whole else []
    body = json.dumps([facts, routing.timezone, *who], sort_keys=True)
    return "sha256:" + sha256(body.encode()).hexdigest()


def dump(lock: Lock) -> str:
    """The lock as YAML, tables sorted, defaults left out."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 160
    out = io.StringIO()
    out.write("# yaml-language-server: $schema=.slicehouse/lock.schema.json\n")
    out.write("# The routing that was reviewed and accepted. Written by: slicehouse routes --accept\n")
    yaml.dump(lock.model_dump(mode="json", exclude_defaults=True) | {"version": 1}, out)
    return out.getvalue()


def load(text: str, shown: str) -> Lock:
    """The lock of that text; raises ConfigurationError that names `shown`."""
    try:
        return Lock.model_validate(YAML(typ="safe", pure=True).load(text))
    except Exception as error:
        raise ConfigurationError(
            f"{shown} is no lock: {str(error).splitlines()[0]}", hint="slicehouse routes --accept writes it anew.", code="lock"
        ) from None


def _lock_table(route: Route, routing: Routing, share: int) -> LockTable:
    return LockTable(
        route=route.kind,
        name=_written_parts(routing.names[route.table].schema, routing.names[route.table].table),
        reason=route.reason,
        bridge=route.bridge,
        review=route.review,
        edges=[_lock_edge(e) for e in route.edges],
        joins=[_lock_edge(e) for e in route.joins],
        joining=[_written(e.child) for e in route.joins],
        guards=[LockGuard(type=g.type_column, id=g.id_column, known=list(g.known)) for g in route.guards],
        refs=[_lock_edge(e) for e in route.refs],
        referring=[_written(e.child) for e in route.refs],
        path=list(route.path),
        where=route.where,
        soft_delete=route.soft_delete,
        unassigned=route.unassigned,
        hides=list(route.hides),
        quarantine=route.quarantine,
        quarantined=share,
        columns={c.name: _lock_column(c) for c in route.columns},
    )


def _lock_edge(edge: Edge) -> LockEdge:
    return LockEdge(
        columns=list(edge.columns),
        parent=_written(edge.parent),
        parent_columns=list(edge.parent_columns),
        kind=edge.origin,
        decision="accepted",
        when=list(edge.when),
    )


def _lock_column(plan: ColumnPlan) -> LockColumn:
    return LockColumn(
        source=plan.source_type,
        type=plan.type,
        treatment=plan.treatment,
        shown=None if plan.shown == plan.name else plan.shown,
        reason=plan.reason or None,
        as_text=plan.as_text,
        comment=plan.comment,
        normalise=plan.normalise,
    )


def _route(name: TableName, table: LockTable) -> Route:
    edges = tuple(_edge(name, e, _table(e.parent)) for e in table.edges)
    joins = tuple(_edge(_table(child), e, name) for child, e in zip(table.joining, table.joins, strict=True))
    refs = tuple(_edge(_table(child), e, name) for child, e in zip(table.referring, table.refs, strict=True))
    guards = tuple(Guard(g.type, g.id, tuple(g.known)) for g in table.guards)
    columns = tuple(
        ColumnPlan(
            n,
            c.shown or n,
            c.source,
            c.type,
            key_class(c.type, "" if c.treatment == "sha256" else c.source),
            c.treatment,
            c.reason or "",
            c.as_text,
            c.comment,
            c.normalise,
        )
        for n, c in table.columns.items()
    )
    return Route(
        name, table.route, table.reason, edges, joins, table.bridge, table.review, table.where, table.soft_delete, table.unassigned,
        tuple(table.hides), table.quarantine, tuple(table.path), columns, guards, refs,
    )  # fmt: skip


def _edge(child: TableName, edge: LockEdge, parent: TableName) -> Edge:
    return Edge(child, tuple(edge.columns), parent, tuple(edge.parent_columns), edge.kind, when=tuple(edge.when))


def _written(name: TableName) -> str:
    return _written_parts(name.source, name.schema, name.table)


def _written_parts(*parts: str) -> str:
    return ".".join(p if p.isidentifier() else '"' + p.replace('"', '""') + '"' for p in parts)


def _table(written: str) -> TableName:
    return TableName(*split_name(written))


def _slice_name(written: str) -> SliceName:
    return SliceName(*split_name(written))
