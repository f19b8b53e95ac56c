"""Splits the body of a batch into its items, without parsing them.

The iterators also yield None, between items, so that the caller can let the event loop run during a long search.
"""

import re
from collections.abc import Iterator
from http import HTTPStatus

import msgspec

from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests.json_splitter import WINDOW_BYTES, MalformedJson, split_json, strip_whitespace

_AT_ONCE_BYTES = 4 * 1024 * 1024
"""Per call of the decoder, which cannot be interrupted; it takes up to 10 ms for this much."""
_FIRST_ITEM = re.compile(rb'[ \t\r\n]{0,99}+\[[ \t\r\n]{0,99}+(\{[ \t\r\n]{0,99}+"[^"\\]*+")')
_ABSENT = msgspec.Raw()


class BatchSplitter:
    """Splits bodies of up to `max_items` items; raises `HttpProblem` with 413 for more."""

    def __init__(self, max_items: int) -> None:
        self._max_items = max_items
        # For a list, the decoder would collect any number of items. For an array-like struct, it skips those beyond
        # the fields.
        fields = [(f"item_{number}", msgspec.Raw, _ABSENT) for number in range(max_items + 1)]
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Array", fields, array_like=True))

    def array(self, body: bytes) -> Iterator[bytes | None]:
        """Split a JSON array. Raises `MalformedJson` if the body is not one."""
        left = self._max_items
        for begin, array in _parts(body):
            if (items := self._decoded(array)) is None:
                # Either an item is invalid, or `_parts` cut the array within an item.
                yield from self._bounded(split_json(body, b"[]", begin), left)
                return
            left -= len(items)
            if left < 0:
                raise self._too_many()
            yield from items
            yield None

    def lines(self, body: bytes) -> Iterator[bytes | None]:
        """Split NDJSON at its line ends."""
        return self._bounded(_lines(body), self._max_items)

    def _decoded(self, array: bytes) -> list[bytes] | None:
        """Split with the decoder, which is much faster; None if it rejects the array."""
        try:
            found = msgspec.structs.astuple(self._decoder.decode(array))
        except msgspec.ValidationError:
            raise MalformedJson("it is no JSON array") from None
        except (msgspec.DecodeError, RecursionError):
            return None
        return [bytes(item) for item in found if item is not _ABSENT]

    def _bounded(self, items: Iterator[bytes | None], most: int) -> Iterator[bytes | None]:
        for item in items:
            most -= item is not None
            if most < 0:
                raise self._too_many()
            yield item

    def _too_many(self) -> HttpProblem:
        detail = f"A batch must not have more than {self._max_items} events."
        return HttpProblem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def _lines(body: bytes) -> Iterator[bytes | None]:
    begin = 0
    while begin < len(body):
        end = body.find(b"\n", begin + WINDOW_BYTES)
        end = len(body) if end < 0 else end
        for line in filter(None, body[begin:end].split(b"\n")):
            if item := strip_whitespace(line):
                yield item
        yield None
        begin = end + 1


def _parts(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut a large array into smaller ones, before bytes that look like the beginning of its first item.

    Yields the position of each part in `body`, and the part as an array. If the decoder accepts that array, the cut was
    between two items; otherwise a string or bracket would be open. The last part is empty if no place to cut is found.
    """
    if len(body) <= _AT_ONCE_BYTES:
        yield 0, body
        return
    first = _FIRST_ITEM.match(body)
    begin = first.start(1) if first else 0
    while first and len(body) - begin >= _AT_ONCE_BYTES:
        next_begin = body.find(first[1], begin + _AT_ONCE_BYTES // 2, begin + _AT_ONCE_BYTES)
        end = body.rfind(b",", begin, next_begin) if next_begin > 0 else -1
        if end < 0 or strip_whitespace(body[end + 1 : next_begin]):
            first = None
        else:
            yield begin, b"[%b]" % body[begin:end]
            begin = next_begin
    yield begin, b"[" + body[begin:] if first else b""
