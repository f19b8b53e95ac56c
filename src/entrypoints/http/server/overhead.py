"""Bytes that have come and are not consumed, and a bound on how many of a request's are no content."""

from http import HTTPStatus

from entrypoints.http.problems import HttpProblem

MAX_OVERHEAD_BYTES = 64 * 1024
"""Of one request: all bytes outside its content, and the empty lines before it."""


class Received:
    """The bytes of a connection from `at` on, in `data`; counts those of a request that are consumed as no content."""

    def __init__(self) -> None:
        self.data = b""
        self.at = 0
        self.searched = 0
        """How far the end of what is being read was searched in vain."""
        self.overhead = 0

    def feed(self, data: bytes) -> None:
        """Add what has come."""
        self.data = self.data[self.at :] + data if self.at < len(self.data) else data
        self.searched = max(0, self.searched - self.at)
        self.at = 0

    @property
    def last(self) -> int:
        """Where the bytes end that a request may still have outside its content."""
        return self.at + MAX_OVERHEAD_BYTES - self.overhead

    def has_line(self) -> bool:
        """Tell whether a line has come whole. Raises `HttpProblem` where it is longer than may be."""
        end = self.data.find(b"\n", max(self.at, self.searched)) + 1
        if end:
            self.check_end(end)
        else:
            self.note_searched(len(self.data))
        return end > 0

    def note_searched(self, searched: int) -> None:
        """Note how far an end was searched in vain. Raises `HttpProblem` where more has come than may."""
        self.check_end(len(self.data))
        self.searched = max(self.searched, searched)

    def check_end(self, end: int) -> None:
        """Raise `HttpProblem` if what ends there is longer than may be."""
        if end - self.at > MAX_OVERHEAD_BYTES - self.overhead:
            detail = f"The request has more than {MAX_OVERHEAD_BYTES} bytes outside its content."
            raise HttpProblem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    def consume(self, end: int) -> None:
        """Go on there, behind bytes that are no content. Raises `HttpProblem` where they are more than may be."""
        self.check_end(end)
        self.overhead += end - self.at
        self.at = end

    def take(self, most: int) -> bytes:
        """Consume at most so many bytes of content."""
        piece = self.data[self.at : self.at + most]
        self.at += len(piece)
        return piece
