"""A workspace file through the command into slices, and a server of their own before them, as `slicehouse serve` starts it.

>>> with served(file) as api:
...     rows = api.ask(api.tenants["17"], "select count(*) from orders")
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import httpx
import pyarrow as pa

from api.cli.main import main
from api.serving.formats import MEDIA
from tests.differential.cells import Side


@dataclass(frozen=True, slots=True)
class Api:
    """A server that answers; `tenants` are the ids by key, of a key's whole workspace."""

    client: httpx.Client
    tenants: dict[str, str]

    def ask(self, tenant: str, sql: str, format_: str = "json") -> Side:
        """The rows of `sql` on the slice of a tenant's id, read from a body in JSON or Arrow. Raises AssertionError where it is refused."""
        body = {"sql": sql, "limit": 1_000_000}
        answer = self.client.post("/v1/query", json=body, headers={"X-Tenant-ID": tenant, "Accept": MEDIA[format_]})
        assert answer.status_code == 200, answer.text
        return _arrow_rows(answer.content) if format_ == "arrow" else _json_rows(answer)


def _json_rows(answer: httpx.Response) -> Side:
    side: dict[str, object] = answer.json()
    meta = side["meta"]
    assert isinstance(meta, dict)
    assert not meta["truncated"]
    return side


def _arrow_rows(body: bytes) -> list[tuple[object, ...]]:
    table = pa.ipc.open_stream(body).read_all()
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


@contextmanager
def served(file: Path) -> Iterator[Api]:
    """Accepts and refreshes the workspace of `file`, and serves it, its home beside the file, while the block runs."""
    for verb in (["check"], ["routes", "--accept"], ["refresh"]):
        assert main([*verb, "-w", str(file)]) == 0, verb
    made = _printed(["keys", "create", "--scope", "workspace", "--json", "-w", str(file)])
    with _server(file.parent / ".slicehouse") as base:
        headers = {"Authorization": f"Bearer {made['key']}"}
        with httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False) as client:
            yield Api(client, _tenants(client))


def _printed(arguments: list[str]) -> dict[str, str]:
    """What a verb prints as JSON."""
    with redirect_stdout(io.StringIO()) as out:
        assert main(arguments) == 0
    found: dict[str, str] = json.loads(out.getvalue())
    return found


@contextmanager
def _server(home: Path) -> Iterator[str]:
    """The address of an API process on a free port."""
    command = [sys.executable, "-m", "uvicorn", "api.app:create_app", "--factory", "--port", "0", "--no-access-log"]
    environment = os.environ | {"SLICEHOUSE_HOME": str(home)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said: list[str] = []
            for line in process.stderr:
                said.append(line)
                if found := re.search(r"running on (http://\S+)", line):
                    yield found[1]
                    return
            raise AssertionError("the server did not start: " + "".join(said))
        finally:
            process.terminate()


def _tenants(client: httpx.Client) -> dict[str, str]:
    """Ids of all tenants by key, page by page."""
    found: dict[str, str] = {}
    workspace = client.get("/v1/me").json()["scope"]["workspace"]["id"]
    query: dict[str, str | int] = {"limit": 100}
    while True:
        page = client.get(f"/v1/workspaces/{workspace}/tenants", params=query).json()
        found |= {tenant["key"]: tenant["id"] for tenant in page["data"]}
        if not page["has_more"]:
            return found
        query["cursor"] = page["next_cursor"]
