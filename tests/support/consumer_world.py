"""A consumer over the adapters in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from adapters.memory import MemoryLog, MemoryPartitionStates, MemorySource
from adapters.records import codec
from adapters.records.log_record import LogRecord
from application.consume.consumer_loop import ConsumerLoop
from application.consume.dlq_limits import DlqLimits
from application.consume.pace import Backoff, Pace
from application.consume.process_event import ProcessEvent
from application.ports import RebalanceListener
from domain.event import UserEvent
from tests.support.events import NOON, an_event, decode
from tests.support.waiting import PATIENCE
from tests.support.watched import UNSTORABLE, WatchedDeadLetters, WatchedStore

PACE = Pace(batch_size=100, poll_wait=0.01, backoff=Backoff(0.001, 0.005), look=0.01)
LIMITS = DlqLimits(max_consecutive=20, max_ratio=0.5, ratio_min_records=200, ratio_window=60)


class WatchedSource(MemorySource):
    """A member that remembers what it did, and whose commits alone may fail."""

    def __init__(self, log: MemoryLog) -> None:
        super().__init__(log, "events", "group")
        self.listener: RebalanceListener | None = None
        self.polls = 0
        self.paused: set[int] = set()
        """What the last poll was not to deliver."""
        self.polled = 0
        """How many records were delivered."""
        self.commits: list[dict[int, int]] = []
        self.commit_outage: Exception | None = None
        self.commit_gate = asyncio.Event()
        """Commits do not end while it is cleared."""
        self.commit_gate.set()

    def subscribe(self, listener: RebalanceListener) -> None:
        self.listener = listener
        super().subscribe(listener)

    async def poll(self, limit: int, wait: float, *, paused: Collection[int] = ()) -> Mapping[int, Sequence[LogRecord]]:
        self.polls += 1
        self.paused = set(paused)
        polled = await super().poll(limit, wait, paused=paused)
        self.polled += sum(map(len, polled.values()))
        return polled

    async def commit(self, offsets: Mapping[int, int]) -> None:
        self.commits.append(dict(offsets))
        await self.commit_gate.wait()
        if self.commit_outage is not None:
            raise self.commit_outage
        await super().commit(offsets)


class ConsumerWorld:
    """A log, one member of its group, and where its records go."""

    decode = staticmethod(decode)

    def __init__(self, pace: Pace = PACE, before: "ConsumerWorld | None" = None, *, partitions: int = 3) -> None:
        """`before`: the world of a consumer whose successor this one is."""
        self.now = NOON
        self.log: MemoryLog = MemoryLog(partitions=partitions) if before is None else before.log
        table = None if before is None else before.states.table
        self.states: MemoryPartitionStates = MemoryPartitionStates("events", "group", table)
        self.source = WatchedSource(self.log)
        self.store: WatchedStore = WatchedStore() if before is None else before.store
        self.letters: WatchedDeadLetters = WatchedDeadLetters() if before is None else before.letters
        process = ProcessEvent(self.store, self.letters, self._clock)
        self.consumer = ConsumerLoop(
            self.source, process, self.states, self.decode, self._clock, pace=pace, dlq_limits=LIMITS
        )
        self.stop = asyncio.Event()

    def append(self, count: int, partition: int = 0) -> list[UserEvent]:
        """Append new events to a partition."""
        events = [an_event() for _ in range(count)]
        for event in events:
            self.log.append("events", None, codec.encode(event), partition=partition)
        return events

    def append_garbage(self, count: int, partition: int = 0) -> None:
        """Append what is no event to a partition."""
        for _ in range(count):
            self.log.append("events", None, b"[]", partition=partition)

    def append_unstorable(self, count: int, partition: int = 0) -> None:
        """Append events that the store refuses to a partition."""
        for _ in range(count):
            self.log.append("events", None, codec.encode(an_event(payload=UNSTORABLE)), partition=partition)

    def another(self) -> MemoryPartitionStates:
        """Return the states as a process beside this consumer sees and changes them."""
        return MemoryPartitionStates("events", "group", self.states.table)

    async def crash_before(self, position: int, times: int) -> None:
        """That many consumers have died with records of partition 0 in flight, from there on."""
        for _ in range(times):
            dead = self.another()
            await dead.begin({0: position})
            await dead.attempt([0])

    def committed(self) -> dict[int, int]:
        """Return the group's positions where it has any."""
        positions = self.log.groups["events", "group"].committed
        return {partition: position for partition, position in positions.items() if position}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the consumer meanwhile; it has to end soon after the stop that comes at the latest in the end."""
        await self.source.open()
        run = asyncio.create_task(self.consumer.run(self.stop))
        try:
            yield
        finally:
            self.stop.set()
            async with asyncio.timeout(PATIENCE):
                await run

    async def run_until_stopped_in_flight(self, batches: int = 1) -> None:
        """Run the consumer, and stop it while so many batches are in the store."""
        self.store.gate.clear()
        async with self.running():
            await until(lambda: len(self.store.calls) == batches)
            self.stop.set()
            await settled()
            self.store.gate.set()

    def _clock(self) -> datetime:
        return self.now


async def until(condition: Callable[[], bool]) -> None:
    """Let the others work until the condition is true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


async def settled() -> None:
    """Let the others work until all that is left waits for something outside."""
    for _ in range(100):
        await asyncio.sleep(0)
