"""What the tests of webhooks do again and again: make one, let what is due be delivered, let time pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from api.control.webhooks.delivering import Deliverer
from tests.acceptance.http_world import World

LOCAL = ["127.0.0.0/8"]
"""What the operator allows, so that a receiver on this machine may be called."""


@dataclass
class Hooks:
    """Webhooks of a world, and the deliverer that sends to them."""

    world: World
    deliverer: Deliverer
    headers: dict[str, str]

    def make(self, url: str, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
        answer = self.ask("post", "", headers, json={"url": url, "events": ["*"]} | body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
        return self.world.client.request(method, f"{self.world.base}/webhooks{path}", headers=headers or self.headers, **more)

    def shown(self, webhook: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("get", f"/{webhook['id']}").json()
        return found

    def deliveries(self, webhook: dict[str, Any]) -> list[dict[str, Any]]:
        """Newest first."""
        found: list[dict[str, Any]] = self.ask("get", f"/{webhook['id']}/deliveries").json()["data"]
        return found

    def patch_tenant(self, tenant: str, **body: Any) -> None:
        answer = self.world.client.patch(f"{self.world.base}/tenants/{tenant}", json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text

    def deliver(self) -> int:
        """Delivers all that is due; how many attempts."""
        done = 0
        while (now := self.deliverer.once()) > 0:
            done += now
            self.deliverer.settle()
        return done

    def later(self, by: timedelta) -> None:
        """Lets time pass, for the API and the deliverer."""
        installation = self.world.app.state.context.installation
        now = installation.clock
        object.__setattr__(installation, "clock", lambda: now() + by)


@contextmanager
def hooks_of(world: World) -> Iterator[Hooks]:
    deliverer = Deliverer(world.app.state.context.installation)
    yield Hooks(world, deliverer, world.key("workspace"))
    deliverer.stop()
