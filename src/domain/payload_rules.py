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
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""A bracket as a signed byte: one level down, or one up."""
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[{]}")
_ALIKE = bytes.maketrans(b"123456789E+-", b"000000000e00")
"""Makes the end of a number with an exponent of four digits, of which a sign counts as one, read `0e0000`."""
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
    plain = payload
    if payload.find(b"\\") >= 0:
        # Pairs from the left, as a parser reads them: of what is left, each backslash escapes what follows it.
        plain = payload.replace(b"\\\\", b"")
        if plain.find(b"\\u0000") >= 0:
            raise ValueError("must not hold a NUL character")
    # What is cheap to ask spares nearly every payload the removal of its strings, whose contents do not count.
    may_be_deep = len(plain) > _LEAST_DEEP_BYTES and _opening_brackets(plain) > MAX_PAYLOAD_DEPTH
    alike = plain.translate(_ALIKE)
    may_be_huge = alike.find(b"0e0000") >= 0 or _holds_long_number(plain)
    most = max(MAX_PRINTED_BYTES, 2 * len(payload))
    may_grow = len(plain) > _LEAST_GROWN_BYTES and 2 * len(payload) + MAX_DIGITS * alike.count(b"0e0") > most
    if not (may_be_deep or may_be_huge or may_grow):
        return payload
    tokens = _tokens(plain)
    if may_be_deep and _depth(tokens) > MAX_PAYLOAD_DEPTH:
        raise ValueError(f"must be nested at most {MAX_PAYLOAD_DEPTH} deep")
    exponents = _exponents(tokens)
    if may_be_huge and (max(exponents, default=0) > MAX_DIGITS or _holds_long_number(tokens)):
        raise ValueError(f"must not hold a number of over {MAX_DIGITS} digits or exponent")
    if may_grow and len(payload) + _spaces(tokens) + sum(exponents) > most:
        raise ValueError(f"must not hold numbers of over {most} bytes when their exponents are written out")
    return payload


def depth(text: bytes) -> int:
    """Tell how deep a JSON text is nested."""
    tokens = _tokens(text.replace(b"\\\\", b""))
    return _depth(tokens) if _opening_brackets(tokens) else 0


def printed_bytes(payload: bytes) -> int:
    """Tell how many bytes `jsonb` prints at most for a payload whose numbers are within `MAX_DIGITS`.

    It writes exponents out, 1e-3 as 0.001, and a space behind each colon and comma; nothing else grows.
    """
    tokens = _tokens(payload.replace(b"\\\\", b""))
    return len(payload) + _spaces(tokens) + sum(_exponents(tokens))


def _tokens(plain: bytes) -> bytes:
    """Remove the strings of a text that has no escaped backslashes, in a fraction of the time that a pattern takes."""
    return b"".join(plain.replace(b'\\"', b"").split(b'"')[::2])


def _opening_brackets(payload: bytes) -> int:
    # In a third of the time that `count` takes.
    return len(payload) - len(payload.replace(b"{", b"").replace(b"[", b""))


def _depth(tokens: bytes) -> int:
    steps = memoryview(tokens.translate(_STEPS, _NO_BRACKETS)).cast("b")
    return max(accumulate(steps))


def _spaces(tokens: bytes) -> int:
    return tokens.count(b":") + tokens.count(b",")


def _exponents(tokens: bytes) -> list[int]:
    """Read all exponents without their signs; of one above `MAX_DIGITS` no more digits than show that."""
    return [int(match[1][:5]) for match in _EXPONENT.finditer(tokens)]


def _holds_long_number(tokens: bytes) -> bool:
    # Without the point, what stands before and behind it is one row of digits, to which no sign belongs.
    return len(tokens) > MAX_DIGITS and tokens.translate(_ALIKE, b".+-").find(b"0" * (MAX_DIGITS + 1)) >= 0
