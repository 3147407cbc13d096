"""Asks slices over HTTP and PostgreSQL with a tenant filter the same questions, and says where they differ."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from api.cli.main import main
from tests.acceptance.datasets import Dataset
from tests.acceptance.served import Api, served
from tests.differential.cases import Query, ask_postgres, read_queries
from tests.differential.compare import same_rows
from tests.differential.loaders import Connection

SHOWN = 10
RANDOM_TENANTS = 3
SEED = 20261124


@dataclass(slots=True)
class Tally:
    """What was compared: answers, their rows by query, and where sides differed. The left side is the slice's."""

    database: str
    answers: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    tenants: int = 0
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raises AssertionError where sides differ, or where a query has shown nothing for any tenant."""
        found = "\n".join(self.differences[:SHOWN])
        assert not self.differences, f"{len(self.differences)} of {self.answers} answers differ, the first of them:\n{found}"
        silent = [query for query, rows in self.rows.items() if not rows]
        assert not silent, f"{self.database}: no tenant has a row of these: {silent}"

    def __str__(self) -> str:
        return (
            f"{self.database}: {self.tenants} tenants, {len(self.rows)} queries, {self.answers} answers,"
            f" {self.rows.total()} rows of PostgreSQL, in {self.seconds:.0f} s"
        )


def compare_dataset(dataset: Dataset, url: str, folder: Path, *, all_tenants: bool) -> Tally:
    """Fills the empty database of `url`, slices and serves it, its files in `folder`, and asks a sample of tenants or all.

    A refresh proves what it publishes; where all tenants are asked, `verify` proves it once more.
    """
    file = dataset.prepare(url, folder)
    with served(file) as api, postgres(url) as connection:
        if all_tenants:
            assert main(["verify", "-w", str(file)]) == 0
        sizes = dict(connection.execute(dataset.sizes.encode()).fetchall())
        assert {str(key) for key in sizes} == set(api.tenants)
        tenants = everyone(sizes if all_tenants else []) | sample(sizes, dataset.odd)
        return compare(api, connection, dataset.name, read_queries(dataset.name), tenants)


def postgres(url: str, zone: str = "UTC") -> Connection:
    """A connection for many short questions: each is planned for its tenant, and none is worth compiling."""
    return psycopg.connect(url, autocommit=True, prepare_threshold=None, options=f"-c TimeZone={zone} -c jit=off")


def compare(api: Api, connection: Connection, database: str, queries: Sequence[Query], tenants: Mapping[Any, Sequence[str]]) -> Tally:
    """Asks every query of every tenant's key in each of the tenant's formats, a tenant's queries in a row."""
    tally = Tally(database, tenants=len(tenants), rows=Counter({query.name: 0 for query in queries}))
    began = time.monotonic()
    for key, formats in tenants.items():
        for query in queries:
            expected = ask_postgres(connection, query, key)
            tally.rows[query.name] += len(expected)
            for format_ in formats:
                tally.answers += 1
                answer = api.ask(api.tenants[str(key)], query.slice, format_)
                if difference := same_rows(answer, expected, ordered=query.ordered, approx=query.approx):
                    tally.differences.append(f"{database}, tenant {key!r}, query {query.name!r}, {format_}: {difference}")
    tally.seconds = time.monotonic() - began
    return tally


def sample(sizes: Mapping[Any, int], odd: Sequence[object]) -> dict[object, Sequence[str]]:
    """The biggest tenant, the smallest that has rows and one without, in JSON and Arrow; the odd ones and some at random in JSON."""
    by_size = sorted(sizes, key=lambda key: (sizes[key], str(key)))
    empty = [key for key in by_size if not sizes[key]]
    filled = by_size[len(empty) :]
    chance = random.Random(SEED).sample(by_size, RANDOM_TENANTS)
    return everyone([*odd, *chance]) | dict.fromkeys([filled[-1], filled[0], empty[0]], ("json", "arrow"))


def everyone(keys: Iterable[object]) -> dict[object, Sequence[str]]:
    """All of them, in JSON."""
    return dict.fromkeys(keys, ("json",))
