"""A tenant that leaves its source is withdrawn in that publication; its key answers again only after somebody took it back."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from api.control.tenants.reading import resume
from engine.errors import ConfigurationError
from engine.workspace import Workspace
from slices.installation import Installation
from slices.refresh import Options, refresh
from slices.reviewing.routings import workspace_row
from tests.integration.driving import accept, answering, installation_in, offer_tables, workspace_of


def offered(folder: Path, orgs: list[int]) -> tuple[Installation, Workspace]:
    notes = pa.table({"id": [1, 2], "org_id": [1, 2]})
    offer_tables(str(folder), {"orgs": (pa.table({"id": orgs}), ()), "notes": (notes, [("org_id", "orgs")])})
    extra = {"tables": {"notes": {"quarantine": "100%"}}}
    return installation_in(folder / "home", builders=1), workspace_of(folder, "arrow", str(folder), **extra)


def test_a_key_that_returns_needs_somebody_to_take_it_back(tmp_path: Path) -> None:
    installation, workspace = offered(tmp_path, [1, 2])
    accept(installation, workspace)
    refresh(installation, workspace)
    refresh(*offered(tmp_path, [1]), Options(allow_shrink=True))
    gone = answering(installation, workspace)["2"]
    assert (gone.state, gone.version) == ("gone", None)
    refresh(*offered(tmp_path, [1, 2]))
    assert answering(installation, workspace)["2"].state == "gone"
    row = workspace_row(installation, workspace)
    resume(installation, row.id, "2")
    refresh(*offered(tmp_path, [1, 2]))
    back = answering(installation, workspace)["2"]
    assert (back.id, back.state, back.rows("select id from notes")) == (gone.id, "active", [(2,)])
    with pytest.raises(ConfigurationError, match="'2' is active: only one that is gone is taken back"):
        resume(installation, row.id, "2")
