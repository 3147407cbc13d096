"""`python -m bench.sorted_file PARQUET FILE TENANTS COMPRESSION`: one DuckDB file of all rows in tenant order, from Parquet.

COMPRESSION is `light` or `small` (the methods that slices are written with) or `default`. Two threads, storage version v1.4.0, blocks of
256 KiB, synced once by DuckDB. Prints the wall and CPU seconds of the work, without the start of Python, as one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb

from engine import sql
from slices.building import sql as statements
from slices.building.build import disabled_methods

TABLES = ("customer", "orders", "lineitem")
_STATEMENTS = Path(__file__).with_name("sql") / "sorted_file.sql"


def write(parquet: Path, file: Path, tenants: int, compression: str) -> None:
    """Writes the file; a process of its own, so that its memory is its own."""
    with duckdb.connect(":memory:", config={"threads": 2}) as connection:
        if compression != "default":
            connection.execute(sql.set_setting("disabled_compression_methods", disabled_methods(compression)))
        for name in TABLES:
            connection.read_parquet(str(parquet / f"{name}.parquet")).create_view(name)
        connection.execute("SET VARIABLE tenants = $1::INTEGER", [tenants])
        connection.execute(statements.attach_new(file, "v1.4.0", 256 << 10, None))
        connection.execute(_STATEMENTS.read_text(encoding="utf-8"))
        connection.execute(statements.detach())


if __name__ == "__main__":
    wall, cpu = time.monotonic(), time.process_time()
    write(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    print(json.dumps({"seconds": time.monotonic() - wall, "cpu_seconds": time.process_time() - cpu}))
