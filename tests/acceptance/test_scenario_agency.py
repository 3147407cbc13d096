"""An agency, over HTTP against `slicehouse serve` and three real databases: three clients, one template, one log-in, nothing crosses."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from api.cli.main import main
from tests.acceptance.guides import run_guide
from tests.acceptance.test_scenario_saas import serving
from tests.conftest import fresh_database
from tests.integration.driving import postgres_url

GUIDE = Path("docs/guides/agency.md").resolve()
SCHEMA = """
create table shops (id int primary key, name text not null);
create table orders (id int primary key, shop_id int not null references shops, total numeric(12, 2) not null);
insert into shops values (1, 'Shop of {name}');
insert into orders values (1, 1, {total});
"""
PANEL = "/v1/dashboards/sales/panels/revenue"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def clients(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The agency's folder, and the variables of three clients' databases."""
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    with ExitStack() as stack:
        for number, name in enumerate(("one", "two", "three"), 1):
            database = stack.enter_context(fresh_database(postgres))
            with psycopg.connect(database, autocommit=True) as connection:
                connection.execute(SCHEMA.format(name=name, total=number * 100).encode())
            monkeypatch.setenv(f"{name.upper()}_URL", postgres_url(database))
        monkeypatch.chdir(tmp_path)
        yield tmp_path


@contextmanager
def served(folder: Path) -> Iterator[str]:
    os.environ["SLICEHOUSE_HOME"] = str(folder / "home")
    try:
        with serving(folder / "one") as base:
            yield base
    finally:
        del os.environ["SLICEHOUSE_HOME"]


def installation_key() -> str:
    with redirect_stdout(io.StringIO()) as out:
        assert main(["keys", "create", "--scope", "installation", "--json", "--home", "home"]) == 0
    return str(json.loads(out.getvalue())["key"])


def test_three_clients_have_one_template_and_one_log_in_and_nothing_crosses(clients: Path) -> None:
    def names(server: str) -> dict[str, Any]:
        return {"server": server, "key": installation_key(), "password": PASSWORD, "check": check}

    checked: list[str] = []

    def check(found: dict[str, Any]) -> None:
        """While the server runs: what each of them cannot reach."""
        with httpx.Client(base_url=found["server"], trust_env=False, timeout=30) as client:
            for slug in ("two", "three"):
                at = {"X-Workspace-ID": slug, "X-Tenant-ID": "1"}
                assert client.get(PANEL, headers=found["manager"] | at).json()["code"] == "not_found"
                assert client.get(f"/v1/workspaces/{slug}/tenants", headers=found["manager"]).json()["code"] == "not_found"
            own = client.get(PANEL, headers=found["manager"] | {"X-Tenant-ID": "1"})
            assert own.json()["rows"] == [["1", "100.00"]]
            assert found["person"].get(PANEL, headers={"X-Tenant-ID": "1"}).json()["code"] == "workspace_required"
            at = {"X-Workspace-ID": "two", "X-Tenant-ID": "1", "If-None-Match": own.headers["etag"]}
            assert found["person"].get(PANEL, headers=at).status_code == 200
            body = found["person"].get("/v1/dashboards/sales", headers={"X-Workspace-ID": "two", "X-Tenant-ID": "1"}).json()
            assert body["branding"]["name"] != "Client One Insights"
            assert found["person"].get("/v1/users").json()["code"] in ("forbidden", "workspace_required")
        checked.append("all")

    text = GUIDE.read_text(encoding="utf-8") + "\n```python\ncheck(globals())\n```\n"
    (clients / "guide.md").write_text(text)
    found = run_guide(clients / "guide.md", clients, lambda: served(clients), names)
    assert found["revenue"] == {"one": [["1", "100.00"]], "two": [["1", "200.00"]], "three": [["1", "300.00"]]}
    assert found["shown"] == "Client One Insights"
    assert checked == ["all"]
