"""How many letters a replay publishes at once, and how long it waits between."""

from collections.abc import Callable
from time import monotonic

CHUNK_LETTERS = 1_000
_SHARE_SECONDS = 0.2
"""A chunk is what the rate grants for so long."""


class Pacing:
    """Spreads letters evenly: within any time, at most what the rate grants, and one chunk."""

    def __init__(self, rate: float | None, clock: Callable[[], float] = monotonic) -> None:
        """`rate`: letters a second, None for no limit; `clock` returns seconds."""
        self._rate = rate
        self._clock = clock
        self._free_at = clock()

    @property
    def chunk(self) -> int:
        """How many letters are published at once."""
        return CHUNK_LETTERS if self._rate is None else max(1, min(CHUNK_LETTERS, int(self._rate * _SHARE_SECONDS)))

    @property
    def wait(self) -> float:
        """How many seconds to wait before the next chunk."""
        return max(0.0, self._free_at - self._clock())

    def count(self, letters: int) -> None:
        """Note that so many letters are about to be published."""
        if self._rate is not None:
            self._free_at = max(self._free_at, self._clock()) + letters / self._rate
