"""What accepting a new routing would change, in words: routes, edges, rules and columns, table by table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.graph import Edge
from engine.routing import Route, Routing

_RULES = ("where", "soft_delete", "unassigned", "hides", "quarantine", "guards")


def differences(before: Routing, after: Routing) -> list[str]:
    """Lines `route: …`, `edge: …`, `rule: …`, `columns: …`; a table of which only columns differ has the last kind alone."""
    lines: list[str] = []
    if (before.tenant, before.whole) != (after.tenant, after.whole):
        lines.append(f"tenants: {_tenant(before)} → {_tenant(after)}")
    if before.timezone != after.timezone:
        lines.append(f"timezone: {before.timezone} → {after.timezone}")
    for table in sorted({*before.routes, *after.routes}):
        old, new = before.routes.get(table), after.routes.get(table)
        if old is None and new is not None:
            lines.append(f"route: {table.table}: new → {_kind(new)}")
            lines += [f"edge: {table.table}: + {_edge(e)}" for e in _edges(new)]
        elif new is None and old is not None:
            lines.append(f"route: {table.table}: {_kind(old)} → gone from the source")
        elif old is not None and new is not None:
            lines += _of_table(old, new)
    return lines


def _of_table(old: Route, new: Route) -> Iterator[str]:
    name = new.table.table
    if _kind(old) != _kind(new):
        yield f"route: {name}: {_kind(old)} → {_kind(new)}"
    there, now = ({e.ends: e for e in _edges(r)} for r in (old, new))
    yield from (f"edge: {name}: − {_edge(e)}" for ends, e in there.items() if ends not in now)
    yield from (f"edge: {name}: + {_edge(e)}" for ends, e in now.items() if ends not in there)
    yield from (
        f"edge: {name}: {e.label}: {there[ends].origin} → {e.origin}"
        for ends, e in now.items()
        if ends in there and there[ends].origin != e.origin
    )
    for rule in _RULES:
        was, is_ = getattr(old, rule), getattr(new, rule)
        if was != is_:
            yield f"rule: {name}: {rule}: {_shown(was)} → {_shown(is_)}"
    columns = list(_columns(old, new))
    if columns:
        yield f"columns: {name}: {'; '.join(columns)}"


def _columns(old: Route, new: Route) -> Iterator[str]:
    known = {c.name: c for c in old.columns}
    for column in new.columns:
        was = known.pop(column.name, None)
        if was is None:
            yield f"{column.name}: new → {column.treatment}"
            continue
        changes = [(was.treatment, column.treatment), (was.type, column.type), (was.normalise, column.normalise)]
        changed = [f"{_shown(a)} → {_shown(b)}" for a, b in changes if a != b]
        if changed:
            yield f"{column.name}: {', '.join(changed)}"
    yield from (f"{name}: gone from the source" for name in known)


def _kind(route: Route) -> str:
    kind = "bridge (excluded, its keys judge others)" if route.bridge else route.kind
    return f"{kind}, open: {route.review}" if route.review is not None else kind


def _edges(route: Route) -> Iterable[Edge]:
    return (*route.edges, *route.joins, *route.refs)


def _edge(edge: Edge) -> str:
    return f"{edge.label} ({edge.origin})"


def _tenant(routing: Routing) -> str:
    tenant = routing.tenant
    if routing.whole:
        return f"{', '.join(routing.whole)}, whole"
    above = f", parent {tenant.parent}{' (rollup)' if tenant.rollup else ''}" if tenant.parent else ""
    return f"{tenant.table.table}.{tenant.key}, name {tenant.name or '–'}{above}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(v) for v in value) or "none"
    return "none" if value is None else str(value)
