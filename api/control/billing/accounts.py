"""A workspace's account at Stripe: the secret of its webhook endpoint, the key that its API is called with, the meters that are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.control.usage.meters import hour_of
from api.serving.problems import Problem
from engine.catalog import audit
from engine.catalog.audit import Actor, Entry
from engine.catalog.tables import StripeRow
from engine.clock import rfc3339
from engine.sealing import seal, unseal
from slices.installation import Installation

_KEY = "stripe"


@dataclass(frozen=True, slots=True)
class AccountWanted:
    """An account that is put. A secret that is not said stays; `meters`: ours to event_name, meter_id and unit."""

    webhook_secret: str | None
    api_key: str | None
    meters: Mapping[str, Mapping[str, Any]]


def put_account(installation: Installation, actor: Actor, workspace_id: str, wanted: AccountWanted) -> tuple[dict[str, Any], bool]:
    """The account as it is said, and whether it is new. Usage is told from this hour on. Raises Problem `validation` without a first secret."""
    now = installation.clock()
    with installation.catalog.write() as session:
        row = session.get(StripeRow, workspace_id)
        before = shown_account(row) if row is not None else None
        if row is None:
            if wanted.webhook_secret is None:
                raise Problem("validation", "The first time webhook_secret is said: Stripe shows it beside the endpoint, as whsec_….")
            row = StripeRow(workspace_id=workspace_id, filled_to=None)
            session.add(row)
        if wanted.webhook_secret is not None:
            row.webhook_secret = _sealed(installation, workspace_id, "webhook", wanted.webhook_secret)
        if wanted.api_key is not None:
            row.api_key = _sealed(installation, workspace_id, "api", wanted.api_key)
        row.meters, row.updated_at = {m: dict(f) for m, f in wanted.meters.items()}, now
        if row.api_key is not None and row.meters and row.filled_to is None:
            row.filled_to = hour_of(now)
        session.flush()
        changed = [n for n in ("webhook_secret", "api_key") if getattr(wanted, n) is not None]
        after = shown_account(row) | {"secrets_set": changed}
        entry = Entry("billing.stripe.put", workspace_id, workspace_id, before=before, after=after)
        audit.append(session, installation.derived_key("audit"), actor, entry, now)
        return shown_account(row), before is None


def end_account(installation: Installation, actor: Actor, workspace_id: str) -> None:
    """Nothing is taken from Stripe or told to it any more; what it told stays. Raises Problem `not_found`."""
    with installation.catalog.write() as session:
        row = found_account(session, workspace_id)
        entry = Entry("billing.stripe.delete", workspace_id, workspace_id, before=shown_account(row))
        session.delete(row)
        audit.append(session, installation.derived_key("audit"), actor, entry, installation.clock())


def found_account(session: Session, workspace_id: str) -> StripeRow:
    """The account of a workspace. Raises Problem `not_found`."""
    row = session.get(StripeRow, workspace_id)
    if row is None:
        raise Problem("not_found")
    return row


def webhook_secrets(installation: Installation, session: Session) -> Iterator[tuple[str, bytes]]:
    """The secret of every workspace's endpoint."""
    for row in session.scalars(select(StripeRow).order_by(StripeRow.workspace_id)):
        secret = unseal(installation.derived_key(_KEY), row.webhook_secret, f"{row.workspace_id}:webhook")
        if secret is not None:
            yield row.workspace_id, secret


def api_key_of(installation: Installation, row: StripeRow) -> str | None:
    """The key that Stripe's API is called with."""
    found = unseal(installation.derived_key(_KEY), row.api_key, f"{row.workspace_id}:api") if row.api_key is not None else None
    return None if found is None else found.decode()


def shown_account(row: StripeRow) -> dict[str, Any]:
    """An account as the API shows it: of its secrets whether they are set."""
    return {
        "webhook_secret_set": True,
        "api_key_set": row.api_key is not None,
        "meters": row.meters,
        "usage_from": rfc3339(row.filled_to) if row.filled_to is not None else None,
        "updated_at": rfc3339(row.updated_at),
    }


def _sealed(installation: Installation, workspace_id: str, name: str, secret: str) -> bytes:
    return seal(installation.derived_key(_KEY), secret.encode(), f"{workspace_id}:{name}")
