"""Tiers of a workspace, in versions: a subscriber keeps its version until it is migrated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from api.control.plans.telling import tell_migrated
from api.serving.problems import Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import SubscriptionRow, TierRow
from engine.clock import rfc3339
from engine.ids import new_id
from slices.installation import Installation

SAID = ("name", "is_default", "features", "quotas", "rates", "prices", "tags")


def newest(session: Session, workspace_id: str, slug: str, version: int | None = None) -> TierRow | None:
    """A version of a tier, the newest where none is named, retired ones too."""
    query = select(TierRow).where(TierRow.workspace_id == workspace_id, TierRow.slug == slug)
    query = query if version is None else query.where(TierRow.version == version)
    return session.scalar(query.order_by(TierRow.version.desc()).limit(1))


def newest_of_all(session: Session, workspace_id: str) -> dict[str, TierRow]:
    """The newest version of every tier by slug, retired ones too."""
    rows = session.scalars(select(TierRow).where(TierRow.workspace_id == workspace_id).order_by(TierRow.slug, TierRow.version))
    return {row.slug: row for row in rows}


def put_tier(
    installation: Installation, actor: Actor, workspace_id: str, slug: str, fields: Mapping[str, Any], *, migrate: bool
) -> tuple[TierRow, bool]:
    """The tier as it is said, as a new version where it differs from the newest one; whether it is new.

    `migrate`: all who subscribe to an earlier version have this one from now on. Only one tier of a workspace is the default.
    """
    with installation.catalog.write() as session:
        return put_tier_in(session, installation, actor, workspace_id, slug, fields, migrate=migrate)


def put_tier_in(
    session: Session, installation: Installation, actor: Actor, workspace_id: str, slug: str, fields: Mapping[str, Any], *, migrate: bool
) -> tuple[TierRow, bool]:
    """The same within a transaction."""
    now = installation.clock()
    before = newest(session, workspace_id, slug)
    is_same = before is not None and before.retired_at is None and all(getattr(before, f) == fields[f] for f in SAID)
    if is_same and before is not None:
        row = before
    else:
        row = TierRow(
            id=new_id("ti"), workspace_id=workspace_id, slug=slug, version=before.version + 1 if before is not None else 1, created_at=now,
            **{f: fields[f] for f in SAID},
        )  # fmt: skip
        session.add(row)
        session.flush()
        entry = Entry("tiers.put", row.id, workspace_id, before=_facts(before) if before is not None else None, after=_facts(row))
        audit.append(session, installation.derived_key("audit"), actor, entry, now)
    if row.is_default:
        _only_default(session, row)
    if migrate:
        _migrate(session, installation, actor, row)
    return row, before is None


def _only_default(session: Session, row: TierRow) -> None:
    others = update(TierRow).where(TierRow.workspace_id == row.workspace_id, TierRow.slug != row.slug, TierRow.is_default)
    session.execute(others.values(is_default=False))


def _migrate(session: Session, installation: Installation, actor: Actor, row: TierRow) -> None:
    earlier = select(TierRow.id).where(TierRow.workspace_id == row.workspace_id, TierRow.slug == row.slug, TierRow.id != row.id)
    moved = set(session.scalars(select(SubscriptionRow.id).where(SubscriptionRow.tier_id.in_(earlier))))
    session.execute(update(SubscriptionRow).where(SubscriptionRow.tier_id.in_(earlier)).values(tier_id=row.id))
    if moved:
        entry = Entry("tiers.migrate", row.id, row.workspace_id, after={"version": row.version, "subscriptions": len(moved)})
        audit.append(session, installation.derived_key("audit"), actor, entry, installation.clock())
        tell_migrated(session, row, moved, installation.clock())


def retire_tier(installation: Installation, actor: Actor, workspace_id: str, slug: str) -> None:
    """Takes no new subscription from now on; those who have it keep it. Raises Problem `not_found`."""
    with installation.catalog.write() as session:
        row = newest(session, workspace_id, slug)
        if row is None:
            raise Problem("not_found")
        if row.retired_at is None:
            row.retired_at, row.is_default = installation.clock(), False
            audit.append(
                session, installation.derived_key("audit"), actor, Entry("tiers.retire", row.id, workspace_id), installation.clock()
            )


def _facts(row: TierRow) -> dict[str, Any]:
    return shown_tier(row) | {"created_at": None}


def shown_tier(row: TierRow) -> dict[str, Any]:
    """A version of a tier as the API shows it."""
    return {
        "id": row.id,
        "slug": row.slug,
        "version": row.version,
        "name": row.name,
        "default": row.is_default,
        "features": row.features,
        "quotas": row.quotas,
        "rates": row.rates,
        "prices": row.prices,
        "metadata": row.tags,
        "created_at": rfc3339(row.created_at),
        "retired_at": rfc3339(row.retired_at) if row.retired_at else None,
    }
