"""Branding: what a workspace and its tenants say of their looks, what counts for them, and what anybody may see of it."""

from __future__ import annotations

import hmac
import json
import re
from hashlib import sha256
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from api.control.access.principal import tenant_of, workspace_of
from api.control.branding.inputs import BrandingInput, BrandingPatch
from api.control.branding.logos import MEDIA, MOST_BYTES, Logo, LogoError, take
from api.control.branding.reading import logo_at
from api.control.branding.store import Owner, change, put_logo, read
from api.control.tenants.reading import require_open
from api.endpoints.branded import branding_of, public_branding
from api.endpoints.context import VARY, context_of, enter, entitled, named_by, permission, permitted
from api.endpoints.entering import Entered, entered, entered_tenant, wanted_by
from api.endpoints.shapes import BrandingShape, PublicBranding, ResolvedBranding
from api.serving.problems import FieldError, Problem
from engine.catalog.tables import TenantRow, WorkspaceRow

own = APIRouter(prefix="/v1/branding", tags=["data"], dependencies=[Depends(enter)])
public = APIRouter(prefix="/v1/branding", tags=["branding"])
router = APIRouter(prefix="/v1/workspaces/{ws}", tags=["branding"], dependencies=[Depends(enter)])
Slot = Literal["light", "dark", "mark"]
_FILE = re.compile(r"([0-9a-f]{64})\.(png|svg)")
_LOGO = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "public, max-age=31536000, immutable",
}
_TYPES = {"png": "image/png", "svg": "image/svg+xml"}


# ── what counts ───────────────────────────────────────────────────────────────────────────────────────────────────────


@own.get("", **permission("any", ResolvedBranding))
def get_branding(request: Request) -> Response:
    """The caller's own: each field of its tenant, else of the tenant above it, else of the workspace. Without a tenant it is the workspace's."""
    context, principal = context_of(request), permitted(request)
    workspace = workspace_of(context.installation, principal, named_by(request, "x-workspace-id"))
    named, tenant = named_by(request, "x-tenant-id"), None
    if principal.tenant_id is not None or named is not None:
        tenant = tenant_of(context.installation, principal, workspace, named)
        require_open(tenant)
        entitled(context, principal, tenant)
    body = json.dumps(branding_of(context, workspace, tenant)).encode()
    id_ = tenant.id if tenant is not None else workspace.id
    return _kept(request, body, _etag(context.etag_key, id_, body), {"Cache-Control": "private, no-cache", "Vary": VARY})


@public.get("/by-host", **permission("public", PublicBranding))
def get_branding_by_host(
    request: Request, host: Annotated[str | None, Query(max_length=253, description="else the Host that is asked")] = None
) -> Response:
    """Name, logos and colours of the tenant that has the host among its `domains`: what its page shows to anybody. Needs no credential.

    A host that nobody has, that several have, or whose tenant is closed, gets the product's own: these are not told apart.
    """
    context = context_of(request)
    body = json.dumps(public_branding(context, host_of(host or request.headers.get("host", "")))).encode()
    return _kept(request, body, _etag(context.etag_key, "", body), {"Cache-Control": "no-cache", "Vary": "Host"})


def host_of(text: str) -> str:
    """A host name without its port and the dot at its end, in lower case."""
    return text.strip().lower().partition(":")[0].removesuffix(".")


@public.get("/logos/{file}", **permission("public"))
def get_logo(request: Request, file: str) -> Response:
    """A logo. Its address is an HMAC over its owner and its bytes, told by the brandings that have it: whoever knows it may see it, without a
    credential, so that `<img>` shows it on a page for anybody. It never changes, and may do nothing: no script, no request."""
    found = _FILE.fullmatch(file)
    with context_of(request).installation.catalog.read() as session:
        row = logo_at(session, found[1], found[2]) if found is not None else None
    if row is None:
        raise Problem("not_found")
    answer = _kept(request, row.content, f'"{row.address}"', _LOGO)
    if answer.status_code == 200:
        answer.headers["Content-Type"] = _TYPES[row.kind]
    return answer


def _etag(key: bytes, id_: str, body: bytes) -> str:
    """Opaque and keyed, as all ETags of data are."""
    return '"' + hmac.new(key, b"branding\0" + id_.encode() + b"\0" + body, sha256).hexdigest()[:40] + '"'


def _kept(request: Request, body: bytes, etag: str, headers: dict[str, str]) -> Response:
    """The answer, or 304 where the caller has it (RFC 9110, 13.1.2)."""
    headers = headers | {"ETag": etag}
    if etag in [t.strip().removeprefix("W/") for t in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


# ── what a workspace says ─────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/branding", **permission("tenants:view", BrandingShape))
def get_workspace_branding(request: Request, ws: str) -> Response:
    """What the workspace says, and what counts where no tenant says anything."""
    found = entered(request, ws)
    return _shown(*read(found.installation, Owner(found.workspace)))


@router.put("/branding", **permission("branding:write", BrandingShape))
def put_workspace_branding(request: Request, ws: str, body: BrandingInput) -> Response:
    """Says all fields anew; logos stay."""
    return _changed(request, entered(request, ws), None, body, replace=True)


@router.patch("/branding", **permission("branding:write", BrandingShape))
def patch_workspace_branding(request: Request, ws: str, body: BrandingPatch) -> Response:
    """Changes what is named (RFC 7396)."""
    return _changed(request, entered(request, ws), None, body, replace=False)


@router.put("/branding/logos/{slot}", **permission("branding:write", BrandingShape, body="image/*"))
async def put_workspace_logo(request: Request, ws: str, slot: Slot) -> Response:
    """Puts a logo: PNG, JPEG, WebP or SVG, at most 512 KB. It is made anew: at most 512 pixels, without anything but the picture."""
    found = entered(request, ws)
    return await _logo_put(request, found, None, slot)


@router.delete("/branding/logos/{slot}", status_code=204, **permission("branding:write"))
def delete_workspace_logo(request: Request, ws: str, slot: Slot) -> Response:
    """Takes a logo away."""
    return _logo_taken_away(request, entered(request, ws), None, slot)


# ── what a tenant says ────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/tenants/{t}/branding", **permission("tenants:view", BrandingShape))
def get_tenant_branding(request: Request, ws: str, t: str) -> Response:
    """What the tenant says by itself (null is inherited), and what counts."""
    found = entered_tenant(request, ws, t)
    return _shown(*read(found.installation, Owner(found.workspace, found.tenant)))


@router.put("/tenants/{t}/branding", **permission("branding:write", BrandingShape))
def put_tenant_branding(request: Request, ws: str, t: str, body: BrandingInput) -> Response:
    """Says all fields anew; logos stay. What is not said is inherited. `powered_by: false` asks for white_label in the tenant's tier."""
    found = entered_tenant(request, ws, t)
    return _changed(request, found, found.tenant, body, replace=True)


@router.patch("/tenants/{t}/branding", **permission("branding:write", BrandingShape))
def patch_tenant_branding(request: Request, ws: str, t: str, body: BrandingPatch) -> Response:
    """Changes what is named (RFC 7396); null is inherited again."""
    found = entered_tenant(request, ws, t)
    return _changed(request, found, found.tenant, body, replace=False)


@router.put("/tenants/{t}/branding/logos/{slot}", **permission("branding:write", BrandingShape, body="image/*"))
async def put_tenant_logo(request: Request, ws: str, t: str, slot: Slot) -> Response:
    """Puts a logo: PNG, JPEG, WebP or SVG, at most 512 KB. It is made anew: at most 512 pixels, without anything but the picture."""
    found = entered_tenant(request, ws, t)
    return await _logo_put(request, found, found.tenant, slot)


@router.delete("/tenants/{t}/branding/logos/{slot}", status_code=204, **permission("branding:write"))
def delete_tenant_logo(request: Request, ws: str, t: str, slot: Slot) -> Response:
    """Takes a logo away; the one above counts again."""
    found = entered_tenant(request, ws, t)
    return _logo_taken_away(request, found, found.tenant, slot)


def _owner(found: Entered, tenant: TenantRow | None) -> Owner:
    """Whose branding is changed. Raises Problem `feature_not_in_tier` where a tenant's tier does not let it change its own."""
    if tenant is not None:
        allowed = entitled(found.context, found.principal, tenant)
        if allowed is not None:
            allowed.require("branding:write")
    workspace: WorkspaceRow = found.workspace
    return Owner(workspace, tenant)


def _changed(request: Request, found: Entered, tenant: TenantRow | None, body: BrandingInput, *, replace: bool) -> Response:
    owner, wanted = _owner(found, tenant), wanted_by(request)
    return _shown(*change(found.installation, found.principal, found.actor, owner, body.given(), wanted, replace=replace))


async def _logo_put(request: Request, found: Entered, tenant: TenantRow | None, slot: Slot) -> Response:
    owner, wanted, media = (
        _owner(found, tenant),
        wanted_by(request),
        request.headers.get("content-type", "").partition(";")[0].strip().lower(),
    )
    content = await request.body()
    if len(content) > MOST_BYTES:
        raise Problem("request_too_large", f"A logo has at most {MOST_BYTES // 1024} KB.")
    if media not in MEDIA:
        raise _unfit(f"Content-Type is one of {', '.join(MEDIA)}.")

    def work(_: Any) -> tuple[dict[str, Any], str]:
        return put_logo(found.installation, found.principal, found.actor, owner, slot, _taken(content, media), wanted)

    # Decoding is work, and memory: in the bounded executor, as statements are.
    return _shown(*await found.context.run(request, work))


def _taken(content: bytes, media: str) -> Logo:
    try:
        return take(content, media)
    except LogoError as error:
        raise _unfit(str(error)) from None


def _unfit(detail: str) -> Problem:
    return Problem("validation", errors=[FieldError("", "logo", detail)])


def _logo_taken_away(request: Request, found: Entered, tenant: TenantRow | None, slot: Slot) -> Response:
    put_logo(found.installation, found.principal, found.actor, _owner(found, tenant), slot, None, wanted_by(request))
    return Response(status_code=204)


def _shown(facts: dict[str, Any], etag: str) -> Response:
    return JSONResponse(facts, headers={"ETag": etag})
