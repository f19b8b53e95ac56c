"""The header section of a request: its syntax, Host, and framing (RFC 9112, sections 3, 5 and 6)."""

import ipaddress
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from http import HTTPStatus

import msgspec

from entrypoints.http.headers import HeaderFields
from entrypoints.http.problems import HttpProblem

_MAX_CACHED_BYTES = 512
"""Bounds the cache of header sections to some 4 MB."""
MAX_FIELDS = 256
"""64 KiB of short fields would take thirty times as much memory once parsed."""
TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"

_VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
FIELD_LINES = re.compile(rb"(?:" + TOKEN + rb":" + _VALUE + rb"\r\n)*+")
"""Any number of field lines, without the empty line behind them."""
_FIELD_LINE = re.compile(rb"(" + TOKEN + rb"):[\t ]*+(" + _VALUE + rb")\r\n")
_REGISTERED_NAME = re.compile(rb"(?:[0-9A-Za-z._~!$&'()*+,;=-]++|%[0-9A-Fa-f]{2})*+(?::[0-9]{0,5})?")
_IP_LITERAL = re.compile(rb"\[([0-9A-Fa-f:.]+)\](?::[0-9]{0,5})?")
_MAX_LENGTH_DIGITS = 18
_SINGLETONS = frozenset({b"host", b"content-length"})


class HeaderSection(msgspec.Struct, frozen=True):
    """A valid header section."""

    fields: HeaderFields
    """Their names in lower case; Content-Length without leading zeros."""
    content_length: int | None
    """In bytes; None for chunked coding."""
    expects_continue: bool
    """Whether the client waits for `100 Continue`."""
    keep_alive: bool
    """Whether the client wants the connection to stay open."""


def parse_header_section(section: bytes, version: str) -> HeaderSection:
    """Parse and check a header section, given as field lines with their line ends. Raises `HttpProblem`."""
    return (_parse_cached if len(section) <= _MAX_CACHED_BYTES else _parse)(section, version)


def parse_field_lines(section: bytes) -> list[tuple[bytes, bytes]]:
    """Parse field lines without checking what they mean. Raises `HttpProblem`."""
    if section.count(b"\r\n") > MAX_FIELDS:
        detail = f"The request has more than {MAX_FIELDS} fields in its head."
        raise HttpProblem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
    if FIELD_LINES.fullmatch(section) is None:
        raise bad_request("invalid field")
    return [(name.lower(), value.rstrip(b" \t")) for name, value in _FIELD_LINE.findall(section)]


def _parse(section: bytes, version: str) -> HeaderSection:
    is_1_0 = version == "1.0"
    fields = parse_field_lines(section)
    by_name = _joined(fields)
    # RFC 9112, section 3.2.
    host = by_name.get(b"host")
    if not (is_1_0 if host is None else is_host(host)):
        raise bad_request("there must be one well-formed Host")
    length: int | None = 0
    content_length, codings = by_name.get(b"content-length"), by_name.get(b"transfer-encoding")
    if codings is not None:
        _check_codings(_tokens(codings), is_1_0=is_1_0, has_length=content_length is not None)
        length = None
    elif content_length is not None:
        length = _length(content_length)
        fields = [(name, b"%d" % length if name == b"content-length" else value) for name, value in fields]
    return HeaderSection(
        fields=tuple(fields),
        content_length=length,
        # HTTP/1.0 has no 100 status (RFC 9110, section 10.1.1).
        expects_continue=(
            b"expect" in by_name and not is_1_0 and length != 0 and b"100-continue" in _tokens(by_name[b"expect"])
        ),
        # RFC 9112, section 9.3.
        keep_alive=not is_1_0 and (b"connection" not in by_name or b"close" not in _tokens(by_name[b"connection"])),
    )


# Most requests of a client have the same header section; parsing it takes a tenth of a POST.
_parse_cached = lru_cache(maxsize=256)(_parse)


def _joined(fields: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Map names to values; the values of repeated fields are joined (RFC 9110, section 5.3).

    Raises `HttpProblem` if a singleton is repeated.
    """
    by_name: dict[bytes, bytes] = {}
    for name, value in fields:
        if name in by_name and name in _SINGLETONS:
            raise bad_request(f"{name.decode()} is repeated")
        by_name[name] = by_name[name] + b"," + value if name in by_name else value
    return by_name


def _check_codings(codings: Sequence[bytes], *, is_1_0: bool, has_length: bool) -> None:
    """RFC 9112, sections 6.1 and 6.3."""
    if is_1_0 or has_length:
        raise bad_request("Transfer-Encoding in HTTP/1.0, or beside Content-Length")
    if any(coding not in {b"chunked", b""} for coding in codings):
        raise HttpProblem(HTTPStatus.NOT_IMPLEMENTED, "The only supported transfer coding is chunked.")
    if codings != [b"chunked"]:
        raise bad_request("invalid Transfer-Encoding")


def _length(value: bytes) -> int:
    """RFC 9110, section 8.6."""
    digits = value.lstrip(b"0") or b"0"
    if not value.isdigit() or len(digits) > _MAX_LENGTH_DIGITS:
        raise bad_request("invalid Content-Length")
    return int(digits)


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip(b" \t") for token in value.lower().split(b",")]


def is_host(value: bytes) -> bool:
    """Return whether `value` is `uri-host [":" port]` (RFC 9110, section 7.2)."""
    if _REGISTERED_NAME.fullmatch(value):
        return True
    literal = _IP_LITERAL.fullmatch(value)
    with suppress(ValueError):
        return literal is not None and bool(ipaddress.IPv6Address(literal[1].decode()))
    return False


def bad_request(reason: str) -> HttpProblem:
    """Make the 400 for bytes that are not HTTP/1.1."""
    return HttpProblem(HTTPStatus.BAD_REQUEST, f"The request is not valid HTTP/1.1: {reason}.")
