"""Examples of what is asked and answered about people."""

from __future__ import annotations

from typing import Any

_JSON = "application/json"
_WORKSPACE = "ws_01m86k7f60e5vtm4w8yr2c9jqh"
_TENANT = "tn_01m86k7fbm3j2v8q5t4xw7ydze"
_TIME = "2026-11-24T10:57:05.103747Z"
_USER: dict[str, Any] = {
    "id": "us_01m86k7f8n3c5d7g9j1m3p5r7t",
    "email": "reader@acme.example",
    "name": "A reader",
    "identity_provider": None,
    "admin": False,
    "disabled": False,
    "metadata": {},
    "created_at": "2026-11-01T08:00:00.000000Z",
    "last_seen_at": _TIME,
}
_SESSION = {"user": _USER, "csrf": "q1Zk…", "expires_at": "2026-11-24T22:57:05.103747Z"}
_OWN = {
    "id": "ss_01m86k7g2c4e6g8j0m2p4r6t8v",
    "created_at": _TIME,
    "expires_at": "2026-11-24T22:57:05.103747Z",
    "address": "192.0.2.7",
    "user_agent": "Mozilla/5.0",
    "current": True,
}
_PLACE = {"tenant": _TENANT, "roles": ["tenant viewer"], "alone": False}
_MEMBER = {
    **{k: _USER[k] for k in ("id", "email", "name", "identity_provider", "disabled", "last_seen_at", "created_at")},
    "roles": [],
    "tenants": [_PLACE],
    "attributes": {"rep_id": 7},
}
_INVITATION = {
    "id": "iv_01m86k7g4d6f8h0k2n4q6s8v0x",
    "email": "reader@acme.example",
    "workspace": _WORKSPACE,
    "roles": [],
    "tenants": [_PLACE],
    "attributes": {},
    "state": "open",
    "created_by": _USER["id"],
    "created_at": _TIME,
    "expires_at": "2026-12-01T10:57:05.103747Z",
    "accepted_by": None,
}
_MEMBERSHIP = {
    "workspace": {"id": _WORKSPACE, "slug": "acme", "name": "Acme Analytics"},
    "roles": [],
    "tenants": [{"id": _TENANT, "key": "42", "name": "Acme", "roles": ["tenant viewer"], "alone": False}],
}
_PROVIDER = {
    "id": "ip_01m86k7g6e8g0j2m4p6r8t0w2y",
    "label": "Company log-in",
    "issuer": "https://login.acme.example",
    "client_id": "slicehouse",
    "tenant": None,
    "scopes": ["openid", "email", "profile", "groups"],
    "groups_claim": "groups",
    "groups": {"analysts": {"roles": ["viewer"], "tenants": None}},
    "attributes": {"region": "department"},
    "disabled": False,
    "redirect_uri": "https://analytics.example.com/v1/login/callback",
    "login_url": "https://analytics.example.com/v1/login/ip_01m86k7g6e8g0j2m4p6r8t0w2y",
    "created_at": _TIME,
}


def _list(*items: Any) -> dict[str, Any]:
    return {"data": list(items), "has_more": False, "next_cursor": None}


ANSWERS: dict[str, dict[str, Any]] = {
    "create_session": {_JSON: _SESSION},
    "delete_session": {},
    "list_own_sessions": {_JSON: _list(_OWN)},
    "delete_own_sessions": {},
    "delete_own_session": {},
    "list_own_memberships": {_JSON: _list(_MEMBERSHIP)},
    "patch_me": {_JSON: _USER},
    "put_own_password": {},
    "list_members": {_JSON: _list(_MEMBER)},
    "get_member": {_JSON: _MEMBER},
    "put_member": {_JSON: _MEMBER},
    "delete_member": {},
    "create_invitation": {
        _JSON: _INVITATION | {"link": "https://analytics.example.com/console/login#invitation=bX3v…", "invitation": "bX3v…"},
    },
    "list_invitations": {_JSON: _list(_INVITATION)},
    "delete_invitation": {},
    "open_invitation": {_JSON: {"email": "reader@acme.example", "is_user": False, "expires_at": "2026-12-01T10:57:05.103747Z"}},
    "accept_invitation": {_JSON: _SESSION},
    "post_user": {_JSON: _USER},
    "list_users": {_JSON: _list(_USER)},
    "get_user": {_JSON: _USER},
    "patch_user": {_JSON: _USER | {"disabled": True}},
    "put_user_password": {},
    "delete_user_sessions": {},
    "delete_user": {},
    "list_identity_providers": {_JSON: _list(_PROVIDER)},
    "create_identity_provider": {_JSON: _PROVIDER},
    "get_identity_provider": {_JSON: _PROVIDER},
    "patch_identity_provider": {_JSON: _PROVIDER | {"disabled": True}},
    "delete_identity_provider": {},
    "list_login_providers": {_JSON: {"data": [{"label": "Company log-in", "login_url": _PROVIDER["login_url"]}]}},
    "begin_login": {},
    "end_login": {},
}
BODIES: dict[str, Any] = {
    "create_session": {"email": "reader@acme.example", "password": "correct horse battery staple"},
    "patch_me": {"name": "A reader"},
    "put_own_password": {"password": "correct horse battery staple", "new_password": "another horse battery staple"},
    "put_member": {"roles": ["tenant viewer"], "tenants": ["key:42"], "attributes": {"rep_id": 7}},
    "create_invitation": {"email": "reader@acme.example", "roles": ["tenant viewer"], "tenants": ["key:42"]},
    "open_invitation": {"invitation": "bX3v…"},
    "accept_invitation": {"invitation": "bX3v…", "name": "A reader", "password": "correct horse battery staple"},
    "post_user": {"email": "reader@acme.example", "name": "A reader"},
    "patch_user": {"disabled": True},
    "put_user_password": {"password": "correct horse battery staple"},
    "create_identity_provider": {
        "label": "Company log-in",
        "issuer": "https://login.acme.example",
        "client_id": "slicehouse",
        "client_secret": "…",
        "groups": {"analysts": {"roles": ["viewer"]}},
        "attributes": {"region": "department"},
    },
    "patch_identity_provider": {"disabled": True},
}
LOCATIONS = {
    "begin_login": "https://login.acme.example/authorize?response_type=code&client_id=slicehouse&…",
    "end_login": "/",
    "create_session": f"/v1/me/sessions/{_OWN['id']}",
    "put_member": f"/v1/workspaces/{_WORKSPACE}/members/{_USER['id']}",
    "create_invitation": f"/v1/invitations/{_INVITATION['id']}",
    "accept_invitation": f"/v1/me/sessions/{_OWN['id']}",
    "post_user": f"/v1/users/{_USER['id']}",
    "create_identity_provider": f"/v1/workspaces/{_WORKSPACE}/identity-providers/{_PROVIDER['id']}",
}
PARAMETERS: dict[str, Any] = {
    "user": _USER["id"],
    "session": _OWN["id"],
    "invitation": _INVITATION["id"],
    "provider": _PROVIDER["id"],
}
