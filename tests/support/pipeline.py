"""A pipeline over the adapters in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from adapters import wire
from adapters.memory import MemoryLog, MemoryPartitionStates, MemorySource
from application.custody import Custody
from application.holding import Backoff
from application.pipeline import BATCHES_IN_HAND, Pace, Pipeline
from application.ports import Batch, Custodian, Superseded
from application.process_event import ProcessEvent
from application.storm import StormLimits, Storms
from domain.errors import Unavailable
from domain.event import UserEvent
from tests.support.events import NOON, an_event
from tests.support.waiting import PATIENCE
from tests.support.watched import UNSTORABLE, WatchedLetters, WatchedStore

PACE = Pace(batch_size=100, poll_wait=0.01, backoff=Backoff(0.001, 0.005), look=0.01)
LIMITS = StormLimits(in_a_row=20, share=0.5, of_at_least=200, window=60)


class WatchedSource(MemorySource):
    """A member that remembers its batches, and whose commits alone may fail."""

    def __init__(self, log: MemoryLog, custodian: Custodian) -> None:
        super().__init__(log, "events", "group", custodian)
        self.polls = 0
        self.polled = 0
        """How many records were delivered."""
        self.awaited = 0
        """Until so many were delivered, a poll that finds nothing waits on: no empty one comes in between."""
        self.commits: list[Batch] = []
        self.commit_outage: Exception | None = None
        self.outage_of: set[int] = set()
        """Partitions that cannot be committed."""
        self.lost: set[int] = set()
        """Partitions that another member has for a moment; the others of a batch are committed."""
        self.is_revoking = False
        """Whether its share is about to be taken away: what is in flight may still be committed."""
        self.commit_gate = asyncio.Event()
        """While it is not set commits do not end."""
        self.commit_gate.set()
        self.paused: set[int] = self._paused

    async def poll(self, limit: int, wait: float) -> Batch:
        self.polls += 1
        while not (batch := await super().poll(limit, wait)).records and self.polled < self.awaited:
            pass
        self.polled += len(batch.records)
        return batch

    def owns(self, batch: Batch) -> bool:
        return not self.is_revoking and super().owns(batch)

    async def commit(self, batch: Batch) -> None:
        self.commits.append(batch)
        await self.commit_gate.wait()
        if self.commit_outage is not None:
            raise self.commit_outage
        if self.outage_of & batch.partitions:
            raise Unavailable("kafka: no coordinator")
        await super().commit(batch.part(batch.partitions - self.lost))
        if self.lost & batch.partitions:
            self.lost = set()
            raise Superseded


class PipelineWorld:
    """A log, one member of its group, and where its records go."""

    def __init__(self, pace: Pace = PACE, before: "PipelineWorld | None" = None) -> None:
        """`before`: the world of a consumer whose successor this one is."""
        self.now = NOON
        self.log: MemoryLog = MemoryLog(partitions=3) if before is None else before.log
        table = None if before is None else before.states.table
        self.states: MemoryPartitionStates = MemoryPartitionStates("events", "group", table)
        self.storms = Storms(LIMITS, lambda: self._clock().timestamp())
        self.custody = Custody(self.states, self.storms, span=BATCHES_IN_HAND * pace.batch_size)
        self.source = WatchedSource(self.log, self.custody)
        self.store: WatchedStore = WatchedStore() if before is None else before.store
        self.letters: WatchedLetters = WatchedLetters() if before is None else before.letters
        process = ProcessEvent(self.store, self.letters, wire.decode, self.storms, self._clock)
        self.pipeline = Pipeline(self.source, process, self.custody, self._clock, pace)
        self.stop = asyncio.Event()

    def append(self, count: int, partition: int = 0) -> list[UserEvent]:
        """Append new events to a partition."""
        events = [an_event() for _ in range(count)]
        for event in events:
            self.log.append("events", None, wire.encode(event), partition=partition)
        return events

    def append_garbage(self, count: int, partition: int = 0) -> None:
        """Append what is no event to a partition."""
        for _ in range(count):
            self.log.append("events", None, b"[]", partition=partition)

    def append_unstorable(self, count: int, partition: int = 0) -> None:
        """Append events that the store refuses to a partition."""
        for _ in range(count):
            self.log.append("events", None, wire.encode(an_event(payload=UNSTORABLE)), partition=partition)

    def another(self) -> MemoryPartitionStates:
        """What a process beside this consumer sees and does."""
        return MemoryPartitionStates("events", "group", self.states.table)

    async def crash_before(self, position: int, times: int) -> None:
        """That many consumers have died with records of partition 0 in flight, from there on."""
        for _ in range(times):
            dead = self.another()
            await dead.begin({0: position})
            await dead.attempt([0])

    def committed(self) -> dict[int, int]:
        """Tell the group's positions where it has any."""
        positions = self.log.groups["events", "group"].committed
        return {partition: position for partition, position in positions.items() if position}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the pipeline meanwhile; it has to end soon after the stop that comes at the latest in the end."""
        await self.source.open()
        run = asyncio.create_task(self.pipeline.run(self.stop))
        try:
            yield
        finally:
            self.stop.set()
            async with asyncio.timeout(PATIENCE):
                await run

    def _clock(self) -> datetime:
        return self.now


async def until(condition: Callable[[], bool]) -> None:
    """Let the others work until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


async def settled() -> None:
    """Let the others work until all that is left waits for something outside."""
    for _ in range(100):
        await asyncio.sleep(0)
