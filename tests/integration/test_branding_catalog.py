"""Branding in both catalogs: a filled one is migrated and its tenants found by their domains; what is said is kept, handed down, and in the audit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from api.control.access.principal import Principal
from api.control.branding.logos import take
from api.control.branding.reading import logo_at, tenant_at
from api.control.branding.store import Owner, change, put_logo, read
from api.control.tenants.changing import Wanted
from api.serving.problems import Problem
from engine.catalog import audit, open_catalog, versions
from engine.catalog.audit import Actor
from engine.catalog.database import migrate_catalog
from engine.catalog.tables import LogoRow, TenantRow, WorkspaceRow
from slices.installation import Installation
from tests.integration.driving import installation_in, postgres_url

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 1"><rect width="2" height="1" fill="#123456"/></svg>'
BOSS, ACTOR = Principal("ky_x", "key", "", "workspace", "ws_a", None, frozenset()), Actor("key", "ky_x")


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """The URL of the catalog; None: a file in the home."""
    return None if request.param == "sqlite" else postgres_url(request.getfixturevalue("database"))


@pytest.fixture
def installation(where: str | None, tmp_path: Path) -> Iterator[Installation]:
    opened = installation_in(tmp_path / "home", **({} if where is None else {"catalog": where}))
    with opened.catalog.write() as session:
        session.add(WorkspaceRow(id="ws_a", slug="a", name="House", timezone="UTC", path="", created_at=NOW))
        session.flush()
        for id_, parent in (("tn_1", None), ("tn_2", "tn_1")):
            session.add(
                TenantRow(id=id_, workspace_id="ws_a", key=id_, name=id_, slug=id_[-1], state="active", created_at=NOW, parent_id=parent)
            )
    yield opened
    opened.catalog.close()


def owner(installation: Installation, tenant: str | None) -> Owner:
    with installation.catalog.read() as session:
        return Owner(session.get_one(WorkspaceRow, "ws_a"), session.get_one(TenantRow, tenant) if tenant is not None else None)


def test_tenants_that_have_domains_already_are_found_by_them(where: str | None, tmp_path: Path) -> None:
    catalog = open_catalog(where or tmp_path / "catalog.sqlite", migrate=False)
    migrate_catalog(catalog.engine, "0007")
    with catalog.engine.begin() as connection:
        connection.execute(text("insert into workspaces values ('ws', 'w', 'w', 'UTC', '/w', '2026-01-01')"))
        for id_, domains in (("tn_1", '["a.example", "b.example", "a.example"]'), ("tn_2", "[]")):
            statement = "insert into tenants (id, workspace_id, key, name, slug, state, created_at, domains) values "
            connection.execute(text(f"{statement}('{id_}', 'ws', '{id_}', 'A', 'a', 'active', '2026-01-01', '{domains}')"))
    migrate_catalog(catalog.engine)
    with catalog.read() as session:
        assert [getattr(tenant_at(session, h, NOW), "id", None) for h in ("a.example", "b.example", "c.example")] == ["tn_1", "tn_1", None]
    migrate_catalog(catalog.engine, "0007")
    with catalog.engine.connect() as connection:
        assert connection.execute(text("select count(*) from tenants")).scalar() == 2
    catalog.close()


def test_what_is_said_is_kept_handed_down_and_in_the_audit(installation: Installation) -> None:
    above = owner(installation, "tn_1")
    change(installation, BOSS, ACTOR, owner(installation, None), {"radius": 2}, Wanted(), replace=True)
    change(installation, BOSS, ACTOR, above, {"name": "Brand", "colours": {"primary": "#123456"}}, Wanted(), replace=True)
    _, etag = put_logo(installation, BOSS, ACTOR, above, "light", take(SVG, "image/svg+xml"), Wanted())
    found, _ = read(installation, owner(installation, "tn_2"))
    counted = found["resolved"]
    assert (counted["name"], counted["radius"], counted["colours"]["light"]["primary"]) == ("Brand", 2, "#123456")
    assert counted["logos"]["light"] is not None
    with installation.catalog.read() as session:
        row = logo_at(session, counted["logos"]["light"].rpartition("/")[2].removesuffix(".svg"), "svg")
        assert row is not None
        assert (row.width, row.height, row.content[:4]) == (512, 256, b"<svg")
    with pytest.raises(Problem, match="precondition_failed"):
        put_logo(installation, BOSS, ACTOR, above, "light", None, Wanted(('"x"',)))
    put_logo(installation, BOSS, ACTOR, above, "light", None, Wanted((etag,)))
    with installation.catalog.read() as session:
        assert session.query(LogoRow).count() == 0
        chain = audit.verify(session, installation.derived_key("audit"))
        assert (chain.records, chain.broken) == (4, None)


def test_domain_is_found_at_the_one_that_has_it(installation: Installation) -> None:
    with installation.catalog.write() as session:
        for id_ in ("tn_1", "tn_2"):
            tenant = session.get_one(TenantRow, id_)
            tenant.domains = ["both.example", f"{id_[-1]}.example"]
            versions.set_domains(session, tenant)
    with installation.catalog.read() as session:
        assert [getattr(tenant_at(session, h, NOW), "id", None) for h in ("1.example", "2.example", "both.example")] == [
            "tn_1",
            "tn_2",
            None,
        ]
        assert versions.taken_domain(session, session.get_one(TenantRow, "tn_1"), ["1.example", "2.example"]) == "2.example"


def test_tenant_that_was_placed_elsewhere_meanwhile_is_not_changed(installation: Installation) -> None:
    """What the endpoint looked at is looked at again where it is changed."""
    reseller = Principal("ky_y", "key", "", "subtree", "ws_a", "tn_1", frozenset())
    below = owner(installation, "tn_2")
    change(installation, reseller, ACTOR, below, {"name": "A"}, Wanted(), replace=True)
    with installation.catalog.write() as session:
        session.get_one(TenantRow, "tn_2").parent_id = None
    with pytest.raises(Problem, match="not_found"):
        change(installation, reseller, ACTOR, below, {"name": "B"}, Wanted(), replace=True)
    with pytest.raises(Problem, match="not_found"):
        change(installation, reseller, ACTOR, owner(installation, None), {"name": "B"}, Wanted(), replace=True)
    assert read(installation, owner(installation, "tn_2"))[0]["name"] == "A"
