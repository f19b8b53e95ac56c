"""A bound on the bytes that requests under way hold in memory together."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from entrypoints.http.problems import HttpProblem

Take = Callable[[int], None]
"""Counts so many more bytes for a request; raises `HttpProblem` with 503 when there is no room for them."""


class Room:
    """Counts bytes while they come, since a length that is announced may be a lie."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._taken = 0

    @contextmanager
    def share(self) -> Iterator[Take]:
        """Give a request what it takes until it is over; one that is alone may take any amount."""
        own = 0

        def take(size: int) -> None:
            nonlocal own
            if own < self._taken and self._taken + size > self._max_bytes:
                raise HttpProblem(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "Too many large requests are in flight.",
                    headers=[(b"retry-after", b"1")],
                )
            own += size
            self._taken += size

        try:
            yield take
        finally:
            self._taken -= own
