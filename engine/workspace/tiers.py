"""`tiers:` of a workspace file: the plans that its tenants may subscribe to, as code."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

Meter = Literal["queries", "rows", "bytes", "cpu_ms", "exports", "downloads", "refreshes", "storage_bytes", "seats"]
"""What is counted; `api.control.plans.entitlements.METERS`, which a test holds it against."""
_LINE = re.compile(r"[^\x00-\x1f\x7f\u0085\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]*")


def _line(text: str) -> str:
    if not _LINE.fullmatch(text):
        raise ValueError("is one line without control characters or signs that turn the direction of writing")
    return text


Line = Annotated[str, StringConstraints(min_length=1, max_length=120, strip_whitespace=True), AfterValidator(_line)]
Text = Annotated[str, StringConstraints(max_length=500), AfterValidator(_line)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")]
TierSlug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Limit = Annotated[int, Field(ge=0, lt=2**53)]


class QuotaConfig(BaseModel):
    """At most `limit` per hour, day, month (UTC) or period; a hard one refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Limit
    per: Literal["hour", "day", "month", "period"] = "month"
    hard: bool = True


class TierConfig(BaseModel):
    """One tier. What it does not name of the features is off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line
    default: bool = Field(default=False, description="the tier of tenants without a subscription; one at most")
    features: dict[Name, bool | Limit] = Field(default={}, max_length=100)
    quotas: dict[Meter, QuotaConfig] = {}
    rates: dict[Literal["queries"], Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]] = {}
    prices: list[Text] = Field(default=[], max_length=20, description="ids or lookup keys of prices of Stripe")
    metadata: dict[Name, Text] = Field(default={}, max_length=50)

    def said(self) -> dict[str, Any]:
        """Its fields under the names of the catalog."""
        whole = self.model_dump(mode="json")
        return {f: whole[f] for f in ("name", "features", "quotas", "rates", "prices")} | {
            "is_default": self.default,
            "tags": whole["metadata"],
        }
