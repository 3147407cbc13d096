"""Tenants of a workspace. A tenant is named by its id or its key; `key:` before it always means the key."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from slicehouse_client import shapes
from slicehouse_client.connection import Resource, lines_of, part, text_of
from slicehouse_client.errors import ApiError, problem_error

AT = "/v1/workspaces/{ws}/tenants"
_LINES, _BYTES = 1_000, 512 << 10
"""At most so much in a request: a fifth of the lines, half the bytes that a server takes unless it is set otherwise."""


@dataclass(frozen=True, slots=True)
class BatchLine:
    """What became of a line, the first is 1: the tenant, or the error, which is not raised."""

    line: int
    status: int
    id: str | None = None
    key: str | None = None
    error: ApiError | None = None


class Tenants(Resource):
    """Tenants within the scope."""

    def list(self, *, state: shapes.State | None = None, parent: str | None = None, sort: str | None = None) -> Iterator[shapes.Tenant]:
        """Newest first; `sort="created_at"` oldest first."""
        return self._at.pages(AT, {"state": state, "parent": parent, "sort": sort})

    def get(self, tenant: str) -> shapes.Tenant:
        """One tenant."""
        return self._at.get(shapes.Tenant, f"{AT}/{part(tenant)}")

    def etag(self, tenant: str) -> str:
        """What `if_match` takes: a change counts only where the tenant is still as it was."""
        return str(self._at.request("HEAD", f"{AT}/{part(tenant)}").headers["etag"])

    def upsert(self, key: str, *, if_match: str | None = None, **fields: Unpack[shapes.TenantFields]) -> shapes.Tenant:
        """Makes the tenant of a key, or replaces what was set of it; the source may have it later."""
        return self._at.put(shapes.Tenant, f"{AT}/{part('key:' + key)}", fields, if_match=if_match)

    def patch(self, tenant: str, *, if_match: str | None = None, **fields: Unpack[shapes.TenantFields]) -> shapes.Tenant:
        """Changes what is named; within attributes and metadata None takes a name away."""
        return self._at.patch(shapes.Tenant, f"{AT}/{part(tenant)}", fields, if_match)

    def place(self, tenant: str, parent: str | None) -> shapes.Tenant:
        """Puts it below another tenant, or below none."""
        return self.patch(tenant, parent=parent)

    def suspend(self, tenant: str, reason: str | None = None) -> shapes.Tenant:
        """Closes every door; nothing is lost."""
        return self.patch(tenant, state="suspended", reason=reason)

    def resume(self, tenant: str) -> shapes.Tenant:
        """Takes back a tenant that was suspended or archived."""
        return self.patch(tenant, state="active")

    def archive(self, tenant: str) -> None:
        """It answers nothing, and refreshes leave it out."""
        self._at.delete(f"{AT}/{part(tenant)}")

    def entitlements(self, tenant: str) -> shapes.Entitlements:
        """What it may do by its tier, and what is left of its quotas."""
        return self._at.get(shapes.Entitlements, f"{AT}/{part(tenant)}/entitlements")

    def batch(self, tenants: Iterable[Mapping[str, Any]]) -> Iterator[BatchLine]:
        """Upserts of any number of tenants, each with its `key`. They are sent in requests of a thousand, each a transaction, as the results
        are read; so read them all."""
        done = 0
        for lines in _requests(tenants):
            headers, key = {"Content-Type": "application/x-ndjson"}, uuid.uuid4().hex
            response = self._at.request("POST", f"{AT}:batch", content=b"".join(lines), headers=headers, idempotency_key=key)
            yield from (_result(json.loads(line), done) for line in lines_of(response) if line)
            done += len(lines)


def _requests(tenants: Iterable[Mapping[str, Any]]) -> Iterator[list[bytes]]:
    """Lines of JSON, as many as one request may have."""
    lines: list[bytes] = []
    size = 0
    for tenant in tenants:
        line = json.dumps(dict(tenant), default=text_of, allow_nan=False).encode() + b"\n"
        if lines and (len(lines) == _LINES or size + len(line) > _BYTES):
            yield lines
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        yield lines


def _result(told: dict[str, Any], before: int) -> BatchLine:
    error = problem_error(told["problem"]) if "problem" in told else None
    return BatchLine(before + told["line"], told["status"], told.get("id"), told.get("key"), error)
