"""Names in headers are percent-decoded once, as in paths: every key can be sent, and none reaches another one's slice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pytest

from api.control.access.keys import make_key
from engine.workspace import read_workspace
from slices.refresh import refresh
from tests.attacks.running import running
from tests.attacks.wire import Got, send
from tests.integration.driving import accept, installation_in, offer_tables

URL = "names"
KEYS = ["a b", "a%20b", "a%2520b", "a+b", " a b ", "100%", "zoë", "zoÃ«", "東京", "key:x", "x", ""]


class Office:
    """A workspace whose tenants have odd keys; each has one note that says whose it is. A server of its own takes headers as they are."""

    def __init__(self, folder: Path) -> None:
        file = folder / "slicehouse.yaml"
        tenants = {"table": "orgs", "key": "id"}
        sources = {"app": {"kind": "arrow", "url": URL}}
        file.write_text(json.dumps({"version": 1, "workspace": "w", "caller_sql": True, "sources": sources, "tenants": tenants}))
        notes = pa.table({"id": pa.array(range(len(KEYS)), pa.int64()), "org_id": KEYS, "body": [f"of [{k}]" for k in KEYS]})
        offer_tables(URL, {"orgs": (pa.table({"id": KEYS}), []), "notes": (notes, [("org_id", "orgs")])})
        self.workspace = read_workspace(file)
        self.home = folder / "home"
        self.installation = installation_in(self.home, builders=1)
        accept(self.installation, self.workspace)
        assert refresh(self.installation, self.workspace).built == len(KEYS)
        self.port = 0

    def key(self, scope: str) -> str:
        return make_key(self.installation, self.workspace, scope, None, "").text

    def ask(self, key: str, target: str, headers: dict[str, str | bytes], body: bytes = b"") -> Got:
        given: dict[str, str | bytes] = {"Host": "localhost", "Connection": "close", "Authorization": f"Bearer {key}"} | headers
        if body:
            given |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        lines = [f"{'POST' if body else 'GET'} {target} HTTP/1.1".encode()]
        lines += [f"{name}: ".encode() + (v.encode() if isinstance(v, str) else v) for name, v in given.items()]
        return send(self.port, [b"\r\n".join([*lines, b"", b""]) + body])

    def body(self, key: str, named: str | bytes) -> str:
        """What the slice that the header names holds, or the code of the refusal."""
        got = self.ask(key, "/v1/query", {"X-Tenant-ID": named}, b'{"sql": "select body from notes"}')
        return str(json.loads(got.body)["rows"][0][0]) if got.status == 200 else got.code


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = Office(tmp_path_factory.mktemp("names"))
    with running(made.home) as server:
        made.port = server.port
        yield made


@pytest.fixture(scope="module")
def boss(office: Office) -> str:
    return office.key("workspace")


@pytest.mark.parametrize("key", KEYS)
def test_every_key_names_its_own_tenant_in_header_and_path_alike(office: Office, boss: str, key: str) -> None:
    named = quote("key:" + key, safe="")
    assert office.body(boss, named) == f"of [{key}]"
    found = office.ask(boss, f"/v1/workspaces/w/tenants/{named}", {})
    assert json.loads(found.body)["key"] == key


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("a b", "of [a b]"),
        ("  a b  ", "of [a b]"),
        ("%20a b%20", "of [ a b ]"),
        ("a%20b", "of [a b]"),
        ("a%2520b", "of [a%20b]"),
        ("a%252520b", "of [a%2520b]"),
        ("a%25252520b", "not_found"),
        ("a+b", "of [a+b]"),
        ("100%", "of [100%]"),
        ("100%25", "of [100%]"),
        ("zoë", "of [zoë]"),
        ("zo%C3%AB", "of [zoë]"),
        ("zo%c3%ab", "of [zoë]"),
        ("zoë".encode("latin-1"), "not_found"),
        ("zo%EB", "not_found"),
        ("東京", "of [東京]"),
        ("key%3Ax", "of [x]"),
        ("key:key:x", "of [key:x]"),
        ("%00x", "not_found"),
        ("x%0d%0a", "not_found"),
        ("%", "not_found"),
        ("", "not_found"),
    ],
)
def test_header_is_decoded_once_and_as_utf8(office: Office, boss: str, sent: str | bytes, answered: str) -> None:
    assert office.body(boss, sent) == answered


@pytest.mark.parametrize("own", ["a%20b", "a b"])
def test_scope_of_one_tenant_is_held_against_the_decoded_name(office: Office, own: str) -> None:
    key = office.key(f"tenant:{own}")
    for named in KEYS:
        expected = f"of [{own}]" if named == own else "tenant_mismatch"
        assert office.body(key, quote("key:" + named, safe="")) == expected, named
    raw = {"a b": "a b", "a%20b": "a b", "a%2520b": "a%20b"}
    for sent, meant in raw.items():
        assert office.body(key, sent) == (f"of [{own}]" if meant == own else "tenant_mismatch"), sent


def test_workspace_in_a_header_is_decoded_too(office: Office, boss: str) -> None:
    for named, status in (("w", 200), ("%77", 200), ("%2577", 404)):
        for call in ("/v1/me", "/v1/schema"):
            assert office.ask(boss, call, {"X-Workspace-ID": named, "X-Tenant-ID": "x"}).status == status, (named, call)
