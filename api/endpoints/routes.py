"""The routing of a workspace as it was last reviewed, for a key of the workspace. Keys of rows are among it: never for a tenant."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Depends, Request, Response

from api.control.reviews import drawing, shown
from api.endpoints.context import enter, permission
from api.endpoints.entering import entered
from api.endpoints.shapes import RoutesShape
from api.serving.problems import Problem

router = APIRouter(prefix="/v1/workspaces/{ws}", tags=["routes"], dependencies=[Depends(enter)])
_MEDIA = {"svg": "image/svg+xml", "mmd": "text/plain; charset=utf-8"}
_HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


@router.get("/routes", **permission("routes:view", RoutesShape))
def get_routes(request: Request, ws: str) -> dict[str, Any]:
    """Every table with its route, evidence, open decisions, columns and pairs of edges, as `slicehouse routes` last saw them."""
    found = entered(request, ws)
    return shown(found.context.installation, found.workspace)


@router.get("/routes/drawing", **permission("routes:view"))
def get_routes_drawing(request: Request, ws: str, format: Literal["svg", "mmd"] = "svg") -> Response:
    """The same as a picture: SVG or Mermaid."""
    found = entered(request, ws)
    text = drawing(found.context.installation, found.workspace, format)
    if text is None:
        raise Problem("not_found", "No routing has been reviewed or accepted yet.")
    return Response(text, media_type=_MEDIA[format], headers=_HEADERS)
