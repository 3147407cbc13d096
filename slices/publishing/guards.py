"""What stops a refresh before anything is published (rules.md 3), and which old versions may never be served again (rules.md 4)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from engine import lock as locks
from engine.catalog.tables import RoutingRow, VersionRow
from engine.drift import narrowed
from engine.errors import ReviewRequired
from engine.infer.evidence import BROKEN
from engine.routing import Routing
from engine.schema import TableName
from engine.used import used_edges
from slices.rule.partition import Partition, Verdicts


def check_quarantine(routing: Routing, shares: Mapping[TableName, int], verdicts: Mapping[TableName, Verdicts]) -> None:
    """Raises ReviewRequired where a table's quarantined share is above its limit: configured, or the larger of 1% and the share
    at the last accept plus one point."""
    over = []
    for table, found in verdicts.items():
        configured = routing.routes[table].quarantine
        limit = configured if configured is not None else max(1, shares.get(table, 0) + 1)
        if found.rows and found.quarantined * 100 > limit * found.rows:
            reasons = ", ".join(f"{n} {reason.replace('_', ' ')}" for reason, n in found.reasons.items())
            over.append(f"{table.table}: {found.quarantined} of {found.rows} rows, more than {limit}% ({reasons})")
    if over:
        raise ReviewRequired(
            "Too many rows belong to nobody for sure:\n  " + "\n  ".join(over),
            hint="slicehouse routes shows why; accept the share with --accept, or raise it: tables: {t: {quarantine: 12%}}.",
            code="quarantine",
        )


def check_everybody(everybody: Mapping[str, Any], verdicts: Mapping[TableName, Verdicts], routing: Routing) -> None:
    """Raises ReviewRequired where more rows are everybody's than at the last accept plus 10%."""
    for table, found in verdicts.items():
        before = everybody.get(str(table))
        if routing.routes[table].unassigned and before is not None and found.shared > math.floor(before * 1.1):
            raise ReviewRequired(
                f"{table.table}: {found.shared} rows are everybody's now, {before} were when that was accepted.",
                hint="slicehouse routes --accept takes it.",
                code="everybody",
            )


def check_shrink(before: Mapping[str, Mapping[str, Any]], verdicts: Mapping[TableName, Verdicts], known: int, leaving: int) -> None:
    """Raises ReviewRequired where a table has half its rows or fewer, or more than 10% of the tenants would be withdrawn."""
    shrunk = [
        f"{t.table}: {before[str(t)]['rows']} rows before, {v.rows} now"
        for t, v in verdicts.items()
        if str(t) in before and before[str(t)]["rows"] > 0 and v.rows * 2 <= before[str(t)]["rows"]
    ]
    if known and leaving * 10 > known:
        shrunk.insert(0, f"{leaving} of {known} tenants are gone from the source")
    if shrunk:
        raise ReviewRequired(
            "The source has shrunk:\n  " + "\n  ".join(shrunk), hint="If that is right: slicehouse refresh --allow-shrink.", code="shrunk"
        )


def check_inclusions(partition: Partition, routing: Routing) -> None:
    """Raises ReviewRequired where an inferred relationship that places rows does not hold any more: nobody declared it."""
    broken = []
    for edge in used_edges(routing.routes.values()):
        if edge.origin == "inferred":
            found = partition.inclusion(edge)
            if found.share < BROKEN:
                broken.append(
                    f"{edge.label}: {found.distinct - found.found} of {found.distinct} values are in no row of {edge.parent.table}"
                )
    if broken:
        raise ReviewRequired(
            "An inferred relationship is broken:\n  " + "\n  ".join(broken),
            hint="slicehouse routes shows it; write it down under relationships: if it is right, or deny it with not.",
            code="inclusion_broken",
        )


def write_index(folder: Path, tables: Mapping[str, Any], tenants: Mapping[int, str]) -> None:
    """The index of a run's key hashes: table → file and whether rows have no key; number in that run → tenant id."""
    body = {"tables": {t: {"file": h.file, "whole": h.whole} for t, h in tables.items()}, "tenants": tenants}
    (folder / "index.json").write_text(json.dumps(body))


def tainted(
    partition: Partition,
    held: Path,
    suspects: Iterable[VersionRow],
    numbers: Mapping[str, int],
    routing: Routing,
    earlier: Mapping[str, RoutingRow],
    digest: str,
) -> set[str]:
    """Ids of versions that hold a row which has gone to another tenant or to quarantine, or that a narrower routing keeps out.

    `numbers` are the tenants of this run by id; `earlier` the accepted routings by digest. What cannot be told is tainted.
    """
    found: set[str] = set()
    by_run: dict[str, list[VersionRow]] = {}
    narrower: dict[str, bool] = {}
    for version in suspects:
        if version.routing_digest not in narrower:
            narrower[version.routing_digest] = version.routing_digest != digest and _is_narrower(
                earlier.get(version.routing_digest), routing
            )
        if narrower[version.routing_digest]:
            found.add(version.id)
        else:
            by_run.setdefault(version.run_id, []).append(version)
    for run, of_run in by_run.items():
        moved = _moved_tenants(partition, held / run, {v.tenant_id for v in of_run}, numbers)
        found |= {v.id for v in of_run if v.tenant_id in moved}
    return found


def _is_narrower(before: RoutingRow | None, now: Routing) -> bool:
    return before is None or narrowed(locks.routing_of(locks.load(before.lock, "an earlier lock")), now)


def _moved_tenants(partition: Partition, folder: Path, tenants: set[str], numbers: Mapping[str, int]) -> set[str]:
    """Of these tenants, those whose version of that run holds a row that is no longer theirs."""
    try:
        index = json.loads((folder / "index.json").read_text())
    except FileNotFoundError:
        return set(tenants)
    ids = {int(number): tenant for number, tenant in index["tenants"].items() if tenant in tenants}
    pairs = [(number, numbers.get(tenant, -1)) for number, tenant in ids.items()]
    found: set[str] = set(tenants) - set(ids.values())
    for table, entry in index["tables"].items():
        moved = partition.moved(table, folder / entry["file"], entry["whole"], pairs)
        if moved is None:
            return set(tenants)
        found |= {ids[number] for number in moved}
    return found
