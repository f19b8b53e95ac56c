"""By when a client has to send what is awaited of it."""

import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Literal

from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.connections import Limits

HEAD_SECONDS = 10.0
"""For a head from its first byte, and for that byte on a new connection."""
REST_SECONDS = 5.0
"""For what follows an answer that did not wait for all of the request."""

Awaited = Literal["nothing", "request", "head", "content", "rest"]


class Deadline:
    """The time by which the client has to send what is `awaited`; it begins when that changes."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.awaited: Awaited = "request"
        self._limits = limits
        self._clock = clock
        self._at = clock() + HEAD_SECONDS
        self._content_at = math.inf

    def set(self, awaited: Awaited) -> None:
        """Await something; of content some has come just now, and there is a time for all of it."""
        if awaited == "nothing":
            self._at = math.inf
        elif awaited == "content":
            now = self._clock()
            if self.awaited != "content":
                self._content_at = now + self._limits.content
            self._at = min(now + self._limits.silence, self._content_at)
        elif awaited != self.awaited:
            seconds = {"request": self._limits.keep_alive, "head": HEAD_SECONDS, "rest": REST_SECONDS}
            self._at = self._clock() + seconds[awaited]
        self.awaited = awaited

    def is_over(self, now: float) -> bool:
        """Tell whether the client is late."""
        return now >= self._at

    def postpone(self, now: float) -> None:
        """Begin anew: it is the server that keeps the client waiting, until it has answered what came before."""
        self._at = now + HEAD_SECONDS
        self._content_at = now + self._limits.content

    def problem(self, now: float) -> HttpProblem | None:
        """Say what is late, where an answer is of use."""
        if self.awaited == "head":
            detail = f"The request's head did not arrive within {HEAD_SECONDS:g} seconds."
        elif self.awaited != "content":
            return None
        elif now >= self._content_at:
            detail = f"The body did not arrive within {self._limits.content:g} seconds."
        else:
            detail = f"Nothing came of the body for {self._limits.silence:g} seconds."
        return HttpProblem(HTTPStatus.REQUEST_TIMEOUT, detail)
