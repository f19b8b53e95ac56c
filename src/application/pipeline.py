"""The consumer's loop: poll, process, commit; hold what the world cannot take now; drain when told to stop."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from application.ports import Batch, EventSource, Superseded
from application.process_event import Attempt, ProcessEvent
from domain.errors import Unavailable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How the pipeline spends its time. Times are in seconds."""

    batch_size: int = 5_000
    poll_wait: float = 0.5
    """How long a poll waits for records; bounds how late a stop is noticed."""
    backoff_first: float = 0.2
    backoff_most: float = 15.0
    retry_budget: float | None = None
    """How long a batch is tried before it is parked as `exhausted`; None means for ever."""

    def backoff(self, failures: int) -> float:
        """Full jitter: anything up to a bound that doubles with each failure, counted from 1."""
        return random.uniform(0, min(self.backoff_most, self.backoff_first * 2 ** min(failures, 32)))  # noqa: S311 - no secret


@dataclass(slots=True)
class _Work:
    """A batch on its way, and how far it came."""

    batch: Batch
    attempt: Attempt = field(default_factory=Attempt)
    cause: Unavailable | None = None
    """What the last try failed on."""
    is_durable: bool = False
    """Whether its rows and letters stand, so that only the commit is missing."""
    not_before: float = 0.0
    """When to try again, by the loop's clock."""


class Pipeline:
    """Moves batches from the source to the store; commits only what is durable."""

    def __init__(
        self, source: EventSource, process: ProcessEvent, clock: Callable[[], datetime], pace: Pace = Pace()
    ) -> None:
        self._source = source
        self._process = process
        self._clock = clock
        self._pace = pace
        self._held: dict[int, _Work] = {}
        """What is tried again later, by partition; the source delivers nothing of these meanwhile."""
        self._poll_trouble: str | None = None

    @property
    def holding(self) -> str | None:
        """Why something does not move at present, or None while all is well."""
        causes = {str(work.cause) for work in self._held.values()}
        return self._poll_trouble or "; ".join(sorted(causes)) or None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; a batch in flight is finished and committed, what is held will be read again."""
        failures = 0
        while not stop.is_set():
            try:
                batch = await self._source.poll(self._pace.batch_size, self._until_next_try())
            except Unavailable as unavailable:
                failures += 1
                self._notice_poll_trouble(unavailable)
                await _sleep(self._pace.backoff(failures), stop)
                continue
            failures = 0
            self._poll_trouble = None
            if batch.deliveries:
                await self._try(_Work(batch))
            # One a turn, so that polling goes on, which keeps this member in its group.
            if (work := self._next_due()) is not None:
                await self._try(work)
        for work in list(self._held.values()):
            self._give_back(work)

    async def _try(self, work: _Work) -> None:
        try:
            await self._persist(work)
        except Superseded:
            logger.info("batch superseded: it is read again", extra={"records": len(work.batch.deliveries)})
        except Unavailable as unavailable:
            self._hold(work, unavailable)
            return
        self._let_go(work)

    async def _persist(self, work: _Work) -> None:
        if not work.is_durable:
            if work.cause is not None and self._is_spent(work.attempt):
                await self._process.give_up(work.batch, work.cause, work.attempt)
            else:
                await self._process(work.batch, work.attempt)
            work.is_durable = True
        await self._source.commit(work.batch)

    def _is_spent(self, attempt: Attempt) -> bool:
        if self._pace.retry_budget is None or attempt.first_failed_at is None:
            return False
        return (self._clock() - attempt.first_failed_at).total_seconds() >= self._pace.retry_budget

    def _hold(self, work: _Work, cause: Unavailable) -> None:
        """Try `work` again later, each partition by itself: what troubles one may not trouble the others."""
        if self.holding is None:
            logger.warning("holding", extra={"cause": str(cause), "partitions": sorted(work.batch.partitions)})
        attempt = Attempt(work.attempt.number + 1, work.attempt.first_failed_at or self._clock())
        now = asyncio.get_running_loop().time()
        for part in _by_partition(work.batch):
            [partition] = part.partitions
            not_before = now + self._pace.backoff(work.attempt.number)
            self._held[partition] = _Work(part, attempt, cause, work.is_durable, not_before)
        self._source.pause(work.batch.partitions)

    def _give_back(self, work: _Work) -> None:
        self._source.rewind(work.batch)
        self._let_go(work)

    def _let_go(self, work: _Work) -> None:
        freed = [partition for partition in work.batch.partitions if self._held.pop(partition, None)]
        if freed:
            self._source.resume(freed)
            if self.holding is None:
                logger.info("going on")

    def _next_due(self) -> _Work | None:
        """Choose what to try again now; what another consumer has by now is given up."""
        for work in [work for work in self._held.values() if not self._source.owns(work.batch)]:
            self._give_back(work)
        first = min(self._held.values(), key=lambda work: work.not_before, default=None)
        return first if first is not None and first.not_before <= asyncio.get_running_loop().time() else None

    def _until_next_try(self) -> float:
        now = asyncio.get_running_loop().time()
        waits = [max(0.0, work.not_before - now) for work in self._held.values()]
        return min([self._pace.poll_wait, *waits])

    def _notice_poll_trouble(self, cause: Unavailable) -> None:
        if self.holding is None:
            logger.warning("cannot read the log at present", extra={"cause": str(cause)})
        self._poll_trouble = str(cause)


def _by_partition(batch: Batch) -> Iterator[Batch]:
    for partition in sorted(batch.partitions):
        deliveries = [each for each in batch.deliveries if each.record.partition == partition]
        yield Batch(deliveries, batch.assignment)


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    """Sleep, but wake up for a stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
