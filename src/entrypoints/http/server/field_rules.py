"""What the fields of a request must be before anything is made of it, and what they say of its end."""

import ipaddress
import re
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus

import msgspec

from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.kept_readings import kept_if_short

_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):[\t ]*+([\t\x20-\x7e\x80-\xff]*+)")
_REGISTERED_NAME = re.compile(rb"(?:[0-9A-Za-z._~!$&'()*+,;=-]++|%[0-9A-Fa-f]{2})*+(?::[0-9]{0,5})?")
_LITERAL = re.compile(rb"\[([0-9A-Fa-f:.]+)\](?::[0-9]{0,5})?")
_MOST_DIGITS = 18
_SINGLE = frozenset({b"host", b"content-length"})


class Framing(msgspec.Struct, frozen=True, gc=False):
    """How many bytes of content follow a head (None: they come in chunks), and whether the client waits for a 100."""

    content_length: int | None
    expects_continue: bool
    is_kept: bool
    """Whether the client wants the connection to go on."""


@kept_if_short
def field_of(line: bytes) -> tuple[bytes, bytes]:
    """Read a field (RFC 9112, section 5), its name in lower case. Raises `HttpProblem`."""
    field = _FIELD.fullmatch(line)
    if field is None:
        raise bad_request("invalid field")
    return field[1].lower(), field[2].rstrip(b" \t")


def check_fields(fields: list[tuple[bytes, bytes]], *, is_1_0: bool) -> Framing:
    """Check Host and find the framing; a Content-Length is replaced by its shortest form. Raises `HttpProblem`."""
    named = dict(fields)
    if len(named) < len(fields):
        named = _joined(fields)
    # RFC 9112, section 3.2.
    host = named.get(b"host")
    if not (is_1_0 if host is None else is_host(host)):
        raise bad_request("there must be one well-formed Host")
    length: int | None = 0
    given, codings = named.get(b"content-length"), named.get(b"transfer-encoding")
    if codings is not None:
        _check_codings(_tokens(codings), is_1_0=is_1_0, has_length=given is not None)
        length = None
    elif given is not None:
        length = _length(given)
        if given.startswith(b"0"):
            fields[:] = [(name, b"%d" % length if name == b"content-length" else value) for name, value in fields]
    return Framing(
        content_length=length,
        # RFC 9110, section 10.1.1: a client of HTTP/1.0 gets no 100 whatever it says.
        expects_continue=(
            b"expect" in named and not is_1_0 and length != 0 and b"100-continue" in _tokens(named[b"expect"])
        ),
        # RFC 9112, section 9.3.
        is_kept=not is_1_0 and (b"connection" not in named or b"close" not in _tokens(named[b"connection"])),
    )


def _joined(fields: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Join fields of one name, RFC 9110, section 5.3, unless there may be one only."""
    named: dict[bytes, bytes] = {}
    for name, value in fields:
        if name in named and name in _SINGLE:
            raise bad_request(f"{name.decode()} is repeated")
        named[name] = named[name] + b"," + value if name in named else value
    return named


def _check_codings(codings: Sequence[bytes], *, is_1_0: bool, has_length: bool) -> None:
    """RFC 9112, sections 6.1 and 6.3."""
    if is_1_0 or has_length:
        raise bad_request("Transfer-Encoding in HTTP/1.0, or beside Content-Length")
    if any(coding not in {b"chunked", b""} for coding in codings):
        raise HttpProblem(HTTPStatus.NOT_IMPLEMENTED, "The one transfer coding that is known here is chunked.")
    if codings != [b"chunked"]:
        raise bad_request("invalid Transfer-Encoding")


def _length(value: bytes) -> int:
    """RFC 9110, section 8.6."""
    digits = value.lstrip(b"0") or b"0"
    if not value.isdigit() or len(digits) > _MOST_DIGITS:
        raise bad_request("invalid Content-Length")
    return int(digits)


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip(b" \t") for token in value.lower().split(b",")]


def is_host(value: bytes) -> bool:
    """Tell whether `value` is `uri-host [":" port]` of RFC 9110, section 7.2."""
    if _REGISTERED_NAME.fullmatch(value):
        return True
    literal = _LITERAL.fullmatch(value)
    with suppress(ValueError):
        return literal is not None and bool(ipaddress.IPv6Address(literal[1].decode()))
    return False


def bad_request(reason: str) -> HttpProblem:
    """Make the 400 of bytes that are no HTTP/1.1."""
    return HttpProblem(HTTPStatus.BAD_REQUEST, f"The request is not valid HTTP/1.1: {reason}.")
