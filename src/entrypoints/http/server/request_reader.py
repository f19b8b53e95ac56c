"""Requests out of the bytes of a connection, the same requests however TCP has cut them (RFC 9112).

A head is given to the parser once all of it has come, and alone. Where its content begins and ends is found here, since
the parser does not say at which byte it is: it could not be asked to count what is outside a content, it takes a
chunked content's trailers for fields of the head, and after an offer to upgrade it reads no content at all.
"""

import re
from http import HTTPStatus

import httptools
import msgspec

from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.content import ChunkedContent, SizedContent
from entrypoints.http.server.field_rules import bad_request, check_fields
from entrypoints.http.server.overhead import Received

MAX_FIELDS = 256
"""In a head: 64 KiB of short ones would be thirty times as large in memory, and as many heads may wait."""

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++) ([\x21-\x7e]++) HTTP/([0-9]\.[0-9])\r\n")
_OUTSIDE_LINE = re.compile(rb"[^\r\n\x20-\x7e]")
_EMPTY_LINES = re.compile(rb"(?:\r\n)++")
_HEAD_END = re.compile(rb"\n\r?\n")


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


class End:
    """The end of a request, its content included."""


END = End()
Part = Head | bytes | End


class RequestReader:
    """Turns bytes into the parts of requests: of each its head, its content piece by piece, and `END`."""

    def __init__(self) -> None:
        self.method = ""
        """Of the request that is being read, as far as it is known; so are its `fields`."""
        self.fields: list[tuple[bytes, bytes]] = []
        self._line: tuple[bytes, str] | None = None
        """Target and version of the request line, until the rest of the head has come."""
        self._content: SizedContent | ChunkedContent | None = None
        """Of the request whose head was read, until all of it has come."""
        self._received = Received()
        self.feed = self._received.feed

    @property
    def is_in_content(self) -> bool:
        """Whether a head was read whose request has not come whole."""
        return self._content is not None

    @property
    def is_between(self) -> bool:
        """Whether nothing of the next request has come, empty lines aside."""
        received = self._received
        return not (self._line or self._content) and received.data[received.at : received.at + 2] in (b"", b"\r")

    def read(self) -> Part | None:
        """Return the next part; None when more bytes must come first. Raises `HttpProblem`, after which all is over."""
        if self._content is None:
            line = self._line or self._read_line()
            return None if line is None else self._read_head(*line)
        if piece := self._content.read(self._received):
            return piece
        if not self._content.is_complete:
            return None
        self._content = None
        self._received.overhead = 0
        return END

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
        self.method = line[1].decode()
        version = line[3].decode()
        if version not in {"1.0", "1.1"}:
            raise HttpProblem(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "The versions of HTTP served are 1.0 and 1.1.")
        self._line = line[2], version
        received.searched = line.end() - 1
        return self._line

    def _read_head(self, target: bytes, version: str) -> Head | None:
        """Read the rest of a head; what has come of it stays where it is until then."""
        received = self._received
        found = _HEAD_END.search(received.data, received.searched)
        received.check_end(found.end() if found else len(received.data))
        if not found:
            received.searched = max(received.searched, len(received.data) - 2)
            return None
        data = received.data[received.at : found.end()]
        received.consume(found.end())
        self._line = None
        # The request line and the empty line at the end are lines as well.
        if data.count(b"\n") > MAX_FIELDS + 2:
            detail = f"The request has more than {MAX_FIELDS} fields in its head."
            raise HttpProblem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
        self._parse(data)
        path, query = _split(target, self.method)
        framing = check_fields(self.fields, is_1_0=version == "1.0")
        length = framing.content_length
        self._content = ChunkedContent() if length is None else SizedContent(length)
        return Head(
            method=self.method,
            path=path,
            query=query,
            version=version,
            fields=self.fields,
            is_kept=framing.is_kept,
            expects_continue=framing.expects_continue and length != 0,
        )

    def _parse(self, data: bytes) -> None:
        """Find the fields."""
        collected = _Collected(self.fields)
        reason = "invalid head"
        try:
            httptools.HttpRequestParser(collected).feed_data(data)
        except httptools.HttpParserUpgrade:
            # RFC 9110, section 7.8: an offer may be ignored. What follows is read as if there had been none.
            pass
        except httptools.HttpParserError as error:
            reason = str(error)
        # An error after the fields is one about their meaning, which is checked in any case.
        if collected.is_complete:
            return
        if reason.startswith(("Invalid method", "Expected space after method")):
            raise HttpProblem(HTTPStatus.NOT_IMPLEMENTED, "This method is not known here.")
        raise bad_request(reason)


class _Collected:
    """What the parser reports of a head."""

    def __init__(self, fields: list[tuple[bytes, bytes]]) -> None:
        self.fields = fields
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.is_complete = True


def _split(target: bytes, method: str) -> tuple[bytes, bytes]:
    """Return the path and the query of a request's target, RFC 9112, section 3.2."""
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        raise bad_request("invalid target") from None
    path, scheme = url.path or b"/", (url.schema or b"http").lower()
    is_path = path.startswith(b"/") or (path == b"*" and method == "OPTIONS")
    if b"#" in target or scheme not in {b"http", b"https"} or not is_path:
        raise bad_request("invalid target")
    return path, url.query or b""
