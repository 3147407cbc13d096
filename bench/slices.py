"""`python -m bench.slices`: what it costs to build one DuckDB file per tenant, beside one sorted file of the same rows.

TPC-H in PostgreSQL, loaded before anything is measured (`bench.tpch`). Each of `--rounds` writes the limit (one sorted file from Parquet,
with the compression of slices and with DuckDB's default), then refreshes all tenants; the limit is written once more at the end, so it
lies on both sides of every refresh. A figure is the median over the rounds, by CPU seconds.

`extract` to `publish` are the stages of a refresh, as the run's history has them; `refresh: everything` is the whole process with the start
of Python. The limit stands against `partition to publish`: it too begins with Parquet, and it is timed without the start of Python.
`refresh: nothing changed` and `refresh: 1% of tenants changed` (one column of the customers of every hundredth tenant) read the whole source
again; the row after each is the same from partition to publish.

CPU seconds and peak memory include builder processes; PostgreSQL's are not in them. Bytes are what the step left on disk.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.measure import Ran, machine, run, say, show
from bench.tpch import Prepared, prepared
from engine.catalog import runs
from engine.catalog.tables import SnapshotRow, StageRow, VersionRow
from engine.settings import Settings
from slices.installation import open_installation

_LIMITS = {"light": "limit: one sorted file", "default": "limit: one sorted file, default compression"}


@dataclass(frozen=True, slots=True)
class Cost:
    """One line of the result."""

    what: str
    seconds: float
    cpu_seconds: float
    bytes: int
    peak_mb: int


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A refresh: its stages in their order, the whole process, and the result that it printed."""

    stages: tuple[Cost, ...]
    whole: Cost
    result: Mapping[str, Any]

    def without_extract(self, what: str) -> Cost:
        """The stages after extraction, together."""
        rest = [s for s in self.stages if s.what != "extract"]
        return Cost(
            what,
            sum(s.seconds for s in rest),
            sum(s.cpu_seconds for s in rest),
            sum(s.bytes for s in rest),
            max(s.peak_mb for s in rest),
        )


def main() -> None:
    """Prepares, measures, prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.slices")
    parser.add_argument("--tenants", type=int, default=1_000)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    before = machine()
    with tempfile.TemporaryDirectory(prefix="slicehouse-bench-") as folder, prepared(Path(folder), asked.scale, asked.tenants) as made:
        rows = measure(made, asked.rounds)
    facts = {"scale": asked.scale, "tenants": asked.tenants, "rounds": asked.rounds, "source": "PostgreSQL", **before}
    shown = [asdict(r) | {"seconds": round(r.seconds, 2), "cpu_seconds": round(r.cpu_seconds, 2)} for r in rows]
    show("Building slices", shown, facts, as_json=asked.json)


def measure(made: Prepared, rounds: int) -> list[Cost]:
    """Every line, the limits first."""
    limits: dict[str, list[Cost]] = {name: [] for name in _LIMITS}
    whole: list[Refreshed] = []
    for number in range(rounds + 1):
        for compression, costs in limits.items():
            costs.append(_limit(made, compression))
        if number < rounds:
            whole.append(_refresh(made, "refresh: everything", "--full", built=made.tenants))
    found = [_median(costs) for costs in limits.values()]
    everything = sorted(whole, key=lambda r: r.whole.cpu_seconds)[(len(whole) - 1) // 2]
    found += [*everything.stages, everything.without_extract("partition to publish"), everything.whole]
    same = _refresh(made, "refresh: nothing changed", built=0)
    changed = max(1, made.tenants // 100)
    with psycopg.connect(made.uri, autocommit=True) as connection:
        connection.execute("update customer set c_acctbal = c_acctbal + 1 where tenant_id <= %s", [changed])
    some = _refresh(made, "refresh: 1% of tenants changed", built=changed)
    for one in (same, some):
        found += [one.whole, one.without_extract(f"{one.whole.what}, partition to publish")]
    return found


def _limit(made: Prepared, compression: str) -> Cost:
    say(_LIMITS[compression])
    file = made.file.parent / "limit.duckdb"
    ran = run("-m", "bench.sorted_file", str(made.parquet), str(file), str(made.tenants), compression)
    size = file.stat().st_size
    file.unlink()
    return Cost(_LIMITS[compression], **json.loads(ran.out), bytes=size, peak_mb=ran.peak_mb)


def _refresh(made: Prepared, what: str, *options: str, built: int) -> Refreshed:
    """Runs the command. Raises RuntimeError where it did not build as many slices as it should."""
    say(what)
    ran = run(*made.command("refresh", "--json", *options))
    result = json.loads(ran.out)
    if (result["built"], result["unchanged"], result["failed"]) != (built, made.tenants - built, 0):
        raise RuntimeError(f"{what}: {result['built']} built, {result['unchanged']} unchanged, {result['failed']} failed")
    with open_installation(Settings(home=made.home)).catalog.read() as session:
        stages = runs.stages_of(session, result["run"])
        landed = sum(s.bytes for s in session.query(SnapshotRow).filter(SnapshotRow.state == "published"))
        slices = sum(v.bytes for v in session.query(VersionRow).filter(VersionRow.run_id == result["run"]))
    left = {"extract": landed, "build": slices}
    costs = tuple(_stage(s, ran, left.get(s.name, 0)) for s in stages)
    return Refreshed(costs, Cost(what, ran.seconds, ran.cpu_seconds, landed + slices, ran.peak_mb), result)


def _stage(stage: StageRow, ran: Ran, size: int) -> Cost:
    """A stage by the run's own record; its peak by the samples up to the line that told of its end."""
    end = next((at for at, text in ran.lines if text.split(" ")[0] == stage.name), 0.0)
    return Cost(stage.name, stage.seconds, stage.cpu_seconds, size, ran.peak_between(end - stage.seconds, end))


def _median(costs: Sequence[Cost]) -> Cost:
    ordered = sorted(costs, key=lambda c: c.cpu_seconds)
    return ordered[(len(ordered) - 1) // 2]


if __name__ == "__main__":
    main()
