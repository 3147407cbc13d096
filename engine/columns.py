"""What becomes of each column: kept, dropped or masked; and which names look like secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from engine.schema import Column, KeyClass

Normalise = Literal["lower", "rtrim", "lower_rtrim"]
Treatment = Literal["keep", "drop", "sha256", "blank", "partial", "new"]

_SECRET = re.compile(
    r"(^|_)(passwd|password|passphrase|pwd|passcode|hash|salt|token|secret|otp|totp|mfa|private_?key|api_?key|access_?key|credentials?|encrypted)(_|$|s$)"
)
_PERSONAL = re.compile(r"(^|_)(e?mail|e_mail|phone|mobile|ssn|iban|birth_?date|date_of_birth|passport|tax_id|ip_?address)(_|$)")


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """One column of a table: what it is in the source, in a slice, and how it is treated.

    `treatment` "new" is a column that nobody has reviewed: in no file. `type` is DuckDB's. `normalise` says how keys are brought
    into one form before they are compared; the value itself stays as it is.
    """

    name: str
    shown: str
    source_type: str
    type: str
    key_class: KeyClass
    treatment: Treatment = "keep"
    reason: str = ""
    as_text: bool = False
    comment: str | None = None
    normalise: Normalise | None = None

    @property
    def is_written(self) -> bool:
        """Whether slices have it."""
        return self.treatment in ("keep", "sha256", "blank", "partial")


def looks_secret(name: str) -> bool:
    """Whether a column's name says that it holds a password, hash, salt, token, secret, one-time code or private key.

    >>> looks_secret("token_hash"), looks_secret("passwordDigest"), looks_secret("hashtag")
    (True, True, False)
    """
    return _SECRET.search(_snake(name)) is not None


def looks_personal(name: str) -> bool:
    """Whether a column's name says that it holds an address, number or date of a person."""
    return _PERSONAL.search(_snake(name)) is not None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace(" ", "_").replace("-", "_")


def masked(column: Column, treatment: Treatment) -> tuple[str, KeyClass]:
    """The DuckDB type and key class that a column has after its treatment: a mask makes text of it."""
    if treatment in ("sha256", "partial"):
        return "VARCHAR", "text"
    return column.type, column.key_class
