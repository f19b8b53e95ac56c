"""A batch's body taken apart into its items, one after the other; their contents are looked at later.

A None among the items is none: it lets the reader pause, for an item may be long in coming.
"""

from collections.abc import Iterator

import msgspec

from entrypoints.http.requests.json_pieces import SPACE, WINDOW_BYTES, Unreadable, pieces

_AT_ONCE_BYTES = 4 * 1024 * 1024
"""Of an array that a decoder takes apart: it cannot be interrupted, and takes 10 ms at most for this much."""
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
        if len(body) <= _AT_ONCE_BYTES and (items := self._decoded(body)) is not None:
            return iter(items)
        return self._bounded(pieces(body, b"[]"))

    def lines(self, body: bytes) -> Iterator[bytes | None]:
        """Take lines of JSON apart, of which nothing but their ends is looked at."""
        return self._bounded(_lines(body))

    def _decoded(self, body: bytes) -> list[bytes] | None:
        """Have a decoder do it, in a fraction of the time; None for an array that it does not take."""
        try:
            found = msgspec.structs.astuple(self._decoder.decode(body))
        except msgspec.ValidationError:
            raise Unreadable("it is no JSON array") from None
        except (msgspec.DecodeError, RecursionError):
            # One item may be to blame.
            return None
        if found[-1] is not _ABSENT:
            raise TooManyItems
        return [bytes(item) for item in found if item is not _ABSENT]

    def _bounded(self, items: Iterator[bytes | None]) -> Iterator[bytes | None]:
        count = 0
        for item in items:
            count += item is not None
            if count > self._max_items:
                raise TooManyItems
            yield item


def _lines(body: bytes) -> Iterator[bytes | None]:
    begin = 0
    while begin < len(body):
        end = body.find(b"\n", begin + WINDOW_BYTES)
        end = len(body) if end < 0 else end
        for line in filter(None, body[begin:end].split(b"\n")):
            if stripped := line.strip(SPACE):
                yield stripped
        yield None
        begin = end + 1
