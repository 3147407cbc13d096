"""Every operation of the API's document, asked with what the document allows and with what it does not, by keys of each scope: no answer is
an error of ours, and each has a status, a media type, headers and a body that the document names.

Nothing here knows an operation. Names in paths are ids that answers held, examples of the document, or made up.
`EXAMPLES=500 SEED=1 python -m pytest tests/acceptance/test_schemathesis.py` asks more of each, and other things.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.generation.modes import GenerationMode
from sqlalchemy import delete, update

from api.app import bare_app
from api.control.access.keys import KeyWanted
from api.control.access.permissions import PERMISSIONS
from api.endpoints import stream
from api.openapi import operations
from engine.catalog import versions
from engine.catalog.audit import Actor
from engine.catalog.tables import SubscriptionRow, TierRow, WorkspaceRow
from slices.backup.restoring import Target, restore
from slices.backup.taking import take
from tests.acceptance.http_world import World, new_world
from tests.conftest import fresh_database
from tests.integration.driving import postgres_url

EXAMPLES = int(os.environ.get("EXAMPLES", "20"))
SEED = int(os.environ.get("SEED", "8321"))
DOCUMENT = bare_app().openapi()
OPERATIONS = {o["operationId"]: (path, method, o) for path, method, o in operations(DOCUMENT)}
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
SCHEMA.config.generation.with_security_parameters = False  # credentials are the test's; a second one would be refused
SCOPES = ("installation", "workspace", "subtree", "tenant")
_ID = re.compile(r"[a-z]{2}_[0-9a-z]{26}")
_OWN_ID = re.compile(r'"id": ?"([^"]+)"')
load_all_checks()
# Not used, because they judge what the document cannot say: data that fits a schema may be refused all the same (404, a missing permission),
# and what does not fit may be no question of its schema (a header that nobody reads).
CHECKED: list[Any] = [
    CHECKS.get_one(f"{name}_conformance") for name in ("status_code", "content_type", "response_headers", "response_schema")
]


def _example(operation: dict[str, Any]) -> Any:
    """A body that the document shows; None where it shows none."""
    return next((c["example"] for c in operation.get("requestBody", {}).get("content", {}).values() if "example" in c), None)


@schemathesis.serializer("application/x-ndjson")
def _lines(_: schemathesis.SerializationContext, value: Any) -> Any:
    """schemathesis has none for lines of JSON."""
    return {"data": value if isinstance(value, bytes) else str(value).encode()}


@dataclass
class Stage:
    """An installation, a key of each scope, and the ids that answers held, by prefix."""

    world: World
    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)
    let_in: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.mend()
        for path, method, operation in OPERATIONS.values():
            example = _example(operation)
            if method == "get" or (example is not None and method != "delete"):
                names = {p["name"]: self.known(path, p)[0] for p in operation["parameters"] if p.get("in") == "path"}
                body = {"content": example} if isinstance(example, str) else {"json": example}
                answer = self.world.client.request(method, path.format(**names), headers=self.keys["workspace"], **body)
                self.remember(path, answer.text)
                self.mend()

    def remember(self, path: str, text: str) -> None:
        """The ids in an answer, for paths that want one: those of a collection's things by its path, all by their kind; some of each."""
        asking = {self.world.key_id(k) for k in self.keys.values()}
        for kind, found in [*((path, i) for i in _OWN_ID.findall(text)), *((i[:2], i) for i in _ID.findall(text))]:
            known = self.ids.setdefault(kind, [])
            if found not in known and found not in asking and len(known) < 20:
                known.append(found)

    def mend(self) -> None:
        """Takes back what an operation ended: tenants are active and nothing is off for them, and keys are new ones, where one is not let in."""
        asked = [("/v1/me", self.keys[s]) for s in self.keys] + [("/v1/dashboards", self.keys[s]) for s in self.keys if s == "tenant"]
        if self.keys and all(self.world.client.get(path, headers=headers).status_code == 200 for path, headers in asked):
            return
        with self.world.installation.catalog.write() as session:
            session.get_one(WorkspaceRow, self.world.workspace_id).archived_at = None
            session.execute(delete(SubscriptionRow))
            session.execute(update(TierRow).values(is_default=False))
            for tenant in versions.tenants_of(session, self.world.workspace_id):
                if tenant.version_id is not None:
                    tenant.state, tenant.suspended_at, tenant.parent_id = "active", None, None
        self.keys = {scope: self.world.key(scope, permissions=list(PERMISSIONS)) for scope in SCOPES}

    def known(self, path: str, parameter: dict[str, Any]) -> list[str]:
        """Names that a parameter of a path may have: of the collection's things, of the kind of the document's example, or that."""
        example, collection = str(parameter["example"]), path.partition("/{" + parameter["name"])[0]
        kinds = {"ws": [self.world.workspace_id, "acme"], "t": ["1", "key:2", "key:new", *self.world.tenants.values()]}
        return (
            kinds.get(parameter["name"])
            or self.ids.get(collection)
            or self.ids.get(example[:2] if _ID.fullmatch(example) else "")
            or [example]
        )


@pytest.fixture(scope="module")
def module_database(postgres: str) -> Iterator[str]:
    with fresh_database(postgres) as uri:
        yield uri


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stage(
    request: pytest.FixtureRequest, http_shared: Path, tmp_path_factory: pytest.TempPathFactory, module_database: str
) -> Iterator[Stage]:
    """On each kind of catalog: they take numbers and texts of other bounds."""
    folder = tmp_path_factory.mktemp("schemathesis")
    world = new_world(http_shared, folder / "world", statement_seconds=1.0)
    if request.param == "postgresql":
        take(world.installation, folder / "world.tar", Actor("command", ""))
        shutil.move(world.home, folder / "before")
        catalog = postgres_url(module_database)
        restore(folder / "world.tar", Target(world.home, catalog), Actor("command", ""))
        world = World(world.folder, {"statement_seconds": 1.0, "catalog": catalog})
    with pytest.MonkeyPatch.context() as patch, world.client:
        patch.setattr(stream, "LONGEST", 0.0)  # a stream of events ends after what there is, whatever it is of
        yield Stage(world)
    world.close()


def cases(name: str) -> st.SearchStrategy[schemathesis.Case[Any]]:
    """Three of four fit the document, where it can be broken at all."""
    path, method, _ = OPERATIONS[name]
    operation = SCHEMA[path][method]
    fitting = operation.as_strategy(GenerationMode.POSITIVE)
    return st.integers(0, 3).flatmap(lambda n: fitting if n else operation.as_strategy(GenerationMode.NEGATIVE))


def aimed(stage: Stage, case: schemathesis.Case[Any], operation: dict[str, Any], data: st.DataObject) -> None:
    """Names in paths, headers and the query are mostly of what is there; bodies are the document's example now and then."""
    for parameter in operation["parameters"]:
        if parameter.get("in") == "path" and data.draw(st.integers(0, 4)):
            case.path_parameters[parameter["name"]] = data.draw(st.sampled_from(stage.known(case.path, parameter)))
        elif parameter.get("in") == "query" and isinstance(case.query.get(parameter["name"]), str) and not data.draw(st.integers(0, 3)):
            case.query[parameter["name"]] = data.draw(st.sampled_from(sorted({i for found in stage.ids.values() for i in found})))
    for header, names in (("X-Tenant-ID", list(stage.world.tenants.values())), ("X-Workspace-ID", [stage.world.workspace_id])):
        if header in case.headers and data.draw(st.integers(0, 4)):
            del case.headers[header]
        if header not in case.headers and "data" in operation["tags"] and data.draw(st.integers(0, 3)):
            case.headers[header] = data.draw(st.sampled_from(names))
    example = _example(operation)
    if example is not None and not data.draw(st.integers(0, 3)):
        case.body = example


def asked(stage: Stage, case: schemathesis.Case[Any], headers: dict[str, str]) -> Any:
    """The answer, by the client of the world: schemathesis would start the application anew for each."""
    sent = case.as_transport_kwargs("http://testserver")
    body = {"content": sent["data"]} if isinstance(sent.get("data"), bytes | str) else {k: sent[k] for k in ("json", "data") if k in sent}
    return stage.world.client.request(
        sent["method"], sent["url"], params=sent.get("params"), headers=dict(sent["headers"]) | headers, follow_redirects=False, **body
    )


def wrong(case: schemathesis.Case[Any], operation: dict[str, Any], answer: Any) -> str | None:
    """What the document does not know of an answer. It names problems as its default, which a success must not hide behind."""
    if answer.status_code >= 500 and answer.status_code != 503:
        return f"an error of ours: {answer.text}"
    if answer.status_code < 400 and str(answer.status_code) not in operation["responses"]:
        return f"{answer.status_code} is not in the document"
    try:
        case.validate_response(answer, checks=CHECKED)
    except FailureGroup as group:
        return str(group)
    return None


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_is_one_of_the_document(stage: Stage, name: str) -> None:
    operation = OPERATIONS[name][2]

    @seed(SEED)
    @settings(max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(case=cases(name), scope=st.sampled_from(SCOPES), data=st.data())
    def ask(case: schemathesis.Case[Any], scope: str, data: st.DataObject) -> None:
        aimed(stage, case, operation, data)
        answer = asked(stage, case, stage.keys[scope])
        found = wrong(case, operation, answer)
        assert found is None, f"{scope}: {case.as_curl_command()}: {found}"
        if answer.status_code < 400:
            stage.remember(case.path, answer.text)
            if case.method not in ("GET", "HEAD"):
                stage.mend()
        stage.let_in[name] += answer.status_code < 400

    ask()


@pytest.mark.parametrize(
    ("method", "path", "sent", "refused"),
    [
        ("GET", "{base}/tenants/key:%00a", {}, "not_found"),
        ("PUT", "{base}/tenants/key:a%00", {"json": {}}, "not_found"),
        ("GET", "/v1/workspaces/%00/tenants", {}, "not_found"),
        ("GET", "{base}/keys/%00", {}, "not_found"),
        ("GET", "/embed/%00", {}, "not_found"),
        ("GET", "/v1/dashboards", {"headers": {"X-Tenant-ID": "%00"}}, "not_found"),
        ("GET", "/v1/dashboards", {"headers": {"X-Workspace-ID": "%00"}}, "not_found"),
        ("GET", "{base}/audit?action=%00", {}, "validation"),
        ("POST", "{base}/keys", {"json": {"scope": "tenant:\0"}}, "validation"),
    ],
)
def test_nul_is_in_no_name_of_either_catalog(stage: Stage, method: str, path: str, sent: dict[str, Any], refused: str) -> None:
    headers = stage.keys["workspace"] | sent.get("headers", {})
    answer = stage.world.client.request(method, path.format(base=stage.world.base), **sent | {"headers": headers})
    assert answer.json()["code"] == refused


def test_batch_refuses_a_key_with_a_nul_alone(stage: Stage) -> None:
    content = b'{"key": "a\\u0000"}\n{"key": "b"}'
    answer = stage.world.client.post(f"{stage.world.base}/tenants:batch", content=content, headers=stage.keys["workspace"])
    assert [json.loads(line)["status"] in (200, 201) for line in answer.text.splitlines()] == [False, True]


def test_text_that_only_postgresql_refuses_is_the_callers_fault(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a shape lets through: here a key's label as long as no column has it."""
    monkeypatch.setattr(
        "api.endpoints.keys.KeyWanted", lambda scope, permissions, label, *more: KeyWanted(scope, permissions, "x" * 300, *more)
    )
    answer = stage.world.client.post(f"{stage.world.base}/keys", json={}, headers=stage.keys["workspace"])
    is_sqlite = stage.world.installation.catalog.engine.dialect.name == "sqlite"
    assert answer.status_code == (201 if is_sqlite else 422)
    assert is_sqlite or answer.json()["code"] == "validation"


def test_most_operations_were_let_in(stage: Stage) -> None:
    """Else the test above would be one of refusals. What is for people, or for whoever has a secret that no example holds,
    is left out; some name a host (webhooks, providers, sources), which has no address where there is no network."""
    asked = {n for n in stage.let_in if OPERATIONS[n][2]["x-permission"] not in ("public", "any")}
    assert len(asked & set(+stage.let_in)) >= 0.7 * len(asked), sorted(asked - set(+stage.let_in))


@pytest.mark.parametrize(
    ("status", "media", "body", "fault"),
    [
        (200, "application/json", "{}", "schema"),
        (200, "text/html", "<html>", "Content-Type"),
        (201, "application/json", "{}", "not in the document"),
        (500, "application/problem+json", "{}", "error of ours"),
        (404, "application/problem+json", '{"code": "nothing_of_the_list"}', "schema"),
    ],
)
def test_what_the_document_does_not_know_is_noticed(status: int, media: str, body: str, fault: str) -> None:
    path, method, operation = OPERATIONS["get_me"]
    answer = httpx.Response(status, headers={"content-type": media}, text=body, request=httpx.Request(method, f"http://testserver{path}"))
    answer.elapsed = timedelta(0)
    assert fault.lower() in str(wrong(SCHEMA[path][method].Case(), operation, answer)).lower()
