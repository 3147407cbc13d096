"""One connection to a server: a call with its credential, its retries, its errors; pages, streams and files. Resources are made of this."""

from __future__ import annotations

import json as json_
import os
import platform
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self, TypedDict, TypeVar, Unpack
from urllib.parse import quote

import httpx

from slicehouse_client.errors import ApiError, SecretLost, SlicehouseError, TransportError, UnexpectedAnswer, api_error, translated
from slicehouse_client.remembering import Answers
from slicehouse_client.version import __version__

T = TypeVar("T")
AGENT = f"slicehouse-client/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"
_REPEATABLE = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")


@dataclass(frozen=True, slots=True)
class Retries:
    """A call that may be repeated is sent `most` times more, with waits of `patience` seconds in all; a longer one is not begun."""

    most: int = 2
    patience: float = 60.0
    sleep: Callable[[float], None] = time.sleep

    def wait(self, error: ApiError | TransportError, attempt: int, waited: float) -> float | None:
        """Seconds until the next attempt: what the server says, else longer each time. None: there is none."""
        if attempt >= self.most or not error.is_passing:
            return None
        wait = error.retry_after if error.retry_after is not None else 0.5 * 2**attempt * random.uniform(0.5, 1.5)
        return wait if waited + wait <= self.patience else None


class Asked(TypedDict, total=False):
    """What a call has beside method and path. Values of `params` may be numbers, times, and lists; None is left out."""

    params: Mapping[str, Any] | None
    json: Any
    content: bytes | None
    headers: Mapping[str, str]
    idempotency_key: str | None
    repeatable: bool
    timeout: float | httpx.Timeout


class Connection:
    """A server and a credential. Thread-safe, as httpx.Client is; close it, or use it as a context manager."""

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        token: str | Callable[[], str] | None = None,
        workspace: str | None = None,
        tenant: str | None = None,
        timeout: float | httpx.Timeout = 30.0,
        retries: Retries = Retries(),
        remember: int = 0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`token` may be a function: it is asked before each call. `workspace` and `tenant` are names for a credential that reaches several; `remember`: so many
        panels' answers are kept, and asked with their ETag."""
        if key is not None and token is not None:
            raise ValueError("give a key or a token, not both")
        if not base_url.startswith(("https://", "http://")):
            raise ValueError("base_url begins with https://")
        self.tenant = tenant
        self.retries = retries
        self.answers = Answers(remember)
        self._credential = key if key is not None else token
        self._named, self._found = workspace, workspace
        self._http = httpx.Client(base_url=base_url, timeout=timeout, transport=transport, headers={"User-Agent": AGENT})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._http.base_url)!r}, workspace={self._named!r}, tenant={self.tenant!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the sockets."""
        self._http.close()

    @property
    def workspace(self) -> str:
        """The workspace that calls are about: the one that was named, else the credential's own."""
        if self._found is None:
            mine = self.get(dict, "/v1/me")["scope"]["workspace"]
            if mine is None:
                raise SlicehouseError("this key reaches several workspaces: name one, Slicehouse(…, workspace=…)")
            self._found = str(mine["id"])
        return self._found

    def url(self, path: str) -> str:
        """The whole address of a path, such as an embed session's `url`."""
        return str(self._http.base_url).rstrip("/") + self._path(path)

    # ── one call ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def request(self, method: str, path: str, **asked: Unpack[Asked]) -> httpx.Response:
        """Any call of the API; `{ws}` in the path is the workspace. Sent again where that is safe: by its method, with an idempotency key,
        or where `repeatable` says so. Raises ApiError, TransportError."""
        return self._sent(self._call(method, path, asked), _may_repeat(method, asked), stream=False)

    @contextmanager
    def stream(self, method: str, path: str, **asked: Unpack[Asked]) -> Iterator[httpx.Response]:
        """The same, and the body is read as it comes."""
        call = self._call(method, path, asked)
        response = self._sent(call, _may_repeat(method, asked), stream=True)
        try:
            with translated(call.headers["x-request-id"]):
                yield response
        finally:
            response.close()

    def _call(self, method: str, path: str, asked: Asked) -> httpx.Request:
        path, content = self._path(path), asked.get("content")
        headers = {"Accept": "application/json", "X-Request-Id": uuid.uuid4().hex} | self._names(path)
        if asked.get("json") is not None:
            content = json_.dumps(asked["json"], default=text_of, allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        if (key := asked.get("idempotency_key")) is not None:
            headers["Idempotency-Key"] = key
        headers |= asked.get("headers") or {}
        params = {k: _texts(v) for k, v in (asked.get("params") or {}).items() if v is not None}
        timeout = asked.get("timeout", self._http.timeout)
        return self._http.build_request(method, path, params=params, content=content, headers=headers, timeout=timeout)

    def _path(self, path: str) -> str:
        """The path with its workspace. One that leads to another server would take the credential along: ValueError."""
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError("a path begins with one slash")
        return path.replace("{ws}", part(self.workspace)) if "{ws}" in path else path

    def _names(self, path: str) -> dict[str, str]:
        """What a call is about, where its path does not say it."""
        if path.startswith("/v1/workspaces/"):
            return {}
        names = {"X-Workspace-ID": self._named, "X-Tenant-ID": self.tenant}
        return {header: quote(name, safe=":") for header, name in names.items() if name is not None}

    def _sent(self, call: httpx.Request, repeatable: bool, *, stream: bool) -> httpx.Response:
        attempt, waited = 0, 0.0
        while True:
            try:
                return self._once(call, stream)
            except (ApiError, TransportError) as error:
                wait = self.retries.wait(error, attempt, waited) if repeatable else None
                if wait is None:
                    raise
            self.retries.sleep(wait)
            attempt, waited = attempt + 1, waited + wait

    def _once(self, call: httpx.Request, stream: bool) -> httpx.Response:
        credential = self._credential() if callable(self._credential) else self._credential
        if credential is not None:
            call.headers["Authorization"] = f"Bearer {credential}"
        with translated(call.headers["x-request-id"]):
            response = self._http.send(call, stream=stream, follow_redirects=False)
            if response.status_code < 400:
                return response
            try:
                response.read()
            finally:
                response.close()
        raise api_error(response.status_code, response.headers, response.content)

    # ── what resources are made of ────────────────────────────────────────────────────────────────────────────────────

    def get(self, shape: type[T], path: str, params: Mapping[str, Any] | None = None) -> T:
        """A resource. Its shape is what the API's document says; it is not looked at."""
        return decoded(shape, self.request("GET", path, params=params))

    def put(self, shape: type[T], path: str, body: Any, params: Mapping[str, Any] | None = None, if_match: str | None = None) -> T:
        """A resource that is put. With `if_match` it is not sent again: what an answer that was lost has changed would not match."""
        return decoded(shape, self.request("PUT", path, params=params, json=body, headers=matching(if_match), repeatable=if_match is None))

    def patch(self, shape: type[T], path: str, body: Any, if_match: str | None = None) -> T:
        """A merge patch (RFC 7396)."""
        return decoded(shape, self.request("PATCH", path, json=body, headers=matching(if_match), repeatable=if_match is None))

    def create(self, shape: type[T], path: str, body: Any, *, idempotency_key: str | None = None, secret: str | None = None) -> T:
        """A POST that makes something, once: with an Idempotency-Key, made where none is given. `secret` names a field that is told the
        first time alone. Raises SecretLost where that was lost."""
        response = self.request("POST", path, json=body, idempotency_key=idempotency_key or uuid.uuid4().hex)
        made: Any = decoded(shape, response)
        if secret is not None and made.get(secret) is None:
            raise SecretLost(made)
        return made  # type: ignore[no-any-return]

    def delete(self, path: str, params: Mapping[str, Any] | None = None) -> None:
        """Ends, archives or revokes."""
        self.request("DELETE", path, params=params)

    def pages(self, path: str, params: Mapping[str, Any] | None = None, *, limit: int = 100) -> Iterator[Any]:
        """All items of a list, asked page by page as they are wanted."""
        asked = {"limit": limit} | dict(params or {})
        while True:
            page: dict[str, Any] = self.get(dict, path, asked)
            yield from page["data"]
            if not page["has_more"]:
                return
            asked["cursor"] = page["next_cursor"]

    def lines(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """An answer in JSON Lines, read as it comes."""
        with self.stream("GET", path, params=params, headers={"Accept": "application/x-ndjson"}) as response:
            yield from (json_.loads(line) for line in lines_of(response) if line)

    def save(self, path: str, file: str | Path, params: Mapping[str, Any] | None = None, accept: str = "*/*") -> Path:
        """An answer's body into a file, which is there once it is whole."""
        target = Path(file)
        part_ = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.part")
        try:
            with self.stream("GET", path, params=params, headers={"Accept": accept}) as response, part_.open("wb") as out:
                for chunk in response.iter_bytes():
                    out.write(chunk)
            os.replace(part_, target)
        finally:
            part_.unlink(missing_ok=True)
        return target


class Resource:
    """A part of the API. A new one is a class with a method for each call, and a property of Slicehouse."""

    def __init__(self, connection: Connection) -> None:
        self._at = connection


def _may_repeat(method: str, asked: Asked) -> bool:
    return asked.get("repeatable", method.upper() in _REPEATABLE or asked.get("idempotency_key") is not None)


def matching(etag: str | None) -> dict[str, str]:
    """The header of a change to what has that ETag."""
    return {} if etag is None else {"If-Match": etag}


def part(name: str) -> str:
    """A name as one part of a path. Raises ValueError for one that an address cannot have."""
    if name in ("", ".", ".."):
        raise ValueError(f"{name!r} cannot stand in an address; a tenant's key is written key:{name}")
    return quote(name, safe=":")


def text_of(value: Any) -> str:
    """A value as it is written in an address or in JSON: exact numbers as text, times in ISO 8601, a pair of dates as from/to."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "/".join(text_of(v) for v in value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _texts(value: Any) -> str | list[str]:
    return [text_of(v) for v in value] if isinstance(value, list | set | frozenset) else text_of(value)


def decoded(shape: type[T], response: httpx.Response) -> T:
    """An answer's JSON. Raises UnexpectedAnswer where it is none."""
    try:
        found: T = json_.loads(response.content)
    except ValueError:
        raise UnexpectedAnswer(
            f"{response.status_code} of {response.request.url.path} holds no JSON: is this address Slicehouse's?"
        ) from None
    return found


def lines_of(response: httpx.Response) -> Iterator[bytes]:
    """Lines as they come. They end at a line feed alone: texts may hold what Unicode counts as the end of a line."""
    rest = b""
    for chunk in response.iter_bytes():
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest
