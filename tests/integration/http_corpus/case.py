"""A case: what a client sends, and which answers it may get."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

EVENT = b'{"userId":"u","eventType":"LOGIN"}'
GET = b"GET /health HTTP/1.1"
POST = b"POST /events/generate HTTP/1.1"
HOST = b"Host: api"
JSON = b"Content-Type: application/json"
OFFER = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAEAAEAA")

_NUMBER = b"X-Request-ID: ?"
_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

Statuses = int | set[int]


class End(Enum):
    """What the connection does after the answers."""

    GOES_ON = auto()
    CLOSES = auto()
    EITHER = auto()
    """Where the RFC leaves it to the server."""
    WAITS = auto()
    """The server waits for the rest of a request, or reads it away for a while and then closes."""


@dataclass(frozen=True)
class Case:
    """A stream of bytes on a connection of its own."""

    name: str
    stream: bytes
    answers: tuple[frozenset[int], ...]
    """The statuses that the answer to each request may have, in order."""
    end: End
    heads: frozenset[int]
    """The places of HEAD requests, from 0."""
    is_early: bool
    """Whether the application may answer before the request is whole, and so before a fault that comes late in it."""
    is_for_api: bool
    """Whether only the api has what is asked for."""

    @property
    def ids(self) -> list[str]:
        """The ids of the requests, in order."""
        return [chr(digit) for digit in _DIGITS[: len(self.answers)]]

    @property
    def for_consumer(self) -> "Case":
        """The same at a port where only health is served, which may refuse other paths when it has read the head."""
        if not self.is_for_api:
            return self
        answers = tuple(statuses if statuses == {200} else (statuses | {404}) - {201} for statuses in self.answers)
        before, expectation, _ = self.stream.lower().partition(b"100-continue")
        if expectation:
            # Its refusal is the last answer.
            answers = answers[: before.count(b"x-request-id:")]
        end = End.EITHER if expectation and self.end is End.GOES_ON else self.end
        return Case(self.name, self.stream, answers, end, self.heads, is_early=True, is_for_api=True)


def case(
    name: str,
    stream: bytes,
    *answers: Statuses,
    end: End = End.GOES_ON,
    heads: Iterable[int] = (),
    early: bool = False,
) -> Case:
    """Make a case, its requests numbered."""
    first, *others = stream.split(_NUMBER)
    numbered = b"".join([first, *(b"X-Request-ID: %c" % _DIGITS[n] + rest for n, rest in enumerate(others))])
    statuses = tuple(frozenset({each} if isinstance(each, int) else each) for each in answers)
    return Case(name, numbered, statuses, end, frozenset(heads), early, b" /events/" in stream)


def refused(name: str, stream: bytes, *statuses: int, heads: Iterable[int] = ()) -> Case:
    """Make a case of one request that is none; 400 where no status is named."""
    return case(name, stream, set(statuses or (400,)), end=End.CLOSES, heads=heads)


def tolerated(name: str, stream: bytes, *statuses: int) -> Case:
    """Make a case of one request that a server may take, 200, or refuse with one of these statuses, or 400."""
    return case(name, stream, {200, *(statuses or (400,))}, end=End.EITHER)


def request(line: bytes = GET, *fields: bytes, body: bytes = b"", host: bytes | None = HOST) -> bytes:
    """Write a request, numbered; `body` goes behind the head as it is."""
    lines = [line, _NUMBER, *([host] if host is not None else []), *fields]
    return b"\r\n".join([*lines, b"", body])


def post(*fields: bytes, body: bytes, line: bytes = POST) -> bytes:
    """Write a request for an event to be published; `fields` tell the framing."""
    return request(line, JSON, *fields, body=body)


def event(*fields: bytes) -> bytes:
    """Write the usual request for that."""
    return post(b"Content-Length: %d" % len(EVENT), *fields, body=EVENT)


def in_chunks(*chunks: bytes) -> bytes:
    """Write a body of chunks, without a last one."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = in_chunks(EVENT[:7], EVENT[7:])
LAST_CHUNK = b"0\r\n\r\n"


def framed(
    name: str, fields: Iterable[bytes], body: bytes, *answers: Statuses, end: End = End.GOES_ON
) -> Iterable[Case]:
    """Make a case of a body that is an event, and the same for a route that reads no body and answers at once.

    A status of 201 stands for success; the server has to find the end of the body either way.
    """
    yield case(f"{name}, read", post(*fields, body=body), *answers, end=end)
    unread = [_unread(each) for each in answers]
    yield case(f"{name}, unread", request(GET, *fields, body=body), *unread, end=end, early=True)


def _unread(statuses: Statuses) -> set[int]:
    return ({statuses} if isinstance(statuses, int) else statuses) - {201, 413} | {200}
