"""Change a member of a JSON object without touching its other bytes."""

import re
from collections.abc import Iterator

import msgspec

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]:,]', re.DOTALL)


def with_member(value: bytes, name: str, content: bytes) -> bytes:
    """Replace the content of a member; wherever it stands more than once, as JSON allows, each time.

    `value` is a JSON object. Its nested objects may have a member of that name, too, which is left alone.
    """
    parts, copied = [], 0
    for start, end in _places(value, name):
        parts += [value[copied:start], content]
        copied = end
    return b"".join([*parts, value[copied:]])


def _places(value: bytes, name: str) -> Iterator[tuple[int, int]]:
    """Find where the member's contents begin and end."""
    depth, string, start = 0, b"", -1
    for found in _TOKEN.finditer(value):
        token = found[0]
        if token in b"{[":
            depth += 1
        elif depth == 1 and token == b":":
            # Before a colon stands the name.
            start = found.end() if _is(string, name) else -1
        elif depth == 1 and token in b",}" and start >= 0:
            written = value[start : found.start()]
            yield found.start() - len(written.lstrip()), start + len(written.rstrip())
            start = -1
        if token in b"}]":
            depth -= 1
        string = token


def _is(string: bytes, name: str) -> bool:
    if b"\\" not in string:
        return string[1:-1] == name.encode()
    try:
        return bool(msgspec.json.decode(string) == name)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
