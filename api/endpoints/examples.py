"""One example for each operation of the API's document: operationId → media type → what is answered, and what is sent."""

from __future__ import annotations

from typing import Any

from api.endpoints.people import examples as people

_VERSION, _AS_OF = "sv_01m86k7g7cfxgb66vjgqbxjxdp", "2026-11-24T10:57:05.103747Z"
_WORKSPACE = "ws_01m86k7f60e5vtm4w8yr2c9jqh"
_META = {"slice_version": _VERSION, "as_of": _AS_OF, "row_count": 2, "truncated": False}
_ROWS = {
    "columns": [{"name": "status", "type": "VARCHAR", "encoding": "string"}, {"name": "orders", "type": "BIGINT", "encoding": "string"}],
    "rows": [["open", "12"], ["paid", "340"]],
    "meta": _META,
}
_TENANT: dict[str, Any] = {
    "id": "tn_01m86k7fbm3j2v8q5t4xw7ydze",
    "key": "42",
    "slug": "acme",
    "name": "Acme",
    "parent": None,
    "state": "active",
    "reason": None,
    "attributes": {"region": "EMEA", "stores": 12},
    "metadata": {"crm": "0063"},
    "locale": "de-AT",
    "timezone": "Europe/Vienna",
    "currency": "EUR",
    "allowed_origins": ["https://app.acme.example"],
    "domains": [],
    "as_of": _AS_OF,
    "version": _VERSION,
    "rows": 9120,
    "bytes": 536576,
    "created_at": "2026-11-01T08:00:00.000000Z",
}
_RUN: dict[str, Any] = {
    "id": "rn_01m86k7fqs8n6p3c1d5hg2bzka",
    "created_at": "2026-11-24T10:57:00.000000Z",
    "run": "rn_01m86k7fqs8n6p3c1d5hg2bzka",
    "state": "queued",
    "trigger": "api",
    "requested_at": "2026-11-24T10:57:00.000000Z",
    "started_at": None,
    "finished_at": None,
    "seconds": 0,
    "error": None,
    "message": None,
    "totals": {},
    "stages": [],
}
_STAGE = {"name": "extract", "seconds": 1.2, "cpu_seconds": 0.9, "rows": 9120, "peak_mb": 212}
_ENDED = _RUN | {
    "state": "succeeded",
    "started_at": "2026-11-24T10:57:01.000000Z",
    "finished_at": "2026-11-24T10:57:09.000000Z",
    "seconds": 7.9,
    "totals": {"tables": 12, "rows": 9120, "built": 3, "unchanged": 39, "failed": 0, "withheld": 0, "quarantined": 1},
    "stages": [_STAGE],
}
_DASHBOARD = {"id": "sales", "slug": "sales", "title": "Sales", "description": None}
_JSON = "application/json"


_ROUTE = {
    "table": "deals",
    "source": "app.public.deals",
    "written": "deals",
    "route": "excluded",
    "path": "",
    "evidence": "2 columns point at the tenant table (buyer_id, seller_id): say which one owns the row with via:",
    "reason": "an open decision",
    "review": "2 columns point at the tenant table (buyer_id, seller_id): say which one owns the row with via:",
    "bridge": False,
    "hops": None,
    "decision": "review",
    "options": [{"line": "deals: {via: buyer_id}", "means": "the tenant that buyer_id names (declared)", "under": "tables"}],
    "edges": [],
    "rules": {},
    "columns": [{"name": "id", "shown": "id", "source_type": "bigint", "type": "BIGINT", "treatment": "keep", "reason": ""}],
    "pairs": None,
    "confidence": 1.0,
    "rows": 352,
    "owned": 0,
    "shared": 0,
    "unreferenced": 0,
    "filtered": 0,
    "quarantined": 0,
    "excluded": 352,
    "copies": 0,
    "reasons": {},
}


_AUDIT = {
    "id": "au_01m86k7g9a4t6y8p0q2w3e5r7z",
    "number": 812,
    "occurred_at": _AS_OF,
    "workspace": _WORKSPACE,
    "tenant": _TENANT["id"],
    "actor": {"type": "key", "id": "ky_01m86k7fh2r9s4t6v8w0x1y3z5"},
    "action": "tenants.update",
    "target": _TENANT["id"],
    "outcome": "allowed",
    "reason": "",
    "before": {"state": "active"},
    "after": {"state": "suspended"},
    "context": {"ip": "192.0.2.7", "request_id": "5f0c2b1e9d6a4c7f8e3b2a1d0c9f8e7d"},
    "prev_hash": "9b0d…",
    "hash": "41f7…",
}


_KEY = {
    "id": "ky_01m86k7fh2r9s4t6v8w0x1y3z5",
    "label": "website",
    "scope": f"tenant:{_TENANT['id']}",
    "permissions": ["query:panel", "dashboard:view"],
    "created_by": "ky_01m86k7f4b7c1d3f5g7h9j1k3m",
    "created_at": "2026-11-01T08:00:00.000000Z",
    "expires_at": None,
    "rotated_until": None,
    "revoked_at": None,
    "last_used_at": _AS_OF,
    "allowed_ips": [],
}


_SIGNING_KEY = {
    "id": "sk_01m86k7gb1d3f5h7j9m1p3r5t7",
    "label": "our back end",
    "algorithm": "EdDSA",
    "public_key": "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAykZYVSRs7L1UJw/SLH67F7xUjpi2VEwLC3stlj6uGfY=\n-----END PUBLIC KEY-----\n",
    "scope": "workspace",
    "permissions": ["query:panel", "dashboard:view"],
    "issuer": _WORKSPACE,
    "audience": f"urn:slicehouse:{_WORKSPACE}",
    "created_by": "ky_01m86k7f4b7c1d3f5g7h9j1k3m",
    "created_at": "2026-11-01T08:00:00.000000Z",
    "expires_at": None,
    "until": None,
}
_TOKEN = {"token": "eyJhbGciOiJIUzI1NiIsImtpZCI6Imt5X…", "token_expires_at": "2026-11-24T11:57:05.103747Z"}


_TIER = {
    "id": "ti_01m86k7gc5e7g9j1m3p5r7t9w1",
    "slug": "pro",
    "version": 2,
    "name": "Pro",
    "default": False,
    "features": {"sql": True, "export_data": True, "dashboards": 20},
    "quotas": {"queries": {"limit": 100000, "per": "month", "hard": True}},
    "rates": {"queries": 20.0},
    "prices": ["price_pro_monthly"],
    "metadata": {},
    "created_at": "2026-11-01T08:00:00.000000Z",
    "retired_at": None,
}
_SUBSCRIPTION = {
    "id": "sb_01m86k7gd7f9h1k3n5q7s9v1x3",
    "tenant": _TENANT["id"],
    "tier": "pro",
    "version": 2,
    "status": "active",
    "effective_at": "2026-11-01T08:00:00.000000Z",
    "trial_end": None,
    "current_period": {"start": "2026-11-01T00:00:00.000000Z", "end": "2026-12-01T00:00:00.000000Z"},
    "cancel_at": None,
    "past_due_since": None,
    "seats": 10,
    "overrides": {"quotas": {"queries": {"limit": 150000, "per": "month", "hard": True}}},
    "external": {"stripe_customer_id": "cus_…"},
    "created_at": "2026-11-01T08:00:00.000000Z",
}
_ENTITLEMENTS = {
    "tier": "pro",
    "version": 2,
    "status": "active",
    "access": True,
    "reason": None,
    "features": _TIER["features"],
    "quotas": {
        "queries": {
            "limit": 150000,
            "per": "month",
            "hard": True,
            "used": 4210,
            "remaining": 145790,
            "resets_at": "2026-12-01T00:00:00.000000Z",
        }
    },
    "rates": _TIER["rates"],
    "seats": 10,
    "changes_at": None,
}
_ARROW, _PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
_TABLE = {_JSON: _ROWS, _ARROW: "an Arrow stream", "text/csv": "status,orders\nopen,12\npaid,340\n", _PARQUET: "a Parquet file"}
_USAGE = {
    "data": [
        {
            "start": "2026-11-24T00:00:00.000000Z",
            "end": "2026-11-25T00:00:00.000000Z",
            "tenant": _TENANT["id"],
            "queries": 512,
            "rows": 20480,
            "bytes": 1048576,
            "cpu_ms": 2210,
            "cached": 301,
            "exports": 2,
            "downloads": 1,
            "refreshes": 0,
            "storage_bytes": 536576,
            "seats": 0,
        }
    ],
    "from": "2026-11-01T00:00:00.000000Z",
    "to": "2026-12-01T00:00:00.000000Z",
    "granularity": "day",
    "time_zone": "UTC",
}
_USAGE_FILES = {_JSON: _USAGE, "text/csv": "start,end,tenant,queries,…\n2026-11-24T00:00:00.000000Z,…\n", _PARQUET: "a Parquet file"}


_THEME = {
    "light": {
        "primary": "#7a0019",
        "on_primary": "#ffffff",
        "accent": "#7a0019",
        "accent_soft": "#ffebea",
        "background": "#f5f6f8",
        "surface": "#ffffff",
        "text": "#1a1f29",
        "muted": "#5a6373",
        "palette": ["#7a0019", "#009ce4", "#d57700", "#202d8f", "#b2468a", "#6e62cd", "#774f00", "#00464f"],
        "contrast": {"on_primary": 11.4, "accent": 9.94, "text": 14.72},
    },
    "dark": {
        "primary": "#b03f44",
        "on_primary": "#ffffff",
        "accent": "#e36d6f",
        "accent_soft": "#451e1e",
        "background": "#0e1116",
        "surface": "#161a21",
        "text": "#e8ebf1",
        "muted": "#9ea8b8",
        "palette": ["#b03f44", "#04f9db", "#7290fa", "#f2a618", "#02b19b", "#9d58ba", "#cae763", "#ea6c5a"],
        "contrast": {"on_primary": 5.76, "accent": 4.58, "text": 13.04},
    },
}
_LOGO = "/v1/branding/logos/2f6c…9e.png"
_PUBLIC = {"name": "Acme Insights", "logos": {"light": _LOGO, "dark": _LOGO, "mark": None}, "colours": _THEME}
_RESOLVED = _PUBLIC | {
    "font": {"family": None, "fallback": "serif", "stack": 'Georgia, "Times New Roman", "Liberation Serif", serif'},
    "radius": 4,
    "powered_by": True,
}
_OWN = {
    "name": "Acme Insights",
    "colours": {"primary": "#7a0019", "primary_dark": None, "background": None, "background_dark": None},
    "font": {"family": None, "fallback": "serif"},
    "radius": 4,
    "powered_by": None,
}
_BRANDING = _OWN | {"logos": {"light": _LOGO, "dark": None, "mark": None}, "resolved": _RESOLVED}
_BRANDING_SAID = {"name": "Acme Insights", "colours": {"primary": "#7a0019"}, "font": {"fallback": "serif"}, "radius": 4}
_WEBHOOK = {
    "id": "wh_01m86k7ge9h1k3m5p7r9t1w3y5",
    "url": "https://hooks.acme.example/slicehouse",
    "events": ["slice.published", "quota.reached"],
    "description": "billing",
    "metadata": {},
    "scope": "workspace",
    "enabled": True,
    "disabled_at": None,
    "disabled_reason": None,
    "failing_since": None,
    "previous_secret_until": None,
    "created_by": "ky_01m86k7f4b7c1d3f5g7h9j1k3m",
    "created_at": "2026-11-01T08:00:00.000000Z",
}
_DELIVERY = {
    "id": "em_01m86k7gf1j3m5p7r9t1w3y5a7",
    "type": "slice.published",
    "status": "delivered",
    "attempts": 2,
    "next_attempt_at": None,
    "last_attempt_at": "2026-11-24T10:57:16.000000Z",
    "last_status": 204,
    "last_reason": None,
    "created_at": "2026-11-24T10:57:09.000000Z",
}
_WAITING = _DELIVERY | {"status": "waiting", "attempts": 0, "next_attempt_at": _AS_OF, "last_attempt_at": None, "last_status": None}
_SOURCE = {
    "id": "app",
    "name": "app",
    "kind": "postgres",
    "url": "postgresql://reader@db.acme.example:5432/acme",
    "schemas": ["public"],
    "exclude": [],
    "schedule": "*/15 * * * *",
    "incremental": {},
}
_SUMMARY = {
    "id": _WORKSPACE,
    "slug": "acme",
    "name": "Acme Analytics",
    "timezone": "UTC",
    "managed_by": "program",
    "state": "active",
    "created_at": "2026-11-01T08:00:00.000000Z",
    "archived_at": None,
}
_DEFINITION = {"workspace": "acme", "name": "Acme Analytics", "tenants": {"table": "organizations", "name": "name"}}
_WHOLE = _SUMMARY | {"definition": _DEFINITION | {"sources": [_SOURCE]}}
_ACCEPTED = {
    "workspace": _WORKSPACE,
    "routing": 3,
    "digest": "sha256:6c1d…",
    "accepted": True,
    "tables": 11,
    "open": [{"table": "deals", "review": _ROUTE["review"]}],
    "changes": ["orders: new column discount"],
}
_STRIPE = {
    "webhook_secret_set": True,
    "api_key_set": True,
    "meters": {"bytes": {"event_name": "slicehouse_gb", "meter_id": "mtr_61Q8nQMqIFK9fRQmr41CMAXJrFdZ5MnA", "unit": 1000000000}},
    "usage_from": "2026-11-24T09:00:00.000000Z",
    "updated_at": _AS_OF,
}
_STRIPE_EVENT = {
    "id": "se_01m86k7gg5e7g9j1m3p5r7t9w1",
    "event": "evt_1NG8Du2eZvKYlo2CUI79vXWy",
    "type": "customer.subscription.updated",
    "outcome": "unmatched",
    "reason": "No tier has that price.",
    "tenant": None,
    "subscription": "sub_1MowQVLkdIwHu7ixeRlqHVzs",
    "customer": "cus_NffrFeUfNV2Hib",
    "created_at": _AS_OF,
    "received_at": _AS_OF,
}
_METER_EVENT = {
    "id": "me_01m86k7gh7f9h1k3n5q7s9v1x3",
    "tenant": _TENANT["id"],
    "meter": "bytes",
    "hour": "2026-11-24T08:00:00.000000Z",
    "used": 3200000000,
    "value": 3,
    "rest": 400000000,
    "identifier": f"{_TENANT['id']}.bytes.20261124T08",
    "event_name": "slicehouse_gb",
    "customer": "cus_NffrFeUfNV2Hib",
    "state": "sent",
    "attempts": 1,
    "next_at": None,
    "sent_at": _AS_OF,
    "error": None,
    "created_at": _AS_OF,
}
_SINK = {
    "url": "https://billing.acme.example/usage",
    "secret_set": True,
    "waiting": 0,
    "delivered_at": _AS_OF,
    "failing_since": None,
    "error": None,
    "updated_at": "2026-11-01T08:00:00.000000Z",
}
_ALERT = {
    "id": "ua_01m86k7gj9g1j3m5p7r9t1w3y5",
    "kind": "quota",
    "tenant": _TENANT["id"],
    "meter": "queries",
    "threshold": 80,
    "limit": 100000,
    "used": 80004,
    "period": {"start": "2026-11-01T00:00:00.000000Z", "end": "2026-12-01T00:00:00.000000Z"},
    "detail": "80 % of the quota of queries are used.",
    "created_at": _AS_OF,
}


def _list(*items: Any) -> dict[str, Any]:
    return {"data": list(items), "has_more": False, "next_cursor": None}


ANSWERS: dict[str, dict[str, Any]] = {
    "list_dashboards": {_JSON: _list(_DASHBOARD)},
    "get_dashboard": {
        _JSON: _DASHBOARD
        | {
            "slice_version": _VERSION,
            "as_of": _AS_OF,
            "parameters": {
                "region": {
                    "type": "select",
                    "title": "Region",
                    "default": None,
                    "multiple": True,
                    "locked": False,
                    "options": [{"value": "EMEA", "label": "EMEA"}],
                }
            },
            "panels": {"orders": {"title": "Orders", "description": None, "chart": {"type": "table"}, "format": {}}},
            "tiles": [{"panel": "orders", "x": 0, "y": 0, "w": 12, "h": 4}],
            "branding": _RESOLVED,
        }
    },
    "get_panel": _TABLE,
    "post_data": {_JSON: {"panels": {"orders": _ROWS}}},
    "post_query": _TABLE,
    "get_schema": {
        _JSON: {
            "data": [
                {
                    "name": "main.orders",
                    "comment": "one row an order",
                    "rows": 352,
                    "columns": [{"name": "id", "type": "BIGINT", "source_type": "bigint", "comment": None}],
                }
            ],
            "slice_version": _VERSION,
            "as_of": _AS_OF,
        }
    },
    "get_slice": {_JSON: {"manifest": 1, "version": _VERSION, "as_of": _AS_OF, "rows": 9120, "bytes": 536576, "tables": {}}},
    "get_slice_file": {},
    "get_version_file": {"application/vnd.duckdb": "the bytes of the file"},
    "get_me": {
        _JSON: {
            "principal": {"id": "ky_01m86k7fh2r9s4t6v8w0x1y3z5", "type": "key", "label": "website"},
            "scope": {"type": "tenant", "workspace": {"id": _WORKSPACE, "slug": "acme", "name": "Acme Analytics"}},
            "permissions": ["dashboard:view", "query:panel"],
            "roles": [],
            "partial": False,
            "grant": None,
            "csrf": None,
            "tenant": {"id": _TENANT["id"], "key": "42", "name": "Acme"},
            "branding": _RESOLVED,
        }
    },
    "get_branding": {_JSON: _RESOLVED},
    "get_branding_by_host": {_JSON: _PUBLIC},
    "get_logo": {"image/png": "the bytes of the picture", "image/svg+xml": "<svg …>"},
    "get_tenant_branding": {_JSON: _BRANDING},
    "put_tenant_branding": {_JSON: _BRANDING},
    "patch_tenant_branding": {_JSON: _BRANDING},
    "put_tenant_logo": {_JSON: _BRANDING},
    "get_workspace_branding": {_JSON: _BRANDING},
    "put_workspace_branding": {_JSON: _BRANDING},
    "patch_workspace_branding": {_JSON: _BRANDING},
    "put_workspace_logo": {_JSON: _BRANDING},
    "delete_tenant_logo": {},
    "delete_workspace_logo": {},
    "list_tenants": {_JSON: _list(_TENANT)},
    "get_tenant": {_JSON: _TENANT},
    "put_tenant": {_JSON: _TENANT | {"state": "expected", "as_of": None, "version": None, "rows": None, "bytes": None}},
    "patch_tenant": {_JSON: _TENANT | {"state": "suspended", "reason": "unpaid since October"}},
    "delete_tenant": {},
    "post_tenants_batch": {"application/x-ndjson": '{"line": 1, "status": 201, "id": "' + str(_TENANT["id"]) + '", "key": "42"}\n'},
    "create_workspace": {_JSON: _WHOLE | {"definition": _DEFINITION | {"sources": []}}},
    "list_workspaces": {_JSON: _list(_SUMMARY)},
    "get_workspace": {_JSON: _WHOLE},
    "patch_workspace": {_JSON: _WHOLE},
    "delete_workspace": {},
    "list_sources": {_JSON: _list(_SOURCE)},
    "get_source": {_JSON: _SOURCE},
    "put_source": {_JSON: _SOURCE},
    "delete_source": {},
    "accept_routes": {_JSON: _ACCEPTED},
    "create_key": {_JSON: _KEY | {"key": "shk_01m86k7fh2r9s4t6v8w0x1y3z5_…", "last_used_at": None}},
    "list_keys": {_JSON: _list(_KEY)},
    "get_key": {_JSON: _KEY},
    "patch_key": {_JSON: _KEY | {"allowed_ips": ["192.0.2.0/24"]}},
    "delete_key": {},
    "rotate_key": {_JSON: _KEY | {"id": "ky_01m86k7g0a2c4f6h8k0n2q4s6v", "key": "shk_01m86k7g0a2c4f6h8k0n2q4s6v_…", "last_used_at": None}},
    "create_webhook": {_JSON: _WEBHOOK | {"secret": "whsec_…"}},
    "list_webhooks": {_JSON: _list(_WEBHOOK)},
    "get_webhook": {_JSON: _WEBHOOK},
    "patch_webhook": {_JSON: _WEBHOOK | {"events": ["*"]}},
    "delete_webhook": {},
    "rotate_webhook_secret": {_JSON: _WEBHOOK | {"secret": "whsec_…", "previous_secret_until": "2026-11-25T10:57:05.103747Z"}},
    "send_webhook_test": {_JSON: _WAITING | {"type": "webhook.test"}},
    "list_deliveries": {_JSON: _list(_DELIVERY)},
    "get_delivery": {_JSON: _DELIVERY},
    "replay_delivery": {_JSON: _WAITING | {"attempts": 10}},
    "create_signing_key": {_JSON: _SIGNING_KEY | {"secret": None}},
    "list_signing_keys": {_JSON: _list(_SIGNING_KEY)},
    "get_signing_key": {_JSON: _SIGNING_KEY},
    "delete_signing_key": {_JSON: _SIGNING_KEY | {"until": _AS_OF}},
    "create_embed_session": {_JSON: _TOKEN | {"tenant": _TENANT["id"], "session": "ses_…", "url": f"/embed/{_TENANT['id']}#session=ses_…"}},
    "exchange_session": {_JSON: _TOKEN},
    "put_workspace_tier": {_JSON: _TIER},
    "list_tiers": {_JSON: _list(_TIER)},
    "get_tier": {_JSON: _TIER},
    "delete_tier": {},
    "put_tenant_subscription": {
        _JSON: {"subscription": _SUBSCRIPTION, "preview": False, "changes": {"tier": {"before": "free", "after": "pro"}}}
    },
    "get_subscription": {_JSON: _SUBSCRIPTION},
    "get_entitlements": {_JSON: _ENTITLEMENTS},
    "get_workspace_usage": _USAGE_FILES,
    "get_usage": _USAGE_FILES,
    "export_usage_events": {
        "application/x-ndjson": '{"specversion": "1.0", "id": "ev_…", "type": "slicehouse.usage.query", "subject": "tn_…", "data": {"rows": 40, …}, …}\n'
    },
    "list_usage_alerts": {_JSON: _list(_ALERT)},
    "put_usage_sink": {_JSON: _SINK},
    "get_usage_sink": {_JSON: _SINK},
    "delete_usage_sink": {},
    "take_stripe_event": {_JSON: {"received": True}},
    "put_stripe_account": {_JSON: _STRIPE},
    "get_stripe_account": {_JSON: _STRIPE},
    "delete_stripe_account": {},
    "list_stripe_events": {_JSON: _list(_STRIPE_EVENT)},
    "list_meter_events": {_JSON: _list(_METER_EVENT)},
    "list_audit": {_JSON: _list(_AUDIT)},
    "export_audit": {"application/x-ndjson": '{"id": "au_01m86k7g9a4t6y8p0q2w3e5r7z", "number": 812, "action": "tenants.update", …}\n'},
    "start_refresh": {_JSON: _RUN},
    "list_refreshes": {_JSON: _list(_ENDED)},
    "get_refresh": {_JSON: _ENDED},
    "get_refresh_events": {
        "text/event-stream": 'id: 3\nevent: stage\ndata: {"name":"extract","seconds":1.2,"cpu_seconds":0.9,"rows":9120,"peak_mb":212}\n\n'
    },
    "get_routes": {
        _JSON: {
            "shows": "review",
            "reviewed_at": _AS_OF,
            "is_accepted": False,
            "accepted": {"number": 3, "by": "ada", "at": "2026-11-20T09:00:00.000000Z"},
            "tables": [_ROUTE],
        }
    },
    "get_routes_drawing": {"image/svg+xml": "<svg …>", "text/plain": 'flowchart RL\n  t1 -- "org_id" --> t0\n'},
    "get_healthz": {_JSON: {"status": "ok"}},
    "get_readyz": {_JSON: {"status": "ready", "last_runs_failed": 0}},
    "get_metrics": {"text/plain": 'slicehouse_slices{workspace="acme",state="serving"} 42.0\n'},
}
BODIES: dict[str, Any] = {
    "put_tenant_branding": _BRANDING_SAID,
    "put_workspace_branding": _BRANDING_SAID,
    "patch_tenant_branding": {"colours": {"background": "#fffaf0"}, "radius": None},
    "patch_workspace_branding": {"powered_by": False},
    "put_tenant_logo": "the bytes of a PNG, JPEG, WebP or SVG",
    "put_workspace_logo": "the bytes of a PNG, JPEG, WebP or SVG",
    "create_webhook": {"url": _WEBHOOK["url"], "events": _WEBHOOK["events"], "description": "billing"},
    "patch_webhook": {"events": ["*"]},
    "rotate_webhook_secret": {"overlap_seconds": 86400},
    "take_stripe_event": {
        "id": "evt_…",
        "type": "customer.subscription.updated",
        "created": 1795517825,
        "data": {"object": {"id": "sub_…"}},
    },
    "put_usage_sink": {"url": _SINK["url"], "secret": "whsec_…"},
    "put_stripe_account": {"webhook_secret": "whsec_…", "api_key": "rk_live_…", "meters": _STRIPE["meters"]},
    "put_workspace_tier": {k: _TIER[k] for k in ("name", "features", "quotas", "rates", "prices")},
    "put_tenant_subscription": {"tier": "pro", "status": "active", "seats": 10, "overrides": {"quotas": {"queries": {"limit": 150000}}}},
    "create_signing_key": {"algorithm": "EdDSA", "public_key": _SIGNING_KEY["public_key"], "label": "our back end"},
    "create_embed_session": {
        "tenant": "key:42",
        "sub": "user-17",
        "roles": ["tenant viewer"],
        "user": {"rep_id": 17},
        "resources": [{"dashboard": "sales"}],
        "params": {"region": ["EMEA"]},
        "settings": {"can_export": True},
        "origins": ["https://app.acme.example"],
        "ttl": 900,
    },
    "exchange_session": {"session": "ses_…"},
    "create_workspace": _DEFINITION,
    "patch_workspace": {"timezone": "Europe/Vienna"},
    "put_source": {"url": "postgresql://reader:…@db.acme.example:5432/acme", "schemas": ["public"], "schedule": "*/15 * * * *"},
    "accept_routes": {"tables": ["orders"]},
    "create_key": {"scope": "tenant:key:42", "permissions": ["query:panel", "dashboard:view"], "label": "website"},
    "patch_key": {"allowed_ips": ["192.0.2.0/24"]},
    "rotate_key": {"overlap_seconds": 3600},
    "put_tenant": {"name": "Acme", "attributes": {"region": "EMEA"}, "allowed_origins": ["https://app.acme.example"]},
    "patch_tenant": {"state": "suspended", "reason": "unpaid since October", "metadata": {"crm": None}},
    "post_tenants_batch": '{"key": "42", "name": "Acme"}\n{"key": "43", "parent": "key:42"}\n',
    "post_data": {"parameters": {"region": ["EMEA"], "period": "2026-01-01/2026-02-01"}, "panels": ["orders"]},
    "post_query": {"sql": "select status, count(*) as orders from orders where total >= $floor group by all", "parameters": {"floor": 10}},
    "start_refresh": {"tenants": ["key:42"], "full": False},
}
_AT_WEBHOOK = f"/v1/workspaces/{_WORKSPACE}/webhooks/{_WEBHOOK['id']}"
LOCATIONS = {
    "create_webhook": _AT_WEBHOOK,
    "send_webhook_test": f"{_AT_WEBHOOK}/deliveries/{_DELIVERY['id']}",
    "replay_delivery": f"{_AT_WEBHOOK}/deliveries/{_DELIVERY['id']}",
    "put_usage_sink": f"/v1/workspaces/{_WORKSPACE}/usage/sink",
    "put_stripe_account": f"/v1/workspaces/{_WORKSPACE}/billing/stripe",
    "put_workspace_tier": f"/v1/workspaces/{_WORKSPACE}/tiers/pro",
    "create_signing_key": f"/v1/workspaces/{_WORKSPACE}/signing-keys/{_SIGNING_KEY['id']}",
    "create_workspace": f"/v1/workspaces/{_WORKSPACE}",
    "put_source": f"/v1/workspaces/{_WORKSPACE}/sources/app",
    "create_key": f"/v1/workspaces/{_WORKSPACE}/keys/{_KEY['id']}",
    "rotate_key": f"/v1/workspaces/{_WORKSPACE}/keys/ky_01m86k7g0a2c4f6h8k0n2q4s6v",
    "put_tenant": f"/v1/workspaces/{_WORKSPACE}/tenants/{_TENANT['id']}",
    "get_slice_file": f"/v1/slices/{_VERSION}/acme.duckdb",
    "start_refresh": f"/v1/workspaces/{_WORKSPACE}/refreshes/{_RUN['id']}",
}
PARAMETERS: dict[str, Any] = {
    "slot": "light",
    "file": "2f6c….png",
    "wh": _WEBHOOK["id"],
    "id": _DELIVERY["id"],
    "tier": "pro",
    "key": _KEY["id"],
    "slug": "sales",
    "source": "app",
    "panel": "orders",
    "version": _VERSION,
    "name": "acme-20261124T105705Z",
    "ws": "acme",
    "t": "key:42",
    "run": _RUN["id"],
}
PROBLEM = {
    "type": "urn:slicehouse:problem:param_invalid",
    "title": "A parameter's value does not fit",
    "status": 422,
    "detail": "period is two dates, 2026-01-01/2026-02-01; the end is not included",
    "code": "param_invalid",
    "request_id": "5f0c2b1e9d6a4c7f8e3b2a1d0c9f8e7d",
    "errors": [{"pointer": "/parameters/period", "code": "param_invalid", "detail": "period is two dates"}],
}

ANSWERS.update(people.ANSWERS)
BODIES.update(people.BODIES)
LOCATIONS.update(people.LOCATIONS)
PARAMETERS.update(people.PARAMETERS)
