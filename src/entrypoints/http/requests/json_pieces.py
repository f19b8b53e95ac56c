"""A JSON array or object taken apart one level deep, whatever is wrong with what is deeper down.

A decoder refuses all of it for half a surrogate pair, a control character, or more levels than its stack takes. Here
only strings, brackets and commas are told apart.
"""

import re
from collections.abc import Generator, Iterator

WINDOW_BYTES = 64 * 1024
"""What one search passes over at most, since it cannot be interrupted."""
_SPACE = b" \t\r\n"
_SEARCH_BYTES = 64
"""What a search counts for beside the bytes that it passes over; after a window's size of both there is a pause."""


def _run_of(others: bytes, *wholes: bytes) -> bytes:
    """Write a pattern for any number of bytes other than `others` and of `wholes`; nothing is passed over twice."""
    return rb"[^%b]*+(?:(?:%b)[^%b]*+)*+" % (others, b"|".join(wholes), others)


_INSIDE = _run_of(rb'"\\', rb"\\.")
_STRING = b'"' + _INSIDE + b'"'
_FLAT = rb"[\[{]" + _run_of(rb'"\[\]{}', _STRING) + rb"[\]}]"
"""An array or object with none inside."""
_inside_string = re.compile(_INSIDE, re.DOTALL)
_to_bracket = re.compile(_run_of(rb'"\[\]{}', _STRING, _FLAT), re.DOTALL)
_to_bracket_or_comma = re.compile(_run_of(rb'"\[\]{},', _STRING, _FLAT), re.DOTALL)
_QUOTE, _COMMA = b'",'


class Unreadable(Exception):
    """The bytes are no JSON; the message says why."""


def pieces(text: bytes, brackets: bytes, begin: int = 0) -> Iterator[bytes | None]:
    """Yield what stands between the commas of an array or object, stripped; None now and then, for a pause.

    `brackets` say which of both is wanted; `begin` where to go on behind its opening bracket. Raises `Unreadable` for
    anything else, and where its end is not clear.
    """
    if not begin:
        begin = text.find(brackets[:1]) + 1
        if not begin or stripped(text[: begin - 1]):
            raise Unreadable(f"it is no JSON {'array' if brackets == b'[]' else 'object'}")
    first = begin
    for end in _ends(text, begin):
        if end is None:
            yield None
            continue
        if piece := stripped(text[begin:end]):
            yield piece
        elif begin > first or text[end] == _COMMA:
            raise Unreadable("nothing stands beside a comma")
        begin = end + 1
    if text[begin - 1 : begin] != brackets[1:] or stripped(text[begin:]):
        raise Unreadable("its end does not fit its beginning, or something follows")


def stripped(text: bytes) -> bytes:
    """Remove JSON's white space around a text; where it is longer than a window, only if there is nothing else."""
    if len(text) <= WINDOW_BYTES:
        return text.strip(_SPACE)
    return b"" if text.isspace() else text


def _ends(text: bytes, at: int) -> Iterator[int | None]:
    """Yield where each piece ends, the last one at a closing bracket; None for a pause."""
    depth = effort = 0
    while True:
        begin, at = at, _end(_to_bracket if depth else _to_bracket_or_comma, text, at)
        effort += _SEARCH_BYTES + at - begin
        if effort > WINDOW_BYTES:
            yield None
            effort = 0
        if at == len(text):
            raise _truncated()
        token = text[at]
        if token == _QUOTE:
            # The string is longer than what one search passes over.
            at = yield from _end_of_string(text, at + 1)
        elif token in b"[{":
            depth += 1
        elif token in b"]}":
            if not depth:
                yield at
                return
            depth -= 1
        elif token == _COMMA and not depth:
            yield at
        at += 1


def _end_of_string(text: bytes, at: int) -> Generator[None, None, int]:
    """Return where the string ends within which `at` is."""
    while (end := _end(_inside_string, text, at)) == len(text) or text[end] != _QUOTE:
        if end == at:
            raise _truncated()
        at = end
        yield None
    return end


def _end(search: re.Pattern[bytes], text: bytes, at: int) -> int:
    found = search.match(text, at, at + WINDOW_BYTES)
    # These patterns fit nothing as well.
    return found.end() if found else at


def _truncated() -> Unreadable:
    return Unreadable("Input data was truncated")
