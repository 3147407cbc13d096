"""The closed list of problems: its page is up to date, nothing else is answered, and nothing is told that must not be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api.control.access.permissions import PERMISSIONS
from api.reference import errors_page, main, permissions_page
from api.serving.problems import ADVICE, CODES, RETRY
from tests.acceptance.http_world import PANEL, World


def test_the_pages_are_up_to_date() -> None:
    assert Path("docs/errors.md").read_text() == errors_page(), "python -m api.reference"
    assert Path("docs/permissions.md").read_text() == permissions_page(), "python -m api.reference"


def test_the_page_of_permissions_names_calls() -> None:
    cells = (line.strip("| ").split(" | ") for line in permissions_page().splitlines() if line.startswith("| `"))
    rows = {name.strip("`"): rest for name, *rest in cells}
    assert list(rows) == PERMISSIONS
    assert rows["query:panel"][1] == "`GET /v1/dashboards/{slug}/panels/{panel}`, `POST /v1/dashboards/{slug}/data`"


def test_a_page_that_is_not_up_to_date_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.reference.ERRORS", tmp_path / "errors.md")
    monkeypatch.setattr("api.reference.PERMITTED", tmp_path / "permissions.md")
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    monkeypatch.setitem(CODES, "busy", (503, "Otherwise"))
    assert main(["--check"]) == 1


def test_each_code_has_advice_and_its_status_class() -> None:
    assert ADVICE.keys() == CODES.keys()
    assert RETRY.keys() <= CODES.keys()
    assert {c for c, (status, _) in CODES.items() if status == 503} <= RETRY.keys()


def test_only_codes_of_the_list_are_raised() -> None:
    used = {
        code
        for path in Path("api").rglob("*.py")
        for call in re.findall(r'Problem\(\s*((?:"[a-z_]+"(?: if [^"]+? else )?)+)', path.read_text())
        for code in re.findall(r'"([a-z_]+)"', call)
    }
    assert len(used) > 20
    assert used <= CODES.keys()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("get", "/v1/nowhere", None, 404, "not_found"),
        ("get", "/v1/dashboards/none", None, 404, "not_found"),
        ("get", "/v1/dashboards/sales/panels/none", None, 404, "not_found"),
        ("get", "/v1/dashboards/sales/panels/broken", None, 422, "statement_failed"),
        ("get", PANEL + "?format=xml", None, 406, "not_acceptable"),
        ("get", PANEL + "?p.secret=x", None, 403, "param_locked"),
        ("get", PANEL + "?p.nothing=x", None, 422, "param_unknown"),
        ("get", PANEL + "?p.floor=x", None, 422, "param_invalid"),
        ("get", PANEL + "?limit=0", None, 422, "validation"),
        ("post", "/v1/query", "{", 400, "syntax"),
        ("post", "/v1/query", '{"sql": "selec"}', 400, "syntax"),
        ("post", "/v1/query", '{"sql": "drop table orders"}', 403, "statement_not_allowed"),
        ("post", "/v1/query", '{"sql": "select $x"}', 422, "param_unknown"),
        ("post", "/v1/query", '{"sql": "select nothing"}', 422, "statement_failed"),
        ("put", "/v1/query", "{}", 405, "method_not_allowed"),
        ("get", "/v1/slices/sv_00000000000000000000000000/x.duckdb", None, 404, "not_found"),
    ],
)
def test_a_refusal_is_a_whole_problem(world: World, method: str, path: str, body: str | None, status: int, code: str) -> None:
    headers = world.key() | {"Content-Type": "application/json"}
    answer = world.client.request(method, path, headers=headers, content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem = answer.json()
    assert problem.keys() == {"type", "title", "status", "detail", "code", "request_id", "errors"}
    assert (problem["status"], problem["request_id"]) == (status, answer.headers["x-request-id"])
    for secret in (str(world.folder), "Traceback", "duckdb.", "sqlalchemy", "bolt"):
        assert secret not in answer.text


def test_an_unforeseen_error_says_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("the secret of /home/somebody")

    monkeypatch.setattr("api.endpoints.dashboards.listed", fails)
    answer = world.client.get("/v1/dashboards", headers=world.key())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_what_passes_by_itself_says_when(world: World) -> None:
    with world.installation.catalog.write() as session:
        from engine.catalog.tables import TenantRow

        session.get_one(TenantRow, world.tenants["1"]).state = "withheld"
    answer = world.client.get(PANEL, headers=world.key())
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "slice_withheld", "60")
