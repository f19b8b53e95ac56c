"""Request content, framed by its length or in chunks (RFC 9112, sections 6 and 7)."""

import re

from entrypoints.http.server.header_fields import FIELD_LINES, TOKEN, bad_request
from entrypoints.http.server.receive_buffer import ReceiveBuffer

_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
_EXTENSION = rb"[ \t]*+;[ \t]*+" + TOKEN + rb"(?:[ \t]*+=[ \t]*+(?:" + TOKEN + rb"|" + _QUOTED + rb"))?"
_SIZE_LINE = re.compile(rb"0*([0-9A-Fa-f]{1,15})(?:" + _EXTENSION + rb")*+\r\n")
_HEX_DIGITS = b"0123456789ABCDEFabcdef"

_SIZE, _DATA, _END_OF_DATA, _TRAILER, _COMPLETE = range(5)


class SizedContent:
    """Content of `length` bytes."""

    def __init__(self, length: int) -> None:
        self._remaining = length
        self.is_complete = False

    def read(self, buffer: ReceiveBuffer) -> bytes:
        """Take content from the buffer, as far as it has arrived."""
        piece = buffer.take_content(self._remaining)
        self._remaining -= len(piece)
        self.is_complete = self._remaining == 0
        return piece


class ChunkedContent:
    """Content in chunked coding (RFC 9112, section 7.1)."""

    def __init__(self) -> None:
        self._state = _SIZE
        self._remaining = 0

    @property
    def is_complete(self) -> bool:
        """Whether the last chunk and the trailer section have been read."""
        return self._state == _COMPLETE

    def read(self, buffer: ReceiveBuffer) -> bytes:
        """Take content from the buffer without its framing, as far as it has arrived. Raises `HttpProblem`."""
        pieces = []
        while self._state != _COMPLETE:
            if self._state == _SIZE and not self._read_size(buffer):
                break
            if self._state == _DATA:
                piece = buffer.take_content(self._remaining)
                pieces.append(piece)
                self._remaining -= len(piece)
                if self._remaining:
                    break
                self._state = _END_OF_DATA
            if self._state == _END_OF_DATA and not self._read_end_of_data(buffer):
                break
            if self._state == _TRAILER:
                self._skip_trailers(buffer)
                break
        return b"".join(pieces)

    def _read_size(self, buffer: ReceiveBuffer) -> bool:
        """Read the size line of a chunk; return whether it has arrived."""
        if buffer.data[buffer.start : buffer.start + 1] not in _HEX_DIGITS:
            raise bad_request("invalid chunk size")
        if not buffer.has_line():
            return False
        line = _SIZE_LINE.match(buffer.data, buffer.start)
        if line is None:
            raise bad_request("invalid chunk size")
        buffer.take_overhead(line.end())
        self._remaining = int(line[1], 16)
        self._state = _DATA if self._remaining else _TRAILER
        return True

    def _read_end_of_data(self, buffer: ReceiveBuffer) -> bool:
        ending = buffer.data[buffer.start : buffer.start + 2]
        if ending not in (b"\r\n", b"\r", b""):
            raise bad_request("a chunk is longer than its size")
        if ending != b"\r\n":
            return False
        buffer.take_overhead(buffer.start + 2)
        self._state = _SIZE
        return True

    def _skip_trailers(self, buffer: ReceiveBuffer) -> None:
        """Discard trailer fields, which must not be merged into the header section (RFC 9110, section 6.5.1)."""
        while self._state == _TRAILER and buffer.has_line():
            if buffer.data.startswith(b"\r\n", buffer.start):
                buffer.take_overhead(buffer.start + 2)
                self._state = _COMPLETE
                return
            lines = FIELD_LINES.match(buffer.data, buffer.start)
            if lines is None or lines.end() == buffer.start:
                raise bad_request("invalid trailer")
            buffer.take_overhead(lines.end())
