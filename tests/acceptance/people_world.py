"""People of the small installation: who is logged in, as a browser is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from fastapi.testclient import TestClient

from tests.acceptance.http_world import World

PASSWORD = "correct horse battery staple"
ORIGIN = "https://testserver"


@dataclass
class Browser:
    """A browser with its own cookies; after a log-in it sends the token against forged requests, as our pages do."""

    client: TestClient
    csrf: str = ""

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        headers = {"X-CSRF-Token": self.csrf} | given.pop("headers", {})
        found: httpx.Response = self.client.request(method, path, headers=headers, **given)
        return found

    def log_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        answer = self.ask("POST", "/v1/sessions", json={"email": email, "password": password})
        if answer.status_code == 201:
            self.csrf = answer.json()["csrf"]
        return answer


def browser(world: World) -> Browser:
    """A new browser; `__Host-` cookies need https."""
    return Browser(TestClient(world.app, base_url=ORIGIN))


def member(world: World, email: str, **said: Any) -> Browser:
    """Somebody who was invited, has accepted and is logged in."""
    boss = world.key("workspace")
    made = world.client.post("/v1/invitations", json={"email": email} | said, headers=boss)
    assert made.status_code == 201, made.text
    found = browser(world)
    answer = found.ask("POST", "/v1/invitations/accept", json={"invitation": made.json()["invitation"], "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    found.csrf = answer.json()["csrf"]
    return found


def user_id(found: Browser) -> str:
    """Their own id."""
    return str(found.ask("GET", "/v1/me").json()["principal"]["id"])
