"""Types of settings, bounded numbers and checked texts, and the rules that several settings share."""

import re
from collections.abc import Callable, Sequence
from ipaddress import AddressValueError, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

MAX_PREFIX_CHARS = 128
"""Keeps links below 2 KiB."""

_MAX_PORT = 65_535
_ADDRESS = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*|\[(?P<ipv6>[^\]]+)\]):(?P<port>[0-9]{1,5})")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_DEFAULT_PORT = re.compile(r"http://.*:80|https://.*:443")
_WITHOUT_TLS = {"disable", "PLAINTEXT", "SASL_PLAINTEXT"}
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~%@:+-]+)*")


def networks(text: str) -> Sequence[IPv4Network | IPv6Network]:
    """Read a comma list of addresses and networks; raises `ValueError`."""
    try:
        return [ip_network(each.strip()) for each in text.split(",")]
    except ValueError:
        raise ValueError("must be a comma list of addresses and networks, such as 127.0.0.1,10.0.0.0/8") from None


def _check_networks(text: str) -> str:
    networks(text)
    return text


def _comma_list(is_item: Callable[[str], bool], description: str) -> AfterValidator:
    """Make the rule of a comma list, which is returned without spaces."""

    def check(text: str) -> str:
        items = [item.strip() for item in text.split(",")]
        if not all(map(is_item, items)):
            raise ValueError(f"must be {description}")
        return ",".join(items)

    return AfterValidator(check)


def _is_address(text: str) -> bool:
    match = _ADDRESS.fullmatch(text)
    if match is None or not 1 <= int(match["port"]) <= _MAX_PORT:
        return False
    try:
        IPv6Address(match["ipv6"] or "::")
    except AddressValueError:
        return False
    return True


def _is_origin(text: str) -> bool:
    return text == "*" or (_ORIGIN.fullmatch(text) is not None and _DEFAULT_PORT.fullmatch(text) is None)


def path_prefix(text: str) -> str:
    """Return a path that a proxy removes, without a slash at its end; raises `ValueError`."""
    path = text.rstrip("/")
    if len(path) > MAX_PREFIX_CHARS or _PREFIX.fullmatch(path) is None:
        raise ValueError(f"must be a path of at most {MAX_PREFIX_CHARS} characters, such as /api")
    return path


Port = Annotated[int, Field(ge=1, le=_MAX_PORT)]
Seconds = Annotated[float, Field(ge=0.01, le=3_600)]
Hours = Annotated[int, Field(ge=1, le=876_000)]
"""A century at most."""
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Replicas = Annotated[int, Field(ge=1, le=32_767)]
"""Kafka counts replicas in 16 bits."""
Name = Annotated[str, Field(min_length=1)]
TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
Addresses = Annotated[str, _comma_list(_is_address, "a comma list of host:port, such as kafka:9092 or [::1]:9092")]
Origins = Annotated[
    str,
    _comma_list(
        _is_origin,
        "* or a comma list of origins as browsers send them, in lower case, without a path and without the scheme's "
        "own port, such as https://app.example.com",
    ),
]
PathPrefix = Annotated[str, AfterValidator(path_prefix)]
Networks = Annotated[str, AfterValidator(_check_networks)]


def needs_tls(switch: str) -> AfterValidator:
    """Make the rule of a file that is refused where the setting `switch` makes connections without TLS."""

    def check(value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get(switch) in _WITHOUT_TLS:
            raise ValueError(f"would be ignored, since {switch.upper()} is {info.data[switch]}")
        return value

    return AfterValidator(check)


def needs_certificate(certificate: str) -> AfterValidator:
    """Make the rule of a key that is refused where it or the setting `certificate` lacks the other."""

    def check(value: Path | None, info: ValidationInfo) -> Path | None:
        if certificate in info.data and (value is None) != (info.data[certificate] is None):
            raise ValueError(f"goes together with {certificate.upper()}")
        return value

    return AfterValidator(check)
