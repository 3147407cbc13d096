"""A review as plain data: what `routes --table` prints and pages show, kept in the catalog. Nothing of it needs the source again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from engine import lock as locks
from engine.catalog.reviews import keep_review
from engine.catalog.tables import ReviewRow, RoutingRow
from engine.clock import rfc3339
from engine.columns import ColumnPlan
from engine.decisions import options, written_name
from engine.drawing.layout import hops
from engine.graph import Edge
from engine.routing import Route, Routing
from slices.installation import Installation
from slices.rule.pairs import Alone, Pair, Pairs

if TYPE_CHECKING:
    from slices.reviewing.review import Review

_LONGEST = 60  # characters of an example key that are kept


def table_facts(found: Review) -> list[dict[str, Any]]:
    """Every table of a review, open decisions first: the row of `routes --json`, and edges, columns, rules, options and pairs."""
    far = hops(found.routing)
    return [
        row | _details(route, found.routing, far.get(route.table)) | {"pairs": _pairs(found.pairs.get(route.table), route)}
        for route, row in zip(found.ordered(), found.rows(), strict=True)
    ]


def accepted_facts(routing: Routing) -> list[dict[str, Any]]:
    """Every table of an accepted routing, without counts and evidence: what there is to show before the first review."""
    far = hops(routing)
    ordered = sorted(routing.routes.values(), key=lambda r: (r.review is None, r.kind == "excluded", str(routing.names[r.table])))
    return [
        {
            "table": str(routing.names[r.table]),
            "route": r.kind,
            "path": " → ".join(r.path),
            "evidence": r.review or r.reason,
            "decision": "review" if r.review else "excluded" if r.kind == "excluded" else "accepted",
        }
        | _details(r, routing, far.get(r.table))
        | {"pairs": None}
        for r in ordered
    ]


def _details(route: Route, routing: Routing, far: int | None) -> dict[str, Any]:
    return {
        "source": str(route.table),
        "written": written_name(route.table, routing.routes),
        "reason": route.reason,
        "review": route.review,
        "bridge": route.bridge,
        "hops": far,
        "options": [asdict(o) for o in options(route, routing)],
        "edges": _edges(route, routing),
        "rules": _rules(route),
        "columns": [_column(c) for c in route.columns],
    }


def _edges(route: Route, routing: Routing) -> list[dict[str, Any]]:
    roles: tuple[tuple[str, tuple[Edge, ...]], ...] = (("owner", route.edges), ("joining", route.joins), ("reference", route.refs))
    found = [_edge(e, role, routing) for role, edges in roles for e in edges]
    return [*found, *(_edge(e, "idle", routing) for e in route.idle)]


def _edge(edge: Edge, role: str, routing: Routing) -> dict[str, Any]:
    return {
        "label": edge.label,
        "role": role,
        "child": str(routing.names[edge.child]),
        "columns": list(edge.columns),
        "parent": str(routing.names[edge.parent]),
        "parent_columns": list(edge.parent_columns),
        "when": list(edge.when),
        "origin": edge.origin,
        "confidence": edge.confidence,
        "actor": edge.actor,
        "evidence": edge.evidence,
    }


def _rules(route: Route) -> dict[str, Any]:
    facts = {
        "where": route.where,
        "soft_delete": route.soft_delete,
        "unassigned": "shared" if route.unassigned == "true" else route.unassigned,
        "hides": list(route.hides),
        "quarantine": f"{route.quarantine}%" if route.quarantine is not None else None,
    }
    return {name: value for name, value in facts.items() if value}


def _column(plan: ColumnPlan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "shown": plan.shown,
        "source_type": plan.source_type,
        "type": plan.type,
        "treatment": plan.treatment,
        "reason": plan.reason,
    }


# ── pairs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pairs(found: Pairs | None, route: Route) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"rows": found.rows, "alone": [_alone(a, route) for a in found.alone], "pairs": [_pair(p) for p in found.pairs]}


def _alone(alone: Alone, route: Route) -> dict[str, Any]:
    """`via` is what to write; None where the edge cannot place a table alone: it leads to the table itself."""
    free = alone.abstains if route.unassigned == "true" else 0
    return {
        "label": alone.edge.label,
        "via": None if alone.edge.is_self_reference else alone.edge.label if alone.edge.when else _spelled(alone.edge),
        "owned": alone.votes,
        "everybodys": free,
        "quarantined": alone.faults + alone.abstains - free,
        "faults": alone.faults,
        "abstains": alone.abstains,
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "first": pair.first.label,
        "second": pair.second.label,
        "agree": pair.agree,
        "disagree": pair.disagree,
        "abstain": pair.abstain,
        "fault": pair.fault,
        "examples": [e if len(e) <= _LONGEST else e[: _LONGEST - 1] + "…" for e in pair.examples],
    }


def _spelled(edge: Edge) -> str:
    return edge.columns[0] if len(edge.columns) == 1 else f"({', '.join(edge.columns)})"


# ── kept and read again ───────────────────────────────────────────────────────────────────────────────────────────────


def keep(installation: Installation, slug: str, found: Review) -> None:
    """Keeps the review in the catalog, in the place of the one before."""
    at = installation.clock()
    lock = locks.make_lock(slug, found.routing, by="", at=rfc3339(at))
    with installation.catalog.write() as session:
        keep_review(
            session, found.workspace.id, lock=locks.dump(lock), digest=locks.digest(found.routing), tables=table_facts(found), at=at
        )


def document(review: ReviewRow | None, accepted: RoutingRow | None) -> dict[str, Any]:
    """What there is to show of a workspace: the last review, else the accepted routing, else no tables.

    `is_accepted` says whether what is shown is what refreshes run by.
    """
    facts: dict[str, Any] = {
        "shows": "review" if review else "accepted" if accepted else "nothing",
        "reviewed_at": rfc3339(review.made_at) if review else None,
        "is_accepted": accepted is not None and (review is None or review.digest == accepted.digest),
        "accepted": {"number": accepted.number, "by": accepted.accepted_by, "at": rfc3339(accepted.accepted_at)} if accepted else None,
        "tables": [],
    }
    if review is not None:
        return facts | {"tables": review.tables["tables"]}
    return facts | {"tables": accepted_facts(_routing(accepted.lock))} if accepted is not None else facts


def drawn(review: ReviewRow | None, accepted: RoutingRow | None) -> Routing | None:
    """The routing that `document` shows, its edges with what the review saw of them."""
    if review is not None:
        return _with_evidence(_routing(review.lock), {e["label"]: e for t in review.tables["tables"] for e in t["edges"]})
    return _routing(accepted.lock) if accepted is not None else None


def _routing(lock: str) -> Routing:
    return locks.routing_of(locks.load(lock, "the catalog's lock"))


def _with_evidence(routing: Routing, seen: Mapping[str, Mapping[str, Any]]) -> Routing:
    """A lock keeps no evidence: it is put back from what was seen, for edges that are spelled the same and lie between the same tables."""

    def told(edge: Edge) -> Edge:
        known = seen.get(edge.label)
        same = known and (known["child"], known["parent"]) == (str(routing.names[edge.child]), str(routing.names[edge.parent]))
        return replace(edge, confidence=known["confidence"], evidence=known["evidence"]) if known and same else edge

    def route(item: Route) -> Route:
        return replace(item, edges=tuple(map(told, item.edges)), joins=tuple(map(told, item.joins)), refs=tuple(map(told, item.refs)))

    return replace(routing, routes={name: route(r) for name, r in routing.routes.items()})
