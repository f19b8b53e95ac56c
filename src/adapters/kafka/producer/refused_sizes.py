"""Remembers the sizes that brokers have refused, so that no record of such a size is sent again.

A refusal does not concern the record alone: it uses a sequence number, and until the client is replaced the partition
refuses all later records of the client, of all users.
"""

import math
from collections.abc import Callable
from time import monotonic
from typing import Final

_REMEMBERED_SECONDS: Final = 300.0
"""After how long a topic's limit may have been raised."""


class RefusedSizes:
    """The smallest record that each topic has refused recently."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """`clock` tells seconds, from any beginning."""
        self._clock = clock
        self._refused: dict[str, tuple[int, float]] = {}
        """The smallest size, and until when to remember it, by topic."""

    def note(self, topic: str, size: int) -> None:
        """Remember that a record of `size` bytes was refused that was sent alone."""
        if size < self.limit(topic):
            self._refused[topic] = (size, self._clock() + _REMEMBERED_SECONDS)

    def limit(self, topic: str) -> float:
        """Return the smallest size that was refused, in bytes; infinity where none was."""
        size, until = self._refused.get(topic, (0, -math.inf))
        return size if self._clock() < until else math.inf
