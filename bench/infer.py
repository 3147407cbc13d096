"""`python -m bench.infer`: what it costs to find undeclared relationships in the data of a large schema, and how many are found.

A schema of `--tables` tables (`bench.infer_case`), its rows written as Parquet by DuckDB in bounded memory; then one process that infers by
names and looks at the data. A line each for a quarter, half and all of it: exact checks grow with columns, not with pairs of them.
Seconds, CPU seconds and peak memory are those of the whole process, the start of Python included. Precision and recall are of all
edges that are reported (confidence .5 or more), and of those that count by themselves (.98 or more), against the truth of the generator.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.infer_case import Generated, generate, relation, write
from bench.measure import machine, run, say, show
from engine import duck
from engine.graph import Edge
from engine.infer.observe import ObservedTables, infer_on_data
from engine.routing import is_sure
from engine.sql import read_parquet

MEMORY_LIMIT = "1GB"


def main() -> None:
    """Writes the data, measures, prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.infer")
    parser.add_argument("--tables", type=int, default=1_000)
    parser.add_argument("--columns", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--only", action="store_true", help="the whole size alone, not a quarter and a half of it before")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--look", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write or asked.look:
        generated = generate(asked.tables, asked.columns, asked.rows)
        if asked.write:
            write(generated, asked.write)
        else:
            print(json.dumps(look(generated, asked.look)))
        return
    before = machine()
    shown = [measured(asked.tables // part, asked.columns // part, asked.rows // part) for part in ((1,) if asked.only else (4, 2, 1))]
    show("Inference on data", shown, {"memory_limit": MEMORY_LIMIT, **before}, as_json=asked.json)


def measured(tables: int, columns: int, rows: int) -> dict[str, Any]:
    """One line: the data written by one process, looked at by another."""
    size = ("--tables", str(tables), "--columns", str(columns), "--rows", str(rows))
    with tempfile.TemporaryDirectory(prefix="slicehouse-bench-") as folder:
        say(f"writing {tables:,} tables of {rows:,} rows …")
        run("-m", "bench.infer", *size, "--write", folder)
        say("looking at them …")
        ran = run("-m", "bench.infer", *size, "--look", folder)
    cost = {"seconds": round(ran.seconds, 1), "cpu_seconds": round(ran.cpu_seconds, 1), "peak_mb": ran.peak_mb}
    found: Mapping[str, Any] = json.loads(ran.out)
    return {**found, **cost}


def look(generated: Generated, folder: Path) -> dict[str, Any]:
    """Infers on the rows below `folder`, and holds what is found against the truth."""
    schema = generated.schema
    relations = {t.name: read_parquet([relation(folder, t.name)]) for t in schema}
    with duck.work(folder / "work.duckdb", threads=2, memory_limit=MEMORY_LIMIT, timezone="UTC") as connection:
        observed = ObservedTables(connection, schema, relations)
        edges = infer_on_data(schema, observed)
    work = observed.work
    return {
        "tables": work.tables,
        "columns": sum(len(t.columns) for t in schema),
        "scanned": work.columns,
        "rows": sum(t.rows for t in generated.tables),
        "true": len(generated.truth),
        "candidates": work.candidates,
        "checks": work.checks,
        "keys_found": len(work.undeclared_keys),
        **_scored("", edges, generated),
        **_scored("sure_", [e for e in edges if is_sure(e)], generated),
    }


def _scored(prefix: str, edges: list[Edge], generated: Generated) -> dict[str, float]:
    right = sum(generated.truth.get((e.child.table, e.columns[0])) == (e.parent.table, e.parent_columns[0]) for e in edges)
    return {f"{prefix}precision": round(right / max(len(edges), 1), 3), f"{prefix}recall": round(right / len(generated.truth), 3)}


if __name__ == "__main__":
    main()
