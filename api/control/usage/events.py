"""Usage events as CloudEvents 1.0, for those who bill by them."""

from __future__ import annotations

from typing import Any

from engine.catalog.tables import UsageRow
from engine.clock import rfc3339


def cloud_event(row: UsageRow) -> dict[str, Any]:
    """A usage event as a CloudEvent 1.0."""
    data = {k: v for k, v in row.data.items() if k not in ("id", "at", "type", "workspace_id", "tenant_id")}
    return {
        "specversion": "1.0",
        "id": row.id,
        "type": f"slicehouse.usage.{row.type}",
        "source": f"urn:slicehouse:{row.workspace_id}",
        "subject": row.tenant_id,
        "time": rfc3339(row.occurred_at),
        "datacontenttype": "application/json",
        "data": data | {"counted_in": rfc3339(row.counted_in)},
    }
