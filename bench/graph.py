"""`python -m bench.graph --cases DIR`: relationships and routes found on names and types alone, held against schemas whose truth is known.

Declared keys are hidden, primary and unique keys are not. Predictions are scored by ../shared/graph/score.py, run as it lies.
`--predict FILE` writes the predictions alone, and needs no truth. `--calibration` shows, over all the folders named, how many edges of a
confidence are right, and of a rule.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.calibration import judged, table
from bench.case_data import rows_of
from bench.measure import show
from bench.schemas import Case, read_case
from engine.graph import Edge, with_roles
from engine.infer.find import infer
from engine.infer.observe import ObservedTables, infer_on_data
from engine.owners import route_tables

SCORE = Path(__file__).resolve().parents[2] / "shared" / "graph" / "score.py"


def predict(case: Case, *, with_data: bool = False) -> dict[str, Any]:
    """The predictions of one case, in the form that the scorer reads; `with_data` looks at rows, where the case has any here."""
    edges = with_roles(_edges(case, with_data))
    routes = route_tables(case.schema, edges, case.tenant, {})
    return {
        "relationships": [
            {
                "table": case.shown(e.child),
                "columns": list(e.columns),
                "ref_table": case.shown(e.parent),
                "ref_columns": list(e.parent_columns),
                "confidence": e.confidence,
            }
            for e in edges
        ],
        "routes": {
            case.shown(r.table): {
                "route": r.kind,
                "owner_edges": [case.hop(e) for e in r.edges],
                "review": r.review is not None,
            }
            for r in routes.values()
        },
    }


def _edges(case: Case, with_data: bool) -> list[Edge]:
    if with_data:
        with tempfile.TemporaryDirectory() as folder, rows_of(case, Path(folder)) as rows:
            if rows is not None:
                return infer_on_data(case.schema, ObservedTables(rows[0], case.schema, rows[1]), tenant=case.tenant.table)
    return infer(case.schema, tenant=case.tenant.table)


def calibrated(folders: Iterable[Path], *, with_data: bool = False) -> list[tuple[Edge, bool]]:
    """Every edge found in the cases of these folders, and whether it is right."""
    cases = [(file, read_case(file)) for folder in folders for file in files(folder)]
    return [pair for file, case in cases for pair in judged(file, case, _edges(case, with_data))]


def files(folder: Path) -> list[Path]:
    """The cases of a folder."""
    return sorted(folder.glob("*.json"))


def main(arguments: Iterable[str] | None = None) -> int:
    """Prints the figures; 0 where it could measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.graph", description=__doc__)
    parser.add_argument("--cases", type=Path, required=True, nargs="+", metavar="FOLDER")
    parser.add_argument("--calibration", action="store_true", help="how many edges of a confidence are right; takes several folders")
    parser.add_argument("--predict", type=Path, metavar="FILE", help="write the predictions here, and do not score them")
    parser.add_argument("--data", action="store_true", help="look at rows too, where ../shared/data or tpchgen-cli has them")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(list(arguments) if arguments is not None else None)
    if chosen.calibration:
        found = calibrated(chosen.cases, with_data=chosen.data)
        show("Right edges of all", table(found), {"cases": sum(len(files(c)) for c in chosen.cases)}, as_json=chosen.json)
        return 0
    if len(chosen.cases) > 1:
        parser.error("several folders go with --calibration alone")
    folder: Path = chosen.cases[0]
    predictions = {case.name: predict(case, with_data=chosen.data) for case in map(read_case, files(folder))}
    if chosen.predict:
        chosen.predict.write_text(json.dumps(predictions, indent=1, ensure_ascii=False))
        return 0
    return _scored(folder, predictions, as_json=chosen.json)


def _scored(cases: Path, predictions: dict[str, Any], *, as_json: bool) -> int:
    if not SCORE.is_file():
        sys.stderr.write("there is no ../shared/graph/score.py beside the repository; --predict FILE works without it\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "predictions.json"
        file.write_text(json.dumps(predictions))
        command = [sys.executable, str(SCORE), "--cases", str(cases), "--predictions", str(file), *(["--json"] if as_json else [])]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
