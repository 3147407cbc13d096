"""An enterprise, over HTTP against `slicehouse serve`, a real database and a real identity provider: departments, regions, a policy that
blanks a column, an auditor who reads and sees no data."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from api.cli.main import main
from tests.acceptance.guides import run_guide
from tests.acceptance.identity_provider import Provider, provider
from tests.acceptance.test_scenario_saas import serving
from tests.integration.driving import postgres_url

GUIDE = Path("docs/guides/enterprise.md").resolve()
SCHEMA = """
create table departments (id int primary key, name text not null, parent_id int references departments);
create table salaries (id int primary key, department_id int not null references departments, person text, region text, amount numeric(12, 2));
insert into departments values (1, 'Sales', null), (2, 'Research', null);
insert into salaries values (1, 1, 'a', 'EMEA', 10), (2, 1, 'b', 'APAC', 20), (3, 2, 'c', 'EMEA', 30);
"""
PANEL = "/v1/dashboards/people/panels/list"


@pytest.fixture
def company(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Provider]]:
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.setenv("ERP_URL", postgres_url(database))
    monkeypatch.setenv("SLICEHOUSE_NETWORK_ALLOW", json.dumps(["localhost"]))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
    monkeypatch.chdir(tmp_path)
    with provider() as found:
        found.is_user("lead", name="Lead", groups=["sales-leads"])
        found.is_user("clerk", name="Clerk", groups=["sales-clerks"], region="EMEA")
        found.is_user("lost", name="No region", groups=["sales-clerks"])
        found.is_user("auditor", name="Auditor", groups=["audit"])
        found.is_user("stranger", name="Stranger", groups=["others"])
        yield tmp_path, found


def logging_in(server: str, op: Provider) -> Callable[[dict[str, Any], str], httpx.Client]:
    """What a browser does; over plain HTTP a client keeps no secure cookie by itself, so they are carried by hand."""

    def log_in(registered: dict[str, Any], sub: str) -> httpx.Client:
        begun = httpx.get(server + urlsplit(registered["login_url"]).path, trust_env=False, follow_redirects=False)
        state = begun.headers["set-cookie"].partition(";")[0]
        said = httpx.post(begun.headers["location"], data={"sub": sub}, trust_env=False, follow_redirects=False)
        back = urlsplit(said.headers["location"])
        ended = httpx.get(f"{server}{back.path}?{back.query}", headers={"Cookie": state}, trust_env=False, follow_redirects=False)
        cookies = [c.partition(";")[0] for c in ended.headers.get_list("set-cookie") if c.startswith("__Host-slicehouse=")]
        return httpx.Client(base_url=server, headers={"Cookie": cookies[0]} if cookies else {}, timeout=30, trust_env=False)

    return log_in


def test_groups_are_roles_a_policy_holds_and_an_auditor_sees_no_data(company: tuple[Path, Provider]) -> None:
    folder, op = company
    checked: list[str] = []

    def check(found: dict[str, Any]) -> None:
        lead, clerk, auditor, log_in = (found[n] for n in ("lead", "clerk", "auditor", "log_in"))
        assert log_in(found["provider"], "lost").get(PANEL).json()["rows"] == [], "who lacks the fact sees no row"
        assert log_in(found["provider"], "stranger").get(PANEL).json()["code"] == "credential_missing"
        for person in (lead, clerk):
            assert person.get(PANEL, headers={"X-Tenant-ID": "2"}).json()["code"] == "not_found"
            assert person.get(f"{found['workspace']}/tenants/2").status_code in (403, 404)
        assert clerk.post("/v1/query", json={"sql": "select 1"}).status_code == 403
        assert auditor.get(f"{found['workspace']}/members").json()["code"] == "forbidden"
        assert any(r["outcome"] == "denied" for r in auditor.get(f"{found['workspace']}/audit?limit=100").json()["data"])
        op.is_user("clerk", name="Clerk", groups=["others"], region="EMEA")
        assert log_in(found["provider"], "clerk").get(PANEL).json()["code"] == "credential_missing"
        assert clerk.get(PANEL).status_code == 403, "who has left the group is out with the old session too"
        checked.append("all")

    def names(server: str) -> dict[str, Any]:
        with redirect_stdout(io.StringIO()) as out:
            assert main(["keys", "create", "--scope", "workspace", "--json"]) == 0
        return {
            "server": server,
            "key": json.loads(out.getvalue())["key"],
            "issuer": op.url,
            "log_in": logging_in(server, op),
            "check": check,
        }

    (folder / "guide.md").write_text(GUIDE.read_text(encoding="utf-8") + "\n```python\ncheck(globals())\n```\n")
    found = run_guide(folder / "guide.md", folder, lambda: serving(folder / "slicehouse.yaml"), names)
    assert found["seen_by_lead"] == [["a", "EMEA", "10.00"], ["b", "APAC", "20.00"]]
    assert found["seen_by_clerk"] == [["a", "EMEA", None]]
    assert (found["refused"], found["no_data"]) == ("partial_scope", "forbidden")
    assert {"identity_providers.create", "sessions.create"} <= {r["action"] for r in found["records"]}
    assert checked == ["all"]
