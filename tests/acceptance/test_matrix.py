"""Every operation of the API's document, for every role and scope, about an own tenant, one below, another one, and one of another workspace.

What is expected is derived here from http.md alone, not from the code: who lacks the permission, who is outside, who sees a part. What is
allowed is not merely let in: no answer holds a word of a tenant that the caller may not see.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jwt
import pyarrow as pa
import pytest

from api.control.access.permissions import PERMISSIONS, ROLES, TENANT_ROLES, WORKSPACE_ROLES
from api.control.people.members import Membership, Place, place_member
from api.control.people.sessions import COOKIE, forgery_token, start
from api.control.people.users import make_user
from api.openapi import operations
from engine.catalog import versions
from engine.catalog.audit import Actor as Nobody
from engine.catalog.keys import create_key
from engine.catalog.outbox import put
from engine.catalog.tables import SigningKeyRow, TenantRow, UserRow, WebhookRow
from engine.ids import new_id
from engine.workspace import read_workspace
from slices.refresh import refresh
from slices.reviewing.routings import workspace_row
from tests.acceptance.http_world import DASHBOARD, World, address, new_world
from tests.conftest import COMPARED
from tests.integration.driving import accept, offer_tables

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
ALL_ON = {"sql": True, "export_slice": True, "export_data": True, "branding": True}
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><rect width="1" height="1"/></svg>'
WHOLE_WORKSPACE = {
    "get_routes",
    "get_routes_drawing",
    "accept_routes",
    "get_workspace",
    "patch_workspace",
    "list_sources",
    "get_source",
    "put_source",
    "delete_source",
    "start_refresh",
    "list_refreshes",
    "get_refresh",
    "get_refresh_events",
    "put_workspace_tier",
    "delete_tier",
    "get_workspace_branding",
    "put_workspace_branding",
    "patch_workspace_branding",
    "put_workspace_logo",
    "delete_workspace_logo",
    "put_stripe_account",
    "get_stripe_account",
    "delete_stripe_account",
    "list_stripe_events",
    "list_meter_events",
    "put_usage_sink",
    "get_usage_sink",
    "delete_usage_sink",
}
WITHIN = {
    "put_stripe_account": (422, "validation"),
    "put_usage_sink": (422, "validation"),
    **dict.fromkeys(("get_stripe_account", "delete_stripe_account", "get_usage_sink", "delete_usage_sink"), (404, "not_found")),
}
"""What those who are let in are told all the same: no account and no sink is there, and what is sent makes none."""
PARTIAL = {"post_query", "get_schema", "get_slice", "get_slice_file", "get_version_file"}
OF_A_KEY = {"get_key", "patch_key", "delete_key", "rotate_key", "get_signing_key", "delete_signing_key"}
OF_A_MEMBER = {"get_member", "put_member", "delete_member"}
NEVER = {
    "exchange_session": (401, "credential_invalid"),
    "get_logo": (404, "not_found"),
    "take_stripe_event": (401, "credential_invalid"),
    "create_session": (422, "validation"),
    "open_invitation": (404, "not_found"),
    "accept_invitation": (404, "not_found"),
    "begin_login": (404, "not_found"),
    "end_login": (401, "credential_invalid"),
}
"""Calls without a credential that open nothing here, whoever asks."""
OF_PEOPLE_THEMSELVES = {
    "delete_session",
    "list_own_sessions",
    "delete_own_sessions",
    "delete_own_session",
    "list_own_memberships",
    "patch_me",
} | {"put_own_password"}
PEOPLE = {"put_own_password": (403, "forbidden"), "delete_own_session": (404, "not_found")}
"""What they answer to people: that was not the password; there is no such session."""
NOT_THERE = {"get_user", "patch_user", "put_user_password", "delete_user_sessions", "delete_user", "delete_invitation"} | {
    "get_identity_provider",
    "patch_identity_provider",
    "delete_identity_provider",
}
"""Calls about something that nobody has."""
OF_A_WEBHOOK = {
    "get_webhook",
    "patch_webhook",
    "delete_webhook",
    "rotate_webhook_secret",
    "send_webhook_test",
    "list_deliveries",
    "get_delivery",
    "replay_delivery",
}
LET_IN = {200, 201, 202, 204, 304, 307, 409, 412}


@dataclass(frozen=True)
class Target:
    """A tenant that is asked about, and what is there of it."""

    name: str
    workspace: str
    tenant: str
    key: str
    version: str
    run: str


@dataclass(frozen=True)
class Actor:
    """Who asks. `reach`: the targets that it may be let in to; `kind` is key or token; `partial`: a parameter is locked."""

    name: str
    headers: dict[str, str]
    scope: str
    permissions: frozenset[str]
    reach: frozenset[str]
    kind: str = "key"
    partial: bool = False


@dataclass
class Stage:
    world: World
    targets: dict[str, Target]
    actors: list[Actor] = field(default_factory=list)

    def disposable(self, kind: str, target: Target) -> str:
        """A key, or a signing key, of the target's tenant, without permissions."""
        with self.world.installation.catalog.write() as session:
            now = self.world.installation.clock()
            if kind == "key":
                return create_key(
                    session, scope="tenant", permissions=[], now=now, workspace_id=target.workspace, tenant_id=target.tenant
                ).id
            row = SigningKeyRow(
                id=new_id("sk"), workspace_id=target.workspace, tenant_id=target.tenant, scope="tenant", permissions=[], label="", algorithm="HS256",
                created_by="test", created_at=now,
            )  # fmt: skip
            session.add(row)
            return row.id

    def session(self, headers: dict[str, str]) -> dict[str, str]:
        """The headers of a new session of the same person."""
        with self.world.installation.catalog.write() as session:
            user = session.get_one(UserRow, headers["X-User"])
            text = start(session, self.world.installation, user, Nobody("nobody", "")).text
        csrf = forgery_token(self.world.installation, text)
        return {"X-User": user.id, "Cookie": f"{COOKIE}={text}", "X-CSRF-Token": csrf}

    def member(self, target: Target) -> str:
        """Somebody who is a member of the target's tenant, and of nothing else."""
        with self.world.installation.catalog.write() as session:
            user = make_user(session, self.world.installation, f"{new_id('us')}@acme.example", "")
            membership = Membership((), (Place(target.tenant, ("tenant viewer",)),))
            place_member(session, self.world.installation, None, target.workspace, user.id, membership, by="test")
            return user.id

    def webhook(self, target: Target) -> tuple[str, str]:
        """A webhook of the target's tenant, and a message on its way to it."""
        with self.world.installation.catalog.write() as session:
            now = self.world.installation.clock()
            row = WebhookRow(
                id=new_id("wh"), workspace_id=target.workspace, tenant_id=target.tenant, scope="tenant", url="https://93.184.216.34/", events=["*"],
                description="", tags={}, is_enabled=True, sealed=b"", created_by="test", created_at=now, revision=1,
            )  # fmt: skip
            session.add(row)
            session.flush()
            return row.id, put(session, [row], "webhook.test", {}, now).id


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("matrix")
    world = new_world(folder / "shared", folder / "w")
    installation = world.installation
    _other_workspace(folder / "w" / "v", world)
    boss = world.key("workspace")
    assert world.client.patch(f"{world.base}/tenants/2", json={"parent": None}, headers=boss).status_code == 200
    targets = _targets(world)
    made = Stage(world, targets)
    made.actors = list(_actors(made))
    yield made
    world.close()
    del installation


def _other_workspace(folder: Any, world: World) -> None:
    (folder / "dashboards").mkdir(parents=True)
    (folder / "dashboards" / "sales.yaml").write_text(DASHBOARD)
    facts = {
        "version": 1,
        "workspace": "vega",
        "caller_sql": True,
        "sources": {"app": {"kind": "arrow", "url": "matrix-v"}},
        "tenants": {"table": "orgs", "name": "name"},
    }
    (folder / "slicehouse.yaml").write_text(json.dumps(facts))
    orgs = pa.table({"id": pa.array([1], pa.int32()), "name": ["Vega"]})
    orders = pa.table(
        {
            "id": pa.array([90], pa.int64()),
            "org_id": pa.array([1], pa.int32()),
            "status": ["open"],
            "amount": pa.array([9], pa.int32()),
            "note": ["vega-a"],
        }
    )
    offer_tables("matrix-v", {"orgs": (orgs, ()), "orders": (orders, (("org_id", "orgs"),))})
    workspace = read_workspace(folder / "slicehouse.yaml")
    accept(world.installation, workspace)
    refresh(world.installation, workspace)


def _targets(world: World) -> dict[str, Target]:
    """Tenant 1 is own, 2 lies below it in one half of the cases (`below`), `other` is a third one, `foreign` is of the other workspace."""
    w, v = world.workspace_id, workspace_row_id(world)
    with world.installation.catalog.write() as session:
        own = session.get_one(TenantRow, world.tenants["1"])
        below = session.get_one(TenantRow, world.tenants["2"])
        below.parent_id, below.is_placed = own.id, True
        other = TenantRow(
            id=new_id("tn"), workspace_id=w, key="3", name="Other", slug="other", state="active", created_at=own.created_at, as_of=own.as_of, attributes={},
            tags={"secret": "other-tags"}, allowed_origins=[], domains=[], is_named=True, is_placed=True, revision=1, version_id=None,
        )  # fmt: skip
        session.add(other)
        session.flush()
        (foreign,) = versions.tenants_of(session, v)
        found = {"own": own, "below": below, "other": other, "foreign": foreign}
        targets = {}
        for name, row in found.items():
            version = versions.version_of(session, row.version_id) if row.version_id else None
            targets[name] = Target(
                name, row.workspace_id, row.id, row.key, version.id if version else "sv_" + "0" * 26, version.run_id if version else ""
            )
    runs = {w: targets["own"].run, v: targets["foreign"].run}
    return {n: Target(t.name, t.workspace, t.tenant, t.key, t.version, runs[t.workspace]) for n, t in targets.items()}


def workspace_row_id(world: World) -> str:
    return workspace_row(world.installation, read_workspace(world.folder / "v" / "slicehouse.yaml")).id


def _actors(stage: Stage) -> Iterator[Actor]:
    world = stage.world
    everything = {"none": [], **ROLES}
    reach = {
        "installation": {"own", "below", "other", "foreign"},
        "workspace": {"own", "below", "other"},
        "subtree": {"own", "below"},
        "tenant": {"own"},
    }
    roles = {
        "installation": ["none", "all"],
        "workspace": ["none", *WORKSPACE_ROLES],
        "subtree": ["none", *TENANT_ROLES],
        "tenant": ["none", *TENANT_ROLES],
    }
    for scope, names in roles.items():
        for role in names:
            permissions = list(PERMISSIONS) if role == "all" else everything[role]
            yield Actor(f"{scope} {role}", world.key(scope, "1", permissions), scope, frozenset(permissions), frozenset(reach[scope]))
    boss = world.key("workspace")
    body = {"algorithm": "HS256", "secret": SECRET, "permissions": sorted({p for r in TENANT_ROLES.values() for p in r})}
    signing = world.client.post(f"{world.base}/signing-keys", json=body, headers=boss).json()
    on = {"can_sql": True, "can_export": True, "can_export_slice": True, "can_explore": True}
    for role in TENANT_ROLES:
        for settings, off in (({}, {"query:sql", "export:data", "export:slice", "explore:view"}), (on, set())):
            token = _token(signing, roles=[role], settings=settings)
            yield Actor(f"token {role} {bool(settings)}", token, "tenant", frozenset(TENANT_ROLES[role]) - off, frozenset({"own"}), "token")
    yield from _people(stage)
    partial = _token(signing, roles=["tenant admin"], settings=on, params={"status": ["paid"]})
    yield Actor("token partial", partial, "tenant", frozenset(TENANT_ROLES["tenant admin"]), frozenset({"own"}), "token", partial=True)


def _people(stage: Stage) -> Iterator[Actor]:
    """Members of the whole workspace, of tenant 1 and those below it, of tenant 1 alone."""
    own = stage.targets["own"]
    places = {"subtree": lambda r: Place(own.tenant, (r,)), "tenant": lambda r: Place(own.tenant, (r,), True)}
    for scope, role in [("workspace", r) for r in WORKSPACE_ROLES] + [(s, r) for s in places for r in TENANT_ROLES]:
        membership = Membership((role,)) if scope == "workspace" else Membership((), (places[scope](role),))
        with stage.world.installation.catalog.write() as session:
            user = make_user(session, stage.world.installation, f"{new_id('us')}@acme.example", "")
            place_member(session, stage.world.installation, None, own.workspace, user.id, membership, by="test")
        reach = {"workspace": {"own", "below", "other"}, "subtree": {"own", "below"}, "tenant": {"own"}}[scope]
        headers = stage.session({"X-User": user.id})
        yield Actor(f"user {scope} {role}", headers, scope, frozenset(ROLES[role]), frozenset(reach), "user")


def _token(signing: dict[str, Any], **more: Any) -> dict[str, str]:
    now = int(time.time())
    claims = {
        "iss": signing["issuer"],
        "aud": signing["audience"],
        "sub": "ada",
        "iat": now,
        "exp": now + 3_000,
        "jti": "j",
        "tenant": "1",
    } | more
    return {"Authorization": "Bearer " + jwt.encode(claims, SECRET, "HS256", {"kid": signing["id"]})}


# ── what is asked ─────────────────────────────────────────────────────────────────────────────────────────────────────


def call(stage: Stage, actor: Actor, target: Target, operation: dict[str, Any], path: str, method: str) -> Any:
    id_ = operation["operationId"]
    key = stage.disposable("signing" if "signing" in id_ else "key", target) if id_ in OF_A_KEY else "x"
    webhook, message = stage.webhook(target) if id_ in OF_A_WEBHOOK else ("x", "x")
    known = {
        "wh": webhook,
        "id": message,
        "ws": target.workspace,
        "t": target.tenant,
        "slug": "sales",
        "panel": "orders",
        "version": target.version,
        "name": "x",
        "run": target.run,
        "key": key,
        "tier": "pro",
        "user": stage.member(target) if id_ in OF_A_MEMBER else "x",
        "slot": "light",
        "source": "app",
    }
    if id_ == "put_tenant":
        known["t"] = f"key:{target.key}"
    headers = stage.session(actor.headers) if actor.kind == "user" and id_ in OF_PEOPLE_THEMSELVES else dict(actor.headers)
    if "{ws}" not in path and path.startswith("/v1/"):
        headers |= {"X-Workspace-ID": target.workspace} | ({"X-Tenant-ID": target.tenant} if "data" in operation["tags"] else {})
    if id_ in ("put_tenant", "delete_tenant", "delete_workspace"):
        headers |= {"If-None-Match": "*"} if id_ == "put_tenant" else {"If-Match": '"nothing"'}
    bodies: dict[str, Any] = {
        "post_query": {"sql": "select * from orders"},
        "post_data": {"panels": ["orders"]},
        "create_key": {"scope": f"tenant:{target.tenant}", "permissions": []},
        "create_signing_key": {"algorithm": "HS256", "scope": f"tenant:{target.tenant}", "permissions": []},
        "create_webhook": {"url": "https://93.184.216.34/", "events": ["*"], "scope": f"tenant:{target.tenant}", "enabled": False},
        "create_embed_session": {"tenant": target.tenant, "sub": "x"},
        "exchange_session": {"session": "ses_x"},
        "put_tenant_subscription": {"tier": "pro"},
        "create_workspace": {"workspace": "matrix", "tenants": {"table": "orgs"}},
        "put_workspace_tier": {"name": "Pro", "features": ALL_ON},
        "open_invitation": {"invitation": "x"},
        "accept_invitation": {"invitation": "x", "password": "correct horse battery staple"},
        "patch_me": {"name": "x"},
        "put_own_password": {"password": "x", "new_password": "y"},
        "put_user_password": {"password": "correct horse battery staple"},
        "post_user": {"email": f"{new_id('us')}@acme.example"},
        "put_member": {"roles": ["tenant viewer"], "tenants": [target.tenant]},
        "create_invitation": {"email": "x@acme.example", "roles": ["tenant viewer"], "tenants": [target.tenant]},
        "create_identity_provider": {"label": "L", "issuer": "https://93.184.216.34", "client_id": "c", "tenant": target.tenant},
        "put_usage_sink": {"url": "https://10.0.0.1/"},
    }
    at = address(path, **known)
    at += {"put_tenant_subscription": "?preview=true", "accept_routes": "?preview=true", "list_login_providers": "?workspace=x"}.get(
        id_, ""
    )
    if id_ == "post_tenants_batch":
        content = json.dumps({"key": target.key}).encode()
        return stage.world.client.post(at, content=content, headers=headers)
    if id_ in ("put_tenant_logo", "put_workspace_logo"):
        return stage.world.client.put(at, content=LOGO, headers=headers | {"Content-Type": "image/svg+xml"})
    if id_ == "get_refresh_events":
        headers["Last-Event-ID"] = "1000"
    body = bodies.get(id_, {}) if "requestBody" in operation else None
    return stage.world.client.request(method, at, json=body, headers=headers, follow_redirects=False)


# ── what is expected ──────────────────────────────────────────────────────────────────────────────────────────────────


def expected(actor: Actor, target: Target, operation: dict[str, Any], path: str) -> tuple[int, str] | None:
    """(status, code) of the refusal, by http.md; None where the caller is let in."""
    id_, needed = operation["operationId"], operation["x-permission"]
    if id_ in NEVER:
        return NEVER[id_]
    if needed == "public":
        return None
    one = actor.scope == "tenant"
    names_a_tenant = "data" in operation["tags"] or "{t}" in path
    if one and path.startswith("/v1/") and (target.name == "foreign" or (names_a_tenant and target.name != "own")):
        return 403, "tenant_mismatch"
    if actor.kind == "user" and path.startswith("/v1/") and target.name == "foreign":
        return 404, "not_found"
    if needed != "any" and needed not in actor.permissions:
        return 403, "forbidden"
    if id_ in OF_PEOPLE_THEMSELVES:
        return PEOPLE.get(id_) if actor.kind == "user" else (403, "forbidden")
    if id_ == "get_metrics":
        return None if actor.scope == "installation" else (403, "forbidden")
    if id_ == "list_workspaces":
        is_let_in = actor.scope == "workspace" or (actor.scope == "installation" and "installation:admin" in actor.permissions)
        return None if is_let_in else (403, "forbidden")
    if id_ == "get_me" and actor.scope == "installation":
        return None
    if target.name == "foreign" and actor.scope != "installation":
        return 404, "not_found"
    if id_ in NOT_THERE:
        return 404, "not_found"
    if id_ in WHOLE_WORKSPACE:
        if actor.scope not in ("installation", "workspace"):
            return 403, "forbidden"
        return WITHIN.get(id_)
    inside = target.name in actor.reach
    if names_a_tenant:
        if not inside:
            return 404, "not_found"
        if id_ == "put_tenant_subscription" and target.name == "own" and actor.scope in ("subtree", "tenant"):
            return 403, "forbidden"
        if actor.partial and id_ in PARTIAL:
            return 403, "partial_scope"
        if "data" in operation["tags"] and target.name == "other" and id_ != "get_branding":
            return 503, "slice_not_ready"
        if id_ == "delete_tenant" and target.name == "own" and actor.scope in ("subtree", "tenant"):
            return 412, "precondition_failed"
    if id_ in OF_A_KEY:
        if not inside:
            return 404, "not_found"
        if actor.kind == "token" and id_ in ("patch_key", "rotate_key", "delete_signing_key"):
            return 403, "forbidden"
    if id_ in OF_A_MEMBER:
        if not inside:
            return 404, "not_found"
        if actor.kind == "token" and id_ != "get_member":
            return 403, "forbidden"
    if id_ in ("create_identity_provider", "create_invitation") and actor.kind == "token":
        return 403, "forbidden"
    if id_ in OF_A_WEBHOOK and not inside:
        return 404, "not_found"
    if id_ in ("create_key", "create_signing_key", "create_webhook", "create_invitation", "create_identity_provider"):
        if not inside:
            return 422, "validation"
        if actor.kind == "token":
            return 403, "forbidden"
    if id_ == "create_embed_session":
        if actor.kind != "key" or actor.scope == "installation":
            return 403, "forbidden"
        if not inside:
            return 404, "not_found"
    return None


def hidden(stage: Stage, actor: Actor, target: Target) -> list[str]:
    """Words of tenants that the actor may not see."""
    words = {"own": "acme-", "below": "bolt-", "other": "other-tags", "foreign": "vega-"}
    ids = {n: t.tenant for n, t in stage.targets.items() if n not in actor.reach and t.tenant != target.tenant}
    return [*ids.values(), *(w for n, w in words.items() if n not in actor.reach)]


def test_every_operation_for_every_role_scope_and_tenant(stage: Stage, record_property: Any) -> None:
    document = stage.world.client.get("/openapi.json").json()
    boss = stage.world.key("installation")
    for target in stage.targets.values():
        at = f"/v1/workspaces/{target.workspace}"
        for tier in ("pro", "old"):
            stage.world.client.put(f"{at}/tiers/{tier}", json={"name": "Pro", "features": ALL_ON}, headers=boss)
        answer = stage.world.client.put(f"{at}/tenants/{target.tenant}/subscription", json={"tier": "pro"}, headers=boss)
        assert answer.status_code == 200, answer.text
    wrong, cases = [], 0
    for path, method, operation in operations(document):
        assert operation.get("x-permission") in {*PERMISSIONS, "any", "public"}, (method, path)
        for actor in stage.actors:
            for target in stage.targets.values():
                answer = call(stage, actor, target, operation, path, method)
                if operation["operationId"] == "delete_own_sessions" and actor.kind == "user":
                    actor.headers.update(stage.session(actor.headers))
                cases += 1
                want = expected(actor, target, operation, path)
                got = (answer.status_code, answer.json()["code"]) if answer.status_code >= 400 else None
                fine = got == want or (want is None and answer.status_code in LET_IN)
                leaks = [w for w in hidden(stage, actor, target) if w.encode() in answer.content]
                if not fine or leaks:
                    wrong.append((operation["operationId"], actor.name, target.name, answer.status_code, got, want, leaks))
    record_property(COMPARED, f"the matrix: {cases:,} cases, {len(wrong)} wrong")
    assert not wrong, "\n".join(map(str, wrong))
    assert cases > 4_000
