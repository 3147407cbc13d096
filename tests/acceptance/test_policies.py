"""Rules inside a tenant: whoever is under one meets it at every door; a fact that is missing answers nothing; nobody grants around them."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import jwt
import pytest

from api.serving.narrow import Rules, narrowed
from tests.acceptance.http_world import DASHBOARD, PANEL, World
from tests.acceptance.people_world import Browser, member, user_id

TOTAL = "/v1/dashboards/sales/panels/total"
REP = {
    "roles": {
        "rep": ["query:panel", "query:sql", "dashboard:view", "dashboard:edit", "schema:view", "export:data", "export:slice", "users:write"]
    },
    "policies": [{"roles": ["rep"], "rows": {"orders": "id = :user.order_id"}, "columns": {"orders.note": "blank"}}],
}
PANELS = {
    "in_with": "with x as (select * from orders) select count(*) as n from x",
    "in_subquery": "select (select count(*) from orders) as n",
    "in_exists": "select count(*) as n from range(3) r where exists (select 1 from main.orders o where o.id > r.range + 10)",
    "in_lateral": "select count(*) as n from orgs g, lateral (select * from orders o where o.org_id = g.id) z",
    "in_union": "select 1 as n from orders union all select 2 from orders",
    "in_pivot": "select count(*) as n from (pivot orders on status in ('open', 'paid') using count(*) group by id)",
    "renamed": "select count(*) as n from \"ORDERS\" as o(a, b, c, d, e)",
    "star": "select * from orders",
    "notes": "select string_agg(note, ',') as n from orders",
    "whole_row": "select orders::varchar as n from orders",
    "schema_named": "select count(note) as n from main.orders",
    "hidden_with": "with orders as (select 1 as id) select count(*) as n from orders",
}  # fmt: skip


def rows_of(answer: httpx.Response) -> list[list[Any]]:
    assert answer.status_code == 200, answer.text
    found: list[list[Any]] = answer.json()["rows"]
    return found


def _rep(world: World, **facts: Any) -> Browser:
    world.edit(**REP)
    return member(world, "rep@acme.example", roles=["rep"], tenants=["1"], attributes=facts)


def test_rows_are_those_of_the_persons_own_facts(world: World) -> None:
    rep = _rep(world, order_id=11)
    answer = rep.ask("GET", PANEL)
    assert rows_of(answer) == [["11", "paid", 20, None]]
    assert rows_of(rep.ask("GET", TOTAL)) == [["1"]]


def test_missing_fact_answers_nothing(world: World) -> None:
    assert rows_of(_rep(world).ask("GET", PANEL)) == []


def test_fact_is_a_value_and_never_sql(world: World) -> None:
    answer = _rep(world, order_id="11 or true").ask("GET", PANEL)
    assert answer.status_code == 422
    assert "acme" not in answer.text


def test_many_facts_are_a_list(world: World) -> None:
    rep = _rep(world, order_ids=[10, 12])
    world.edit(policies=[{"roles": ["rep"], "rows": {"orders": "id in :user.order_ids"}}])
    assert [r[0] for r in rows_of(rep.ask("GET", PANEL))] == ["10", "12"]


def test_who_has_no_such_role_sees_everything(world: World) -> None:
    _rep(world, order_id=11)
    assert len(rows_of(member(world, "b@acme.example", roles=["tenant viewer"], tenants=["1"]).ask("GET", PANEL))) == 3
    assert len(rows_of(world.client.get(PANEL, headers=world.key()))) == 3


def test_two_roles_meet_the_rules_of_both(world: World) -> None:
    world.edit(
        roles=REP["roles"] | {"paid": ["query:panel"]},  # type: ignore[operator]
        policies=[{"roles": ["rep"], "rows": {"orders": "id >= 11"}}, {"roles": ["paid"], "rows": {"orders": "id <= 11"}}],
    )
    rep = member(world, "rep@acme.example", roles=["rep", "paid"], tenants=["1"])
    assert [r[0] for r in rows_of(rep.ask("GET", PANEL))] == ["11"]


@pytest.mark.parametrize("panel", PANELS)
def test_rule_holds_in_every_form_of_statement(world: World, panel: str) -> None:
    extra = "\n".join(f"  {name}: {{title: {name}, sql: {json.dumps(sql)}}}" for name, sql in PANELS.items())
    (world.folder / "dashboards" / "sales.yaml").write_text(DASHBOARD.replace("panels:\n", f"panels:\n{extra}\n"))
    rep, whole = _rep(world, order_id=-1), world.key()
    at = f"/v1/dashboards/sales/panels/{panel}"
    everything = world.client.get(at, headers=whole)
    assert everything.status_code == 200, everything.text
    answer = rep.ask("GET", at)
    assert "acme-" not in answer.text
    if panel == "hidden_with":
        assert answer.json()["code"] == "partial_scope"
    elif panel not in ("star", "whole_row", "in_union", "notes"):
        assert rows_of(answer) == [["0"]], answer.text
    else:
        assert rows_of(answer) in ([], [[None]])


def test_every_other_door_is_closed_to_who_sees_a_part(world: World) -> None:
    rep = _rep(world, order_id=11)
    assert rep.ask("POST", "/v1/query", json={"sql": "select * from orders"}).json()["code"] == "partial_scope"
    for path in ("/v1/schema", "/v1/slice", "/v1/slice/file"):
        assert rep.ask("GET", path, follow_redirects=False).json()["code"] == "partial_scope", path
    version = world.client.get("/v1/slice", headers=world.key()).headers["x-slice-version"]
    assert rep.ask("GET", f"/v1/slices/{version}/x.duckdb").json()["code"] == "partial_scope"


def test_options_many_panels_and_files_meet_the_rule_too(world: World) -> None:
    rep = _rep(world, order_id=10)
    shown = rep.ask("GET", "/v1/dashboards/sales").json()
    assert [o["value"] for o in shown["parameters"]["status"]["options"]] == ["open"]
    many = rep.ask("POST", "/v1/dashboards/sales/data", json={"panels": ["orders", "total"]})
    assert len(many.json()["panels"]["orders"]["rows"]) == 1
    assert "acme-" not in many.text
    csv = rep.ask("GET", PANEL + "?format=csv")
    assert csv.status_code == 200
    assert len(csv.text.strip().splitlines()) == 2


def test_kept_answers_never_cross_between_two_people(world: World) -> None:
    first = _rep(world, order_id=10)
    other = member(world, "other@acme.example", roles=["rep"], tenants=["1"], attributes={"order_id": 12})
    for _ in range(2):
        a, b = first.ask("GET", PANEL), other.ask("GET", PANEL)
        assert [r[0] for r in rows_of(a)] == ["10"]
        assert [r[0] for r in rows_of(b)] == ["12"]
        assert a.headers["etag"] != b.headers["etag"]
    crossed = other.ask("GET", PANEL, headers={"If-None-Match": a.headers["etag"]})
    assert crossed.status_code == 200


def test_who_is_under_a_rule_grants_nothing_around_it(world: World) -> None:
    rep = _rep(world, order_id=11)
    invited = rep.ask("POST", "/v1/invitations", json={"email": "c@acme.example", "roles": ["rep"], "tenants": ["1"]})
    assert invited.json()["code"] == "partial_scope"
    own = rep.ask("PUT", f"{world.base}/members/{user_id(rep)}", json={"roles": ["rep"], "tenants": ["1"], "attributes": {"order_id": 12}})
    assert own.status_code == 403


def test_rule_on_a_table_that_is_not_there_lets_nothing_through(world: World) -> None:
    rep = _rep(world, order_id=11)
    world.edit(policies=[{"roles": ["rep"], "rows": {"ordres": "id = 1"}}])
    assert rep.ask("GET", PANEL).status_code == 503


def test_change_of_the_rule_is_felt_at_once(world: World) -> None:
    rep = _rep(world, order_id=11)
    assert len(rows_of(rep.ask("GET", PANEL))) == 1
    world.edit(policies=[{"roles": ["rep"], "rows": {"orders": "false"}}])
    assert rows_of(rep.ask("GET", PANEL)) == []


def test_token_with_a_role_of_the_workspaces_own_is_under_its_rules(world: World) -> None:
    world.edit(**REP)
    secret = "0123456789abcdefghijklmnopqrstuvwxyz"
    boss = world.key("workspace")
    signing = world.client.post(f"{world.base}/signing-keys", json={"algorithm": "HS256", "secret": secret}, headers=boss).json()

    def token(**more: Any) -> dict[str, str]:
        now = int(time.time())
        claims = {
            "iss": signing["issuer"],
            "aud": signing["audience"],
            "sub": "x",
            "iat": now,
            "exp": now + 600,
            "jti": "j",
            "tenant": "1",
        } | more
        return {"Authorization": "Bearer " + jwt.encode(claims, secret, "HS256", {"kid": signing["id"]})}

    assert [r[0] for r in rows_of(world.client.get(PANEL, headers=token(roles=["rep"], user={"order_id": 12})))] == ["12"]
    assert rows_of(world.client.get(PANEL, headers=token(roles=["rep"]))) == []
    assert world.client.get(PANEL, headers=token(roles=["nobody knows"])).json()["code"] == "credential_invalid"
    assert world.client.get(PANEL, headers=token(roles=["owner"])).json()["code"] == "credential_invalid"


def test_own_role_grants_no_more_than_its_signing_key(world: World) -> None:
    world.edit(roles={"big": ["query:panel", "installation:admin", "tiers:write", "schema:view"]})
    secret = "0123456789abcdefghijklmnopqrstuvwxyz"
    boss = world.key("workspace")
    body = {"algorithm": "HS256", "secret": secret, "permissions": ["query:panel"]}
    signing = world.client.post(f"{world.base}/signing-keys", json=body, headers=boss).json()
    now = int(time.time())
    claims = {
        "iss": signing["issuer"],
        "aud": signing["audience"],
        "sub": "x",
        "iat": now,
        "exp": now + 600,
        "jti": "j",
        "tenant": "1",
        "roles": ["big"],
    }
    headers = {"Authorization": "Bearer " + jwt.encode(claims, secret, "HS256", {"kid": signing["id"]})}
    assert world.client.get("/v1/me", headers=headers).json()["permissions"] == ["query:panel"]


def test_own_role_beyond_what_the_inviter_has_is_not_granted(world: World) -> None:
    world.edit(roles={"big": ["query:panel", "installation:admin"]})
    body = {"email": "x@acme.example", "roles": ["big"], "tenants": ["1"]}
    assert world.client.post("/v1/invitations", json=body, headers=world.key("workspace")).json()["code"] == "forbidden"


def test_own_role_in_a_tenant_is_no_more_than_its_admin(world: World) -> None:
    world.edit(roles={"big": ["query:panel", "tiers:write"]})
    found = member(world, "x@acme.example", roles=["big"], tenants=["1"])
    assert found.ask("GET", "/v1/me").json()["permissions"] == ["query:panel"]


STATEMENTS = [
    "select status, count(*) as n from orders group by all order by all",
    "select o.id, g.name from orders o join orgs g on g.id = o.org_id order by 1",
    "select id, sum(amount) over (order by id) as s from orders qualify s > 10 order by 1",
    "with recursive t(n) as (select 1 union all select n + 1 from t where n < 5) select n, (select count(*) from orders) as c from t order by 1",
    "select id, amount from orders where amount in (select max(amount) from orders group by status) order by 1",
    "from orders select distinct on (status) status, id order by status, id",
    "select * exclude (note) replace (amount * 2 as amount) from orders order by id",
    "select list(id order by id) filter (where amount > 10) as l from orders",
    "select case when amount between 5 and 15 then 'a' else upper(status) end as c from orders order by id limit 2 offset 1",
    "unpivot (select id, amount, org_id from orders) on amount, org_id into name n value v order by all",
    "select id from orders where note like $p and date '2026-01-01' + interval 2 days > date '2025-01-01' order by id desc nulls last",
    "select try_cast(status as int) as a, amount::decimal(10, 2) / 3 as b, id % 2 = 0 as c from orders order by id",
]


@pytest.mark.parametrize("sql", STATEMENTS)
def test_statement_under_a_rule_that_holds_for_all_answers_as_it_did(world: World, sql: str) -> None:
    """Rewriting changes no answer: the tree that goes back to SQL says the same."""
    slices, whole = world.app.state.context.slices, world.key()
    body = {"sql": sql, "parameters": {"p": "%a%"} if "$p" in sql else {}}
    before = world.client.post("/v1/query", json=body, headers=whole)
    assert before.status_code == 200, before.text
    opened = next(iter(slices._open.values()))
    rules = Rules(
        (("orders", "amount > -1"), ("orgs", "true")), (("orders", "note", "blank"),) if "note" not in sql and "*" not in sql else ()
    )
    after = world.client.post("/v1/query", json=body | {"sql": narrowed(sql, opened.tables, opened.views, rules)}, headers=whole)
    assert after.status_code == 200, after.text
    assert after.json()["rows"] == before.json()["rows"]
