"""Splits a JSON array or object into its elements or members, even if those are invalid.

A decoder rejects the whole text for a lone surrogate, a control character, or nesting deeper than its stack. The
splitter recognizes only strings, brackets and commas.
"""

import re
from collections.abc import Generator, Iterator

WINDOW_BYTES = 64 * 1024
"""The most bytes that one search may scan, because a search cannot be interrupted."""
_SPACE = b" \t\r\n"
_SEARCH_COST = 64
"""The fixed cost of a search, in scanned bytes. After `WINDOW_BYTES` of total cost there is a pause."""


def _run_of(stops: bytes, *tokens: bytes) -> bytes:
    """Make a pattern for a run of `tokens` and of bytes that are not in `stops`; it scans each byte once."""
    return rb"[^%b]*+(?:(?:%b)[^%b]*+)*+" % (stops, b"|".join(tokens), stops)


_INSIDE = _run_of(rb'"\\', rb"\\.")
_STRING = b'"' + _INSIDE + b'"'
_FLAT = rb"[\[{]" + _run_of(rb'"\[\]{}', _STRING) + rb"[\]}]"
"""An array or object without nested ones."""
_inside_string = re.compile(_INSIDE, re.DOTALL)
_to_bracket = re.compile(_run_of(rb'"\[\]{}', _STRING, _FLAT), re.DOTALL)
_to_bracket_or_comma = re.compile(_run_of(rb'"\[\]{},', _STRING, _FLAT), re.DOTALL)
_QUOTE, _COMMA = b'",'
_TRUNCATED = "Input data was truncated"


class MalformedJson(Exception):
    """The bytes are not JSON; the message gives the reason."""


def split_json(text: bytes, brackets: bytes, begin: int = 0) -> Iterator[bytes | None]:
    """Yield the elements of an array (`brackets` is `[]`) or the members of an object (`{}`); None to allow a pause.

    `begin` is the position of an element to start at. Raises `MalformedJson` if `text` is not an array or object, or
    if its end is not clear.
    """
    if not begin:
        begin = text.find(brackets[:1]) + 1
        if not begin or strip_whitespace(text[: begin - 1]):
            raise MalformedJson(f"it is no JSON {'array' if brackets == b'[]' else 'object'}")
    first = begin
    for end in _ends(text, begin):
        if end is None:
            yield None
            continue
        if piece := strip_whitespace(text[begin:end]):
            yield piece
        elif begin > first or text[end] == _COMMA:
            raise MalformedJson("a value is missing before or after a comma")
        begin = end + 1
    if text[begin - 1 : begin] != brackets[1:] or strip_whitespace(text[begin:]):
        raise MalformedJson("its end does not fit its beginning, or something follows")


def strip_whitespace(text: bytes) -> bytes:
    """Remove white space around a text; from a text longer than a window only if it contains nothing else."""
    if len(text) <= WINDOW_BYTES:
        return text.strip(_SPACE)
    return b"" if text.isspace() else text


def _ends(text: bytes, at: int) -> Iterator[int | None]:
    """Yield the end of each element, the last one at the closing bracket; None to allow a pause."""
    depth = cost = 0
    while True:
        begin, at = at, _end(_to_bracket if depth else _to_bracket_or_comma, text, at)
        cost += _SEARCH_COST + at - begin
        if cost > WINDOW_BYTES:
            yield None
            cost = 0
        if at == len(text):
            raise MalformedJson(_TRUNCATED)
        token = text[at]
        if token == _QUOTE:
            # The string is longer than one search may scan.
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
    """Return the end of the string that contains position `at`."""
    while (end := _end(_inside_string, text, at)) == len(text) or text[end] != _QUOTE:
        if end == at:
            raise MalformedJson(_TRUNCATED)
        at = end
        yield None
    return end


def _end(search: re.Pattern[bytes], text: bytes, at: int) -> int:
    found = search.match(text, at, at + WINDOW_BYTES)
    # The patterns also match nothing at all.
    return found.end() if found else at
