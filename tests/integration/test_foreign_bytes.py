"""No byte of one tenant in the file of another: the canary tells the truth, and real builders write no foreign text."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from slices.building.builders import builder_environment
from slices.refresh import refresh
from tests.integration.driving import accept, answering, installation_in, offer_tables, workspace_of

TENANTS, LETTERS, ROWS = 24, 10, 400
RUN = 4  # letters: 8 bytes


def _alphabets() -> list[str]:
    """24 alphabets of ten letters of two bytes in UTF-8. Each has a first byte of its own: with a shared one, a compressor's table
    of a tenant's own pieces (`…BF C6`, `82 C6`, `83 C6`) can spell another's letters."""
    blocks = ["".join(c for i in range(0x80, 0xC0) if (c := bytes([lead, i]).decode()).isalpha())[:LETTERS] for lead in range(0xC3, 0xE0)]
    return [b for b in blocks if len(b) == LETTERS][:TENANTS]


ALPHABETS = _alphabets()
_OWNER = {letter.encode()[0]: tenant for tenant, letters in enumerate(ALPHABETS) for letter in letters}
_TEXT = re.compile(b"|".join(b"(?:%s){%d,}" % (b"|".join(re.escape(c.encode()) for c in letters), RUN) for letters in ALPHABETS))


@pytest.mark.parametrize("allocator", [True, False])
def test_canary_sees_memory_cross_only_without_the_allocator_setting(tmp_path: Path, allocator: bool) -> None:
    code = "import sys, pathlib; from slices.building.canary import memory_crosses; print(memory_crosses(pathlib.Path(sys.argv[1])))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "canary")],
        env=builder_environment(allocator),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.strip() == str(not allocator)


def alphabet(tenant: int) -> str:
    return ALPHABETS[tenant]


def tenants_in(data: bytes) -> set[int]:
    """The tenants of whose letters alone the data holds a run of 8 bytes."""
    return {_OWNER[match[0][0]] for match in _TEXT.finditer(data)}


def words(seed: int) -> pa.Table:
    """400 rows a tenant, of one to three words of up to 90 of its letters, in mixed order."""
    draw = random.Random(seed)
    rows = [
        (t, " ".join("".join(draw.choices(alphabet(t), k=draw.randint(20, 90))) for _ in range(draw.randint(1, 3))))
        for t in range(TENANTS)
        for _ in range(ROWS)
    ]
    draw.shuffle(rows)
    return pa.table(
        {"id": pa.array(range(len(rows)), pa.int64()), "org_id": pa.array([t for t, _ in rows], pa.int64()), "body": [w for _, w in rows]}
    )


def test_search_finds_foreign_letters() -> None:
    assert tenants_in(
        b"\0" + alphabet(3)[:4].encode() + b"x" + alphabet(5)[:3].encode() + (alphabet(7)[:2] + alphabet(8)[:4]).encode()
    ) == {3, 8}


@pytest.mark.parametrize("compression", ["light", "small"])
def test_files_of_24_tenants_hold_no_letters_of_another(tmp_path: Path, compression: str) -> None:
    installation = installation_in(tmp_path / "home", builders=2, compression=compression)
    workspace = workspace_of(tmp_path, "arrow", str(tmp_path), tenants={"table": "orgs", "name": "name"})
    orgs = pa.table({"id": pa.array(range(TENANTS), pa.int64()), "name": [alphabet(t) * 2 for t in range(TENANTS)]})
    for seed in (1, 2):
        offer_tables(str(tmp_path), {"orgs": (orgs, []), "words": (words(seed), [("org_id", "orgs")])})
        if seed == 1:
            accept(installation, workspace)
        assert refresh(installation, workspace).built == TENANTS
        for key, tenant in answering(installation, workspace).items():
            found = tenants_in(tenant.bytes())
            assert found <= {int(key)}, f"the file of tenant {key} holds text of {sorted(found - {int(key)})}"
            assert compression != "light" or found == {int(key)}, "the search must find the tenant's own text"
            assert tenant.rows("select count(*) from words") == [(ROWS,)]
