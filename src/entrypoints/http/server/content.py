"""The content of a request, by its length or in chunks (RFC 9112, sections 6 and 7)."""

import re

from entrypoints.http.server.field_rules import bad_request
from entrypoints.http.server.overhead import Received

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
_EXTENSION = rb"[ \t]*+;[ \t]*+" + _TOKEN + rb"(?:[ \t]*+=[ \t]*+(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
_SIZE_LINE = re.compile(rb"0*([0-9A-Fa-f]{1,15})(?:" + _EXTENSION + rb")*+\r\n")
_HEX_DIGITS = b"0123456789ABCDEFabcdef"
_TRAILERS = re.compile(rb"(?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n)*+")

_SIZE, _DATA, _END_OF_DATA, _TRAILER, _COMPLETE = range(5)


class SizedContent:
    """Content of `length` bytes."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.is_complete = False

    def read(self, received: Received) -> bytes:
        """Consume what has come of it, and return that."""
        piece = received.take(self._left)
        self._left -= len(piece)
        self.is_complete = self._left == 0
        return piece


class ChunkedContent:
    """Content in chunks, RFC 9112, section 7.1."""

    def __init__(self) -> None:
        self._state = _SIZE
        self._left = 0

    @property
    def is_complete(self) -> bool:
        """Whether nothing more belongs to it."""
        return self._state == _COMPLETE

    def read(self, received: Received) -> bytes:
        """Consume what has come of it, and return what of that is content. Raises `HttpProblem`."""
        pieces = []
        while self._state != _COMPLETE:
            if self._state == _SIZE and not self._read_size(received):
                break
            if self._state == _DATA:
                piece = received.take(self._left)
                pieces.append(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._state = _END_OF_DATA
            if self._state == _END_OF_DATA and not self._read_end_of_data(received):
                break
            if self._state == _TRAILER:
                self._read_trailers(received)
                break
        return b"".join(pieces)

    def _read_size(self, received: Received) -> bool:
        """Read the line before a chunk's data; tell whether it has come."""
        if received.data[received.at : received.at + 1] not in _HEX_DIGITS:
            raise bad_request("invalid chunk size")
        if not received.has_line():
            return False
        line = _SIZE_LINE.match(received.data, received.at)
        if line is None:
            raise bad_request("invalid chunk size")
        received.consume(line.end())
        self._left = int(line[1], 16)
        self._state = _DATA if self._left else _TRAILER
        return True

    def _read_end_of_data(self, received: Received) -> bool:
        ending = received.data[received.at : received.at + 2]
        if ending not in (b"\r\n", b"\r", b""):
            raise bad_request("a chunk is longer than its size")
        if ending != b"\r\n":
            return False
        received.consume(received.at + 2)
        self._state = _SIZE
        return True

    def _read_trailers(self, received: Received) -> None:
        """Read trailers away, which are no fields of the head (RFC 9110, section 6.5.1) and mean nothing here."""
        while self._state == _TRAILER and received.has_line():
            if received.data.startswith(b"\r\n", received.at):
                received.consume(received.at + 2)
                self._state = _COMPLETE
                return
            lines = _TRAILERS.match(received.data, received.at)
            if lines is None or lines.end() == received.at:
                raise bad_request("invalid trailer")
            received.consume(lines.end())
