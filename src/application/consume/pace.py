"""How much the consumer does at once, and how long it waits. All times are in seconds."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from time import monotonic

from domain.errors import Declined

logger = logging.getLogger(__name__)

_SHRINKAGE = 4
_GROWTH = 2
_QUICK_SHARE = 1 / 3
"""In which part of the time that a larger batch took to fail a batch has to be stored, for a larger one to follow."""
_QUICK_SECONDS = 1.0
"""What is quick at any rate."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: anything up to a bound that doubles with each failure."""

    first: float = 0.2
    most: float = 15.0

    def after(self, failures: int) -> float:
        """Choose a pause; failures are counted from 1."""
        return random.uniform(0, min(self.most, self.first * 2 ** min(failures, 32)))  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class Pace:
    """The limits within which a consumer reads, stores, retries and ends."""

    batch_size: int = 5_000
    """How many records of a partition are stored at once, at most."""
    batches_in_flight: int = 2
    """How many batches of the process are in the database at once."""
    poll_wait: float = 0.5
    """How long a poll waits for records; bounds how late a stop is noticed."""
    backoff: Backoff = field(default_factory=Backoff)
    retry_budget: float | None = None
    """How long a batch is tried before it is dead-lettered as `exhausted`; None means for ever."""
    finish: float = 20.0
    """How long batches in flight may go on after a stop."""
    revocation: float = 20.0
    """How long a rebalance waits for batches in flight; below the group's rebalance timeout."""
    look: float = 2.0
    """How often to look whether a person has resumed what is halted."""


class BatchSize:
    """How many records of a partition are stored at once: fewer after a time-out, more again after quick successes."""

    def __init__(self, partition: int, usual: int) -> None:
        self.records = usual
        self._partition = partition
        self._usual = usual
        self._failed_seconds = 0.0
        """The longest time that a batch took to fail since batches are smaller than usual."""

    @contextmanager
    def measured(self, records: int) -> Iterator[None]:
        """Learn from whether, and how quickly, that many records are stored meanwhile."""
        began = monotonic()
        try:
            yield
        except Declined:
            self._shrink(records, monotonic() - began)
            raise
        if self.records < self._usual:
            self._grow(monotonic() - began)

    def _shrink(self, records: int, seconds: float) -> None:
        self.records = max(1, records // _SHRINKAGE)
        self._failed_seconds = max(seconds, self._failed_seconds)
        if self.records < records:
            logger.warning("trying smaller batches", extra={"partition": self._partition, "records": self.records})

    def _grow(self, seconds: float) -> None:
        if seconds >= max(self._failed_seconds * _QUICK_SHARE, _QUICK_SECONDS):
            return
        self.records = min(self.records * _GROWTH, self._usual)
        if self.records == self._usual:
            self._failed_seconds = 0.0
            logger.info("batches have their usual size again", extra={"partition": self._partition})


class Slots:
    """At most `count` batches of the process are in flight; a suspect record has all slots to itself."""

    def __init__(self, count: int) -> None:
        self.one = asyncio.Semaphore(count)
        """To be held during a batch; those who wait take turns."""
        self._count = count
        self._alone = asyncio.Lock()

    @asynccontextmanager
    async def all(self) -> AsyncIterator[None]:
        """Wait until nothing else is in flight, and keep it so."""
        # Two that each held some of the slots would wait for each other.
        async with self._alone:
            held = 0
            try:
                while held < self._count:
                    await self.one.acquire()
                    held += 1
                yield
            finally:
                for _ in range(held):
                    self.one.release()
