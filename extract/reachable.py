"""URLs of sources that somebody else gives: what may stand in them, where they may lead, how they are shown.

libpq takes much from a URL and from its surroundings: files, services, sockets, the operator's own passwords. Of a URL that is not the
operator's only what is listed here is taken, and nothing of the surroundings.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

import psycopg
from psycopg import conninfo

from engine.errors import ConfigurationError
from engine.network import allowed_address

_NEEDED = ("host", "user", "password", "dbname")
_TAKEN = (*_NEEDED, "port", "sslmode", "connect_timeout", "application_name", "target_session_attrs", "channel_binding")
_SSL = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# Nothing of the surroundings: no service, no client certificate, no Kerberos ticket, no settings of the session.
_NOTHING = {"options": "", "passfile": "/dev/null", "sslcertmode": "disable", "gssencmode": "disable"}
KINDS = ("postgres",)
"""Kinds of sources that can be held to this."""


def checked_url(kind: str, url: str, allow: Iterable[str]) -> str:
    """The conninfo to connect with: the address that was looked at, and nothing that is not listed.

    `allow`: private hosts and networks that may be reached all the same. Raises ConfigurationError: `source_url`, `address_refused`.
    """
    if kind not in KINDS:
        raise ConfigurationError(f"A source of the kind {kind} cannot be held to the public network.", code="source_kind")
    parts = _parts(url)
    for name in parts:
        if name not in _TAKEN:
            raise _wrong(f"{name} may not stand in the URL; {', '.join(_TAKEN)} may.")
    missing = [name for name in _NEEDED if not parts.get(name)]
    if missing:
        raise _wrong(f"The URL lacks {', '.join(missing)}.")
    host = parts["host"]
    port = parts.setdefault("port", "5432")
    if "," in host or host.startswith(("/", "@")) or any(c.isspace() for c in host):
        raise _wrong("The URL names one host.")
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise _wrong("The URL names one port.")
    if parts.get("sslmode", "prefer") not in _SSL:
        raise _wrong(f"sslmode is one of {', '.join(_SSL)}.")
    try:
        return conninfo.make_conninfo(**parts, **_NOTHING, hostaddr=allowed_address(host, int(port), allow))
    except psycopg.ProgrammingError:
        raise _wrong("It is no libpq URI.") from None


def shown_url(kind: str, url: str) -> str | None:
    """A URL without its password and its options; a `${NAME}` as it is; None for what is not understood, or is a path."""
    if url.startswith("${") and url.endswith("}") and url.count("$") == 1:
        return url
    try:
        parts = _parts(url) if kind in KINDS else {}
    except ConfigurationError:
        return None
    if not parts.get("host") or parts["host"].startswith(("/", "@")) or "$" in url:
        return None
    user = quote(parts.get("user", ""), safe="")
    host = f"[{parts['host']}]" if ":" in parts["host"] else parts["host"]
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"postgresql://{user}{'@' if user else ''}{host}{port}/{quote(parts.get('dbname', ''), safe='')}"


def _parts(url: str) -> dict[str, str]:
    if "\x00" in url:
        raise _wrong("It is no libpq URI.")
    try:
        return {k: str(v) for k, v in conninfo.conninfo_to_dict(url).items() if v is not None}
    except (psycopg.ProgrammingError, UnicodeError):
        raise _wrong("It is no libpq URI: postgresql://user:password@host:5432/database, special characters percent-encoded.") from None


def _wrong(text: str) -> ConfigurationError:
    return ConfigurationError(text, code="source_url")
