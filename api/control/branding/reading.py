"""What counts for a tenant or a workspace: its own word, else that of the tenant above it, and so on up to the workspace; each field by itself.

A dark colour and a dark logo go with the light one: where a level says the light one alone, its dark one is made of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.control.branding.fonts import shown_font
from api.control.branding.inputs import FIELDS
from api.control.branding.themes import shown_theme, theme
from api.control.plans.entitlements import resolve
from engine.catalog.tables import ENDED, BrandingRow, DomainRow, LogoRow, TenantRow, WorkspaceRow

LOGOS = ("light", "dark", "mark")
"""On light, on dark, and the small one of tabs and narrow places."""
PRODUCT = "Slicehouse"
RADIUS = 12
COLOURS = ("primary", "primary_dark", "background", "background_dark")


@dataclass(frozen=True, slots=True)
class Level:
    """What one owner says: the fields that it has, and the addresses of its logos by slot."""

    fields: dict[str, Any]
    logos: dict[str, str]


def levels(session: Session, workspace: WorkspaceRow, tenant: TenantRow | None, now: datetime) -> tuple[list[Level], datetime | None]:
    """From the own level up to the workspace's, and until when time alone leaves them as they are. A tenant that has left hands nothing down.

    A tenant takes the line `powered_by` away only while its tier has white_label.
    """
    found, until = [], None
    for one in _upward(session, tenant):
        row = session.get(BrandingRow, one.id)
        if row is None or (one.state in ENDED and one is not tenant):
            continue
        fields = dict(row.fields)
        if fields.get("powered_by") is False:
            entitled = resolve(session, one, now)
            until = min((t for t in (until, entitled.until) if t is not None), default=None)
            if not entitled.has("white_label"):
                del fields["powered_by"]
        found.append(Level(fields, row.logos))
    row = session.get(BrandingRow, workspace.id)
    return found + ([Level(row.fields, row.logos)] if row is not None else []), until


def _upward(session: Session, tenant: TenantRow | None) -> Iterator[TenantRow]:
    """The tenant and those above it; each once."""
    seen: set[str] = set()
    while tenant is not None and tenant.id not in seen:
        seen.add(tenant.id)
        yield tenant
        tenant = session.get(TenantRow, tenant.parent_id) if tenant.parent_id is not None else None


def resolved(session: Session, workspace: WorkspaceRow, tenant: TenantRow | None, now: datetime) -> tuple[dict[str, Any], datetime | None]:
    """What counts for the tenant, or for the workspace where it is None, as the API shows it; and until when it is true at most."""
    found, until = levels(session, workspace, tenant, now)
    addresses = {a for level in found for a in level.logos.values()}
    kinds = {
        r.address: r.kind for r in session.execute(select(LogoRow.address, LogoRow.kind).where(LogoRow.address.in_(sorted(addresses))))
    }
    return _shown(found, workspace.name or workspace.slug, kinds), until


def plain() -> dict[str, Any]:
    """What counts where nobody is known: the product's own."""
    return _shown([], PRODUCT, {})


def _shown(found: list[Level], name: str, kinds: dict[str, str]) -> dict[str, Any]:
    colours, logos = _colours(found), _logos(found)
    radius, powered_by = _first(found, "radius"), _first(found, "powered_by")
    return {
        "name": _first(found, "name") or name,
        "logos": {slot: path_of(address, kinds) for slot, address in logos.items()},
        "colours": {
            "light": shown_theme(theme("light", colours["primary"], colours["background"])),
            "dark": shown_theme(theme("dark", colours["primary_dark"] or colours["primary"], colours["background_dark"])),
        },
        "font": shown_font(_first(found, "font")),
        "radius": RADIUS if radius is None else radius,
        "powered_by": powered_by is not False,
    }


def _first(found: list[Level], field: str) -> Any:
    return next((level.fields[field] for level in found if field in level.fields), None)


def _colours(found: list[Level]) -> dict[str, str | None]:
    said = [level.fields.get("colours", {}) for level in found]
    return _pair(said, "primary", "primary_dark") | _pair(said, "background", "background_dark")


def _logos(found: list[Level]) -> dict[str, str | None]:
    said = [level.logos for level in found]
    pair = _pair(said, "light", "dark")
    return pair | {"dark": pair["dark"] or pair["light"], "mark": next((s["mark"] for s in said if "mark" in s), None)}


def _pair(said: list[dict[str, Any]], light: str, dark: str) -> dict[str, str | None]:
    """The nearest light one; a dark one of the same level, or of a nearer one."""
    dark_one = None
    for one in said:
        dark_one = dark_one or one.get(dark)
        if light in one:
            return {light: one[light], dark: dark_one}
    return {light: None, dark: dark_one}


def path_of(address: str | None, kinds: dict[str, str]) -> str | None:
    """Where a logo is."""
    return f"/v1/branding/logos/{address}.{kinds[address]}" if address in kinds else None


def own_facts(session: Session, row: BrandingRow | None) -> dict[str, Any]:
    """What one owner says, all fields there: null is inherited."""
    fields, logos = (row.fields, row.logos) if row is not None else ({}, {})
    kinds = {
        r.address: r.kind for r in session.execute(select(LogoRow.address, LogoRow.kind).where(LogoRow.address.in_(list(logos.values()))))
    }
    said = {f: fields.get(f) for f in FIELDS}
    colours = said["colours"] and {c: said["colours"].get(c) for c in COLOURS}
    font = said["font"] and {"family": said["font"].get("family"), "fallback": said["font"].get("fallback", "system")}
    return said | {"colours": colours, "font": font, "logos": {slot: path_of(logos.get(slot), kinds) for slot in LOGOS}}


def tenant_at(session: Session, host: str, now: datetime) -> TenantRow | None:
    """The one open tenant that has the host among its domains. Where several have it, nobody is."""
    query = select(TenantRow).join(DomainRow, DomainRow.tenant_id == TenantRow.id).where(DomainRow.domain == host)
    found = list(session.scalars(query.where(TenantRow.state.not_in(ENDED)).limit(2)))
    if len(found) != 1 or found[0].shown_state == "suspended" or resolve(session, found[0], now).closed is not None:
        return None
    return found[0]


def logo_at(session: Session, address: str, kind: str) -> LogoRow | None:
    """A logo by its address."""
    row = session.get(LogoRow, address)
    return row if row is not None and row.kind == kind else None
