"""What one who may make keys can hand on: nothing beyond the own scope, no permission that it has not itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import Session

from api.control.access.permissions import PERMISSIONS
from api.control.access.principal import Principal
from api.control.access.reach import reached, reaches
from api.serving.problems import FieldError, Problem
from engine.catalog import versions
from engine.catalog.tables import PrincipalRow, SigningKeyRow, TenantRow, WebhookRow


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope within a workspace: workspace, subtree or tenant."""

    kind: str
    tenant_id: str | None = None

    def __str__(self) -> str:
        return self.kind if self.tenant_id is None else f"{self.kind}:{self.tenant_id}"


def scope_wanted(session: Session, principal: Principal, workspace_id: str, text: str) -> Scope:
    """The scope that a text names: `workspace`, `subtree:T`, `tenant:T`. Raises Problem `validation` for one beyond the principal's."""
    kind, _, name = text.partition(":")
    if kind == "workspace" and not name:
        if principal.tenant_id is not None:
            raise _refused("The scope of a key lies within that of its maker.")
        return Scope(kind)
    if kind not in ("subtree", "tenant") or not name:
        raise _refused("It is workspace, subtree:T or tenant:T.")
    tenant = versions.find_tenant(session, workspace_id, name)
    if tenant is None or not reaches(session, principal, tenant) or (kind == "subtree" and principal.scope == "tenant"):
        raise _refused("There is no such tenant.")
    return Scope(kind, tenant.id)


def _refused(detail: str) -> Problem:
    return Problem("validation", errors=[FieldError("/scope", "out_of_scope", detail)])


def require_lasting(principal: Principal) -> None:
    """Raises Problem `forbidden` for a token: it ends by itself."""
    if principal.type == "token":
        raise Problem("forbidden", "A token makes nothing that outlives it.")


def require_grantable(principal: Principal, permissions: Iterable[str]) -> list[str]:
    """The permissions in their usual order. Raises Problem `forbidden` where the principal lacks one, or is a token, which ends by itself."""
    require_lasting(principal)
    if principal.rules is not None:
        raise Problem("partial_scope", "Who sees a part of the data grants nothing to others.")
    wanted = set(permissions)
    for one in PERMISSIONS:
        if one in wanted and one not in principal.permissions:
            raise Problem("forbidden", f"Nobody hands on a permission that they have not: {one}.")
    return [p for p in PERMISSIONS if p in wanted]


def grantable(principal: Principal, usual: Iterable[str]) -> list[str]:
    """What is handed on where nothing is said: what is usual for the scope, as far as the principal has it."""
    return [p for p in PERMISSIONS if p in set(usual) and p in principal.permissions]


def within_reach(
    principal: Principal, workspace_id: str, of: type[PrincipalRow] | type[SigningKeyRow] | type[WebhookRow]
) -> ColumnElement[bool]:
    """Of keys and webhooks: those whose scope lies within the principal's."""
    in_workspace = of.workspace_id == workspace_id
    if principal.tenant_id is None:
        return in_workspace
    tenants: Select[tuple[str]] = reached(principal, workspace_id).with_only_columns(TenantRow.id)
    is_own = of.tenant_id.in_(tenants)
    return in_workspace & (is_own if principal.scope == "subtree" else is_own & (of.scope == "tenant"))
