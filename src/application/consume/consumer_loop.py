"""The consumer: polls the log, hands records to one worker a partition, drains when told to stop."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from application.consume.assigned_partitions import AssignedPartitions
from application.consume.dlq_limits import DlqLimits
from application.consume.halt_watch import HaltWatch
from application.consume.offset_committer import OffsetCommitter
from application.consume.pace import Pace
from application.consume.partition_worker import PartitionStatus, Tools
from application.consume.poison_pills import PoisonPills
from application.consume.process_event import ProcessEvent
from application.consume.slots import Slots
from application.consume.stuck_detector import Pulse
from application.ports import EventSource, Halt, PartitionStates
from application.stopping import finishing, pause
from domain.dead_letter import Record
from domain.errors import Unavailable

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
        clock: Callable[[], datetime],
        *,
        pace: Pace,
        dlq_limits: DlqLimits,
    ) -> None:
        self._source = source
        self._process = process
        self._pace = pace
        self._committer = OffsetCommitter(source, pace.backoff)
        self._poison_pills = PoisonPills(states, reach=pace.records_in_flight)
        self._slots = Slots(pace.batches_in_flight)
        self._room = asyncio.Event()
        tools = Tools(
            process, states, self._poison_pills, self._committer, self._slots, self._room, clock, pace, dlq_limits
        )
        self._partitions = AssignedPartitions(tools)
        self._halt_watch = HaltWatch(source, states, self._partitions.workers)
        self._poll_trouble: str | None = None
        self._poll_failures = 0
        self._turns = 0
        source.subscribe(self._partitions)

    @property
    def statuses(self) -> Mapping[int, PartitionStatus]:
        """How each assigned partition fares."""
        return {partition: worker.status for partition, worker in self._partitions.workers.items()}

    @property
    def halted(self) -> Mapping[int, Halt]:
        """The partitions that a person has to resume."""
        halts = {partition: status.halt for partition, status in self.statuses.items()}
        return {**self._source.halted(), **{partition: halt for partition, halt in halts.items() if halt is not None}}

    @property
    def suspected(self) -> Mapping[int, int]:
        """The partitions whose records are taken one by one, each with the offset where that ends at the latest."""
        offsets = {partition: status.suspect_until for partition, status in self.statuses.items()}
        return {partition: offset for partition, offset in offsets.items() if offset is not None}

    @property
    def waits_for(self) -> str | None:
        """Why something does not move although no person has to resume it; None while all is well."""
        causes = sorted({status.retry.cause or "" for status in self.statuses.values() if status.retry is not None})
        return self._poll_trouble or self._committer.trouble or "; ".join(causes) or None

    @property
    def waiting(self) -> Collection[int]:
        """The partitions of which nothing is to be expected: halted, or waiting for a dependency."""
        retrying = {partition for partition, status in self.statuses.items() if status.retry is not None}
        uncommitted = self._committer.waiting if self._committer.trouble is not None else ()
        return {*self.halted, *retrying, *uncommitted}

    @property
    def is_reading(self) -> bool:
        """Whether the log could be read the last time."""
        return self._poll_trouble is None

    @property
    def committed(self) -> int:
        """How many records were committed so far."""
        return self._committer.committed

    @property
    def pulse(self) -> Pulse:
        """What was done so far."""
        return Pulse(self._turns, self._process.asked + self.committed)

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
            unfinished = self._partitions.in_flight + self._committer.uncommitted
            level = logging.WARNING if unfinished else logging.INFO
            logger.log(level, "drained", extra={"committed": self.committed, "unfinished": unfinished})

    async def release(self) -> None:
        """Take back the attempts at all partitions before this process ends, although something may be in flight."""
        await self._poison_pills.release(self._poison_pills.forget(self._partitions.workers.keys()))

    async def _run(self, stop: asyncio.Event) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                self._partitions.start_in(tasks)
                background = [
                    tasks.create_task(self._committer.run(), name="offset committer"),
                    tasks.create_task(self._halt_watch.run(self._pace.look), name="halt watch"),
                ]
                # A poll may last, and no worker may begin a batch meanwhile.
                draining = tasks.create_task(self._drain_on(stop), name="drain")
                while not stop.is_set():
                    self._turns += 1
                    polled = await self._polled(stop)
                    for partition, records in polled.items() if not stop.is_set() else ():
                        self._partitions.workers[partition].queue.put(records)
                await draining
                # Those that were assigned meanwhile.
                await self._partitions.drain()
                for task in background:
                    task.cancel()
        except BaseExceptionGroup as group:
            # The first failure ends the run; what the other tasks raise after it follows from it.
            raise group.exceptions[0] from None

    async def _drain_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        await self._partitions.drain()

    async def _polled(self, stop: asyncio.Event) -> Mapping[int, Sequence[Record]]:
        """Poll once; empty after a pause where the log cannot be read."""
        try:
            polled = await (self._poll_beside_suspects() if self.suspected else self._poll())
        except Unavailable as unavailable:
            if self._poll_trouble is None:
                logger.warning("cannot read the log at present", extra={"cause": str(unavailable)})
            self._poll_trouble = str(unavailable)
            self._poll_failures += 1
            await pause(self._pace.backoff.after(self._poll_failures), stop)
            return {}
        if self._poll_trouble is not None:
            logger.info("reading the log again", extra={"failures": self._poll_failures})
        self._poll_trouble, self._poll_failures = None, 0
        return polled

    async def _poll(self) -> Mapping[int, Sequence[Record]]:
        """Poll the partitions whose queues have room."""
        full = self._full()
        if full and len(full) == len(self.statuses):
            self._room.clear()
            await pause(self._pace.poll_wait, self._room)
            full = self._full()
        # Polled even so: the group takes a member that does not poll for hung.
        may_have_room_soon = any(not self.statuses[partition].is_waiting for partition in full)
        limit = self._pace.small_poll if self._is_crowded else self._pace.batch_size
        wait = _BUSY_WAIT_SECONDS if may_have_room_soon else self._pace.poll_wait
        return await self._source.poll(limit, wait, paused=full)

    async def _poll_beside_suspects(self) -> Mapping[int, Sequence[Record]]:
        """Poll while no suspect record is in flight, lest it is blamed for a crash in here."""
        wait = _SUSPECT_WAIT_SECONDS
        try:
            async with asyncio.timeout(self._pace.poll_wait):
                for worker in [self._partitions.workers[partition] for partition in self.suspected]:
                    await worker.idle()
        except TimeoutError:
            # Polled even so: the group takes a member that does not poll for hung.
            wait = 0.0
        async with self._slots.one():
            polled = await self._source.poll(_SUSPECT_POLL_RECORDS, wait, paused=self._full())
        if not polled:
            await self._trust_what_is_caught_up()
        return polled

    async def _trust_what_is_caught_up(self) -> None:
        """End the suspicion where the log is read to its end: what killed earlier consumers stood before that."""
        with suppress(Unavailable):
            for partition, records in (await self._source.lag()).items():
                if records == 0 and partition in self._partitions.workers:
                    self._partitions.workers[partition].trust()

    @property
    def _is_crowded(self) -> bool:
        workers = self._partitions.workers.values()
        # What waits may stay so for long, and must not slow the others.
        queues = [worker.queue for worker in workers if not worker.status.is_waiting]
        is_long = sum(map(len, queues)) >= _QUEUED_BATCHES * self._pace.batch_size
        return is_long or sum(queue.bytes for queue in queues) >= _QUEUED_BYTES

    def _full(self) -> Collection[int]:
        """Name the partitions that take no more for now; while many records are queued, only an empty queue does."""
        is_crowded = self._is_crowded
        return {
            partition
            for partition, worker in self._partitions.workers.items()
            if worker.status.is_waiting or worker.queue.is_full or (is_crowded and len(worker.queue) > 0)
        }
