"""The shapes of answers about people."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.endpoints.shapes import Named, Shape


class UserShape(Shape):
    """A user. `identity_provider` is null for those who log in with a password."""

    id: str
    email: str
    name: str
    identity_provider: str | None
    admin: bool
    disabled: bool
    metadata: dict[str, str]
    created_at: datetime
    last_seen_at: datetime | None


class LoggedIn(Shape):
    """A session that was just begun: `csrf` goes into `X-CSRF-Token` of whatever changes something."""

    user: UserShape
    csrf: str
    expires_at: datetime


class OwnSession(Shape):
    """One of one's sessions."""

    id: str
    created_at: datetime
    expires_at: datetime
    address: str | None
    user_agent: str | None
    current: bool


class MemberPlace(Shape):
    """Roles in one tenant, and in those below it unless alone."""

    tenant: str
    roles: list[str]
    alone: bool


class MemberShape(Shape):
    """A member, as far as the caller's scope reaches."""

    id: str
    email: str
    name: str
    identity_provider: str | None
    disabled: bool
    last_seen_at: datetime | None
    roles: list[str] = Field(description="in the whole workspace")
    tenants: list[MemberPlace]
    attributes: dict[str, Any]
    created_at: datetime


class InvitationShape(Shape):
    """An invitation without its link."""

    id: str
    email: str
    workspace: str
    roles: list[str]
    tenants: list[MemberPlace]
    attributes: dict[str, Any]
    state: Literal["open", "accepted", "revoked", "expired"]
    created_by: str
    created_at: datetime
    expires_at: datetime
    accepted_by: str | None


class NewInvitation(InvitationShape):
    """An invitation that was just made: its link, and the secret in it; null where the same request was sent again."""

    link: str | None
    invitation: str | None


class OpenInvitation(Shape):
    """An invitation to whoever has its link."""

    email: str
    is_user: bool
    expires_at: datetime


class MembershipPlace(Named):
    """A tenant that one may enter."""

    roles: list[str]
    alone: bool


class Membership(Shape):
    """A workspace that one may enter, or tenants of it."""

    workspace: Named
    roles: list[str]
    tenants: list[MembershipPlace]


class ProviderShape(Shape):
    """An OpenID provider without its secret. `redirect_uri` is what is registered there."""

    id: str
    label: str
    issuer: str
    client_id: str
    tenant: str | None
    scopes: list[str]
    groups_claim: str
    groups: dict[str, Any]
    attributes: dict[str, str]
    disabled: bool
    redirect_uri: str
    login_url: str
    created_at: datetime


class LogIn(Shape):
    """A way to log in."""

    label: str
    login_url: str


class LogIns(Shape):
    """The ways to log in to a workspace beside a password."""

    data: list[LogIn]
