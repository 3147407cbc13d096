"""`make fuzz`: random cases of the row rule, with everything that it knows, until the time is up.

Each case goes through both judges; every tenth through the whole pipeline to the files, with two more refreshes after rows have moved.
Prints how many there were. The first case that is not what the oracle says is printed whole, and ends it with 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from engine.errors import WorkspaceFileError
from tests.integration.pipeline import Verdicts, both_verdicts, landed, one_builder, refreshes
from tests.rowrule.case import Case
from tests.rowrule.oracle import outcome
from tests.rowrule.strategies import cases

EVERY = 10


class Fuzz:
    """What was tried so far."""

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds
        self.judged = self.published = self.refused = 0

    def one(self, case: Case) -> None:
        """One case, unless the time is up."""
        if time.monotonic() > self.until:
            return
        found = outcome(case)
        if self._is_refused(case):
            return
        said = Verdicts(found.slices, found.quarantine, found.excluded)
        with tempfile.TemporaryDirectory() as name:
            by_duckdb, by_polars = both_verdicts(landed(case, Path(name)), Path(name))
        assert by_duckdb == said, case
        assert by_polars == said, case
        self.judged += 1
        if self.judged % EVERY == 0:
            self._files(case)

    def _is_refused(self, case: Case) -> bool:
        """Whether the case compares keys that nobody can compare, such as a decimal and a uuid: the file is refused, as it should be."""
        try:
            with tempfile.TemporaryDirectory() as name:
                landed(case, Path(name))
        except WorkspaceFileError as error:
            if "cannot be compared as keys" not in str(error):
                raise
            self.refused += 1
            return True
        return False

    def _files(self, case: Case) -> None:
        with tempfile.TemporaryDirectory() as name:
            for now, there, wanted in refreshes(case, Path(name)):
                assert there == wanted, now
                self.published += 1


def main() -> int:
    """Runs for --minutes; 0 where nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    chosen = parser.parse_args()
    start = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(1 << 30)
    fuzz = Fuzz(chosen.minutes * 60)
    with one_builder():
        for round_ in range(1_000_000):
            if time.monotonic() > fuzz.until:
                break
            quiet = settings(
                max_examples=50, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
            )
            seed(start + round_)(quiet(given(cases(later=True))(lambda case: fuzz.one(case))))()
            sys.stderr.write(f"seed {start}, round {round_}: {fuzz.judged} cases judged, {fuzz.published} refreshes to the files\n")
    sys.stdout.write(
        f"{fuzz.judged} cases judged, {fuzz.published} refreshes to the files, {fuzz.refused} refused as they should be, nothing found (seed {start})\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
