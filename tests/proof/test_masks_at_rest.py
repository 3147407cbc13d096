"""No file of a run holds a value that is masked, dropped, hidden or not reviewed: landed, at work, staged, published, pulled.

Every file of the home is searched as raw bytes; Parquet, Arrow and DuckDB files are read as well, for they are compressed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from api.cli.main import main
from slices import refresh as refreshing

ROOT = Path(__file__).resolve().parents[2]
POINTS = ("publish.verified", "publish.renamed_one", "publish.settled", "publish.before_commit", "publish.committed")
SEEN = "keptqzjxkvwyhgfqbnmp"
NUMBER = 414_426_812_127_182_818
HIDDEN = {
    "drop, proposed": "dropaqzjxkvwyhgfqbnm",
    "drop, said": "dropbwyhgfqbnmqzjxkv",
    "sha256": "shaqvwkxjzqmnbfghyw",
    "sha256 of a key": "keyxvwkxjzqmnbfghywz",
    "blank": "blankjxkvqzwyhgfqbnm",
    "blank, a number": NUMBER,
    "partial": "partnwyhgmqzjxkvfqbz",
    "partial, behind an @": "atsignbnmqzjxkvwyhgf",
    "hides": "hidesfqbnmwyhgqzjxkv",
    "new": "newcolumnkvwyhgfqbnm",
}

TABLES = f"""
create table orgs (id int primary key, name text);
create table people (
    id int primary key, org_id int not null references orgs, nick text, password_hash text, diary text,
    mail text not null unique, badge text, remark text, phone bigint, handle text
);
create table letters (id int primary key, org_id int not null references orgs, mail text references people (mail), body text);
create table offers (id int primary key, title text, made_by text, org_id int references orgs);
insert into orgs values (1, 'one'), (2, 'two');
insert into people
select i, 1 + i % 2, '{SEEN}', '{HIDDEN["drop, proposed"]}', '{HIDDEN["drop, said"]}' || i,
    '{HIDDEN["sha256 of a key"]}' || i, '{HIDDEN["sha256"]}', '{HIDDEN["blank"]}', {NUMBER},
    case when i % 3 = 0 then '{HIDDEN["partial"]}@mail.example.com' else '@{HIDDEN["partial, behind an @"]}' end
from generate_series(1, 300) i;
insert into letters select i, org_id, mail, 'letter' from people, generate_series(0, 0) where id <= 100;
insert into letters select 1000 + id, org_id, null, 'letter' from people;
insert into offers values (1, 'an offer', '{HIDDEN["hides"]}', 1);
""".replace("select i, org_id, mail, 'letter' from people, generate_series(0, 0)", "select id, org_id, mail, 'letter' from people")

SAID = {
    "tables": {"offers": {"shared": True, "hides": ["made_by", "org_id"]}},
    "columns": {
        "people.diary": {"mask": "drop"},
        "people.mail": {"mask": "sha256"},
        "letters.mail": {"mask": "sha256"},
        "people.badge": {"mask": "sha256"},
        "people.remark": {"mask": "blank"},
        "people.phone": {"mask": "blank"},
        "people.handle": {"mask": "partial"},
    },
}
NEEDLES = [str(v).encode() for v in HIDDEN.values()] + [NUMBER.to_bytes(8, "little")]
NEEDLES += [sha256(str(v).encode()).hexdigest().encode() for v in HIDDEN.values()]  # a digest without a key can be guessed


class Place:
    """A workspace over the database, made by `init`, with more masks said in its file."""

    def __init__(self, folder: Path, database: str, name: str = "w", home: Path | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.home, self.file = folder, home or folder / "home", folder / "slicehouse.yaml"
        assert main(["init", "--url", database, "-o", str(self.file), "--tenant-table", "orgs"]) == 0
        self.change({"workspace": name, **SAID})

    def change(self, facts: dict[str, object]) -> None:
        yaml = YAML()
        text = yaml.load(self.file.read_text())
        for key, value in facts.items():
            if isinstance(value, dict) and key in text:
                text[key].update(value)
            else:
                text[key] = value
        with self.file.open("w") as out:
            yaml.dump(text, out)

    def at(self) -> list[str]:
        return ["-w", str(self.file), "--home", str(self.home)]

    def run(self, *words: str) -> None:
        assert main([*words, *self.at()]) == 0

    def dies(self, point: str) -> None:
        """A refresh of its own process that ends at a failpoint."""
        command = [sys.executable, "-m", "api.cli.main", "refresh", "--full", *self.at()]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "SLICEHOUSE_FAILPOINT": point}
        assert subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False).returncode == 137


def found(folder: Path, needles: Sequence[bytes]) -> set[tuple[str, str]]:
    """(kind of file, needle) of every needle in a file of the folder, raw or read."""
    hits = set()
    for path in (p for p in sorted(folder.rglob("*")) if p.is_file()):
        for part in (path.read_bytes(), *_read(path)):
            hits |= {(path.suffix, n.decode(errors="replace")) for n in needles if n in part}
    return hits


def _read(path: Path) -> Iterator[bytes]:
    """All values of a file that may be compressed, as text."""
    if path.suffix == ".parquet":
        yield str(pq.ParquetFile(path).read().to_pydict()).encode()
    if path.suffix == ".arrow":
        yield str(pa.ipc.open_file(pa.memory_map(str(path))).read_all().to_pydict()).encode()
    if path.suffix == ".duckdb":
        yield from _tables(path)


def _tables(path: Path) -> Iterable[bytes]:
    """Of a copy: a work database may be open, or lie there with what its process left beside it."""
    copy = path.with_name(path.name + ".copy")
    shutil.copyfile(path, copy)
    try:
        with duckdb.connect(str(copy), read_only=True) as connection:
            names = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            return [str(connection.execute(f'from "{s}"."{t}"').fetchall()).encode() for s, t in names]
    finally:
        copy.unlink()


@pytest.fixture
def filled(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES.encode())
    return database


@pytest.fixture
def place(filled: str, tmp_path: Path) -> Place:
    return Place(tmp_path / "w", filled)


def test_no_file_holds_a_hidden_value_at_any_step(place: Place, filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[set[str]] = []
    real = refreshing.run_tasks

    def looking(*words: object) -> object:
        """Before builders start: landed files, the work database, Arrow files of buckets, tasks."""
        assert found(place.folder, NEEDLES) == set()
        looked.append({kind for kind, _ in found(place.home, [SEEN.encode()])})
        return real(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(refreshing, "run_tasks", looking)
    place.run("routes", "--accept")
    assert found(place.folder, NEEDLES) == set()
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute(f"alter table people add column motto text default '{HIDDEN['new']}'".encode())
    place.run("refresh")
    assert looked == [{".parquet", ".arrow"}], "the search must find what is there"
    place.run("refresh", "--full")
    for tenant in ("1", "2"):
        place.run("pull", tenant, "-o", str(place.folder / f"{tenant}.duckdb"))
    assert found(place.folder, NEEDLES) == set()
    assert {kind for kind, _ in found(place.folder, [SEEN.encode()])} == {".parquet", ".duckdb"}
    for point in POINTS:
        place.dies(point)
        assert list(place.home.glob("workspaces/*/runs/*")), "the failpoint leaves work behind"
        assert found(place.folder, NEEDLES) == set()
    place.run("refresh")
    place.run("verify")
    assert found(place.folder, NEEDLES) == set()


def rows(place: Place, tenant: str, query: str) -> list[tuple[object, ...]]:
    copy = place.folder / f"{tenant}.duckdb"
    copy.unlink(missing_ok=True)
    place.run("pull", tenant, "-o", str(copy))
    with duckdb.connect(str(copy), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_both_ends_of_a_masked_key_join_in_a_slice_and_two_workspaces_hash_differently(place: Place, filled: str, tmp_path: Path) -> None:
    other = Place(tmp_path / "other", filled, name="other", home=place.home)
    digests = []
    for each in (place, other):
        each.run("routes", "--accept")
        each.run("refresh")
        joined = rows(each, "1", "select count(*), count(distinct p.id) from letters l join people p using (mail)")
        assert joined == [(50, 50)]
        digests.append({mail for (mail,) in rows(each, "1", "select mail from people")})
        assert rows(each, "1", "select count(*) from people where regexp_full_match(badge, '[0-9a-f]{64}')") == [(150,)]
        assert rows(each, "1", "select count(remark), count(phone) from people") == [(0, 0)]
        assert rows(each, "1", "select distinct handle from people order by 1") == [("@***",), ("p***@***.com",)]
        assert rows(each, "1", "select title, made_by, org_id from offers") == [("an offer", None, None)]
    assert len(digests[0]) == len(digests[1]) == 150
    assert not digests[0] & digests[1]


@pytest.mark.parametrize("landed_only", [False, True], ids=["refreshed in clear", "only shown in clear"])
def test_mask_that_comes_later_leaves_nothing_of_what_was_clear(place: Place, landed_only: bool) -> None:
    place.run("routes", "--accept")
    if not landed_only:
        place.run("refresh")
    assert found(place.home, [SEEN.encode()])
    place.change({"columns": {"people.nick": {"mask": "sha256"}}})
    place.run("routes", "--accept")
    place.run("refresh")
    assert found(place.home, [SEEN.encode()]) == set()
