"""The canary of rules.md 4: does one tenant's memory reach another tenant's file on this machine, in this process?

DuckDB writes uninitialised memory into unused parts of blocks. The allocator setting prevents it, but may be ignored without a
word. So two made-up tenants with disjoint letters are built in turn, and their files are searched for each other's letters.
"""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from engine import duck
from slices.building.build import build_slice
from slices.building.task import SliceStyle, TaskColumn, TaskTable

LETTERS = ("abcdefghijklm", "nopqrstuvwxyz")
_ROWS = 3_000
_FILES = 8
RUN = 8


def memory_crosses(folder: Path, compression: str = "light", storage_version: str = "v1.4.0") -> bool:
    """Builds the canary's files in `folder` and says whether any holds a run of 8 letters of the other tenant."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = [TaskColumn(landed=f"c{i}", shown=f"c{i}", type="VARCHAR") for i in range(4)]
    table = TaskTable(number=0, schema_="main", name="t", columns=columns)
    style = SliceStyle(timezone="UTC", storage_version=storage_version, compression=compression, relationships=[], readme=[])
    found = False
    for size in (_ROWS, 70_000):
        with duck.builder("UTC", "zstd,dict_fsst,fsst") as connection:
            for i in range(_FILES):
                path = folder / f"{size}-{i}.duckdb"
                build_slice(connection, path, [table], {0: [canary_rows(LETTERS[i % 2], size if i < 2 else _ROWS + i)]}, style, [])
                found = found or holds_letters(path.read_bytes(), LETTERS[1 - i % 2])
                path.unlink()
    return found


def canary_rows(letters: str, rows: int) -> pa.Table:
    """Four columns of upper-case words of these letters alone, of 12 to 43 letters, no two alike by chance."""
    word = letters.upper() * 4
    return pa.table(
        {f"c{c}": [word[(i * 7 + c) % 13 :][: 12 + (i * 5 + c) % 32] + word[i % 11 :][:4] for i in range(rows)] for c in range(4)}
    )


def holds_letters(data: bytes, letters: str, run: int = RUN) -> bool:
    """Whether there is a run of that many upper-case letters of this alphabet."""
    return re.search(rb"[" + letters.upper().encode() + rb"]{%d}" % run, data) is not None
