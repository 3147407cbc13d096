"""What the proof of one tenant's file found, in words and as a document beside the version's manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from engine import duck

DOCUMENT = 1


@dataclass(frozen=True, slots=True)
class MaskFinding:
    """One masked or dropped column of the landed files: how many of its values do not have the form of the mask.

    `mask` is sha256, blank, partial, drop or new; of the last two every landed value is one too many.
    """

    column: str
    mask: str
    clear: int = 0

    def __str__(self) -> str:
        said = "left out" if self.mask in ("drop", "new") else f"masked by {self.mask}"
        return f"{self.clear} landed values of {self.column} are not {said}"


@dataclass(slots=True)
class Proof:
    """What was found in one tenant's file; it holds only where nothing is strange, missing, clear or unexpected.

    `tables` has the rows read per table, `own` how many of the rows that must be there are the tenant's own.
    """

    tenant: str
    version: str = ""
    tables: dict[str, int] = field(default_factory=dict)
    own: dict[str, int] = field(default_factory=dict)
    strange: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    masks: tuple[MaskFinding, ...] = ()
    problem: str | None = None

    @property
    def rows(self) -> int:
        """Rows read."""
        return sum(self.tables.values())

    @property
    def holds(self) -> bool:
        """Whether the slice is exactly what it must be."""
        return not self.strange and not self.missing and self.problem is None and not any(m.clear for m in self.masks)

    def __str__(self) -> str:
        parts = [f"{n} rows of {t} that are not its own" for t, n in self.strange.items()]
        parts += [f"{n} rows of {t} missing" for t, n in self.missing.items()]
        parts += [str(m) for m in self.masks if m.clear]
        return "; ".join([*parts, *([self.problem] if self.problem else [])]) or f"{self.rows} rows, all its own"

    def facts(self, when: datetime) -> dict[str, Any]:
        """The proof for machines, of JSON's types alone; `when` is the time at which it was made."""
        tables = {
            name: {
                "rows": self.tables.get(name, 0),
                "own": self.own.get(name, 0),
                "strange": self.strange.get(name, 0),
                "missing": self.missing.get(name, 0),
            }
            for name in sorted({*self.tables, *self.strange, *self.missing})
        }
        return {
            "proof": DOCUMENT,
            "tenant": self.tenant,
            "version": self.version,
            "holds": self.holds,
            "proven_at": when.isoformat(),
            "rows": self.rows,
            "tables": tables,
            "masks": {m.column: {"mask": m.mask, "clear": m.clear} for m in self.masks},
            "problem": self.problem,
            "engines": {"files_read_by": f"duckdb {duck.VERSION}", "tenancy_derived_by": f"polars {pl.__version__}"},
        }

    def document(self, when: datetime) -> str:
        """Its facts as JSON, as they lie beside the version's manifest."""
        return json.dumps(self.facts(when), indent=1)
