"""The routing of a workspace as it was last reviewed, for a key of the workspace. Keys of rows are among it: never for a tenant."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from api.control.reviews import drawing, shown
from api.control.tenants.inputs import Input
from api.control.workspaces import accepting
from api.endpoints.context import enter, permission
from api.endpoints.entering import definition_of, entered
from api.endpoints.shapes import AcceptedShape, RoutesShape
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


class AcceptRequest(Input):
    """Which tables; all where none is named."""

    tables: Annotated[list[Annotated[str, Field(min_length=1, max_length=500)]], Field(max_length=10_000)] = Field(
        default_factory=list, description="only these take their new route and columns; the others keep what was accepted before"
    )


@router.post("/routes/accept", **permission("routes:accept", AcceptedShape))
def accept_routes(
    request: Request,
    ws: str,
    body: AcceptRequest | None = None,
    preview: Annotated[bool, Query(description="look at the sources and keep what was seen for GET …/routes; accept nothing")] = False,
) -> dict[str, Any]:
    """Looks at the sources, judges every row, and makes the routing count that refreshes run by. It takes as long as the sources take."""
    found = entered(request, ws)
    definition = definition_of(found)
    return accepting.accept_routes(
        found.installation, found.actor, found.workspace, definition, (body or AcceptRequest()).tables, preview=preview
    )
