"""Any interleaving of publishing, delivery, crashes, rebalances and outages keeps what the service promises."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adapters.memory import (
    MemoryDeadLetterQueue,
    MemoryEventStore,
    MemoryLog,
    MemoryPartitionStates,
    MemoryPublisher,
    MemorySource,
)
from adapters.memory.outage import Outage
from adapters.memory.partition_states import StateTable
from adapters.records.log_record import LogRecord
from application.consume.dlq_limits import CircuitBreaker, DlqLimits
from application.consume.poison_pills import PoisonPills
from application.consume.process_event import Attempt, Processed, ProcessEvent, Tally
from application.ports import Delivery, Outcome, Receipt, StaleGeneration
from domain.dead_letter import Failure, Record
from domain.errors import Rejected, Unavailable
from domain.event import UserEvent
from domain.event_types import LEGACY_TYPES
from tests.support.events import NOON, an_event, decode, readings_of

T = TypeVar("T")

TOPIC, DLQ, GROUP = "events", "events-dlq", "group"
REFUSED, BUG, POISON = "refused", "bug", "poison"
BATCH = 4
REACH = 2 * BATCH
"""One batch may be durable and not committed yet while the next is in flight."""
NO_LIMITS = DlqLimits(max_consecutive=1_000_000, ratio_min_records=1_000_000)
# Few of each, so that duplicates and conflicts are common, within a batch and across partitions.
some_events = st.builds(
    an_event,
    st.sampled_from(["ann", "bob", "cid", REFUSED, BUG, POISON]),
    st.sampled_from([b"{}", b'{"n":1}', b'{"n":1.0}']),
    event_id=st.integers(1, 12).map(lambda number: UUID(int=number)),
    event_type=st.sampled_from(LEGACY_TYPES.names),
)
garbage = st.sampled_from([None, b"", b"\xff", b"[]", b"{}", b'{"eventId":1}'])
which = st.integers(0, 9)
partitions = st.integers(0, 1)
limits = st.integers(1, BATCH)


class PickyStore(MemoryEventStore):
    """Refuses the events of one user, and has a bug that meets those of another."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.stored: dict[int, list[int]] = defaultdict(list)
        """By partition, the offsets that new rows came from."""

    async def add(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        users = {delivery.event.user_id for delivery in deliveries}
        if self.outage is None and REFUSED in users:
            raise Rejected("refused")
        if self.outage is None and BUG in users:
            raise RuntimeError("a bug")
        outcomes = await super().add(deliveries)
        for (record, _), outcome in zip(deliveries, outcomes, strict=True):
            if outcome is Outcome.STORED:
                self.stored[record.partition].append(record.offset)
        return outcomes


class Killed(Exception):
    """The consumer's process is gone."""


class Crashes:
    """What is known of attempts and crashes by one who sees them all."""

    def __init__(self) -> None:
        self.unfinished: Counter[tuple[int, int]] = Counter()
        """How many attempts at a partition have not ended well, by the position that it had then."""
        self.alone: Counter[tuple[int, int]] = Counter()
        """How many consumers a record has killed while it was alone in flight."""
        self.never_ended: list[AbstractAsyncContextManager[bool]] = []


@dataclass
class Share:
    """A partition of a member."""

    position: int
    """Where it was claimed."""
    suspect_until: int | None
    queue: list[Record] = field(default_factory=list)
    batch: Sequence[Record] = ()
    """What is in flight."""
    durable: int | None = None
    """The offset to commit."""
    is_attempted: bool = False
    breaker: CircuitBreaker = field(default_factory=lambda: CircuitBreaker(NO_LIMITS))

    @property
    def is_suspect(self) -> bool:
        """Whether the next record, or the one in flight, has to be taken alone."""
        following = [*self.batch[:1], *self.queue[:1]]
        return self.suspect_until is not None and bool(following) and following[0].offset < self.suspect_until


class Member:
    """A consumer, and the listener of its source."""

    def __init__(self, log: MemoryLog, table: StateTable, process: ProcessEvent, crashes: Crashes) -> None:
        self.source = MemorySource(log, TOPIC, GROUP)
        self.source.subscribe(self)
        self.shares: dict[int, Share] = {}
        self.finishes_revoked = False
        """Whether a rebalance finds the time to finish what is in flight."""
        self.tallies: list[tuple[int, Tally]] = []
        self._states = MemoryPartitionStates(TOPIC, GROUP, table)
        self._pills = PoisonPills(self._states, reach=REACH)
        self._process = process
        self._crashes = crashes

    async def on_assigned(self, positions: Mapping[int, int]) -> None:
        for partition, claimed in (await self._pills.claim(positions)).items():
            position = positions[partition]
            # However often idle consumers crash, or others end well.
            assert claimed.suspect_until is None or self._crashes.unfinished[partition, position] >= 2
            self.shares[partition] = Share(position, claimed.suspect_until)

    async def on_revoked(self, partitions: Collection[int]) -> None:
        if self.finishes_revoked:
            for partition in partitions:
                with suppress(Unavailable, StaleGeneration):
                    await self.finish(partition)
        await self._drop(partitions)

    async def on_lost(self, partitions: Collection[int]) -> None:
        await self._drop(partitions)

    async def poll(self, limit: int) -> None:
        """Follow the group, and read on where nothing is queued; a poll that fails changes nothing."""
        with suppress(Unavailable):
            paused = [partition for partition, share in self.shares.items() if share.queue]
            for partition, records in (await self.source.poll(limit, 0, paused=paused)).items():
                self.shares[partition].queue += records

    async def begin(self, partition: int, limit: int) -> None:
        """Take a batch of what is queued, a suspect record alone."""
        share = self.shares[partition]
        if not share.is_attempted:
            await self._pills.count_attempt(partition)
            self._crashes.unfinished[partition, share.position] += 1
            share.is_attempted = True
        limit = 1 if share.is_suspect else limit
        share.batch, share.queue = share.queue[:limit], share.queue[limit:]

    async def persist(self, partition: int) -> None:
        """Store and dead-letter what is in flight, or its beginning; an outage leaves it in flight."""
        share = self.shares[partition]
        processed = await (self._try_alone(share) if share.is_suspect else self._try(share))
        self.tallies.append((processed.records, processed.tally))
        if share.durable is not None:
            # What was durable first is committed first.
            await self.commit(partition)
        share.breaker = processed.breaker
        share.durable = share.batch[processed.records - 1].offset + 1
        share.queue[:0] = share.batch[processed.records :]
        share.batch = ()

    async def commit(self, partition: int) -> None:
        """Commit what is durable."""
        share = self.shares[partition]
        assert share.durable is not None
        await self.source.commit({partition: share.durable})
        share.durable = None

    async def finish(self, partition: int) -> None:
        """Make durable and commit what is in flight."""
        if self.shares[partition].batch:
            await self.persist(partition)
        if self.shares[partition].durable is not None:
            await self.commit(partition)

    async def _try_alone(self, share: Share) -> Processed:
        """Die with a poison pill such that it is seen."""
        (record,) = share.batch
        alone = self._pills.alone(record)
        # Kept, so that a crash leaves the record in the marker.
        self._crashes.never_ended.append(alone)
        may_be_tried = await alone.__aenter__()
        try:
            if not may_be_tried:
                processed = await self._process.condemn(share.batch, share.breaker, Attempt())
            else:
                processed = await self._try(share)
        except Killed:
            self._crashes.alone[record.partition, record.offset] += 1
            raise
        except Unavailable as unavailable:
            with suppress(Unavailable):
                await alone.__aexit__(Unavailable, unavailable, None)
            raise
        await alone.__aexit__(None, None, None)
        return processed

    async def _try(self, share: Share) -> Processed:
        """Die of the first try at a poison pill."""
        readings = readings_of(share.batch)
        if any(isinstance(reading, Delivery) and reading.event.user_id == POISON for reading in readings):
            raise Killed
        return await self._process(share.batch, readings, share.breaker, Attempt())

    async def _drop(self, partitions: Collection[int]) -> None:
        attempts = self._pills.forget(partitions)
        await self._pills.release(attempts)
        self._crashes.unfinished.subtract(attempts.items())
        for partition in partitions:
            del self.shares[partition]


class Delivering(RuleBasedStateMachine):
    """The service on adapters in memory; `sent` has every value that anybody ever published."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = NOON
        self.log = MemoryLog(partitions=2, clock=self.clock)
        self.publisher = MemoryPublisher(self.log, TOPIC)
        self.store = PickyStore(self.clock)
        self.letters = MemoryDeadLetterQueue(self.log, DLQ)
        self.process = ProcessEvent(self.store, self.letters, self.clock)
        self.states: StateTable = {}
        self.crashes = Crashes()
        self.members: list[Member] = []
        self.stalled: list[Member] = []
        self.gone: list[Member] = []
        self.positions: Counter[int] = Counter()
        self.sent: list[UserEvent] = []
        self.acknowledged: list[tuple[UserEvent, Receipt]] = []

    def clock(self) -> datetime:
        """Return a time that is always later than the one before."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one step of the service to its end."""
        return self.loop.run_until_complete(work)

    @initialize()
    def start(self) -> None:
        """There is a consumer at first."""
        self.join()

    @rule()
    @precondition(lambda self: len(self.members) < 3)
    def join(self) -> None:
        """A consumer starts: the group shares its partitions anew."""
        member = Member(self.log, self.states, self.process, self.crashes)
        self.run(member.source.open())
        self.members.append(member)

    @rule(number=which, finishes=st.booleans())
    @precondition(lambda self: self.members)
    def leave(self, number: int, *, finishes: bool) -> None:
        """A consumer stops in order; what it read and did not finish is dropped."""
        member = self.members[number % len(self.members)]
        member.finishes_revoked = finishes
        if self.survives(member, member.source.close()):
            self.members.remove(member)
            self.gone.append(member)

    @rule(number=which, comes_back=st.booleans())
    @precondition(lambda self: self.members)
    def lose(self, number: int, *, comes_back: bool) -> None:
        """A consumer is gone at whatever point it was: before storing, or between that and the commit."""
        member = self.members.pop(number % len(self.members))
        member.source.crash()
        (self.stalled if comes_back else self.gone).append(member)

    @rule()
    @precondition(lambda self: self.stalled)
    def come_back(self) -> None:
        """A consumer that only stalled goes on as though nothing had happened."""
        member = self.stalled.pop(0)
        self.gone.append(member)
        for partition in member.shares:
            if not self.survives(member, member.finish(partition)):
                break

    @rule(events=st.lists(some_events, min_size=2, max_size=8), is_heard=st.booleans())
    def publish(self, events: list[UserEvent], *, is_heard: bool) -> None:
        """Clients report events; what is acknowledged is a promise, if anybody receives it."""
        self.sent += events
        for event, outcome in zip(events, self.run(self.publisher.publish(events)), strict=True):
            if isinstance(outcome, Receipt) and is_heard:
                self.acknowledged.append((event, outcome))

    @rule(value=garbage, partition=partitions)
    def append_garbage(self, value: bytes | None, partition: int) -> None:
        """A foreign producer writes what is no event."""
        self.log.append(TOPIC, b"key", value, partition=partition)

    @rule(number=which, partition=partitions, limit=limits, steps=st.integers(1, 9), commits_late=st.booleans())
    @precondition(lambda self: self.members)
    def work(self, number: int, partition: int, limit: int, steps: int, *, commits_late: bool) -> None:
        """A consumer goes on with a partition: begins, stores and dead-letters, commits at once or behind the next."""
        member = self.members[number % len(self.members)]
        for _ in range(steps):
            if member in self.members:
                self.step(member, partition, limit, commits_late=commits_late)

    @rule(number=which, limit=limits)
    @precondition(lambda self: self.members)
    def poll(self, number: int, limit: int) -> None:
        """A consumer polls, whatever it has in flight: it drops what it lost by then."""
        self.run(self.members[number % len(self.members)].poll(limit))

    @rule(number=which)
    def fail(self, number: int) -> None:
        """Something goes down."""
        dependencies = list(self.dependencies())
        dependencies[number % len(dependencies)].outage = Unavailable("down")

    @rule()
    def heal(self) -> None:
        """Everything is up again."""
        for dependency in self.dependencies():
            dependency.outage = None

    @invariant()
    def positions_never_pass_what_is_not_durable(self) -> None:
        """Every record below a group's position has its row or dead letter, and the position only moves on."""
        committed = self.log.groups[TOPIC, GROUP].committed
        kept = self.kept()
        for partition, records in enumerate(self.log.topics[TOPIC]):
            assert committed[partition] >= self.positions[partition], "a position went back"
            assert all(record in kept for record in records[: committed[partition]])
        self.positions = Counter(committed)

    @invariant()
    def nothing_is_stored_that_nobody_sent(self) -> None:
        """Each row is one of the events published under its id; each dead letter has a record's very bytes."""
        sent = {(event.id, event.user_id, event.event_type, event.payload) for event in self.sent}
        for row in self.store.rows.values():
            assert (row.id, row.user_id, row.event_type, (row.payload or "").encode()) in sent
        for partition, offset, letter in self.dead_lettered():
            original = self.log.topics[TOPIC][partition][offset]
            assert (letter.key, letter.value) == (original.key, original.value)

    @invariant()
    def rows_of_a_partition_are_stored_in_its_order(self) -> None:
        """Nobody ever sees a user's later event without the earlier one."""
        assert all(before < after for offsets in self.store.stored.values() for before, after in pairwise(offsets))

    @invariant()
    def only_what_kills_is_quarantined(self) -> None:
        """Whatever else crashes or stalls; and it ends three consumers at most with it alone in flight."""
        for partition, offset, letter in self.dead_lettered():
            if dict(letter.headers)["dlq.error.class"] == b"LethalRecord":
                event = decode(self.log.topics[TOPIC][partition][offset])
                assert isinstance(event, UserEvent)
                assert event.user_id == POISON
        assert all(crashes <= 3 for crashes in self.crashes.alone.values())

    @invariant()
    def ledger_adds_up(self) -> None:
        """Every processed batch is accounted for, and no id was stored twice."""
        tallies = [each for member in (*self.members, *self.stalled, *self.gone) for each in member.tallies]
        assert all(count == sum(tally) for count, tally in tallies)
        assert sum(tally.stored for _, tally in tallies) <= len(self.store.rows)
        assert sum(map(len, self.store.stored.values())) == len(self.store.rows)

    def teardown(self) -> None:
        """Let everything heal: each acknowledged event has its row or dead letter, and no lag is left."""
        self.heal()
        for member in self.members:
            member.source.crash()
        self.gone += self.members
        self.members = []
        self.join()
        while any(self.run(self.members[0].source.lag()).values()):
            for partition in range(2):
                self.work(0, partition, limit=BATCH, steps=4, commits_late=False)
                if not self.members:
                    self.join()
        self.positions_never_pass_what_is_not_durable()
        while self.stalled:
            self.come_back()
        self.positions_never_pass_what_is_not_durable()
        self.nothing_is_stored_that_nobody_sent()
        self.rows_of_a_partition_are_stored_in_its_order()
        self.only_what_kills_is_quarantined()
        self.ledger_adds_up()
        kept = self.kept()
        for event, receipt in self.acknowledged:
            assert receipt.offset is not None
            record = self.log.topics[TOPIC][receipt.partition][receipt.offset]
            assert decode(record) == event
            assert record in kept
        self.loop.close()

    def step(self, member: Member, number: int, limit: int, *, commits_late: bool) -> None:
        """Take the next step with one of a member's partitions: read and begin, store, or commit."""
        if not member.shares:
            self.run(member.poll(limit))
        if not member.shares:
            return
        partition = sorted(member.shares)[number % len(member.shares)]
        share = member.shares[partition]
        if share.batch:
            self.survives(member, member.persist(partition))
        elif share.durable is not None and not (commits_late and share.queue and not share.is_suspect):
            self.survives(member, member.commit(partition))
        elif share.queue:
            self.survives(member, member.begin(partition, limit))
        else:
            self.run(member.poll(limit))
            if member.shares.get(partition) is share and share.queue:
                self.survives(member, member.begin(partition, limit))

    def survives(self, member: Member, step: Coroutine[Any, Any, None]) -> bool:
        """Let a member take a step, and return whether it lives; what fails is left as it is."""
        try:
            self.run(step)
        except Unavailable:
            pass
        except StaleGeneration:
            # A poll tells a member what it has lost.
            if member in self.members:
                self.run(member.poll(0))
        except Killed:
            member.source.crash()
            if member in self.members:
                self.members.remove(member)
                self.gone.append(member)
            return False
        return True

    def dependencies(self) -> Iterator[Outage]:
        """Name what may be down: for all, or between one member and the log."""
        yield from (self.store, self.letters, self.publisher)
        yield from (member.source for member in (*self.members, *self.stalled))

    def dead_lettered(self) -> list[tuple[int, int, LogRecord]]:
        """List the dead letters with the partition and offset that each names as its origin."""
        letters = []
        for letter in self.log.records(DLQ):
            headers = dict(letter.headers)
            letters.append((int(headers["dlq.partition"] or b""), int(headers["dlq.offset"] or b""), letter))
        return letters

    def kept(self) -> "Kept":
        """Take stock of what is durable."""
        return Kept(self.store, {(partition, offset) for partition, offset, _ in self.dead_lettered()})


@dataclass(frozen=True)
class Kept:
    """What is durable: rows, and the places of the dead letters' records."""

    store: MemoryEventStore
    letters: set[tuple[int, int]]

    def __contains__(self, record: LogRecord) -> bool:
        """Return whether `record` was dead-lettered, or is in the table with the same content."""
        if (record.partition, record.offset) in self.letters:
            return True
        event = decode(record)
        row = None if isinstance(event, Failure) else self.store.rows.get(event.id)
        return (
            row is not None
            and not isinstance(event, Failure)
            and (row.user_id, row.event_type) == (event.user_id, event.event_type)
            and json.loads(row.payload or "") == json.loads(event.payload)
        )


Delivering.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestDelivering = Delivering.TestCase
