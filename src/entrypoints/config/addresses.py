"""Addresses of brokers, as a person writes them."""

import re
from ipaddress import AddressValueError, IPv6Address

MOST_PORT = 65_535

_ADDRESS = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*|\[(?P<ipv6>[^\]]+)\]):(?P<port>[0-9]{1,5})")


def addresses(text: str) -> str:
    """Check a comma list of host:port and return it without spaces; raises `ValueError`."""
    each = [address.strip() for address in text.split(",")]
    if not all(map(_is_address, each)):
        raise ValueError("must be a comma list of host:port, such as kafka:9092 or [::1]:9092")
    return ",".join(each)


def _is_address(text: str) -> bool:
    match = _ADDRESS.fullmatch(text)
    if match is None or not 1 <= int(match["port"]) <= MOST_PORT:
        return False
    return match["ipv6"] is None or _is_ipv6(match["ipv6"])


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True
