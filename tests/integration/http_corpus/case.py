"""A case: bytes that a client sends, and the responses that it may get."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from tests.integration.http_corpus import messages as http
from tests.integration.http_corpus.messages import NUMBER

_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

Statuses = int | set[int]


class End(Enum):
    """The state of the connection after the responses."""

    GOES_ON = auto()
    CLOSES = auto()
    EITHER = auto()
    """The RFC allows both."""
    WAITS = auto()
    """The server waits for the rest of a request, or discards it for a while and then closes."""


@dataclass(frozen=True)
class Case:
    """A stream of bytes on a connection of its own."""

    name: str
    stream: bytes
    answers: tuple[frozenset[int], ...]
    """The statuses that the response to each request may have, in order."""
    end: End
    heads: frozenset[int]
    """The places of HEAD requests, from 0."""
    is_early: bool
    """Whether the application may respond before the end of the request, and so before a late error in it."""
    is_for_api: bool
    """Whether only the api has the route."""

    @property
    def ids(self) -> list[str]:
        """The ids of the requests, in order."""
        return [chr(digit) for digit in _DIGITS[: len(self.answers)]]

    @property
    def for_consumer(self) -> "Case":
        """The same for the health port, which may reject other paths after the headers."""
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
    """Make a case, with numbered requests."""
    first, *others = stream.split(NUMBER)
    numbered = b"".join([first, *(b"X-Request-ID: %c" % _DIGITS[n] + rest for n, rest in enumerate(others))])
    statuses = tuple(frozenset({each} if isinstance(each, int) else each) for each in answers)
    return Case(name, numbered, statuses, end, frozenset(heads), early, b" /events/" in stream)


def refused(name: str, stream: bytes, *statuses: int, heads: Iterable[int] = ()) -> Case:
    """Make a case of one malformed request; 400 by default."""
    return case(name, stream, set(statuses or (400,)), end=End.CLOSES, heads=heads)


def tolerated(name: str, stream: bytes, *statuses: int) -> Case:
    """Make a case of one request that a server may accept (200) or reject, by default with 400."""
    return case(name, stream, {200, *(statuses or (400,))}, end=End.EITHER)


def framed(
    name: str, fields: Iterable[bytes], body: bytes, *answers: Statuses, end: End = End.GOES_ON
) -> Iterable[Case]:
    """Make a case of a body that is an event, and the same for a route that reads no body and answers at once.

    A status of 201 stands for success; the server has to find the end of the body either way.
    """
    yield case(f"{name}, read", http.post(*fields, body=body), *answers, end=end)
    unread = [_unread(each) for each in answers]
    yield case(f"{name}, unread", http.request(http.GET, *fields, body=body), *unread, end=end, early=True)


def _unread(statuses: Statuses) -> set[int]:
    return ({statuses} if isinstance(statuses, int) else statuses) - {201, 413} | {200}
