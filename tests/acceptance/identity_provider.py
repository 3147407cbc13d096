"""A real OpenID provider on this machine, whose users the tests decide; it remembers what was asked of it, and can be made to lie."""

from __future__ import annotations

import base64
import io
import json
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from werkzeug.serving import make_server

from tests.acceptance.people_world import Browser

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import oidc_provider_mock


@dataclass
class Provider:
    """`lie` changes an ID token on its way; `asked` are the forms of the token calls."""

    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    lie: Callable[[str], str] | None = None

    def is_user(self, sub: str, **claims: Any) -> None:
        """Makes somebody a user of the provider, with these claims."""
        assert httpx.put(f"{self.url}/users/{sub}", json=claims, trust_env=False).status_code == 204

    def wrapped(self, app: Any) -> Any:
        """The application, with token calls looked at, and their answers changed."""

        def wsgi(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            if environ["PATH_INFO"] != "/oauth2/token":
                return app(environ, start)  # type: ignore[no-any-return]
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            self.asked.append({k: v[0] for k, v in parse_qs(body.decode()).items()})
            held: list[Any] = []
            content = b"".join(app(environ | {"wsgi.input": io.BytesIO(body)}, lambda *given: held.append(given)))
            found = json.loads(content)
            if self.lie is not None and "id_token" in found:
                found["id_token"] = self.lie(found["id_token"])
            content = json.dumps(found).encode()
            start(held[0][0], [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
            return [content]

        return wsgi

    def log_in(self, browser: Browser, login_url: str, sub: str) -> httpx.Response:
        """What a browser does: to us, to the provider, where somebody logs in, and back."""
        at = self.consent(browser, login_url, sub)
        return browser.client.get(at.removeprefix("https://testserver"), follow_redirects=False)

    def consent(self, browser: Browser, login_url: str, sub: str) -> str:
        """The address that the provider sends the browser back to."""
        begun = browser.client.get(urlsplit(login_url).path, follow_redirects=False)
        assert begun.status_code == 303, begun.text
        said = httpx.post(begun.headers["location"], data={"sub": sub}, trust_env=False, follow_redirects=False)
        assert said.status_code in (302, 303), said.text
        self.challenge = parse_qs(urlsplit(begun.headers["location"]).query)["code_challenge"][0]
        return said.headers["location"]

    def proved(self) -> bool:
        """Whether the verifier of the last token call belongs to the challenge of the last log-in (RFC 7636, 4.6)."""
        return base64.urlsafe_b64encode(sha256(self.asked[-1]["code_verifier"].encode()).digest()).decode().rstrip("=") == self.challenge


@contextmanager
def provider() -> Iterator[Provider]:
    found = Provider()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = make_server("127.0.0.1", 0, found.wrapped(oidc_provider_mock.app(require_nonce=True)), threaded=True)
    found.url = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
