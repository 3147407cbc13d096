"""What data says for and against an edge, as numbers and one sentence, and what that makes of its confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from engine.graph import Edge
from engine.schema import TableName

BROKEN = 0.9  # of a true reference at least so many of the child's values are in the parent


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column: rows of its table, values that are not NULL, distinct ones (about), lowest and highest where it is an integer.

    `sketch` has the smallest hashes of its values: a true reference's lie among its parent's.
    """

    rows: int
    values: int
    distinct: int
    low: int | None = None
    high: int | None = None
    sketch: frozenset[int] = frozenset()

    @property
    def is_dense(self) -> bool:
        """Whether the values fill most of their range: 1..n includes every other small integer by chance."""
        return self.low is not None and self.high is not None and self.distinct * 2 >= self.high - self.low + 1

    @property
    def looks_unique(self) -> bool:
        """Whether it may be a key: as many distinct values as rows, as far as a count by hashes can tell."""
        return self.values == self.rows and self.distinct * 100 >= self.rows * 90


@dataclass(frozen=True, slots=True)
class Inclusion:
    """How much of a child's values a parent has: distinct values looked at and found, rows with a value, rows whose value is not there."""

    distinct: int
    found: int
    rows: int
    orphans: int
    sampled: bool = False

    @property
    def share(self) -> float:
        """Of the distinct values, those that the parent has."""
        return self.found / self.distinct if self.distinct else 1.0


class Observed(Protocol):
    """What is known of the data: of a whole snapshot, or of samples."""

    def facts(self, table: TableName, column: str) -> ColumnFacts | None:
        """Of one column, or None where nobody looked."""
        ...

    def is_unique(self, table: TableName, columns: tuple[str, ...]) -> bool | None:
        """Whether no two rows have the same values, or None where nobody looked."""
        ...

    def inclusion(self, edge: Edge) -> Inclusion | None:
        """Of one edge, checked exactly on what there is; None where nobody looked."""
        ...


def weighed(edge: Edge, observed: Observed) -> Edge:
    """The edge with what data says of it: surprise raises its confidence, broken inclusion and doubled parents sink it."""
    found = observed.inclusion(edge)
    if found is None or found.distinct == 0:
        return replace(edge, evidence=f"{edge.evidence}; no values to look at") if found is not None else edge
    shown = _sentence(found)
    if found.share < BROKEN:
        return replace(edge, confidence=round(min(edge.confidence * found.share * 0.4, 0.4), 3), evidence=f"{edge.evidence}; {shown}")
    if observed.is_unique(edge.parent, edge.parent_columns) is False:
        return replace(edge, confidence=round(edge.confidence * 0.4, 3), evidence=f"{edge.evidence}; {shown}, but parents are doubled")
    doubt = 1.0 if found.orphans else chance(edge, found, observed)
    confidence = 1 - (1 - edge.confidence) * (0.1 + 0.9 * doubt)
    if found.orphans:
        confidence = min(confidence, edge.confidence, 0.97)
    return replace(edge, confidence=round(confidence, 3), evidence=f"{edge.evidence}; {shown}")


def chance(edge: Edge, found: Inclusion, observed: Observed) -> float:
    """How likely the inclusion is by chance, from 0 to 1: a dense 1..n has any few small integers."""
    parent = observed.facts(edge.parent, edge.parent_columns[0])
    child = observed.facts(edge.child, edge.columns[0])
    if len(edge.columns) > 1 or parent is None or child is None or parent.low is None or parent.high is None or child.high is None:
        return 0.5 ** min(found.distinct, 20)
    width = parent.high - parent.low + 1
    share = min(1.0, parent.distinct / width)
    by_chance = share ** min(found.distinct, 100)
    covered = found.found / max(parent.distinct, 1)
    return by_chance * (0.5 if covered >= 0.5 and found.found >= 10 else 1.0)


def _sentence(found: Inclusion) -> str:
    looked = "of a sample " if found.sampled else ""
    if found.orphans:
        return f"{looked}{found.found} of {found.distinct} values are there, {found.orphans} of {found.rows} rows have none"
    return f"{looked}all {found.distinct} values are there"


def numbers(found: Inclusion | None) -> Mapping[str, float]:
    """The inclusion as numbers, for JSON."""
    return {} if found is None else {"distinct": found.distinct, "found": found.found, "rows": found.rows, "orphans": found.orphans}
