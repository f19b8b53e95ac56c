"""The consumer: polls the log, hands records to one worker a partition, drains when told to stop."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from application.consume.assigned_partitions import AssignedPartitions
from application.consume.dlq_limits import DlqLimits
from application.consume.offset_committer import OffsetCommitter
from application.consume.pace import Pace, Slots
from application.consume.partition_worker import Tools
from application.consume.poison_pills import PoisonPills
from application.consume.process_event import ProcessEvent
from application.consume.stuck_detector import Pulse
from application.ports import EventSource, PartitionStates
from application.stopping import finishing, pause
from domain.dead_letter import Failure, Record
from domain.errors import Unavailable
from domain.event import UserEvent

logger = logging.getLogger(__name__)

_BUSY_WAIT_SECONDS = 0.02
"""How long a poll waits while a queue that is full may have room again at any moment."""
_QUEUED_BATCHES = 8
_QUEUED_BYTES = 48 * 1024 * 1024
"""From so many queued records on only partitions without any are polled, and for less: bounds memory."""
_SUSPECT_POLL_RECORDS = 100
_SUSPECT_WAIT_SECONDS = 0.1
"""How long a poll may keep a suspect record waiting."""


class ConsumerLoop:
    """Moves records from the source to the store; commits only what is durable."""

    def __init__(
        self,
        source: EventSource,
        process: ProcessEvent,
        states: PartitionStates,
        decode: Callable[[Record], UserEvent | Failure],
        clock: Callable[[], datetime],
        *,
        pace: Pace,
        dlq_limits: DlqLimits,
    ) -> None:
        self._source = source
        self._pace = pace
        self._tools = Tools(
            process=process,
            states=states,
            # So many records of a partition may be decoded and not committed: in commit, in the store, and read ahead.
            poison_pills=PoisonPills(states, reach=3 * pace.batch_size),
            committer=OffsetCommitter(source, pace.backoff),
            slots=Slots(pace.batches_in_flight),
            room=asyncio.Event(),
            tasks=asyncio.TaskGroup(),
            decode=decode,
            clock=clock,
            pace=pace,
            dlq_limits=dlq_limits,
        )
        self.partitions = AssignedPartitions(source, self._tools)
        self.poll_trouble: str | None = None
        """Why the log could not be read the last time; None where it could."""
        self._poll_failures = 0
        self._turns = 0
        source.subscribe(self.partitions)

    @property
    def waits_for(self) -> str | None:
        """Why something does not move although no person has to resume it; None while all is well."""
        retries = [worker.status.retry for worker in self.partitions.workers.values()]
        causes = sorted({retry.cause or "" for retry in retries if retry is not None})
        return self.poll_trouble or self._tools.committer.trouble or "; ".join(causes) or None

    @property
    def waiting(self) -> Collection[int]:
        """The partitions of which nothing is to be expected: halted, or waiting for a dependency."""
        workers = self.partitions.workers.items()
        retrying = {partition for partition, worker in workers if worker.status.retry is not None}
        uncommitted = self._tools.committer.waiting if self._tools.committer.trouble is not None else ()
        return {*self.partitions.halted, *retrying, *uncommitted}

    @property
    def pulse(self) -> Pulse:
        """What was done so far."""
        return Pulse(self._turns, self._tools.process.asked + self._tools.committer.committed)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish what is in flight, within a limit. The rest will be read again."""
        try:
            async with finishing(stop, self._pace.finish) as limit:
                await self._run(stop)
        except TimeoutError:
            if not limit.expired():
                raise
            logger.warning("shutdown timeout: abandoning in-flight batches", extra={"seconds": self._pace.finish})
        finally:
            unfinished = self.partitions.in_flight + self._tools.committer.uncommitted
            level = logging.WARNING if unfinished else logging.INFO
            logger.log(level, "drained", extra={"committed": self._tools.committer.committed, "unfinished": unfinished})

    async def release(self) -> None:
        """Take back the attempts at all partitions before this process ends, although something may be in flight."""
        await self._tools.poison_pills.release(self._tools.poison_pills.forget(self.partitions.workers.keys()))

    async def _run(self, stop: asyncio.Event) -> None:
        try:
            async with self._tools.tasks as tasks:
                background = [
                    tasks.create_task(self._tools.committer.run(), name="offset committer"),
                    tasks.create_task(self.partitions.watch_halts(), name="halt watch"),
                ]
                # A poll may last, and no worker may begin a batch meanwhile.
                draining = tasks.create_task(self._drain_on(stop), name="drain")
                while not stop.is_set():
                    self._turns += 1
                    polled = await self._polled(stop)
                    for partition, records in polled.items() if not stop.is_set() else ():
                        self.partitions.workers[partition].queue.put(records)
                await draining
                # Those that were assigned meanwhile.
                await self.partitions.drain()
                for task in background:
                    task.cancel()
        except BaseExceptionGroup as group:
            # The first failure ends the run; what the other tasks raise after it follows from it.
            raise group.exceptions[0] from None

    async def _drain_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        await self.partitions.drain()

    async def _polled(self, stop: asyncio.Event) -> Mapping[int, Sequence[Record]]:
        """Poll once; empty after a pause where the log cannot be read."""
        try:
            polled = await (self._poll_beside_suspects() if self.partitions.suspected else self._poll())
        except Unavailable as unavailable:
            if self.poll_trouble is None:
                logger.warning("cannot read the log at present", extra={"cause": str(unavailable)})
            self.poll_trouble = str(unavailable)
            self._poll_failures += 1
            await pause(self._pace.backoff.after(self._poll_failures), stop)
            return {}
        if self.poll_trouble is not None:
            logger.info("reading the log again", extra={"failures": self._poll_failures})
        self.poll_trouble, self._poll_failures = None, 0
        return polled

    async def _poll(self) -> Mapping[int, Sequence[Record]]:
        """Poll the partitions whose queues have room."""
        workers, full = self.partitions.workers, self._full()
        if full and len(full) == len(workers):
            self._tools.room.clear()
            await pause(self._pace.poll_wait, self._tools.room)
            full = self._full()
        # Polled even so: the group takes a member that does not poll for hung.
        may_have_room_soon = any(not workers[partition].status.is_waiting for partition in full)
        limit = max(1, self._pace.batch_size // 10) if self._is_crowded else self._pace.batch_size
        wait = _BUSY_WAIT_SECONDS if may_have_room_soon else self._pace.poll_wait
        return await self._source.poll(limit, wait, paused=full)

    async def _poll_beside_suspects(self) -> Mapping[int, Sequence[Record]]:
        """Poll while no suspect record is in flight, lest it is blamed for a crash in here."""
        wait = _SUSPECT_WAIT_SECONDS
        try:
            async with asyncio.timeout(self._pace.poll_wait):
                for worker in [self.partitions.workers[partition] for partition in self.partitions.suspected]:
                    await worker.idle.wait()
        except TimeoutError:
            # Polled even so: the group takes a member that does not poll for hung.
            wait = 0.0
        async with self._tools.slots.one:
            polled = await self._source.poll(_SUSPECT_POLL_RECORDS, wait, paused=self._full())
        if not polled:
            await self.partitions.trust_caught_up()
        return polled

    @property
    def _is_crowded(self) -> bool:
        workers = self.partitions.workers.values()
        # What waits may stay so for long, and must not slow the others.
        queues = [worker.queue for worker in workers if not worker.status.is_waiting]
        is_long = sum(map(len, queues)) >= _QUEUED_BATCHES * self._pace.batch_size
        return is_long or sum(queue.bytes for queue in queues) >= _QUEUED_BYTES

    def _full(self) -> Collection[int]:
        """Name the partitions that take no more for now; while many records are queued, only an empty queue does."""
        is_crowded = self._is_crowded
        return {
            partition
            for partition, worker in self.partitions.workers.items()
            if worker.status.is_waiting or worker.queue.is_full or (is_crowded and len(worker.queue) > 0)
        }
