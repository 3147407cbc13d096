"""The databases of the differential acceptance: how each is loaded and cut, and which tenants a sample of it has to hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from api.demo.business import fill, write_workspace
from tests.differential.loaders import (
    CHINOOK,
    NORTHWIND,
    SAMPLES,
    TPCH,
    Connection,
    load_chinook,
    load_northwind,
    load_tpch,
)

TPCH_SCALE = 0.1
TPCH_TENANTS = 100


@dataclass(frozen=True, slots=True)
class Dataset:
    """A database and its workspace file.

    `prepare` fills the database of a URI and writes the file into a folder. `sizes` selects every tenant's key and the
    rows that its biggest table has of it, in PostgreSQL. `odd` are keys that every sample has.
    """

    name: str
    prepare: Callable[[str, Path], Path]
    sizes: str
    odd: tuple[object, ...]


def _demo(url: str, folder: Path) -> Path:
    """The demo as its command makes it, and an organization that has nothing, whose key no double can hold."""
    fill(url, lambda stage, done, total: None)
    with _connect(url) as connection:
        connection.execute(
            """
            insert into organizations (id, name, slug, external_id, plan_id, country_code, billing_email, created_at)
            select -9007199254740993, 'Nobody yet', 'nobody-yet', gen_random_uuid(), plan_id, country_code, 'nobody@example.com', created_at
            from organizations where id = 1
            """
        )
        connection.execute("analyze")
    file = write_workspace(folder, url)
    file.write_text(file.read_text() + "caller_sql: true\n")
    return file


def _tpch(url: str, folder: Path) -> Path:
    with _connect(url) as connection:
        load_tpch(connection, TPCH_SCALE, TPCH_TENANTS, folder / "parquet")
        connection.execute("insert into tenants values (-1, 'a tenant without a customer')")
    return write_workspace_file(url, folder, "tpch", TPCH)


def _chinook(url: str, folder: Path) -> Path:
    _need_samples()
    with _connect(url) as connection:
        load_chinook(connection)
        connection.execute(
            """
            insert into "Customer" ("CustomerId", "FirstName", "LastName", "Email") values (-2147483648, 'No', 'Body', 'no@example.com')
            """
        )
    return write_workspace_file(url, folder, "chinook", CHINOOK)


NAMES = ("key:ALFKI", "tn_1", "..", "", "a/b%20c", " x", "Zoë 東京 🐘", "1", "01", "'; --", "alfki")
"""Keys that are hard to name or easy to take for another."""


def _northwind(url: str, folder: Path) -> Path:
    """Customers of hard names take over every fortieth order each; the last of them has none."""
    _need_samples()
    with _connect(url) as connection:
        load_northwind(connection)
        for number, name in enumerate(NAMES):
            connection.execute('insert into "Customers" ("CustomerID", "CompanyName") values (%s, %s)', [name, f"Company {number}"])
            if number < len(NAMES) - 1:
                connection.execute('update "Orders" set "CustomerID" = %s where "OrderID" %% 40 = %s', [name, number])
    return write_workspace_file(url, folder, "northwind", NORTHWIND)


DATASETS = {
    "demo": Dataset(
        "demo",
        _demo,
        "select o.id, (select count(*) from events e where e.organization_id = o.id) from organizations o",
        odd=(50, 86, 137, -9007199254740993),
    ),
    "tpch": Dataset(
        "tpch",
        _tpch,
        """
        select id, count(o_orderkey)
        from tenants left join customer on tenant_id = id left join orders on o_custkey = c_custkey
        group by id
        """,
        odd=(-1,),
    ),
    "chinook": Dataset(
        "chinook",
        _chinook,
        """
        select c."CustomerId", count("InvoiceLineId")
        from "Customer" c left join "Invoice" using ("CustomerId") left join "InvoiceLine" using ("InvoiceId")
        group by 1
        """,
        odd=(-2147483648,),
    ),
    "northwind": Dataset(
        "northwind",
        _northwind,
        """
        select c."CustomerID", count("ProductID")
        from "Customers" c left join "Orders" using ("CustomerID") left join "Order Details" using ("OrderID")
        group by 1
        """,
        odd=(*NAMES, "Val2 "),
    ),
}
"""Of the demo, organization 50 has payments and lines of others' invoices, 86 events of others' sessions, 137 tasks that
only their parent task places, and deleted tickets."""


def _connect(url: str) -> Connection:
    return psycopg.connect(url, autocommit=True, options="-c TimeZone=UTC")


def _need_samples() -> None:
    if not SAMPLES.is_dir():
        pytest.skip("../shared/data is not here")


def write_workspace_file(url: str, folder: Path, name: str, facts: dict[str, object]) -> Path:
    """A workspace file over the database of `url` in `folder`, in which callers may ask SQL of their own."""
    source = {"app": {"kind": "postgres", "url": url}}
    file = folder / "slicehouse.yaml"
    file.write_text(json.dumps({"version": 1, "workspace": name, "caller_sql": True, "sources": source, **facts}))
    return file
