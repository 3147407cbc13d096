"""The audit of a workspace."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from slicehouse_client import shapes
from slicehouse_client.connection import Resource

AT = "/v1/workspaces/{ws}/audit"


class Audit(Resource):
    """Who did what."""

    def list(
        self,
        *,
        action: str | None = None,
        actor: str | None = None,
        target: str | None = None,
        outcome: Literal["allowed", "denied"] | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
    ) -> Iterator[shapes.AuditRecord]:
        """Newest first."""
        return self._at.pages(AT, {"action": action, "actor": actor, "target": target, "outcome": outcome, "from": start, "to": end})

    def export(self) -> Iterator[shapes.AuditRecord]:
        """All records, oldest first."""
        return self._at.lines(f"{AT}/export")
