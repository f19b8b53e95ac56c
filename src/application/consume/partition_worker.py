"""Why does this partition not move? One worker a partition, and one status that answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from application.consume.dlq_limits import CircuitBreaker, DlqLimits
from application.consume.offset_committer import OffsetCommitter
from application.consume.pace import BatchSize, Pace, Slots
from application.consume.poison_pills import Claimed, PoisonPills
from application.consume.process_event import Attempt, Processed, ProcessEvent, Reading
from application.consume.record_queue import RecordQueue
from application.ports import Halt, PartitionStates, StaleGeneration
from domain.dead_letter import Failure, Record
from domain.errors import Unavailable
from domain.event import UserEvent

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class PartitionStatus:
    """How one partition fares: halted, retrying, suspect, or reading if it is none of these."""

    halt: Halt | None = None
    """A person has to resume it."""
    retry: Attempt | None = None
    """It waits for a dependency; this is the next try."""
    suspect_until: int | None = None
    """Up to which offset its records are taken one by one, since one of them may kill the process."""

    @property
    def is_waiting(self) -> bool:
        """Whether nothing is to be expected of it at present."""
        return self.halt is not None or self.retry is not None


@dataclass(frozen=True, slots=True)
class Tools:
    """What the workers of a consumer share."""

    process: ProcessEvent
    states: PartitionStates
    poison_pills: PoisonPills
    committer: OffsetCommitter
    slots: Slots
    room: asyncio.Event
    """Set when a queue has room again."""
    tasks: asyncio.TaskGroup
    """Learns of what a person has to see to: `WrongDeployment`, or a bug."""
    decode: Callable[[Record], UserEvent | Failure]
    clock: Callable[[], datetime]
    pace: Pace
    dlq_limits: DlqLimits


class PartitionWorker:
    """Takes the records of one partition in order: durable first, then committed; retries in place."""

    def __init__(self, partition: int, claimed: Claimed, tools: Tools) -> None:
        self.partition = partition
        self.status = PartitionStatus(halt=claimed.halt, suspect_until=claimed.suspect_until)
        self.queue = RecordQueue(tools.pace.batch_size, tools.decode)
        self.in_flight = 0
        """How many records were begun and are not handed over to be committed."""
        self._tools = tools
        self._batch_size = BatchSize(partition, tools.pace.batch_size)
        self._breaker = CircuitBreaker(tools.dlq_limits)
        self._resumed = asyncio.Event()
        if claimed.halt is None:
            self._resumed.set()
        self._is_busy = False
        """Whether a try is under way, whose end is worth waiting for."""
        self._is_draining = False
        self._committing: asyncio.Future[None] | None = None
        self.idle = asyncio.Event()
        """Set while it has nothing to do at once: its queue is empty, or it waits for a dependency or a person."""
        self.task = tools.tasks.create_task(self._run(), name=f"partition {partition}")
        """Ends when the worker is drained; to be cancelled to break off what is in flight."""

    def drain(self) -> None:
        """Finish the batch in flight, begin nothing more."""
        self._is_draining = True
        if not self._is_busy:
            self.task.cancel()

    def resume(self) -> None:
        """Read on: a person has looked."""
        self.status.halt = None
        self._resumed.set()

    def trust(self) -> None:
        """Suspect no record any more."""
        if self.status.suspect_until is not None:
            self.status.suspect_until = None
            logger.info("reading in batches again", extra={"partition": self.partition})

    async def _run(self) -> None:
        while not self._is_draining:
            await self._take(await self._next())

    async def _next(self) -> Sequence[Record]:
        """Wait until there are records to work on; return those that are to be taken at once."""
        if not self._resumed.is_set() or len(self.queue) == 0:
            self.idle.set()
        await self._resumed.wait()
        (first,) = await self.queue.beyond(0, 1)
        self.idle.clear()
        if self.status.suspect_until is not None and first.offset >= self.status.suspect_until:
            self.trust()
        return await self.queue.beyond(0, self._tools.pace.batch_size if self.status.suspect_until is None else 1)

    async def _take(self, batch: Sequence[Record]) -> None:
        """Make `batch`, or its beginning, durable, and hand the end over to be committed; the rest stays queued."""
        try_ = self._try if self.status.suspect_until is None else self._try_alone
        processed = await self._retried(lambda attempt: try_(batch, attempt))
        self._is_busy = True
        self._breaker = processed.breaker
        if processed.halt is not None:
            await self._halt(processed.halt)
        self.queue.drop(processed.records)
        self._tools.room.set()
        await self._last_commit()
        end = batch[processed.records - 1].offset + 1
        self._committing = self._tools.committer.commit(self.partition, end, processed.records)
        self.in_flight = 0
        if self.status.suspect_until is not None:
            await self._last_commit()
        self._is_busy = False

    async def _try(self, batch: Sequence[Record], attempt: Attempt) -> Processed:
        async with self._tools.slots.one:
            self._is_busy = True
            await self._tools.poison_pills.count_attempt(self.partition)
            batch = batch[: self._batch_size.records]
            self.in_flight = len(batch)
            readings = await self.queue.read(len(batch))
            with self._batch_size.measured(len(batch)):
                async with self.queue.reading_ahead(len(batch) + self._tools.pace.batch_size):
                    return await self._process(batch, readings, attempt)

    async def _try_alone(self, batch: Sequence[Record], attempt: Attempt) -> Processed:
        """Take a record that may kill this process, while nothing else is in flight that could be blamed."""
        async with self._tools.slots.all():
            self._is_busy = True
            await self._tools.poison_pills.count_attempt(self.partition)
            async with self._tools.poison_pills.alone(batch[0]) as may_be_tried:
                self.in_flight = 1
                if may_be_tried:
                    return await self._process(batch, await self.queue.read(1), attempt)
                return await self._tools.process.condemn(batch, self._breaker, attempt)

    async def _process(self, batch: Sequence[Record], readings: Sequence[Reading], attempt: Attempt) -> Processed:
        is_spent = attempt.is_spent(self._tools.clock(), self._tools.pace.retry_budget)
        process = self._tools.process.give_up if is_spent else self._tools.process
        return await process(batch, readings, self._breaker, attempt)

    async def _halt(self, halt: Halt) -> None:
        # Before the commit: whoever reads on from there must know.
        await self._retried(lambda _: self._tools.states.halt(self.partition, halt))
        self._is_busy = True
        logger.error("partition halted", extra={"partition": self.partition, **halt._asdict()})
        self.status.halt = halt
        self._resumed.clear()

    async def _last_commit(self) -> None:
        """Wait for the commit of the batch before: only one of a partition is outstanding."""
        if self._committing is not None:
            await self._committing

    async def _retried(self, step: Callable[[Attempt], Awaitable[T]]) -> T:
        """Take `step` until it succeeds, with backoff. Is cancelled where it fails and this worker is to end."""
        attempt = Attempt()
        while True:
            try:
                result = await step(attempt)
            except (Unavailable, StaleGeneration) as error:
                cause = str(error) or "another consumer owns the partition"
                attempt = attempt.failed(cause, self._tools.clock())
            else:
                if self.status.retry is not None:
                    self.status.retry = None
                    logger.info("partition resumed", extra={"partition": self.partition})
                return result
            if self.status.retry is None:
                extra = {"partition": self.partition, "cause": attempt.cause}
                logger.warning("partition paused: dependency unavailable", extra=extra)
            self.status.retry = attempt
            self._is_busy = False
            if self._is_draining:
                self.task.cancel()
            self.idle.set()
            await asyncio.sleep(self._tools.pace.backoff.after(attempt.number - 1))
            self.idle.clear()
