"""The shapes of answers, for the API's document; a test holds real answers against them. Answers are not made from these models."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


Shape = _Shape
"""What all shapes are: nothing that they do not name."""


class FieldProblem(_Shape):
    """One wrong field."""

    pointer: str = Field(description="a JSON pointer into the body, or /parameter")
    code: str
    detail: str


class ProblemBody(_Shape):
    """What went wrong (RFC 9457). `code` is one of docs/errors.md."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldProblem]


class Column(_Shape):
    """A column of an answer. `type` is DuckDB's name, `encoding` says how values are written in JSON."""

    name: str
    type: str
    encoding: Literal["number", "boolean", "string", "base64", "json"]


class Meta(_Shape):
    """Which version answered, and whether rows were cut off."""

    slice_version: str
    as_of: datetime
    row_count: int
    truncated: bool


class Data(_Shape):
    """A statement's rows."""

    columns: list[Column]
    rows: list[list[Any]]
    meta: Meta


class PanelProblem(_Shape):
    """A panel that failed, in its place."""

    problem: ProblemBody


class ManyData(_Shape):
    """Panels by their slugs."""

    panels: dict[str, Data | PanelProblem]


class DashboardSummary(_Shape):
    """A dashboard in a list."""

    id: str
    slug: str
    title: str
    description: str | None


class Option(_Shape):
    """A value that a select offers."""

    value: str
    label: str


class ParameterShape(_Shape):
    """A parameter, its default and its options resolved for this tenant."""

    type: Literal["date_range", "select", "number", "text"]
    title: str
    default: Any
    multiple: bool
    locked: bool
    options: list[Option]


class PanelShape(_Shape):
    """A panel; `sql` is there for those who may edit."""

    title: str
    description: str | None
    chart: dict[str, Any]
    format: dict[str, str]
    sql: str | None = None


class DashboardShape(DashboardSummary):
    """A dashboard bound to one tenant."""

    slice_version: str
    as_of: datetime
    parameters: dict[str, ParameterShape]
    panels: dict[str, PanelShape]
    tiles: list[dict[str, Any]]
    branding: ResolvedBranding


class SchemaTable(_Shape):
    """A table of the slice."""

    name: str
    comment: str | None
    rows: int
    columns: list[dict[str, Any]]


class SchemaShape(_Shape):
    """All tables of the slice."""

    data: list[SchemaTable]
    slice_version: str
    as_of: datetime


class TenantShape(_Shape):
    """A tenant. `parent` is the id of the tenant above it, `reason` why it is suspended; attributes and metadata are the caller's own."""

    id: str
    key: str
    slug: str
    name: str
    parent: str | None
    state: Literal["expected", "building", "active", "withheld", "suspended", "gone", "archived", "erased"]
    reason: str | None
    attributes: dict[str, str | bool | int | float]
    metadata: dict[str, str]
    locale: str | None
    timezone: str | None
    currency: str | None
    allowed_origins: list[str]
    domains: list[str]
    as_of: datetime | None
    version: str | None
    rows: int | None
    bytes: int | None
    created_at: datetime


class ActorShape(_Shape):
    """Who did it."""

    type: Literal["key", "token", "user", "command", "scheduler", "nobody"]
    id: str


class AuditShape(_Shape):
    """A record of the audit. `hash` is an HMAC over the record, `prev_hash` that of the one before in the installation."""

    id: str
    number: int
    occurred_at: datetime
    workspace: str | None
    tenant: str | None
    actor: ActorShape
    action: str
    target: str
    outcome: Literal["allowed", "denied"]
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    context: dict[str, str]
    prev_hash: str
    hash: str


class KeyShape(_Shape):
    """A key without its secret."""

    id: str
    label: str
    scope: str
    permissions: list[str]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    rotated_until: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    allowed_ips: list[str]


class NewKeyShape(KeyShape):
    """A key that was just made: `key` is its text; null where the same request was sent again."""

    key: str | None


class WebhookShape(_Shape):
    """A webhook. `disabled_reason` says why it was disabled by itself: gone (it answered 410), failing (nothing arrived for days)."""

    id: str
    url: str
    events: list[str]
    description: str
    metadata: dict[str, str]
    scope: str
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: Literal["gone", "failing"] | None
    failing_since: datetime | None
    previous_secret_until: datetime | None
    created_by: str
    created_at: datetime


class NewWebhookShape(WebhookShape):
    """A webhook that was just made, or has another secret: `secret` is its text; null where the same request was sent again."""

    secret: str | None


class DeliveryShape(_Shape):
    """A message on its way to a webhook. `id` is the `webhook-id` that the receiver sees; `last_status` what it answered last."""

    id: str
    type: str
    status: Literal["waiting", "delivered", "dead"]
    attempts: int
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    last_status: int | None
    last_reason: str | None
    created_at: datetime


class SigningKeyShape(_Shape):
    """A signing key. `until` is the end that was set for it."""

    id: str
    label: str
    algorithm: Literal["EdDSA", "ES256", "HS256"]
    public_key: str | None
    scope: str
    permissions: list[str]
    issuer: str
    audience: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    until: datetime | None


class NewSigningKeyShape(SigningKeyShape):
    """A signing key that was just registered: `secret` is there where one was made."""

    secret: str | None


class SessionShape(_Shape):
    """An embed session; its secrets are null where the same request was sent again."""

    tenant: str
    session: str | None
    token: str | None
    token_expires_at: datetime
    url: str | None


class TokenShape(_Shape):
    """A token and its end."""

    token: str
    token_expires_at: datetime


class TierShape(_Shape):
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
    created_at: datetime
    retired_at: datetime | None


class SubscriptionShape(_Shape):
    """What a tenant has subscribed to."""

    id: str
    tenant: str
    tier: str
    version: int
    status: Literal["trialing", "active", "past_due", "paused", "canceled"]
    effective_at: datetime
    trial_end: datetime | None
    current_period: dict[str, datetime] | None
    cancel_at: datetime | None
    past_due_since: datetime | None
    seats: int | None
    overrides: dict[str, Any]
    external: dict[str, str]
    created_at: datetime


class PutSubscriptionShape(_Shape):
    """A subscription that was put, or would be (`preview`); `changes`: what it changes of the entitlements, before and after."""

    subscription: SubscriptionShape
    preview: bool
    changes: dict[str, dict[str, Any]]


class EntitlementsShape(_Shape):
    """What a tenant may do by its tier. `access` false: every door is closed, for `reason`. `tier` null: nothing is limited."""

    tier: str | None
    version: int | None
    status: str | None
    access: bool
    reason: str | None
    features: dict[str, bool | int]
    quotas: dict[str, dict[str, Any]]
    rates: dict[str, float]
    seats: int | None
    changes_at: datetime | None


class UsageRowShape(_Shape):
    """The meters of one span and group; `storage_bytes` are bytes, once a day: over several days they add up to bytes times days."""

    start: datetime
    end: datetime
    tenant: str | None = None
    user: str | None = None
    dashboard: str | None = None
    panel: str | None = None
    host: str | None = None
    door: str | None = None
    queries: int
    rows: int
    bytes: int
    cpu_ms: int
    cached: int
    exports: int
    downloads: int
    refreshes: int
    storage_bytes: int
    seats: int


class UsageShape(_Shape):
    """Usage by time and group."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    data: list[UsageRowShape]
    start: datetime = Field(alias="from")
    to: datetime
    granularity: Literal["hour", "day", "month"]
    time_zone: str


class Taken(_Shape):
    """An event was taken."""

    received: Literal[True]


class StripeAccountShape(_Shape):
    """A workspace's account at Stripe: of its secrets whether they are set; usage of hours from `usage_from` on is still to be told."""

    webhook_secret_set: bool
    api_key_set: bool
    meters: dict[str, dict[str, str | int]]
    usage_from: datetime | None
    updated_at: datetime


class StripeEventShape(_Shape):
    """An event that Stripe told, and what came of it."""

    id: str
    event: str
    type: str
    outcome: Literal["applied", "stale", "ignored", "unmatched"]
    reason: str
    tenant: str | None
    subscription: str | None
    customer: str | None
    created_at: datetime
    received_at: datetime


class MeterEventShape(_Shape):
    """What Stripe is told of one tenant, meter and UTC hour. `used` and `rest` are in the meter's smallest unit, `value` in whole ones."""

    id: str
    tenant: str
    meter: str
    hour: datetime
    used: int
    value: int
    rest: int
    identifier: str
    event_name: str
    customer: str
    state: Literal["pending", "sending", "unsure", "sent", "nothing", "dead"]
    attempts: int
    next_at: datetime | None
    sent_at: datetime | None
    error: str | None
    created_at: datetime


class SinkShape(_Shape):
    """Where usage events are delivered; `waiting` are still to come."""

    url: str
    secret_set: bool
    waiting: int
    delivered_at: datetime | None
    failing_since: datetime | None
    error: str | None
    updated_at: datetime


class UsageAlertShape(_Shape):
    """What was told once: a threshold of a quota that was passed (per cent), or that Stripe could not be told."""

    id: str
    kind: Literal["quota", "billing"]
    tenant: str | None
    meter: str | None
    threshold: int | None
    limit: int | None
    used: int | None
    period: dict[str, datetime] | None
    detail: str
    created_at: datetime


class Stage(_Shape):
    """A stage of a run that has ended."""

    name: str
    seconds: float
    cpu_seconds: float
    rows: int
    peak_mb: int


class Run(_Shape):
    """A refresh."""

    id: str
    run: str
    state: Literal["queued", "running", "succeeded", "failed", "stopped"]
    trigger: str
    created_at: datetime
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float
    error: str | None
    message: str | None
    totals: dict[str, Any]
    stages: list[Stage]


class RouteOption(_Shape):
    """A way to settle an open decision: a line for the workspace file, below which key it stands, and what it would mean."""

    line: str
    means: str
    under: Literal["tables", "relationships"]


class RouteEdge(_Shape):
    """A relationship: in use, or `idle`, where it has no say. `when` is a column and its value, for one type of a polymorphic pair."""

    label: str
    role: Literal["owner", "joining", "reference", "idle"]
    child: str
    columns: list[str]
    parent: str
    parent_columns: list[str]
    when: list[str]
    origin: Literal["declared", "inferred", "configured"]
    confidence: float
    actor: bool
    evidence: str


class RouteColumn(_Shape):
    """A column and what becomes of it in slices."""

    name: str
    shown: str
    source_type: str
    type: str
    treatment: Literal["keep", "drop", "sha256", "blank", "partial", "new"]
    reason: str


class EdgeAlone(_Shape):
    """What one edge alone would make of the rows; `via` is what to write for it, null where it cannot place them alone."""

    label: str
    via: str | None
    owned: int
    everybodys: int
    quarantined: int
    faults: int
    abstains: int


class EdgePair(_Shape):
    """Rows where two edges agree, disagree, where one says nothing, where one is a fault; keys of rows where they disagree."""

    first: str
    second: str
    agree: int
    disagree: int
    abstain: int
    fault: int
    examples: list[str]


class EdgePairs(_Shape):
    """What several owner edges of a table say of its rows."""

    rows: int
    alone: list[EdgeAlone]
    pairs: list[EdgePair]


class RouteShape(_Shape):
    """A table and its route. Counts are there where a review saw rows; `written` is its name under `tables:`."""

    table: str
    source: str
    written: str
    route: Literal["tenant", "direct", "indirect", "membership", "shared", "shared: referenced", "whole", "excluded"]
    path: str
    evidence: str
    reason: str
    review: str | None
    bridge: bool
    hops: int | None
    decision: Literal["review", "excluded", "accepted"]
    options: list[RouteOption]
    edges: list[RouteEdge]
    rules: dict[str, Any]
    columns: list[RouteColumn]
    pairs: EdgePairs | None
    confidence: float | None = None
    rows: int | None = None
    owned: int | None = None
    shared: int | None = None
    unreferenced: int | None = None
    filtered: int | None = None
    quarantined: int | None = None
    excluded: int | None = None
    copies: int | None = None
    reasons: dict[str, int] | None = None


class AcceptedRouting(_Shape):
    """The routing that refreshes run by."""

    number: int
    by: str
    at: datetime


class RoutesShape(_Shape):
    """The routing as it was last reviewed (`shows` is review), or as it was accepted where there was no review. Open decisions first.

    `is_accepted` says whether what is shown is what refreshes run by.
    """

    shows: Literal["review", "accepted", "nothing"]
    reviewed_at: datetime | None
    is_accepted: bool
    accepted: AcceptedRouting | None
    tables: list[RouteShape]


class OpenDecision(_Shape):
    """A table that waits for a decision."""

    table: str
    review: str | None


class AcceptedShape(_Shape):
    """What was looked at, and, where it was accepted, the routing that refreshes run by from now on. `changes` are lines for people."""

    workspace: str
    routing: int | None
    digest: str | None
    accepted: bool
    tables: int = Field(description="tables in slices")
    open: list[OpenDecision]
    changes: list[str]


class SourceShape(_Shape):
    """A source of a workspace. `url` has no password; null where a file says it in a way that is not shown."""

    id: str
    name: str
    kind: str
    url: str | None
    schemas: list[str] | None
    exclude: list[str]
    schedule: str | None
    incremental: dict[str, dict[str, str]]


class WorkspaceSummary(_Shape):
    """A workspace. `managed_by` says who decides: a file of the operator, or programs over HTTP."""

    id: str
    slug: str
    name: str
    timezone: str
    managed_by: Literal["file", "program"]
    state: Literal["active", "archived"]
    created_at: datetime
    archived_at: datetime | None


class WorkspaceShape(WorkspaceSummary):
    """A workspace with its definition, the fields of the workspace file; null without workspace:write."""

    definition: dict[str, Any] | None


class ListOf(_Shape, Generic[T]):
    """A page of a list; the next one is asked with `cursor`."""

    data: list[T]
    has_more: bool
    next_cursor: str | None


class Named(_Shape):
    """Something with a name."""

    id: str
    key: str | None = None
    slug: str | None = None
    name: str


class PrincipalShape(_Shape):
    """Who asks."""

    id: str
    type: str
    label: str


class ScopeShape(_Shape):
    """What the principal reaches."""

    type: Literal["installation", "workspace", "subtree", "tenant", "user"]
    workspace: Named | None


class GrantShape(_Shape):
    """What a token says to the page that it is for. `dashboards` null: all that the tenant has; `params` are locked."""

    roles: list[str]
    dashboards: list[str] | None
    params: dict[str, Any]
    can_drill: bool
    theme: str | None
    locale: str | None
    time_zone: str | None


class ContrastShape(_Shape):
    """Contrast ratios of WCAG 2.2, the least of what they are on."""

    on_primary: float
    accent: float
    text: float


class ThemeShape(_Shape):
    """Colours of one theme as #rrggbb. `on_primary` is text on `primary`; `accent` is primary as a colour of text; `palette` is for charts."""

    primary: str
    on_primary: str
    accent: str
    accent_soft: str
    background: str
    surface: str
    text: str
    muted: str
    palette: list[str]
    contrast: ContrastShape


class ThemesShape(_Shape):
    """Both themes."""

    light: ThemeShape
    dark: ThemeShape


class LogosShape(_Shape):
    """Addresses of logos: on light, on dark, and the small one."""

    light: str | None
    dark: str | None
    mark: str | None


class FontShape(_Shape):
    """A family where the reader's device has it, and what to fall back to; `stack` is the value of font-family."""

    family: str | None
    fallback: str
    stack: str


class PublicBranding(_Shape):
    """What anybody may see of a branding."""

    name: str
    logos: LogosShape
    colours: ThemesShape


class ResolvedBranding(PublicBranding):
    """What counts, after what is above was asked. `radius` is pixels."""

    font: FontShape
    radius: int
    powered_by: bool


class OwnColours(_Shape):
    """Colours that were said."""

    primary: str | None
    primary_dark: str | None
    background: str | None
    background_dark: str | None


class OwnFont(_Shape):
    """A font that was said."""

    family: str | None
    fallback: str


class BrandingShape(_Shape):
    """What is said here (null is inherited), and what counts."""

    name: str | None
    colours: OwnColours | None
    font: OwnFont | None
    radius: int | None
    powered_by: bool | None
    logos: LogosShape
    resolved: ResolvedBranding


class Me(_Shape):
    """The caller; `grant` is there for a token, `branding` where there is a workspace."""

    principal: PrincipalShape
    scope: ScopeShape
    permissions: list[str]
    roles: list[str]
    partial: bool = Field(description="whether rules keep the caller to a part of its slice")
    grant: GrantShape | None
    tenant: Named | None
    csrf: str | None = Field(description="for people: what their page sends in X-CSRF-Token")
    branding: ResolvedBranding | None


class Alive(_Shape):
    """The process lives."""

    status: Literal["ok"]


class Ready(_Shape):
    """Slices can be served; the last runs of so many workspaces failed."""

    status: Literal["ready"]
    last_runs_failed: int
