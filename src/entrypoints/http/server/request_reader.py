"""Requests out of the bytes of a connection, the same requests however TCP has cut them (RFC 9112).

uvicorn's parser does not say at which byte it is: it could not be asked to count what is outside a content, it takes
the trailers of a chunked content for fields of the head, and after an offer to upgrade it reads no content at all.
"""

import re
from http import HTTPMethod, HTTPStatus

import msgspec

from entrypoints.http.headers import Fields
from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.content import ChunkedContent, SizedContent
from entrypoints.http.server.field_rules import Framing, bad_request, check_fields, field_of, is_host
from entrypoints.http.server.kept_readings import kept_if_short
from entrypoints.http.server.overhead import Received

MAX_FIELDS = 256
"""In a head: 64 KiB of short ones would be thirty times as large in memory, and as many heads may wait."""

_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++) ([\x21-\x7e]++) HTTP/([0-9]\.[0-9])\r\n")
_OUTSIDE_LINE = re.compile(rb"[^\r\n\x20-\x7e]")
_EMPTY_LINES = re.compile(rb"(?:\r\n)++")
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?:][^/?]*+)(/[^?]*+)?(?:\?(.*+))?")
_VERSIONS = frozenset({"1.0", "1.1"})
# The standard library does not know the youngest one yet.
_METHODS = frozenset({*HTTPMethod, "QUERY"})


class RequestLine(msgspec.Struct, frozen=True, gc=False):
    """RFC 9112, section 3."""

    method: str
    target: bytes
    path: bytes | None
    """None where the target is none."""
    query: bytes
    version: str


class Head(msgspec.Struct, gc=False):
    """A request without its content."""

    method: str
    path: bytes
    query: bytes
    version: str
    fields: list[tuple[bytes, bytes]]
    """Their names in lower case."""
    is_kept: bool
    """Whether the client wants the connection to go on."""
    expects_continue: bool


class RequestReader:
    """Turns bytes into the parts of requests: of each its head, and its content piece by piece."""

    def __init__(self) -> None:
        self.method = ""
        """Of the request that is being read, as far as it is known; so are its `fields`."""
        self.fields: list[tuple[bytes, bytes]] = []
        self._line: RequestLine | None = None
        """Until the rest of the head has come."""
        self.content: SizedContent | ChunkedContent | None = None
        """Of the request whose head was read, until all of it has come."""
        self._received = Received()
        self.feed = self._received.feed

    @property
    def is_between(self) -> bool:
        """Whether nothing of the next request has come, empty lines aside."""
        if self._line is not None or self.content is not None:
            return False
        received = self._received
        return received.at == len(received.data) or received.data[received.at : received.at + 2] == b"\r"

    def read(self) -> Head | bytes | None:
        """Return the next head or piece of content, which is empty where the content ends with no more of it.

        None: more bytes must come first. Raises `HttpProblem`, after which all is over.
        """
        received, content = self._received, self.content
        if received.at == len(received.data):
            return None
        if content is None:
            line = self._line or self._read_line()
            return None if line is None else self._read_head(line)
        piece = content.read(received)
        if content.is_complete:
            self._end_request()
            return piece
        return piece or None

    def _end_request(self) -> None:
        self.content = None
        self._received.overhead = 0

    def _read_line(self) -> RequestLine | None:
        """Read the request line, and the empty lines before it (RFC 9112, section 2.2)."""
        received = self._received
        self.method, self.fields = "", []
        if received.data.startswith(b"\r\n", received.at) and (empty := _EMPTY_LINES.match(received.data, received.at)):
            received.consume(empty.end())
        start, last = max(received.at, received.searched), received.last
        end = received.data.find(b"\n", start, last) + 1
        if not end:
            if _OUTSIDE_LINE.search(received.data, start, last):
                raise bad_request("invalid request line")
            received.note_searched(len(received.data))
            return None
        line = _request_line(received.data[received.at : end])
        self.method = line.method
        if line.version not in _VERSIONS:
            raise HttpProblem(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "The versions of HTTP served are 1.0 and 1.1.")
        if line.method not in _METHODS:
            raise HttpProblem(HTTPStatus.NOT_IMPLEMENTED, "This method is not known here.")
        self._line = line
        received.searched = end - 1
        return line

    def _read_head(self, line: RequestLine) -> Head | None:
        """Read the rest of a head; what has come of it stays where it is until then."""
        received = self._received
        searched, last = received.searched, received.last
        # Of the last line before the empty one.
        end = received.data.find(b"\n\r\n", searched, last) + 1
        if not end:
            if received.data.find(b"\n\n", searched, last) >= 0:
                raise bad_request("invalid field")
            # Two of the three bytes may have come.
            received.note_searched(len(received.data) - 2)
            return None
        text = received.data[received.data.index(b"\n", received.at) + 1 : end]
        received.consume(end + len(b"\r\n"))
        self._line = None
        fields, framing = _fields_of(text)
        # A list of its own, which the application may change.
        self.fields = [*fields]
        if line.path is None:
            raise bad_request("a fragment in the target" if b"#" in line.target else "invalid target")
        if framing is None or line.version == "1.0":
            framing = check_fields(self.fields, is_1_0=line.version == "1.0")
        if framing.content_length is None:
            self.content = ChunkedContent()
        elif framing.content_length:
            self.content = SizedContent(framing.content_length)
        else:
            self._end_request()
        return Head(
            line.method, line.path, line.query, line.version, self.fields, framing.is_kept, framing.expects_continue
        )


@kept_if_short
def _fields_of(text: bytes) -> tuple[Fields, Framing | None]:
    """Read fields (RFC 9112, section 5), and what they say of a request of HTTP/1.1.

    None where they are refused: who reads them has to check them anew, and knows what to refuse by then.
    """
    *lines, rest = text.split(b"\r\n")
    if rest:
        raise bad_request("invalid field")
    if len(lines) > MAX_FIELDS:
        detail = f"The request has more than {MAX_FIELDS} fields in its head."
        raise HttpProblem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
    fields = [*map(field_of, lines)]
    try:
        framing = check_fields(fields, is_1_0=False)
    except HttpProblem:
        framing = None
    return tuple(fields), framing


@kept_if_short
def _request_line(text: bytes) -> RequestLine:
    line = _LINE.fullmatch(text)
    if line is None:
        raise bad_request("invalid request line")
    method, target, version = line.groups()
    path, query = _split(target, method) or (None, b"")
    return RequestLine(method.decode(), target, path, query, version.decode())


def _split(target: bytes, method: bytes) -> tuple[bytes, bytes] | None:
    """Return the path and the query of a request's target, RFC 9112, section 3.2."""
    if b"#" in target:
        return None
    if target.startswith(b"/"):
        path, _, query = target.partition(b"?")
        return path, query
    if absolute := _ABSOLUTE.fullmatch(target):
        authority, path, query = absolute.groups()
        if is_host(authority):
            return path or b"/", query or b""
    return (target, b"") if target == b"*" and method == b"OPTIONS" else None
