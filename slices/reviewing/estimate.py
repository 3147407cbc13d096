"""The routing under review without landing anything: row counts as the source estimates them, shares from bounded samples.

A sample is the first rows that the source gives, and each row is judged by its own keys alone: whether a way leads on, not where it ends.
Ways that disagree, parents that are in quarantine themselves, and conditions (`where:`, `soft_delete:`) are not seen: what is owned is
owned at most, what is quarantined at least.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from engine.errors import SlicehouseError
from engine.graph import Edge
from engine.infer.find import hints
from engine.plan import plan_routing
from engine.routing import Route
from engine.schema import TableName
from engine.workspace import Workspace
from extract.samples import ROWS, SampledTables
from slices.installation import Installation
from slices.landing import OpenSources
from slices.reviewing import routings
from slices.reviewing.review import Review, accepted_routing
from slices.rule.partition import Verdicts


@dataclass(frozen=True, slots=True)
class EdgeSample:
    """Of the rows of a sample: how many have a key, and how many of those keys the parent has (None where nobody looked)."""

    edge: Edge
    sampled: int
    with_key: int
    found: int | None

    def facts(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "edge": self.edge.label,
            "sampled": self.sampled,
            "with_key": self.with_key,
            "null": self.sampled - self.with_key,
            "found": self.found,
            "orphans": None if self.found is None else self.with_key - self.found,
        }


@dataclass(frozen=True, slots=True)
class Estimate(Review):
    """A review whose counts are about; it says so of every table, and nothing can be accepted from it.

    `rows_known` has the tables whose number of rows the source or a whole sample tells; `samples` what was seen of each table's ways.
    """

    size: int = ROWS
    rows_known: frozenset[TableName] = frozenset()
    samples: dict[TableName, tuple[EdgeSample, ...]] | None = None

    def _row(self, table: TableName) -> dict[str, Any]:
        row = super(Estimate, self)._row(table)
        counts = dict.fromkeys(asdict(self.verdicts[table]).keys() - {"reasons"}) if table not in self.rows_known else {}
        return row | counts | {"estimate": True, "samples": [s.facts() for s in (self.samples or {}).get(table, ())]}


def estimate(installation: Installation, workspace: Workspace, size: int = ROWS) -> Estimate:
    """The routing that the file and the sources give, and about what it would make of their rows, by `size` rows of each table at most.

    Nothing is landed or kept, and no table is scanned. Raises SourceError, WorkspaceFileError.
    """
    row = routings.workspace_row(installation, workspace)
    before = accepted_routing(installation, workspace, row)
    with OpenSources(installation, workspace) as sources:
        schema = sources.schema()
        samples = SampledTables(sources.snapshots, schema, size, bounded=True)

        def weigh(known: list[Edge], found: list[Edge]) -> list[Edge]:
            for edge in (*known, *found):
                if schema[edge.child].readable:
                    samples.want(edge.child, (*edge.columns, *edge.when[:1]))
            kept = samples.weigh(found)
            return [*kept, *samples.suggested(hints(schema, [*known, *kept]))]

        routing = plan_routing(workspace, schema, before, weigh)
        seen = {t: _Seen(samples, route, schema[t].rows, size) for t, route in routing.routes.items()}
    known = frozenset(t for t, s in seen.items() if s.rows is not None)
    verdicts = {t: s.verdicts() for t, s in seen.items()}
    return Estimate(row, schema, routing, verdicts, {}, before, size, known, {t: s.edges for t, s in seen.items()})


class _Seen:
    """What samples say of one table."""

    def __init__(self, samples: SampledTables, route: Route, rows: int | None, size: int) -> None:
        self._route, self._samples = route, samples
        self.rows = rows
        self.edges: tuple[EdgeSample, ...] = ()
        self._share: dict[str, int] = {}
        if route.bridge or not (route.is_judged or route.review):
            return
        try:
            self.edges = tuple(self._edge(e) for e in route.joins or _offered(route))
            if route.edges:
                self._look(size)
        except SlicehouseError:
            self.edges = ()

    def _look(self, size: int) -> None:
        """Reads the sample of a table that its own edges place."""
        edges = self._route.edges
        columns = sorted({c for e in edges for c in (*e.columns, *e.when[:1])})
        found = [dict(zip(columns, row, strict=True)) for row in self._samples.rows(self._route.table, columns)]
        votes = [[_vote(e, row, self._samples.there(e)) for e in edges] for row in found]
        self.edges = tuple(self._edge(e) for e in edges)
        if len(found) < size:
            self.rows = len(found)
        elif self.rows is not None and self.rows < size:
            self.rows = None  # the source's own count is older than the rows
        nobody = "shared" if self._route.unassigned == "true" else "unassigned"
        outcomes = ["orphan" if False in row else "owned" if True in row else nobody for row in votes]
        self._share = {outcome: outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)}

    def _edge(self, edge: Edge) -> EdgeSample:
        columns = (*edge.columns, *edge.when[:1])
        rows = [dict(zip(columns, row, strict=True)) for row in self._samples.rows(edge.child, columns)]
        there = self._samples.there(edge)
        votes = [_vote(edge, row, there) for row in rows]
        return EdgeSample(edge, len(rows), sum(v is not None for v in votes), None if there is None else votes.count(True))

    def verdicts(self) -> Verdicts:
        """The counts of the whole table, by the shares of the sample; they add up."""
        route, rows = self._route, self.rows or 0
        if not route.is_written:
            return Verdicts(rows, excluded=rows)
        if route.is_shared or route.is_referenced:
            return Verdicts(rows, shared=rows)
        total = sum(self._share.values())
        if total == 0:
            return Verdicts(rows, owned=rows)
        reasons = {o: round(rows * self._share[o] / total) for o in ("orphan", "unassigned") if self._share.get(o)}
        shared = round(rows * self._share.get("shared", 0) / total)
        quarantined = min(sum(reasons.values()), rows - shared)
        return Verdicts(rows, owned=rows - shared - quarantined, shared=shared, quarantined=quarantined, reasons=reasons)


def _offered(route: Route) -> list[Edge]:
    """The edges of an open table's own that a line would take."""
    offered = (e for c in route.choices if c.edge is not None for e in (c.edge, *c.also))
    return list(dict.fromkeys(e for e in offered if e.child == route.table))


def _vote(edge: Edge, row: dict[str, str | None], there: set[str] | None) -> bool | None:
    """Whether the edge leads on from a row: None without a key, False where the parent lacks it; a key that nobody looks up leads on."""
    key = [row[c] for c in edge.columns]
    if None in key or (edge.when and row[edge.when[0]] != edge.when[1]):
        return None
    return there is None or key[0] in there
