"""Dead letters and their replays over the adapters in memory: a log, a group, an index, jobs and workers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from adapters.memory import (
    MemoryDeadLetterIndex,
    MemoryDeadLetterQueue,
    MemoryEventStore,
    MemoryLog,
    MemoryLogReader,
    MemoryReplayJobs,
    MemoryReplayPublisher,
)
from adapters.memory.dead_letters.letters import MemoryLetters
from adapters.records import codec, letters, replays
from application.consume.dlq_limits import CircuitBreaker, DlqLimits
from application.consume.pace import Backoff
from application.consume.process_event import Attempt, ProcessEvent
from application.dead_letters.jobs import ItemState, Job, JobInFull, JobState
from application.dead_letters.letters import LetterFilter, LetterState
from application.dead_letters.orders import Order
from application.dead_letters.replays.replay_worker import ReplayWorker
from application.dead_letters.replays.tools import Tools
from application.ports import Delivery, Outcome
from domain.errors import Rejected
from domain.event import UserEvent
from tests.support.events import an_event, decode, readings_of
from tests.support.letters import REPLAY, an_entry
from tests.support.waiting import PATIENCE

TOPIC, DLQ, GROUP = "events", "events-dlq", "group"
ALL = LetterFilter()
LEASE = 15.0
_BREAKER = CircuitBreaker(DlqLimits(max_consecutive=1_000_000, ratio_min_records=1_000_000))


class MendableStore(MemoryEventStore):
    """A table that refuses the events of some users; `inserted` counts how often each id was stored."""

    def __init__(self) -> None:
        super().__init__(lambda: datetime.now(UTC))
        self.refused: set[str] = set()
        self.inserted: Counter[UUID] = Counter()

    async def add(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        if any(delivery.event.user_id in self.refused for delivery in deliveries):
            raise Rejected("the store refuses the event")
        outcomes = await super().add(deliveries)
        for delivery, outcome in zip(deliveries, outcomes, strict=True):
            self.inserted[delivery.event.id] += outcome is Outcome.STORED
        return outcomes


class ReplayWorld:
    """Each step of consumer and indexer is taken by a call, or again and again while `serving`."""

    def __init__(self, partitions: int = 2) -> None:
        self.skew = timedelta()
        """By how much the jobs' clock is ahead: moves leases."""
        self.log = MemoryLog(partitions)
        self.log.make(TOPIC)
        self.store = MendableStore()
        self.letters = MemoryLetters()
        self.index = MemoryDeadLetterIndex(self.letters, TOPIC)
        self.jobs = MemoryReplayJobs(self.letters, TOPIC, lease=LEASE, clock=lambda: datetime.now(UTC) + self.skew)
        self.publisher = MemoryReplayPublisher(self.log, TOPIC)
        self.reader = MemoryLogReader(self.log, TOPIC)
        self.tools = Tools(
            jobs=self.jobs,
            publisher=self.publisher,
            log=self.reader,
            store=self.store,
            read=replays.reader(decode),
            group=GROUP,
            lease=0.3,
            poll=0.01,
            look=0.005,
            backoff=Backoff(0.001, 0.005),
        )
        self._process = ProcessEvent(
            self.store, MemoryDeadLetterQueue(self.log, DLQ), lambda: datetime.now(UTC), patience=0.0
        )
        self._indexed: Counter[int] = Counter()

    async def fail(self, *events: UserEvent) -> list[UserEvent]:
        """Have events come to the DLQ and into the index; the store refuses their users from now on."""
        self.store.refused |= {event.user_id for event in events}
        for event in events:
            self.log.append(TOPIC, codec.encode_key(event), codec.encode(event))
        await self.consume()
        await self.index_letters()
        return [*events]

    def mend(self, *users: str) -> None:
        """Have the store take the events of some users, or of all."""
        self.store.refused -= set(users) or self.store.refused.copy()

    async def order(self, order: Order = REPLAY, wanted: LetterFilter = ALL) -> Job:
        """Make a job."""
        return await self.jobs.create(wanted, order, an_entry(order), None)

    async def consume(self) -> None:
        """Store what stands in the log, or send it to the DLQ; then commit."""
        committed = self.log.groups[TOPIC, GROUP].committed
        for partition, records in enumerate(self.log.topics[TOPIC]):
            while batch := records[committed[partition] :][:100]:
                processed = await self._process(batch, readings_of(batch), _BREAKER, Attempt())
                committed[partition] += processed.records

    async def index_letters(self) -> None:
        """Note what stands in the DLQ."""
        for partition, records in enumerate(self.log.topics[DLQ]):
            if batch := records[self._indexed[partition] :]:
                await self.index.note([letters.read(record, TOPIC) for record in batch])
                self._indexed[partition] += len(batch)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Run consumer and indexer meanwhile."""

        async def serve() -> None:
            while True:
                await self.consume()
                await self.index_letters()
                await asyncio.sleep(0.001)

        task = asyncio.create_task(serve())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @asynccontextmanager
    async def working(self, tools: Tools | None = None) -> AsyncIterator["asyncio.Task[None]"]:
        """Run a worker meanwhile; it has to end soon after the stop, unless it was killed."""
        stop = asyncio.Event()
        task = asyncio.create_task(ReplayWorker(tools or self.tools, uuid4).run(stop))
        try:
            yield task
        finally:
            stop.set()
            async with asyncio.timeout(PATIENCE):
                with suppress(asyncio.CancelledError):
                    await task

    async def job(self, job: Job) -> JobInFull:
        """Read a job."""
        found = await self.jobs.get(job.id)
        assert found is not None
        assert sum(found.job.counts.values()) == found.job.letters
        return found

    async def comes_to(self, job: Job, state: JobState) -> Job:
        """Return once the job is in a state."""
        async with asyncio.timeout(PATIENCE):
            while (found := (await self.job(job)).job).state is not state:
                await asyncio.sleep(0.001)
        return found

    async def counts(self, job: Job) -> dict[ItemState, int]:
        """Count the job's letters by state."""
        return {state: count for state, count in (await self.job(job)).job.counts.items() if count}

    def states(self) -> Counter[LetterState]:
        """Count the letters by state."""
        return Counter(row.state for row in self.letters.rows.values())

    def replayed(self) -> int:
        """Count the records of replays in the log."""
        return sum("dlq.replays" in dict(record.headers) for record in self.log.records(TOPIC))


def events_of(user: str, count: int) -> list[UserEvent]:
    """Make events of one user."""
    return [an_event(user) for _ in range(count)]
