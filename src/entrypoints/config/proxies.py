"""Proxies in front of the api, as a person describes them in the settings."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

MAX_PREFIX_CHARS = 128
"""Keeps links below 2 KiB."""

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~%@:+-]+)*")


def prefix(text: str) -> str:
    """Check a path that a proxy cuts off, and return it without a slash at its end; raises `ValueError`."""
    path = text.rstrip("/")
    if len(path) > MAX_PREFIX_CHARS or _PREFIX.fullmatch(path) is None:
        raise ValueError(f"must be a path of at most {MAX_PREFIX_CHARS} characters, such as /api")
    return path


def networks(text: str) -> Sequence[IPv4Network | IPv6Network]:
    """Read a comma list of addresses and networks; raises `ValueError`."""
    try:
        return [ip_network(each.strip()) for each in text.split(",")]
    except ValueError:
        raise ValueError("must be a comma list of addresses and networks, such as 127.0.0.1,10.0.0.0/8") from None


def network_list(text: str) -> str:
    """Check what `networks` reads, and return it as it is."""
    networks(text)
    return text
