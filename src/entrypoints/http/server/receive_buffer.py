"""Received bytes that are not parsed yet, and the limit on a request's bytes outside its content."""

from http import HTTPStatus

from entrypoints.http.problems import HttpProblem

MAX_OVERHEAD_BYTES = 64 * 1024
"""Per request: request line, header section, chunk framing, trailers, and the empty lines before the request."""


class ReceiveBuffer:
    """The unparsed bytes of a connection: `data` from `start` on. Counts the overhead of the current request."""

    def __init__(self) -> None:
        self.data = b""
        self.start = 0
        self.searched = 0
        """The next search for a line end begins here, so that no byte is searched twice."""
        self.overhead = 0
        """Bytes of the current request that were taken from the buffer and are not content."""

    def feed(self, data: bytes) -> None:
        """Append received bytes."""
        self.data = self.data[self.start :] + data if self.start < len(self.data) else data
        self.searched = max(0, self.searched - self.start)
        self.start = 0

    @property
    def overhead_end(self) -> int:
        """The position in `data` at which the current request has used up its overhead."""
        return self.start + MAX_OVERHEAD_BYTES - self.overhead

    def has_line(self) -> bool:
        """Return whether a whole line has arrived. Raises `HttpProblem` if it exceeds the overhead limit."""
        end = self.data.find(b"\n", max(self.start, self.searched)) + 1
        if end:
            self.check_overhead(end)
        else:
            self.mark_searched(len(self.data))
        return end > 0

    def mark_searched(self, position: int) -> None:
        """Begin the next search at `position`. Raises `HttpProblem` if the data exceeds the overhead limit."""
        self.check_overhead(len(self.data))
        self.searched = max(self.searched, position)

    def check_overhead(self, end: int) -> None:
        """Raise `HttpProblem` if the bytes up to `end` exceed the overhead limit."""
        if end > self.overhead_end:
            detail = f"The request has more than {MAX_OVERHEAD_BYTES} bytes outside its content."
            raise HttpProblem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    def take_overhead(self, end: int) -> None:
        """Drop the bytes up to `end`, which are not content. Raises `HttpProblem` if they exceed the limit."""
        self.check_overhead(end)
        self.overhead += end - self.start
        self.start = end

    def take_content(self, max_bytes: int) -> bytes:
        """Remove and return at most `max_bytes` of content."""
        piece = self.data[self.start : self.start + max_bytes]
        self.start += len(piece)
        return piece
