"""Which addresses may be called on somebody else's word: public ones, and those that the operator allows.

Whoever names a webhook, an identity provider or a source by program must not reach what only this machine reaches (server-side request
forgery). The address that was looked at is the one that is connected to, so a name that changes its mind in between gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from engine.errors import ConfigurationError


def allowed_address(host: str, port: int, allow: Iterable[str]) -> str:
    """An address of the host that may be connected to, as text. `allow`: hosts and networks that may be private.

    Raises ConfigurationError (`address_refused`) where any address of the host is private and not allowed, or it has none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConfigurationError("The host has no address.", code="address_refused") from None
    addresses = [str(info[4][0]) for info in found]
    allowed = list(allow)
    if host.lower() not in allowed and not all(_is_open(address, allowed) for address in addresses):
        raise ConfigurationError(
            "The host is not on the public network.", hint="network.allow names what may be private.", code="address_refused"
        )
    return addresses[0]


def is_named(host: str, allow: Iterable[str]) -> bool:
    """Whether the operator allows this very host, by its name or as an address; no name is looked up."""
    allowed = list(allow)
    if host.lower() in allowed:
        return True
    try:
        return any(ipaddress.ip_address(host) in network for network in _networks(allowed))
    except ValueError:
        return False


def _is_open(address: str, allowed: list[str]) -> bool:
    found = ipaddress.ip_address(address.split("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        found = inner or found
    return (found.is_global and not found.is_multicast) or any(found in network for network in _networks(allowed))


def _networks(allowed: list[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Those of the allowed that are networks or addresses rather than names."""
    networks = []
    for text in allowed:
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            continue
    return networks
