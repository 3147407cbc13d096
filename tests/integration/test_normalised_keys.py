"""`normalise:` on keys: rows find their tenant in any spelling, and two tenants whose keys become one stop everything."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from engine.errors import ConfigurationError
from slices.refresh import refresh
from tests.integration.driving import accept, answering, installation_in, offer_tables, workspace_of


def offered(folder: Path, codes: list[str]) -> None:
    things = pa.table({"id": [1, 2, 3], "org": ["acme", "ACME ", "b"]})
    orgs = pa.table({"id": range(len(codes)), "code": codes})
    offer_tables(str(folder), {"orgs": (orgs, ()), "things": (things, ())})


def settings(folder: Path) -> dict[str, object]:
    del folder
    return {
        "tenants": {"table": "orgs", "key": "code"},
        "relationships": ["things.org -> orgs.code"],
        "columns": {"orgs.code": {"normalise": "lower_rtrim"}},
    }


def test_rows_find_their_tenant_in_any_spelling(tmp_path: Path) -> None:
    offered(tmp_path, ["Acme", "B"])
    workspace = workspace_of(tmp_path, "arrow", str(tmp_path), **settings(tmp_path))
    installation = installation_in(tmp_path / "home", builders=1)
    accept(installation, workspace)
    refresh(installation, workspace)
    found = answering(installation, workspace)
    assert {key: tenant.rows("select id, org from things order by id") for key, tenant in found.items()} == {
        "Acme": [(1, "acme"), (2, "ACME ")],
        "B": [(3, "b")],
    }


def test_tenant_keys_that_become_equal_are_refused(tmp_path: Path) -> None:
    offered(tmp_path, ["Acme", "ACME", "B"])
    workspace = workspace_of(tmp_path, "arrow", str(tmp_path), **settings(tmp_path))
    with pytest.raises(ConfigurationError, match=r"orgs\.code: normalise makes the keys of different tenants equal: 'Acme' and 'ACME'"):
        accept(installation_in(tmp_path / "home", builders=1), workspace)
