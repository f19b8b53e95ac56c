"""A batch's body taken apart into its items, whose contents are not looked at.

Of a body with more items than are allowed no more than one beyond them is kept, so that it costs no more memory.
"""

import re
from itertools import islice

import msgspec

from entrypoints.http.requests.event_body import Unreadable, decode

_LINE = re.compile(rb"[^ \t\r\n][^\n]*")
"""A line from its first character that counts; the search for it passes over blank lines."""
_ABSENT = msgspec.Raw()


class TooManyItems(Exception):
    """The batch has more items than are allowed."""


class BatchSplitter:
    """Takes bodies of at most `max_items` items apart."""

    def __init__(self, max_items: int) -> None:
        self._max_items = max_items
        # A decoder of lists would keep all items before it counted them; what an array has beyond the fields of a
        # struct is skipped.
        fields = [(f"item_{number}", msgspec.Raw, _ABSENT) for number in range(max_items + 1)]
        self._array = msgspec.json.Decoder(msgspec.defstruct("Array", fields, array_like=True))

    def array(self, body: bytes) -> list[bytes]:
        """Take a JSON array apart; raises `Unreadable` for a body that is none."""
        try:
            found = msgspec.structs.astuple(decode(self._array, body))
        except msgspec.ValidationError:
            raise Unreadable("it is no JSON array") from None
        return self._bounded([bytes(item) for item in found if item is not _ABSENT])

    def lines(self, body: bytes) -> list[bytes]:
        """Take lines of JSON apart, of which nothing but their ends is looked at."""
        return self._bounded([line.group() for line in islice(_LINE.finditer(body), self._max_items + 1)])

    def _bounded(self, items: list[bytes]) -> list[bytes]:
        if len(items) > self._max_items:
            raise TooManyItems
        return items
