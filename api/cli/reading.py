"""tenants, query, pull: what is served, asked through the same gate and door as the API."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from api.cli.common import AsJson, HomeFolder, WorkspaceFiles, by_key, one_workspace, open_place, place, print_json, print_table, say

if TYPE_CHECKING:
    from api.serving.answer import Answer

_BATCH = 10_000


def tenants(
    action: Literal["list", "resume"] = "list",
    tenant: str | None = None,
    /,
    *,
    workspace: WorkspaceFiles = None,
    home: HomeFolder = None,
    json: AsJson = False,
) -> int:
    """The tenants of the workspace, their states and sizes; `resume TENANT` takes one back that was gone and whose key returned."""
    from api.control.tenants.reading import resume, tenant_facts
    from engine.catalog import versions
    from engine.errors import ConfigurationError
    from slices.reviewing.routings import workspace_row

    where = place(workspace, home)
    installation = open_place(where)
    row = workspace_row(installation, one_workspace(where))
    if (action == "resume") != (tenant is not None):
        raise ConfigurationError("resume takes one tenant.", hint="slicehouse tenants resume TENANT")
    if tenant is not None:
        resume(installation, row.id, tenant)
        say(f"{tenant}: the next refresh builds it, if its key is in the source")
        return 0
    with installation.catalog.read() as session:
        found = [
            tenant_facts(t, versions.version_of(session, t.version_id) if t.version_id else None)
            for t in versions.tenants_of(session, row.id)
        ]
    found.sort(key=by_key)
    if json:
        print_json(found)
    else:
        print_table(("key", "name", "state", "rows", "bytes", "as_of", "id"), found)
        if not found:
            say("No tenants yet: slicehouse refresh makes them.")
    return 0


def query(
    tenant: str,
    sql: str,
    *,
    format: Literal["table", "json", "csv", "parquet", "arrow"] = "table",
    workspace: WorkspaceFiles = None,
    home: HomeFolder = None,
    json: AsJson = False,
) -> int:
    """Runs one SELECT on the tenant's slice; json is the object of the API, all rows."""
    from api.control.tenants.reading import require_tenant, slice_of
    from api.serving.answer import Limits, answer
    from api.serving.formats import encode
    from api.serving.opened import OpenSlices
    from api.serving.problems import ADVICE, Problem
    from engine.clock import rfc3339
    from engine.errors import WorkFailed
    from slices.reviewing.routings import workspace_row

    where = place(workspace, home)
    installation = open_place(where)
    settings = installation.settings
    row = workspace_row(installation, one_workspace(where))
    found = require_tenant(installation, row.id, tenant)
    try:
        ref, version = slice_of(installation, row, found)
        slices = OpenSlices(1, settings.statement_memory, settings.statement_seconds)
        limits = Limits(rows=2**31, bytes=settings.answer_bytes, seconds=settings.statement_seconds, cut=False)
        result = answer(slices, ref, sql, {"as_of": found.as_of, "timezone": row.timezone}, limits)
    except Problem as problem:
        raise WorkFailed(str(problem.body("")["detail"]), hint=ADVICE[problem.code], code=problem.code) from None
    meta = {"slice_version": version.id, "as_of": rfc3339(found.as_of or version.as_of)}
    if json or format == "json":
        for part in json_parts(result, meta):
            sys.stdout.write(part.decode())
        sys.stdout.write("\n")
    elif format == "table":
        print_table(list(result.names), (dict(zip(result.names, r, strict=True)) for rows in _rows(result) for r in rows), missing="NULL")
    else:
        sys.stdout.buffer.write(encode(result, format, meta))
    return 0


def json_parts(answer: Answer, meta: dict[str, Any]) -> Iterator[bytes]:
    """`{columns, rows, meta}` as the API writes it, in parts: as Python's objects, rows take many times their room as Arrow."""
    import msgspec

    from api.serving.formats import json_object

    whole = json_object(replace(answer, rows=answer.rows.slice(0, 0)), {})
    yield b'{"columns":' + msgspec.json.encode(whole["columns"]) + b',"rows":['
    start = b""
    for rows in _rows(answer):
        yield start + msgspec.json.encode(rows)[1:-1]
        start = b","
    last = meta | {"row_count": answer.rows.num_rows, "truncated": answer.truncated}
    yield b'],"meta":' + msgspec.json.encode(last) + b"}"


def _rows(answer: Answer) -> Iterator[list[list[Any]]]:
    """The rows as JSON has them, a bounded number at a time; nothing where there are none."""
    from api.serving.formats import json_object

    for start in range(0, answer.rows.num_rows, _BATCH):
        yield json_object(replace(answer, rows=answer.rows.slice(start, _BATCH)), {})["rows"]


def pull(
    tenant: str, *, output: Annotated[Path, Parameter(name=["--output", "-o"])], workspace: WorkspaceFiles = None, home: HomeFolder = None
) -> int:
    """A copy of the current slice, read-only, checked against its manifest."""
    import shutil

    from api.control.tenants.reading import require_tenant, slice_of
    from api.serving.problems import ADVICE, Problem
    from engine.clock import rfc3339
    from engine.errors import ConfigurationError, SliceUnusable, WorkFailed
    from slices.building.build import file_digest
    from slices.publishing.store import check_file
    from slices.reviewing.routings import workspace_row

    where = place(workspace, home)
    installation = open_place(where)
    row = workspace_row(installation, one_workspace(where))
    if output.exists():
        raise ConfigurationError(f"{output} is there already.", hint="Name another file with -o.")
    try:
        ref, version = slice_of(installation, row, require_tenant(installation, row.id, tenant))
    except Problem as problem:
        raise WorkFailed(str(problem.body("")["detail"]), hint=ADVICE[problem.code], code=problem.code) from None
    check_file(ref.path, version.bytes)
    shutil.copyfile(ref.path, output)
    output.chmod(0o444)
    if file_digest(output) != version.sha256:
        output.unlink()
        raise SliceUnusable(
            "The slice's bytes are not those that were published.", hint="slicehouse verify, then slicehouse refresh --full."
        )
    say(f"{output}: {version.rows:,} rows, {version.bytes:,} bytes, as of {rfc3339(version.as_of)}")
    say(
        f"Open it:\n  duckdb -readonly {output}\n  python: duckdb.connect({str(output)!r}, read_only=True)\n  DBeaver: new DuckDB connection, path {output}"
    )
    return 0


VERBS = (tenants, query, pull)
