"""The consumer's loop: poll, process, commit; hold while the world is down; drain when told to stop."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
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

    def backoff(self, attempt: int) -> float:
        """Full jitter: anything up to a bound that doubles with each attempt, counted from 1."""
        return random.uniform(0, min(self.backoff_most, self.backoff_first * 2 ** min(attempt, 32)))  # noqa: S311


class Pipeline:
    """Moves batches from the source to the store; commits only what is durable."""

    def __init__(
        self, source: EventSource, process: ProcessEvent, clock: Callable[[], datetime], pace: Pace = Pace()
    ) -> None:
        self._source = source
        self._process = process
        self._clock = clock
        self._pace = pace
        self.holding: str | None = None
        """Why nothing moves at present, or None while all is well."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; the batch in flight is finished and committed unless an outage holds it."""
        failures = 0
        while not stop.is_set():
            try:
                batch = await self._source.poll(self._pace.batch_size, self._pace.poll_wait)
            except Unavailable as unavailable:
                failures += 1
                self._hold(unavailable)
                await _sleep(self._pace.backoff(failures), stop)
                continue
            if failures:
                failures = 0
                self._release()
            if batch.deliveries:
                await self._finish(batch, stop)

    async def _finish(self, batch: Batch, stop: asyncio.Event) -> None:
        try:
            if await self._persist(self._processing(batch), batch, stop):
                await self._persist(lambda: self._source.commit(batch), batch, stop)
        except Superseded:
            logger.info("batch superseded: another consumer reads it again", extra={"records": len(batch.deliveries)})

    def _processing(self, batch: Batch) -> Callable[[], Awaitable[object]]:
        """One call is one attempt at `batch`, which knows of the attempts before it."""
        attempt = Attempt()
        last_error: Unavailable | None = None

        async def process() -> None:
            nonlocal attempt, last_error
            try:
                if last_error is not None and self._is_spent(attempt):
                    await self._process.give_up(batch, last_error, attempt)
                else:
                    await self._process(batch, attempt)
            except Unavailable as unavailable:
                last_error = unavailable
                attempt = Attempt(attempt.number + 1, attempt.first_failed_at or self._clock())
                raise

        return process

    def _is_spent(self, attempt: Attempt) -> bool:
        if self._pace.retry_budget is None or attempt.first_failed_at is None:
            return False
        return (self._clock() - attempt.first_failed_at).total_seconds() >= self._pace.retry_budget

    async def _persist(self, action: Callable[[], Awaitable[object]], batch: Batch, stop: asyncio.Event) -> bool:
        """Repeat `action` until it succeeds; False when the batch was let go because of a stop or a lost claim."""
        held = set(batch.partitions)
        failures = 0
        try:
            while True:
                try:
                    await action()
                except Unavailable as unavailable:
                    failures += 1
                    self._hold(unavailable)
                else:
                    return True
                await self._wait_out(self._pace.backoff(failures), held, stop)
                if stop.is_set() or not self._source.owns(batch):
                    self._source.rewind(batch)
                    return False
        finally:
            if failures:
                self._source.resume(held)
                self._release()

    async def _wait_out(self, delay: float, held: set[int], stop: asyncio.Event) -> None:
        """Let `delay` seconds pass with all partitions paused, polling on so that the group keeps this member."""
        self._source.pause(held)
        loop = asyncio.get_running_loop()
        end = loop.time() + delay
        while not stop.is_set() and (left := end - loop.time()) > 0:
            try:
                early = await self._source.poll(self._pace.batch_size, min(left, self._pace.poll_wait))
            except Unavailable:
                await _sleep(left, stop)
                return
            if early.deliveries:
                # Of a partition that was not part of the held batch: it would only run into the same outage.
                self._source.pause(early.partitions)
                self._source.rewind(early)
                held |= early.partitions
            else:
                await asyncio.sleep(0)

    def _hold(self, cause: Unavailable) -> None:
        if self.holding is None:
            logger.warning("holding until the outage is over", extra={"cause": str(cause)})
        self.holding = str(cause)

    def _release(self) -> None:
        self.holding = None
        logger.info("going on")


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    """Sleep, but wake up for a stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
