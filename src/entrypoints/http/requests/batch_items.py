"""A batch's body taken apart into its items, one after the other; their contents are looked at later.

A None among the items is none: it lets the reader pause, for an item may be long in coming.
"""

import re
from collections.abc import Iterator

import msgspec

from entrypoints.http.requests.json_pieces import WINDOW_BYTES, Unreadable, pieces, stripped

_AT_ONCE_BYTES = 4 * 1024 * 1024
"""Of an array that a decoder takes apart: it cannot be interrupted, and takes 10 ms at most for this much."""
_FIRST_ITEM = re.compile(rb'[ \t\r\n]{0,99}+\[[ \t\r\n]{0,99}+(\{[ \t\r\n]{0,99}+"[^"\\]*+")')
_ABSENT = msgspec.Raw()


class TooManyItems(Exception):
    """The batch has more items than are allowed."""


class BatchSplitter:
    """Takes bodies of at most `max_items` items apart; raises `TooManyItems` once it comes to one more."""

    def __init__(self, max_items: int) -> None:
        self._max_items = max_items
        # A decoder of lists would keep all items before it counted them; what an array has beyond the fields of a
        # struct is skipped.
        fields = [(f"item_{number}", msgspec.Raw, _ABSENT) for number in range(max_items + 1)]
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Array", fields, array_like=True))

    def array(self, body: bytes) -> Iterator[bytes | None]:
        """Take a JSON array apart; raises `Unreadable` for a body that is none."""
        left = self._max_items
        for begin, array in _parts(body):
            if (items := self._decoded(array)) is None:
                # One item may be to blame, or the array was cut within one.
                yield from _bounded(pieces(body, b"[]", begin), left)
                return
            left -= len(items)
            if left < 0:
                raise TooManyItems
            yield from items
            yield None

    def lines(self, body: bytes) -> Iterator[bytes | None]:
        """Take lines of JSON apart, of which nothing but their ends is looked at."""
        return _bounded(_lines(body), self._max_items)

    def _decoded(self, array: bytes) -> list[bytes] | None:
        """Have a decoder do it, in a fraction of the time; None for an array that it does not take."""
        try:
            found = msgspec.structs.astuple(self._decoder.decode(array))
        except msgspec.ValidationError:
            raise Unreadable("it is no JSON array") from None
        except (msgspec.DecodeError, RecursionError):
            return None
        return [bytes(item) for item in found if item is not _ABSENT]


def _bounded(items: Iterator[bytes | None], most: int) -> Iterator[bytes | None]:
    for item in items:
        most -= item is not None
        if most < 0:
            raise TooManyItems
        yield item


def _lines(body: bytes) -> Iterator[bytes | None]:
    begin = 0
    while begin < len(body):
        end = body.find(b"\n", begin + WINDOW_BYTES)
        end = len(body) if end < 0 else end
        for line in filter(None, body[begin:end].split(b"\n")):
            if item := stripped(line):
                yield item
        yield None
        begin = end + 1


def _parts(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut a large array into smaller ones, before what looks like the beginning of its first item.

    Yield where in `body` a part begins, and the part as an array. If that is one, it was cut between two items: else,
    a string or a bracket would be open. What cannot be cut is no array but nothing.
    """
    if len(body) <= _AT_ONCE_BYTES:
        yield 0, body
        return
    first = _FIRST_ITEM.match(body)
    begin = first.start(1) if first else 0
    while first and len(body) - begin >= _AT_ONCE_BYTES:
        next_begin = body.find(first[1], begin + _AT_ONCE_BYTES // 2, begin + _AT_ONCE_BYTES)
        end = body.rfind(b",", begin, next_begin) if next_begin > 0 else -1
        if end < 0 or stripped(body[end + 1 : next_begin]):
            first = None
        else:
            yield begin, b"[%b]" % body[begin:end]
            begin = next_begin
    yield begin, b"[" + body[begin:] if first else b""
