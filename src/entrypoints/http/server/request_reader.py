"""Requests out of the bytes of a connection, the same requests however TCP has cut them (RFC 9112).

uvicorn's parser does not say at which byte it is: it could not be asked to count what is outside a content, it takes
the trailers of a chunked content for fields of the head, and after an offer to upgrade it reads no content at all.
"""

import re
from http import HTTPMethod, HTTPStatus

import msgspec

from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.content import ChunkedContent, SizedContent
from entrypoints.http.server.field_rules import bad_request, check_fields, is_host
from entrypoints.http.server.overhead import Received

MAX_FIELDS = 256
"""In a head: 64 KiB of short ones would be thirty times as large in memory, and as many heads may wait."""

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]++) HTTP/([0-9]\.[0-9])\r\n")
_OUTSIDE_LINE = re.compile(rb"[^\r\n\x20-\x7e]")
_EMPTY_LINES = re.compile(rb"(?:\r\n)++")
_FIELD = re.compile(rb"(" + _TOKEN + rb"):([\t\x20-\x7e\x80-\xff]*+)\r\n")
_FIELDS = re.compile(rb"(?:" + _FIELD.pattern + rb")*+\r\n")
_HEAD_END = re.compile(rb"\n\r?\n")
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?:][^/?]*+)(/[^?]*+)?(?:\?(.*+))?")
# The standard library does not know the youngest one yet.
_METHODS = frozenset(method.encode() for method in (*HTTPMethod, "QUERY"))


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
        self._line: tuple[bytes, str] | None = None
        """Target and version of the request line, until the rest of the head has come."""
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
            return None if line is None else self._read_head(*line)
        piece = content.read(received)
        if content.is_complete:
            self._end_request()
            return piece
        return piece or None

    def _end_request(self) -> None:
        self.content = None
        self._received.overhead = 0

    def _read_line(self) -> tuple[bytes, str] | None:
        """Read the request line, RFC 9112, section 3, and the empty lines before it, section 2.2."""
        received = self._received
        self.method, self.fields = "", []
        if empty := _EMPTY_LINES.match(received.data, received.at):
            received.consume(empty.end())
        start, last = max(received.at, received.searched), received.last
        if received.data.find(b"\n", start, last) < 0 and _OUTSIDE_LINE.search(received.data, start, last):
            raise bad_request("invalid request line")
        if not received.has_line():
            return None
        line = _REQUEST_LINE.match(received.data, received.at)
        if line is None:
            raise bad_request("invalid request line")
        method, target, version = line.groups()
        self.method = method.decode()
        if version not in {b"1.0", b"1.1"}:
            raise HttpProblem(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "The versions of HTTP served are 1.0 and 1.1.")
        if method not in _METHODS:
            raise HttpProblem(HTTPStatus.NOT_IMPLEMENTED, "This method is not known here.")
        self._line = target, version.decode()
        received.searched = line.end() - 1
        return self._line

    def _read_head(self, target: bytes, version: str) -> Head | None:
        """Read the rest of a head; what has come of it stays where it is until then."""
        received = self._received
        found = _HEAD_END.search(received.data, received.searched)
        if found is None:
            received.check_end(len(received.data))
            received.searched = max(received.searched, len(received.data) - 2)
            return None
        start = received.data.index(b"\n", received.at) + 1
        received.consume(found.end())
        self._line = None
        self._read_fields(start)
        path, query = _split(target, self.method)
        framing = check_fields(self.fields, is_1_0=version == "1.0")
        if framing.content_length is None:
            self.content = ChunkedContent()
        elif framing.content_length:
            self.content = SizedContent(framing.content_length)
        else:
            self._end_request()
        return Head(self.method, path, query, version, self.fields, framing.is_kept, framing.expects_continue)

    def _read_fields(self, start: int) -> None:
        """RFC 9112, section 5."""
        data, end = self._received.data, self._received.at
        # First: in what is no fields, a search for one would begin anew at each byte.
        if not _FIELDS.fullmatch(data, start, end):
            raise bad_request("invalid field")
        lines = _FIELD.findall(data, start, end)
        if len(lines) > MAX_FIELDS:
            detail = f"The request has more than {MAX_FIELDS} fields in its head."
            raise HttpProblem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
        self.fields = [(name.lower(), value.strip(b" \t")) for name, value in lines]


def _split(target: bytes, method: str) -> tuple[bytes, bytes]:
    """Return the path and the query of a request's target, RFC 9112, section 3.2."""
    if b"#" in target:
        raise bad_request("a fragment in the target")
    if target.startswith(b"/"):
        path, _, query = target.partition(b"?")
        return path, query
    if absolute := _ABSOLUTE.fullmatch(target):
        authority, path, query = absolute.groups()
        if is_host(authority):
            return path or b"/", query or b""
    if target == b"*" and method == "OPTIONS":
        return target, b""
    raise bad_request("invalid target")
