"""Parses the byte stream of a connection into requests, independent of how TCP splits it (RFC 9112).

httptools does not report positions. With it the server could not count the bytes outside content, would merge trailers
into the header section, and would lose content that follows an Upgrade offer.
"""

import re
from contextlib import suppress
from http import HTTPMethod, HTTPStatus

import msgspec

from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.content import ChunkedContent, SizedContent
from entrypoints.http.server.header_fields import TOKEN, bad_request, is_host, parse_field_lines, parse_header_section
from entrypoints.http.server.receive_buffer import ReceiveBuffer

_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e]++) HTTP/([0-9]\.[0-9])\r\n")
_NOT_IN_REQUEST_LINE = re.compile(rb"[^\r\n\x20-\x7e]")
_EMPTY_LINES = re.compile(rb"(?:\r\n)++")
_ABSOLUTE_FORM = re.compile(rb"(?i:https?)://([^/?:][^/?]*+)(/[^?]*+)?(?:\?(.*+))?")
_VERSIONS = frozenset({"1.0", "1.1"})
# Python does not know QUERY yet.
_METHODS = frozenset({*HTTPMethod, "QUERY"})


class _RequestLine(msgspec.Struct):
    method: str
    target: bytes
    version: str


class ParsedRequest(msgspec.Struct):
    """A request without its content."""

    method: str
    path: bytes
    query: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    """Their names in lower case."""
    keep_alive: bool
    """Whether the client wants the connection to stay open."""
    expects_continue: bool


class RequestParser:
    """Returns each request, and then its content piece by piece."""

    def __init__(self) -> None:
        self.content: SizedContent | ChunkedContent | None = None
        """The unfinished content of the latest request."""
        self._line: _RequestLine | None = None
        """The request line, until the header section is complete."""
        self._method = ""
        self._section = b""
        """The latest header section."""
        self._buffer = ReceiveBuffer()
        self.feed = self._buffer.feed

    @property
    def is_between_requests(self) -> bool:
        """Whether nothing of the next request has arrived, except empty lines."""
        if self._line is not None or self.content is not None:
            return False
        buffer = self._buffer
        return buffer.start == len(buffer.data) or buffer.data[buffer.start : buffer.start + 2] == b"\r"

    @property
    def invalid_request(self) -> ParsedRequest:
        """The request at which `read` failed, as far as it is known. The connection cannot continue after it."""
        headers: list[tuple[bytes, bytes]] = []
        with suppress(HttpProblem):
            headers = parse_field_lines(self._section)
        return ParsedRequest(self._method, b"", b"", "1.1", headers, keep_alive=False, expects_continue=False)

    def read(self) -> ParsedRequest | bytes | None:
        """Return the next request or piece of content; None if more bytes are needed.

        The last piece of content may be empty. Raises `HttpProblem`; nothing can be read after that.
        """
        buffer, content = self._buffer, self.content
        if buffer.start == len(buffer.data):
            return None
        if content is None:
            line = self._line or self._read_request_line()
            return None if line is None else self._read_header_section(line)
        piece = content.read(buffer)
        if content.is_complete:
            self._end_request()
            return piece
        return piece or None

    def _end_request(self) -> None:
        self.content = None
        self._buffer.overhead = 0

    def _read_request_line(self) -> _RequestLine | None:
        """Read the request line, and skip empty lines before it (RFC 9112, section 2.2)."""
        buffer = self._buffer
        self._method, self._section = "", b""
        if buffer.data.startswith(b"\r\n", buffer.start) and (empty := _EMPTY_LINES.match(buffer.data, buffer.start)):
            buffer.take_overhead(empty.end())
        start, limit = max(buffer.start, buffer.searched), buffer.overhead_end
        end = buffer.data.find(b"\n", start, limit) + 1
        if not end:
            if _NOT_IN_REQUEST_LINE.search(buffer.data, start, limit):
                raise bad_request("invalid request line")
            buffer.mark_searched(len(buffer.data))
            return None
        match = _REQUEST_LINE.fullmatch(buffer.data, buffer.start, end)
        if match is None:
            raise bad_request("invalid request line")
        line = _RequestLine(match[1].decode(), match[2], match[3].decode())
        self._method = line.method
        if line.version not in _VERSIONS:
            raise HttpProblem(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "The versions of HTTP served are 1.0 and 1.1.")
        if line.method not in _METHODS:
            raise HttpProblem(HTTPStatus.NOT_IMPLEMENTED, "This method is not known here.")
        self._line = line
        buffer.searched = end - 1
        return line

    def _read_header_section(self, line: _RequestLine) -> ParsedRequest | None:
        """Read the header section; it stays in the buffer until all of it has arrived."""
        buffer = self._buffer
        searched, limit = buffer.searched, buffer.overhead_end
        end = buffer.data.find(b"\n\r\n", searched, limit) + 1
        if not end:
            if buffer.data.find(b"\n\n", searched, limit) >= 0:
                raise bad_request("invalid field")
            # The first two bytes of the three may have arrived.
            buffer.mark_searched(len(buffer.data) - 2)
            return None
        self._section = buffer.data[buffer.data.index(b"\n", buffer.start) + 1 : end]
        buffer.take_overhead(end + len(b"\r\n"))
        self._line = None
        path, query = _split(line)
        headers = parse_header_section(self._section, line.version)
        if headers.content_length is None:
            self.content = ChunkedContent()
        elif headers.content_length:
            self.content = SizedContent(headers.content_length)
        else:
            self._end_request()
        # The application may change its list of headers.
        fields = [*headers.fields]
        return ParsedRequest(
            line.method, path, query, line.version, fields, headers.keep_alive, headers.expects_continue
        )


def _split(line: _RequestLine) -> tuple[bytes, bytes]:
    """Return path and query of a request target (RFC 9112, section 3.2). Raises `HttpProblem`."""
    target = line.target
    if b"#" in target:
        raise bad_request("a fragment in the target")
    if target.startswith(b"/"):
        path, _, query = target.partition(b"?")
        return path, query
    if absolute := _ABSOLUTE_FORM.fullmatch(target):
        authority, path, query = absolute.groups()
        if is_host(authority):
            return path or b"/", query or b""
    if target == b"*" and line.method == "OPTIONS":
        return target, b""
    raise bad_request("invalid target")
