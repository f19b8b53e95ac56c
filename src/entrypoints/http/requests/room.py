"""A bound on the bytes that requests under way hold in memory together."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from entrypoints.http.problems import HttpProblem

SMALL_BYTES = 64 * 1024
"""What a request may take of the share that is kept for small ones."""

Take = Callable[[int], None]
"""Counts so many more bytes for a request; raises `HttpProblem` with 503 when there is no room for them."""


class Room:
    """Counts bytes while they come, since a length that is announced may be a lie.

    A request of over `SMALL_BYTES` leaves a share to the others: a few large ones that never end refuse no small one.
    """

    def __init__(self, max_bytes: int, *, kept_bytes: int = 0) -> None:
        """Bound all requests to `max_bytes`, of which `kept_bytes` are kept for small ones."""
        self._max_bytes = max_bytes
        self._max_large_bytes = max_bytes - kept_bytes
        self._taken = 0

    @contextmanager
    def share(self) -> Iterator[Take]:
        """Give a request what it takes until it is over; one that is alone may take any amount."""
        own = 0

        def take(size: int) -> None:
            nonlocal own
            most = self._max_bytes if own + size <= SMALL_BYTES else self._max_large_bytes
            if own < self._taken and self._taken + size > most:
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
