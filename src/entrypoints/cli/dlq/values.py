"""Values of records for people: as JSON, as text or as a hex dump."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from adapters.escapes import escape, escape_json
from domain.differences import Difference
from entrypoints.cli.dlq.screen import NOTHING, clean

_MAX_SHOWN = 1_024
_MAX_PRETTY_BYTES = 64 * 1_024
"""Indentation of deeply nested JSON takes many times its size."""
_MAX_DIFFERENCE_CHARS = 200
_BYTES_A_LINE = 16
_ABSENT = "(absent)"
_BINARY = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What no text has: control characters other than line breaks and tabs."""


class Shown(NamedTuple):
    """A value as lines of text, or the first KiB of it."""

    form: str
    """What it is: JSON, text or binary."""
    text: str
    is_cut: bool


def shown(value: bytes) -> Shown:
    """Render a value for a terminal."""
    start = value[:_MAX_SHOWN]
    if (pretty := pretty_json(value)) is not None:
        text = pretty.decode()
        return Shown("JSON", escape_json(text[:_MAX_SHOWN]), len(text) > _MAX_SHOWN)
    if (text_of := _text(value)) is not None:
        return Shown("text", escape(text_of[:_MAX_SHOWN].replace("\r\n", "\n")), len(text_of) > _MAX_SHOWN)
    return Shown("binary", "\n".join(_hex_dump(start)), len(value) > len(start))


def pretty_json(value: bytes) -> bytes | None:
    """Indent JSON; each number keeps its digits. None where the value is no JSON, or is too large."""
    if len(value) > _MAX_PRETTY_BYTES or _text(value) is None:
        return None
    try:
        return msgspec.json.format(value, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return None


def in_one_line(value: bytes | None, limit: int) -> str:
    """Render the bytes of a key or of a header: text as it is, others in hexadecimal."""
    if value is None:
        return NOTHING
    text = _text(value)
    return clean((f"0x{value.hex()}" if text is None else text) or '""', limit)


def difference_lines(differences: Iterable[Difference]) -> Iterator[str]:
    """Render what differs between two values, a line a place: before -> after."""
    for place, before, after in differences:
        texts = [clean(_ABSENT if each is None else each, _MAX_DIFFERENCE_CHARS) for each in (before, after)]
        yield f"  {clean(place or '/', _MAX_DIFFERENCE_CHARS)}: {' -> '.join(texts)}"


def _text(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return None if _BINARY.search(text) else text


def _hex_dump(data: bytes) -> Iterator[str]:
    for offset in range(0, len(data), _BYTES_A_LINE):
        line = data[offset : offset + _BYTES_A_LINE]
        characters = "".join(chr(byte) if " " <= chr(byte) <= "~" else "." for byte in line)
        yield f"{offset:08x}  {line.hex(' '):<{3 * _BYTES_A_LINE}} {characters}"
