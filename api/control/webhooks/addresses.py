"""Which addresses a webhook may have: https ones on the public network, and what the operator allows."""

from __future__ import annotations

import httpx

from api.control.outgoing import require_public
from api.serving.problems import FieldError, Problem
from engine.errors import ConfigurationError
from engine.network import is_named
from slices.installation import Installation

_REFUSED = "The host must be on the public network, or one that SLICEHOUSE_NETWORK_ALLOW names."


def require_callable(installation: Installation, url: str) -> None:
    """Raises Problem `validation` for an address that no webhook may have. What is called later is looked at again."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise _refused("invalid", "It is no URL.") from None
    is_whole = parsed.scheme in ("http", "https") and parsed.host and parsed.port in (None, *range(1, 65_536))
    if not is_whole or parsed.userinfo or parsed.fragment:
        raise _refused("invalid", "It is https://, a host and a path, without a user and without a fragment.")
    if not is_encrypted(installation, url):
        raise _refused("not_encrypted", "It begins with https://; http:// is for hosts that SLICEHOUSE_NETWORK_ALLOW names.")
    try:
        require_public(installation, url)
    except ConfigurationError:
        raise _refused("address_refused", _REFUSED) from None


def is_encrypted(installation: Installation, url: str) -> bool:
    """Whether it is https, or a host that the operator allows by name or address."""
    parsed = httpx.URL(url)
    return parsed.scheme == "https" or is_named(parsed.host, installation.settings.network_allow)


def _refused(code: str, detail: str) -> Problem:
    return Problem("validation", errors=[FieldError("/url", code, detail)])
