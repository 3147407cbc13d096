"""Resources as the API's document has them: dicts, typed. Times are RFC 3339 in UTC. `…Fields` are what may be set.

A test holds them against the document; a newer server may answer more.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypedDict

Fact = str | bool | int | float
State = Literal["expected", "building", "active", "withheld", "suspended", "gone", "archived", "erased"]
Algorithm = Literal["EdDSA", "ES256", "HS256"]
Status = Literal["trialing", "active", "past_due", "paused", "canceled"]


class Named(TypedDict, total=False):
    """Something with a name: a workspace has a slug, a tenant a key."""

    id: str
    key: str | None
    slug: str | None
    name: str


class Principal(TypedDict):
    """Who asks."""

    id: str
    type: str
    label: str


class Scope(TypedDict):
    """What a principal reaches."""

    type: Literal["installation", "workspace", "subtree", "tenant"]
    workspace: Named | None


class Me(TypedDict):
    """The caller; `grant` is there for a token."""

    principal: Principal
    scope: Scope
    permissions: list[str]
    grant: dict[str, Any] | None
    tenant: Named | None


class DashboardSummary(TypedDict):
    """A dashboard in a list."""

    id: str
    slug: str
    title: str
    description: str | None


class Dashboard(DashboardSummary):
    """A dashboard bound to one tenant."""

    slice_version: str
    as_of: str
    parameters: dict[str, Any]
    panels: dict[str, Any]
    tiles: list[dict[str, Any]]


class SchemaTable(TypedDict):
    """A table of the slice."""

    name: str
    comment: str | None
    rows: int
    columns: list[dict[str, Any]]


class Schema(TypedDict):
    """All tables of the slice."""

    data: list[SchemaTable]
    slice_version: str
    as_of: str


class Tenant(TypedDict):
    """A tenant. `parent` is the id of the tenant above it, `reason` why it is suspended."""

    id: str
    key: str
    slug: str
    name: str
    parent: str | None
    state: State
    reason: str | None
    attributes: dict[str, Fact]
    metadata: dict[str, str]
    locale: str | None
    timezone: str | None
    currency: str | None
    allowed_origins: list[str]
    domains: list[str]
    as_of: str | None
    version: str | None
    rows: int | None
    bytes: int | None
    created_at: str


class TenantFields(TypedDict, total=False):
    """What may be set of a tenant; None takes it back to what it is by itself."""

    name: str | None
    slug: str | None
    parent: str | None
    state: Literal["active", "suspended", "archived"] | None
    reason: str | None
    attributes: dict[str, Any] | None
    metadata: dict[str, Any] | None
    locale: str | None
    timezone: str | None
    currency: str | None
    allowed_origins: list[str] | None
    domains: list[str] | None


class TierFields(TypedDict, total=False):
    """What is set of a tier."""

    default: bool
    features: dict[str, bool | int]
    quotas: dict[str, dict[str, Any]]
    rates: dict[str, float]
    prices: list[str]
    metadata: dict[str, str]


class Tier(TypedDict):
    """A version of a tier."""

    id: str
    slug: str
    version: int
    name: str
    default: bool
    features: dict[str, bool | int]
    quotas: dict[str, dict[str, Any]]
    rates: dict[str, float]
    prices: list[str]
    metadata: dict[str, str]
    created_at: str
    retired_at: str | None


class SubscriptionFields(TypedDict, total=False):
    """What is set of a subscription beside its tier."""

    version: int | None
    status: Status
    effective_at: datetime | str | None
    trial_end: datetime | str | None
    current_period: dict[str, Any] | None
    cancel_at: datetime | str | None
    seats: int | None
    overrides: dict[str, Any]
    external: dict[str, Any]


class Subscription(TypedDict):
    """What a tenant has subscribed to."""

    id: str
    tenant: str
    tier: str
    version: int
    status: Status
    effective_at: str
    trial_end: str | None
    current_period: dict[str, str] | None
    cancel_at: str | None
    past_due_since: str | None
    seats: int | None
    overrides: dict[str, Any]
    external: dict[str, str]
    created_at: str


class PutSubscription(TypedDict):
    """A subscription that was put, or would be; `changes` of the entitlements, before and after."""

    subscription: Subscription
    preview: bool
    changes: dict[str, dict[str, Any]]


class Entitlements(TypedDict):
    """What a tenant may do by its tier; `tier` None: nothing is limited."""

    tier: str | None
    version: int | None
    status: str | None
    access: bool
    reason: str | None
    features: dict[str, bool | int]
    quotas: dict[str, dict[str, Any]]
    rates: dict[str, float]
    seats: int | None
    changes_at: str | None


class Key(TypedDict):
    """A key without its secret."""

    id: str
    label: str
    scope: str
    permissions: list[str]
    created_by: str
    created_at: str
    expires_at: str | None
    rotated_until: str | None
    revoked_at: str | None
    last_used_at: str | None
    allowed_ips: list[str]


class NewKey(Key):
    """A key that was just made; `key` is its text, shown this once."""

    key: str


class KeyFields(TypedDict, total=False):
    """What may be changed of a key."""

    label: str | None
    expires_at: datetime | str | None
    allowed_ips: list[str] | None


class SigningKey(TypedDict):
    """A signing key; `issuer` and `audience` are what its tokens say, `id` their `kid`."""

    id: str
    label: str
    algorithm: Algorithm
    public_key: str | None
    scope: str
    permissions: list[str]
    issuer: str
    audience: str
    created_by: str
    created_at: str
    expires_at: str | None
    until: str | None


class NewSigningKey(SigningKey):
    """A signing key that was just registered; `secret` is there where the server made one, shown this once."""

    secret: str | None


class Grant(TypedDict, total=False):
    """How far a token goes. `params` are locked; what `settings` does not switch on is off."""

    roles: list[str]
    user: dict[str, Any]
    resources: list[dict[str, str]]
    params: dict[str, Any]
    settings: dict[str, bool]
    theme: Literal["light", "dark", "auto"]
    locale: str
    time_zone: str
    origins: list[str]
    limits: dict[str, int]


class Session(TypedDict):
    """An embed session: `url` is where its page is, `session` is exchanged once, `token` may be used at once."""

    tenant: str
    session: str
    token: str
    token_expires_at: str
    url: str


class Token(TypedDict):
    """A token and its end."""

    token: str
    token_expires_at: str


class Run(TypedDict):
    """A refresh."""

    id: str
    run: str
    state: Literal["queued", "running", "succeeded", "failed", "stopped"]
    trigger: str
    created_at: str
    requested_at: str
    started_at: str | None
    finished_at: str | None
    seconds: float
    error: str | None
    message: str | None
    totals: dict[str, Any]
    stages: list[dict[str, Any]]


class Usage(TypedDict):
    """Usage by time and group: `data` has `start`, `end`, the groups and the meters."""

    data: list[dict[str, Any]]
    to: str
    granularity: Literal["hour", "day", "month"]
    time_zone: str


class AuditRecord(TypedDict):
    """A record of the audit."""

    id: str
    number: int
    occurred_at: str
    workspace: str | None
    tenant: str | None
    actor: dict[str, str]
    action: str
    target: str
    outcome: Literal["allowed", "denied"]
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    context: dict[str, str]
    prev_hash: str
    hash: str
