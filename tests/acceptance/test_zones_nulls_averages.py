"""Time zones, NULL order and averages over HTTP, in JSON and Arrow, in workspaces of several zones: as in PostgreSQL's session of that zone."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli.main import main
from tests.acceptance.datasets import write_workspace_file
from tests.acceptance.differential import compare, postgres
from tests.acceptance.served import served
from tests.differential.cases import read_queries
from tests.differential.loaders import HERE

ORGANIZATIONS = dict.fromkeys((1, 2, 3), ("json", "arrow"))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe"])
def test_zones_nulls_and_averages_are_those_of_postgres(zone: str, database: str, tmp_path: Path) -> None:
    with postgres(database) as connection:
        connection.execute((HERE / "sql" / "readings.sql").read_bytes())
    file = write_workspace_file(database, tmp_path, "readings", {"timezone": zone, "tenants": {"table": "organizations"}})
    with served(file) as api, postgres(database, zone) as connection:
        assert main(["verify", "-w", str(file)]) == 0
        compare(api, connection, zone, read_queries("readings"), ORGANIZATIONS).check()
