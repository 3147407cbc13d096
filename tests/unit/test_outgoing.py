"""Addresses that others name: private ones are refused at the connection itself, whatever their spelling."""

from __future__ import annotations

import pytest

from engine.errors import ConfigurationError
from engine.network import allowed_address

PRIVATE = ["127.0.0.1", "10.0.0.8", "169.254.169.254", "192.168.1.1", "0.0.0.0", "::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "2002:7f00:1::",
           "100.64.0.1", "224.0.0.1", "localhost", "0x7f000001", "2130706433", "127.1"]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_private_address_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        allowed_address(host, 443, [])
    assert refused.value.code == "address_refused"


def test_what_the_operator_allows_is_called() -> None:
    assert allowed_address("127.0.0.1", 443, ["127.0.0.0/8"]) == "127.0.0.1"
    assert allowed_address("localhost", 443, ["localhost"]) in ("127.0.0.1", "::1")


def test_public_address_is_called() -> None:
    assert allowed_address("93.184.216.34", 443, []) == "93.184.216.34"
