"""What can go wrong.

SlicehouseError
  ApiError              the server refused: `code` is of its closed list (docs/errors.md), and says more than the class
    BadRequestError       400, 406, 413, 422 and the rest of 4xx
    AuthenticationError   401
    ForbiddenError        403: known, and not allowed
    NotFoundError         404: absent, or outside the scope
    ConflictError         409, 412
    LimitError            429: a rate or a quota
    ServerError           5xx
      UnavailableError      502, 503, 504: passes by itself
  TransportError        no answer, or one that broke off
  UnexpectedAnswer      an answer that is none of the server's: a proxy's page, say
  ChecksumError         a file's bytes are not those that were announced
  SecretLost            the thing was made, and the answer with its secret did not arrive
  MissingExtra          a package that this call needs is not installed
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import httpx


class SlicehouseError(Exception):
    """Whatever this package raises by itself."""


class FieldError(NamedTuple):
    """One wrong field: a JSON pointer or `/parameter`, a code, a text."""

    pointer: str
    code: str
    detail: str


class ApiError(SlicehouseError):
    """The server refused. `retry_after`: seconds after which it may answer, where it says so."""

    def __init__(
        self,
        code: str,
        status: int,
        detail: str = "",
        errors: tuple[FieldError, ...] = (),
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, status, detail, errors, request_id, retry_after)
        self.code, self.status, self.detail, self.errors = code, status, detail, errors
        self.request_id, self.retry_after = request_id, retry_after

    def __str__(self) -> str:
        wrong = "".join(f" {e.pointer}: {e.detail}" for e in self.errors)
        return f"{self.status} {self.code}: {self.detail}{wrong} (request {self.request_id})"

    @property
    def is_passing(self) -> bool:
        """Whether the same call may be answered in a while."""
        return self.status in (429, 502, 503, 504) or self.code == "idempotency_running"


class BadRequestError(ApiError):
    """400, 406, 413, 422: the request itself; `errors` names the fields."""


class AuthenticationError(ApiError):
    """401: no credential, or one that does not count."""


class ForbiddenError(ApiError):
    """403: known, and not allowed."""


class NotFoundError(ApiError):
    """404: absent, or outside the scope; which of the two is not said."""


class ConflictError(ApiError):
    """409, 412: the state is another one."""


class LimitError(ApiError):
    """429: a rate or a quota is used up."""


class ServerError(ApiError):
    """5xx."""


class UnavailableError(ServerError):
    """502, 503, 504: passes by itself."""


class TransportError(SlicehouseError):
    """No answer, or one that broke off. The server may have done what was asked. `request_id` was sent along, where it is known."""

    def __init__(self, detail: str, request_id: str = "", is_passing: bool = True) -> None:
        super().__init__(detail, request_id, is_passing)
        self.detail, self.request_id, self.is_passing = detail, request_id, is_passing
        self.retry_after: float | None = None

    def __str__(self) -> str:
        return f"{self.detail} (request {self.request_id})" if self.request_id else self.detail


class UnexpectedAnswer(SlicehouseError):
    """An answer that is none of the server's."""


class ChecksumError(SlicehouseError):
    """A file's bytes are not those that were announced."""


class SecretLost(SlicehouseError):
    """The thing was made, and the answer with its secret did not arrive: end `resource` and make another."""

    def __init__(self, resource: dict[str, Any]) -> None:
        super().__init__(resource)
        self.resource = resource

    def __str__(self) -> str:
        return f"{self.resource['id']} was made and its secret did not arrive: end it and make another"


class MissingExtra(SlicehouseError, ImportError):
    """A package that this call needs is not installed."""


_CLASSES: dict[int, type[ApiError]] = {
    401: AuthenticationError, 403: ForbiddenError, 404: NotFoundError, 409: ConflictError, 412: ConflictError, 429: LimitError,
    502: UnavailableError, 503: UnavailableError, 504: UnavailableError,
}  # fmt: skip


def api_error(status: int, headers: httpx.Headers, content: bytes) -> ApiError:
    """The error of a refusal; one that is no problem of the server's (a proxy's page) has the code `http_502`."""
    try:
        body = json.loads(content)
    except ValueError:
        body = {}
    return problem_error(
        body if isinstance(body, dict) else {}, status, headers.get("x-request-id", ""), _seconds(headers.get("retry-after"))
    )


def problem_error(body: dict[str, Any], status: int = 0, request_id: str = "", retry_after: float | None = None) -> ApiError:
    """The error of a problem's body (RFC 9457)."""
    status = int(body.get("status") or status)
    kind = _CLASSES.get(status, ServerError if status >= 500 else BadRequestError)
    fields = tuple(FieldError(str(e.get("pointer")), str(e.get("code")), str(e.get("detail"))) for e in body.get("errors") or ())
    code, detail = str(body.get("code") or f"http_{status}"), str(body.get("detail") or body.get("title") or "")
    return kind(code, status, detail, fields, str(body.get("request_id") or request_id), retry_after)


def _seconds(text: str | None) -> float | None:
    """Of Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    if text is None or text.isdecimal():
        return None if text is None else float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


@contextmanager
def translated(request_id: str = "") -> Iterator[None]:
    """Errors of httpx as TransportError."""
    try:
        yield
    except httpx.HTTPError as error:
        own = isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol)
        raise TransportError(f"{type(error).__name__}: {error}", request_id, not own) from error
