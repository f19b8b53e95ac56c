"""A limit on the memory that the bodies of all open requests use together."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from entrypoints.http.problems import RETRY_SOON, unavailable

SMALL_BYTES = 64 * 1024
"""Up to this size a request may use the part of the budget that is reserved for small requests."""

Reserve = Callable[[int], None]
"""Reserves bytes for one request. Raises `HttpProblem` with 503 if the budget is exhausted."""


class MemoryBudget:
    """Counts bytes as they arrive, because an announced length may be wrong.

    Requests of more than `SMALL_BYTES` cannot use the whole budget, so a few large ones that never end do not block
    small ones.
    """

    def __init__(self, max_bytes: int, *, reserved_for_small: int = 0) -> None:
        """Allow `max_bytes` for all requests, including `reserved_for_small` bytes for small requests only."""
        self._max_bytes = max_bytes
        self._max_bytes_of_large = max_bytes - reserved_for_small
        self._used = 0

    @contextmanager
    def reservation(self) -> Iterator[Reserve]:
        """Yield a function that reserves bytes until the context ends; a lone request may reserve any amount."""
        own = 0

        def reserve(size: int) -> None:
            nonlocal own
            limit = self._max_bytes if own + size <= SMALL_BYTES else self._max_bytes_of_large
            if own < self._used and self._used + size > limit:
                raise unavailable("Too many large requests are in flight.", headers=RETRY_SOON)
            own += size
            self._used += size

        try:
            yield reserve
        finally:
            self._used -= own
