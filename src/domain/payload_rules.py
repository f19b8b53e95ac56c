"""What a payload may hold: what `jsonb` takes, in a size that can be read again."""

import re
from itertools import accumulate

MAX_PAYLOAD_DEPTH = 200
MAX_DIGITS = 8_000
"""Bounds a number's digits and its exponent, so that both together stay within PostgreSQL's `numeric`,
which ends at 131,072 digits before the point and 16,383 after it."""

MAX_PRINTED_BYTES = 512 * 1024
"""The size of a request's body unless it is set otherwise. Not a setting: producers and consumers have to agree."""

_LEAST_DEEP_BYTES = 2 * MAX_PAYLOAD_DEPTH
"""A level takes two brackets."""
_LEAST_GROWN_BYTES = 7 * MAX_PRINTED_BYTES // (MAX_DIGITS + 8)
"""A number with the largest exponent takes seven bytes, as in `1e8000,`."""
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""A bracket as a signed byte: one level down, or one up."""
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[{]}")
_ALIKE = bytes.maketrans(b"123456789E+-", b"000000000e00")
"""Makes the end of a number with an exponent of four digits, of which a sign counts as one, read `0e0000`."""
_LARGE_EXPONENT = re.compile(rb"[\s:,[]-?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]{4}")
"""With what stands before a number: the hexadecimal digits of many an id would do otherwise."""
_HUGE_EXPONENT = re.compile(rb"[eE][+-]?0*(?!8000(?![0-9]))(?:[89][0-9]{3}|[1-9][0-9]{4})")
"""One above `MAX_DIGITS`."""
_EXPONENT = re.compile(rb"[eE][+-]?0*([0-9]+)")


def check_payload(payload: bytes) -> bytes:
    """Refuse what PostgreSQL's `jsonb` refuses, although a JSON decoder that skips over a value lets it pass."""
    if payload[:1] != b"{":
        raise ValueError("must be an object")
    if not payload.isascii():
        try:
            payload.decode()
        except UnicodeDecodeError:
            raise ValueError("must be UTF-8") from None
    # Found, since `in` first tries to take what it looks for as a number, and makes an error of that.
    may_have_nul = payload.find(b"\\") >= 0 and payload.find(b"\\u0000") >= 0
    if may_have_nul and any(escape[1] == b"0000" for escape in _ESCAPE.finditer(payload)):
        raise ValueError("must not hold a NUL character")
    # What is cheap to ask spares nearly every payload the search for its strings, whose contents do not count.
    may_be_deep = len(payload) > _LEAST_DEEP_BYTES and _opening_brackets(payload) > MAX_PAYLOAD_DEPTH
    if may_be_deep and _depth(_STRING.sub(b"", payload)) > MAX_PAYLOAD_DEPTH:
        raise ValueError(f"must be nested at most {MAX_PAYLOAD_DEPTH} deep")
    # A search for one text is several times as fast as for a pattern.
    alike = payload.translate(_ALIKE)
    may_be_huge = (alike.find(b"0e0000") >= 0 and _LARGE_EXPONENT.search(payload)) or (
        len(payload) > MAX_DIGITS and _holds_long_number(payload)
    )
    if may_be_huge and _holds_huge_number(_STRING.sub(b"", payload)):
        raise ValueError(f"must not hold a number of over {MAX_DIGITS} digits or exponent")
    most = max(MAX_PRINTED_BYTES, 2 * len(payload))
    may_grow = len(payload) > _LEAST_GROWN_BYTES and 2 * len(payload) + MAX_DIGITS * alike.count(b"0e0") > most
    if may_grow and printed_bytes(payload) > most:
        raise ValueError(f"must not hold numbers of over {most} bytes when their exponents are written out")
    return payload


def printed_bytes(payload: bytes) -> int:
    """Tell how many bytes `jsonb` prints at most for a payload whose numbers are within `MAX_DIGITS`.

    It writes exponents out, 1e-3 as 0.001, and a space behind each colon and comma; nothing else grows.
    """
    tokens = _STRING.sub(b"", payload)
    spaces = tokens.count(b":") + tokens.count(b",")
    return len(payload) + spaces + sum(map(int, _EXPONENT.findall(tokens)))


def _opening_brackets(payload: bytes) -> int:
    # In a third of the time that `count` takes.
    return len(payload) - len(payload.replace(b"{", b"").replace(b"[", b""))


def _depth(tokens: bytes) -> int:
    steps = memoryview(tokens.translate(_STEPS, _NO_BRACKETS)).cast("b")
    return max(accumulate(steps))


def _holds_huge_number(tokens: bytes) -> bool:
    return _HUGE_EXPONENT.search(tokens) is not None or _holds_long_number(tokens)


def _holds_long_number(tokens: bytes) -> bool:
    # Without the point, what stands before and behind it is one row of digits, to which no sign belongs.
    return len(tokens) > MAX_DIGITS and b"0" * (MAX_DIGITS + 1) in tokens.translate(_ALIKE, b".+-")
