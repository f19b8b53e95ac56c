"""Sizes that the brokers have refused of late, so that records of these sizes are not sent to them again.

A refusal costs more than the record: it has used up a sequence number, without which its partition takes nothing more
from this client, whoever's events those are, until the client is replaced.
"""

import math
from collections.abc import Callable
from time import monotonic
from typing import Final

_REMEMBERED_SECONDS: Final = 300.0
"""After how long a topic's limit may have been raised."""


class RefusedSizes:
    """Remembers for each topic the smallest record that was refused, for a while."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """`clock` tells seconds, from any beginning."""
        self._clock = clock
        self._refused: dict[str, tuple[int, float]] = {}
        """The smallest size, and until when to remember it, by topic."""

    def note(self, topic: str, size: int) -> None:
        """Remember that a batch of one record and of `size` bytes was refused."""
        if size < self.limit(topic):
            self._refused[topic] = (size, self._clock() + _REMEMBERED_SECONDS)

    def limit(self, topic: str) -> float:
        """Return the smallest size that was refused, in bytes; infinity where none was."""
        size, until = self._refused.get(topic, (0, -math.inf))
        return size if self._clock() < until else math.inf
