"""The time by which a client must send what the server expects next."""

import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Literal

from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.limits import Limits

HEADERS_SECONDS = 10.0
"""For the first byte on a new connection, and for a header section from its first byte on."""
DISCARD_SECONDS = 5.0
"""For content that follows a response which did not wait for it."""

Expected = Literal["nothing", "request", "headers", "content", "discarded content"]


class Deadline:
    """The time by which the client must send what is `expected`. It restarts when that changes."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.expected: Expected = "request"
        self._limits = limits
        self._clock = clock
        self._at = clock() + HEADERS_SECONDS
        self._content_at = math.inf

    def expect(self, expected: Expected) -> None:
        """Restart the deadline if something else is expected now, or if a piece of the content has just arrived."""
        if expected == "nothing":
            self._at = math.inf
        elif expected == "content":
            now = self._clock()
            if self.expected != "content":
                self._content_at = now + self._limits.content_total
            self._at = min(now + self._limits.content_idle, self._content_at)
        elif expected != self.expected:
            seconds = {
                "request": self._limits.keep_alive,
                "headers": HEADERS_SECONDS,
                "discarded content": DISCARD_SECONDS,
            }
            self._at = self._clock() + seconds[expected]
        self.expected = expected

    def is_over(self, now: float) -> bool:
        """Return whether the client is late."""
        return now >= self._at

    def restart(self, now: float) -> None:
        """Give the client its full time again: the server does not read yet, so the client cannot be late."""
        self._at = now + HEADERS_SECONDS
        self._content_at = now + self._limits.content_total

    def problem(self, now: float) -> HttpProblem | None:
        """Return the 408 for a client that is late; None if it has no request under way to answer."""
        if self.expected == "headers":
            detail = f"The request's head did not arrive within {HEADERS_SECONDS:g} seconds."
        elif self.expected != "content":
            return None
        elif now >= self._content_at:
            detail = f"The body did not arrive within {self._limits.content_total:g} seconds."
        else:
            detail = f"No part of the body arrived for {self._limits.content_idle:g} seconds."
        return HttpProblem(HTTPStatus.REQUEST_TIMEOUT, detail)
