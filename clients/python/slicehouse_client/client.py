"""The API of a Slicehouse server: its resources on one connection."""

from __future__ import annotations

import copy
from typing import Self

from slicehouse_client import shapes
from slicehouse_client.audit import Audit
from slicehouse_client.connection import Connection
from slicehouse_client.data import Dashboards, Query
from slicehouse_client.embed import Embed
from slicehouse_client.keys import Keys, SigningKeys
from slicehouse_client.plans import Subscriptions, Tiers
from slicehouse_client.refreshes import Refreshes
from slicehouse_client.slices import Slice
from slicehouse_client.tenants import Tenants
from slicehouse_client.usage import Usage


class Slicehouse(Connection):
    """A server, asked with a key or a token. Close it, or use it as a context manager.

    >>> with Slicehouse("https://analytics.example.com", key=key) as client:
    ...     for tenant in client.tenants.list():
    ...         print(tenant["key"], tenant["state"])
    """

    def for_tenant(self, tenant: str) -> Self:
        """The same connection, asking for the data of that tenant."""
        other = copy.copy(self)
        other.tenant = tenant
        return other

    def me(self) -> shapes.Me:
        """Who asks: scope, permissions, tenant."""
        return self.get(shapes.Me, "/v1/me")

    @property
    def dashboards(self) -> Dashboards:
        """Dashboards and their data."""
        return Dashboards(self)

    @property
    def query(self) -> Query:
        """Free SQL: `client.query("select …")`."""
        return Query(self)

    @property
    def slice(self) -> Slice:
        """Schema, manifest, file."""
        return Slice(self)

    @property
    def tenants(self) -> Tenants:
        """Tenants of the workspace."""
        return Tenants(self)

    @property
    def tiers(self) -> Tiers:
        """What may be subscribed to."""
        return Tiers(self)

    @property
    def subscriptions(self) -> Subscriptions:
        """What tenants have subscribed to."""
        return Subscriptions(self)

    @property
    def usage(self) -> Usage:
        """What was used."""
        return Usage(self)

    @property
    def audit(self) -> Audit:
        """Who did what."""
        return Audit(self)

    @property
    def keys(self) -> Keys:
        """Keys of the workspace and its tenants."""
        return Keys(self)

    @property
    def signing_keys(self) -> SigningKeys:
        """Keys that back ends sign tokens with."""
        return SigningKeys(self)

    @property
    def embed(self) -> Embed:
        """Embed sessions."""
        return Embed(self)

    @property
    def refreshes(self) -> Refreshes:
        """Refreshes of the workspace."""
        return Refreshes(self)
