"""What the brokers have refused for its size of late, so that it is not sent to them again.

A refusal costs more than the record: it has used up a sequence number, without which its partition takes nothing more
from this client, whoever's events those are, until the client is replaced.
"""

import math
from collections.abc import Callable
from time import monotonic
from typing import Final

from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from adapters.kafka.record_batches import Outgoing

_REMEMBERED_SECONDS: Final = 300.0
"""After how long a topic's limit may have been raised."""


class RefusedSizes:
    """Remembers for each topic the smallest record that was refused, for a while."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """`clock` tells seconds, from any beginning."""
        self._clock = clock
        self._refused: dict[str, tuple[int, float]] = {}
        """The smallest size, and until when to remember it, by topic."""

    def note(self, topic: str, record: Outgoing) -> None:
        """Remember that a record was refused that was sent alone."""
        size = _size(record)
        if size < self._limit(topic):
            self._refused[topic] = (size, self._clock() + _REMEMBERED_SECONDS)

    def check(self, topic: str, record: Outgoing) -> None:
        """Raise the client's own error for a record of a size that was refused."""
        if topic in self._refused and _size(record) >= self._limit(topic):
            raise MessageSizeTooLargeError("the brokers have refused this size of late")

    def _limit(self, topic: str) -> float:
        size, until = self._refused.get(topic, (0, -math.inf))
        return size if self._clock() < until else math.inf


def _size(record: Outgoing) -> int:
    """Measure a record as the log does."""
    return int(DefaultRecordBatchBuilder.size_of(record.key, record.value, list(record.headers)))
