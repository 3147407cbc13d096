"""Whom a principal reaches: itself, those below it, everybody of the workspace; and what it may change of whom."""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from api.control.access.principal import Principal
from engine.catalog import versions
from engine.catalog.tables import TenantRow


def reached(principal: Principal, workspace_id: str) -> Select[TenantRow]:
    """The tenants of a workspace within the principal's scope; its own first where it has one."""
    own = select(TenantRow).where(TenantRow.workspace_id == workspace_id)
    if principal.scope == "tenant":
        return own.where(TenantRow.id == principal.tenant_id)
    if principal.scope == "subtree":
        return own.where(TenantRow.id.in_(_below(str(principal.tenant_id))))
    return own


def _below(top: str) -> Select[tuple[str]]:
    """The ids of a tenant and of all below it."""
    tree = select(TenantRow.id).where(TenantRow.id == top).cte("below", recursive=True)
    tree = tree.union(select(TenantRow.id).join(tree, TenantRow.parent_id == tree.c.id))
    return select(tree.c.id)


def reaches(session: Session, principal: Principal, tenant: TenantRow) -> bool:
    """Whether a tenant of the principal's workspace is within its scope."""
    if principal.scope == "tenant":
        return tenant.id == principal.tenant_id
    return principal.scope != "subtree" or versions.is_within(session, tenant, str(principal.tenant_id))
