"""The slice itself: its schema, its manifest, its file."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from api.endpoints.answering import Body, Door, admit, note
from api.endpoints.context import VARY, Asked, asked, enter, permission
from api.endpoints.shapes import SchemaShape
from api.serving.problems import Problem
from engine.catalog import versions
from engine.clock import rfc3339
from slices.publishing.store import LocalStore
from slices.publishing.whole import check_whole

router = APIRouter(prefix="/v1", tags=["data"], dependencies=[Depends(enter)])
Ignored = Annotated[str | None, Query(description="ignored: a file is a file")]


@router.get("/schema", **permission("schema:view", SchemaShape))
def get_schema(request: Request) -> Response:
    """Tables and columns of the slice, with types and comments."""
    found = asked(request)
    found.principal.require_whole()
    manifest = msgspec.json.decode(_manifest(found))
    tables = [{"name": n, "comment": t.get("comment"), "rows": t["rows"], "columns": t["columns"]} for n, t in manifest["tables"].items()]
    body = msgspec.json.encode({"data": tables, **found.meta()})
    return found.respond(request, body, "application/json", found.etag("schema"))


@router.get("/slice", **permission("schema:view"))
def get_slice(request: Request) -> Response:
    """The manifest of the version that answers."""
    found = asked(request)
    found.principal.require_whole()
    return found.respond(request, _manifest(found), "application/json", found.etag("manifest"))


def _store(found: Asked) -> LocalStore:
    return LocalStore(found.context.installation.home.workspace(found.workspace.id))


def _manifest(found: Asked) -> bytes:
    with found.timing.part("open"):
        return _store(found).manifest(found.tenant.id, found.version.id)


@router.get("/slice/file", status_code=307, **permission("export:slice", None, 307))
def get_slice_file(request: Request, format: Ignored = None) -> Response:
    """To the current version's file."""
    found = asked(request)
    found.principal.require_whole()
    return RedirectResponse(f"/v1/slices/{found.version.id}/{found.tenant.slug}.duckdb", 307, headers={"Cache-Control": "no-store"})


@router.get("/slices/{version}/{name}.duckdb", **permission("export:slice"))
def get_version_file(request: Request, version: str, name: str, format: Ignored = None) -> Response:
    """The file of a version that this tenant may still have: immutable, with ranges."""
    found = asked(request)
    found.principal.require_whole()
    with found.context.installation.catalog.read() as session:
        row = versions.version_of(session, version)
    if row is None or row.tenant_id != found.tenant.id:
        raise Problem("not_found")
    if row.state not in versions.LIVE:
        raise Problem("version_withdrawn" if row.state == "withdrawn" else "not_found")
    path = _store(found).path(found.tenant.id, row.id)
    with found.timing.part("open"):
        check_whole(path, row.bytes, row.sha256)
    etag = f'"{row.sha256}"'
    headers: dict[str, Any] = {
        "ETag": etag,
        "Cache-Control": "private, max-age=31536000, immutable",
        "Vary": VARY,
        "X-Slice-Version": row.id,
        "X-Slice-As-Of": rfc3339(row.as_of),
        "Server-Timing": found.timing.header(),
    }
    if etag in [t.strip().removeprefix("W/") for t in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    if request.method == "GET" and request.headers.get("range", "bytes=0-").startswith("bytes=0-"):  # who goes on with a file has begun it
        admit(request, found, "downloads", "bytes")
        note(request, found, Door("file"), Body(b"", None, row.rows), "download", row.bytes)
    shown = f"{found.tenant.slug}-{row.as_of:%Y%m%dT%H%M%SZ}.duckdb"
    return FileResponse(path, media_type="application/vnd.duckdb", filename=shown, headers=headers)
