"""The process that is killed: `python -m tests.integration.killed HOME GENERATION [accept]` refreshes tables of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa

from engine.workspace import Workspace
from slices.refresh import refresh
from tests.integration.driving import accept, installation_in, offer_tables, workspace_of

KEYS = ("A", "B", "C")


def workspace_in(home: Path) -> Workspace:
    return workspace_of(home.parent, "arrow", "killed")


def offer_generation(generation: int) -> None:
    """30 notes; all but tenant C's say which generation they are of."""
    owners = [KEYS[i % 3] for i in range(30)]
    bodies = [f"{o} {i} {generation if o != 'C' else 0}" for i, o in enumerate(owners)]
    notes = pa.table({"id": pa.array(range(30), pa.int64()), "org_id": owners, "body": bodies})
    offer_tables("killed", {"orgs": (pa.table({"id": list(KEYS)}), []), "notes": (notes, [("org_id", "orgs")])})


if __name__ == "__main__":
    home_, generation_ = Path(sys.argv[1]), int(sys.argv[2])
    offer_generation(generation_)
    installation_ = installation_in(home_, builders=1)
    if "accept" in sys.argv:
        accept(installation_, workspace_in(home_))
    refresh(installation_, workspace_in(home_))
