"""Tiers of a workspace and the subscriptions of its tenants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from slicehouse_client import shapes
from slicehouse_client.connection import Resource, part

AT = "/v1/workspaces/{ws}"


class Tiers(Resource):
    """What may be subscribed to; each in versions."""

    def list(self) -> Iterator[shapes.Tier]:
        """All versions of all tiers, newest first."""
        return self._at.pages(f"{AT}/tiers")

    def get(self, tier: str, version: int | None = None) -> shapes.Tier:
        """A tier, its newest version where none is named."""
        return self._at.get(shapes.Tier, f"{AT}/tiers/{part(tier)}", {"version": version})

    def put(self, tier: str, name: str, *, migrate: bool = False, **fields: Unpack[shapes.TierFields]) -> shapes.Tier:
        """A new version where it differs from the newest one. Who subscribes keeps theirs, unless `migrate`."""
        return self._at.put(shapes.Tier, f"{AT}/tiers/{part(tier)}", {"name": name} | fields, {"migrate": migrate or None})

    def retire(self, tier: str) -> None:
        """Takes no new subscription."""
        self._at.delete(f"{AT}/tiers/{part(tier)}")


class Subscriptions(Resource):
    """What tenants have subscribed to."""

    def get(self, tenant: str) -> shapes.Subscription:
        """What is in effect. Raises NotFoundError where there is none."""
        return self._at.get(shapes.Subscription, f"{AT}/tenants/{part(tenant)}/subscription")

    def put(self, tenant: str, tier: str, *, preview: bool = False, **fields: Unpack[shapes.SubscriptionFields]) -> shapes.PutSubscription:
        """Puts a plan in effect and says what it changes; with `preview` it says so and keeps nothing."""
        path = f"{AT}/tenants/{part(tenant)}/subscription"
        return self._at.put(shapes.PutSubscription, path, {"tier": tier} | fields, {"preview": preview or None})
