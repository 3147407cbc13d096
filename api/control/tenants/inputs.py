"""What people and programs may write of tenants, held against its form before anything is done. Unknown fields are refused."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

# Signs that turn the direction of what follows (UAX #9): a name with one can show as another.
_TURNING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_ORIGIN = re.compile(r"(https://([a-z0-9.-]+)|http://(localhost|127\.0\.0\.1))(:[1-9][0-9]{0,4})?")


def plain_line(text: str) -> str:
    """One line of text that shows as what it is. Raises ValueError."""
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") or c in _TURNING for c in text):
        raise ValueError("must be one line without control characters or signs that turn the direction of writing")
    return text


def zone(text: str) -> str:
    """The name of a time zone. Raises ValueError."""
    if text not in available_timezones():
        raise ValueError("must be a time zone of the IANA database, such as Europe/Berlin")
    return text


def _origin(text: str) -> str:
    found = _ORIGIN.fullmatch(text)
    if found is None or (found[2] is not None and not _HOST.fullmatch(found[2])):
        raise ValueError("must be an origin: https:// and a host name in lower case, with a port where it is not 443")
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("must be a host name in lower case")
    return text


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must have no NUL")
    return text


def _exact(number: float) -> float:
    if number.is_integer() and abs(number) >= 2**53:
        raise ValueError("must be less than 2**53, so that it is the same number everywhere; or a text")
    return number


Line = Annotated[str, StringConstraints(min_length=1, max_length=120, strip_whitespace=True), AfterValidator(plain_line)]
Text = Annotated[str, StringConstraints(max_length=500), AfterValidator(plain_line)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")]
Metadata = Annotated[dict[Name, Text], Field(max_length=50, description="up to 50 texts of the caller's own; never looked at")]
Fact = Text | bool | Annotated[int, Field(gt=-(2**53), lt=2**53)] | Annotated[float, AfterValidator(_exact)]
Attributes = Annotated[dict[Name, Fact], Field(max_length=50, description="facts that policies and tiers may ask")]
Origin = Annotated[str, AfterValidator(_origin)]
Host = Annotated[str, AfterValidator(_host)]


class Input(BaseModel):
    """A body. Numbers that are none (NaN) and unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    def given(self) -> dict[str, Any]:
        """The fields that were sent."""
        return self.model_dump(exclude_unset=True)


class TenantInput(Input):
    """What may be set of a tenant; in a merge patch `null` takes it back to what it is by itself."""

    name: Line | None = Field(default=None, description="null: the source's")
    slug: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")] | None = None
    parent: Annotated[str, Field(min_length=1, max_length=1_000)] | None = Field(
        default=None, description="id or key; null: nobody is above it"
    )
    state: Literal["active", "suspended", "archived"] | None = None
    reason: Line | None = Field(default=None, description="why it is suspended, for those who run the workspace")
    attributes: Attributes | None = None
    metadata: Metadata | None = None
    locale: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")] | None = Field(
        default=None, description="BCP 47"
    )
    timezone: Annotated[str, AfterValidator(zone)] | None = None
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = Field(default=None, description="ISO 4217")
    allowed_origins: Annotated[list[Origin], Field(max_length=50)] | None = None
    domains: Annotated[list[Host], Field(max_length=50)] | None = None


class TenantPatch(TenantInput):
    """A merge patch: within attributes and metadata null takes a name away."""

    attributes: Annotated[dict[Name, Fact | None], Field(max_length=50)] | None = None  # type: ignore[assignment]
    metadata: Annotated[dict[Name, Text | None], Field(max_length=50)] | None = None  # type: ignore[assignment]


class TenantLine(TenantInput):
    """A line of a batch: the tenant's key, and what is set of it."""

    key: Annotated[str, Field(max_length=1_000), AfterValidator(_without_nul)]
