"""Any interleaving of publishing, delivery, crashes, rebalances and outages keeps what the service promises."""

import asyncio
import json
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adapters import wire
from adapters.log_record import LogRecord
from adapters.memory import (
    MemoryDeadLetters,
    MemoryEventStore,
    MemoryLog,
    MemoryPartitionStates,
    MemoryPublisher,
    MemorySource,
)
from adapters.memory.states import StateTable
from application.custody import Custody
from application.ports import Batch, BeforeCommit, Delivery, Receipt, Superseded, Verdict, at_once
from application.process_event import Attempt, Outcome, ProcessEvent, Tally
from application.storm import StormLimits, Storms
from domain.dead_letter import Failure
from domain.errors import Rejected, Unavailable
from domain.event import EventType, UserEvent
from tests.support.events import NOON, an_event

T = TypeVar("T")

TOPIC, LETTERS, GROUP = "events", "events-dlq", "group"
REFUSED, BUG, KILLER = "refused", "bug", "killer"
SPAN = 4
NO_STORM = StormLimits(in_a_row=1_000_000, of_at_least=1_000_000)
# Few of each, so that duplicates and conflicts are common, within a batch and across partitions.
some_events = st.builds(
    an_event,
    st.sampled_from(["ann", "bob", "cid", REFUSED, BUG, KILLER]),
    st.sampled_from([b"{}", b'{"n":1}', b'{"n":1.0}']),
    event_id=st.integers(1, 12).map(lambda number: UUID(int=number)),
    event_type=st.sampled_from(EventType),
)
garbage = st.sampled_from([None, b"", b"\xff", b"[]", b"{}", b'{"eventId":1}'])
which = st.integers(0, 9)


class PickyStore(MemoryEventStore):
    """Refuses the events of one user, and has a bug that meets those of another."""

    async def add(self, deliveries: Sequence[Delivery], before_commit: BeforeCommit = at_once) -> list[Verdict]:
        users = {delivery.event.user_id for delivery in deliveries}
        if self.outage is None and REFUSED in users:
            raise Rejected("refused")
        if self.outage is None and BUG in users:
            raise RuntimeError("a bug")
        return await super().add(deliveries, before_commit)


class Killed(Exception):
    """The consumer's process is gone."""


class Stage(Enum):
    """How far a consumer is with the batch in its hands."""

    IDLE = auto()
    DELIVERED = auto()
    DURABLE = auto()


@dataclass(eq=False)
class Member:
    """A consumer."""

    source: MemorySource
    custody: Custody
    batch: Batch = field(default_factory=lambda: Batch((), None))
    stage: Stage = Stage.IDLE


class Delivering(RuleBasedStateMachine):
    """The service on adapters in memory; `sent` has every value that anybody ever published."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = NOON
        self.log = MemoryLog(partitions=2, clock=self.clock)
        self.publisher = MemoryPublisher(self.log, TOPIC)
        self.store = PickyStore(self.clock)
        self.letters = MemoryDeadLetters(self.log, LETTERS)
        self.storms = Storms(NO_STORM, lambda: 0.0)
        self.process = ProcessEvent(self.store, self.letters, wire.decode, self.storms, self.clock)
        self.states: StateTable = {}
        self.never_put_down: list[AbstractAsyncContextManager[bool]] = []
        self.deaths_alone: Counter[tuple[int, int]] = Counter()
        self.attempts: Counter[tuple[int, int]] = Counter()
        """How often something was in flight of a partition, by the position that it had then."""
        self.members: list[Member] = []
        self.stalled: list[Member] = []
        self.positions: Counter[int] = Counter()
        self.sent: list[UserEvent] = []
        self.acknowledged: list[tuple[UserEvent, Receipt]] = []
        self.tallies: list[tuple[int, Tally]] = []

    def clock(self) -> datetime:
        """Tell a time that never stands still."""
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
        custody = Custody(MemoryPartitionStates(TOPIC, GROUP, self.states), self.storms, span=SPAN)
        member = Member(MemorySource(self.log, TOPIC, GROUP, custody), custody)
        self.run(member.source.open())
        self.members.append(member)

    @rule(number=which)
    @precondition(lambda self: self.members)
    def leave(self, number: int) -> None:
        """A consumer stops in order."""
        self.run(self.members.pop(number % len(self.members)).source.close())

    @rule(number=which, comes_back=st.booleans())
    @precondition(lambda self: self.members)
    def lose(self, number: int, *, comes_back: bool) -> None:
        """A consumer is gone at whatever point it was: before storing, or between that and the commit."""
        member = self.members.pop(number % len(self.members))
        member.source.crash()
        if comes_back:
            self.stalled.append(member)

    @rule()
    @precondition(lambda self: self.stalled)
    def come_back(self) -> None:
        """A consumer that only stalled goes on as though nothing had happened."""
        member = self.stalled.pop(0)
        if member.stage is Stage.DELIVERED:
            self.persist(member)
        if member.stage is Stage.DURABLE:
            self.commit(member)

    @rule(events=st.lists(some_events, min_size=2, max_size=8), is_heard=st.booleans())
    def publish(self, events: list[UserEvent], *, is_heard: bool) -> None:
        """Clients report events; what is acknowledged is a promise, if anybody hears of it."""
        self.sent += events
        for event, outcome in zip(events, self.run(self.publisher.publish(events)), strict=True):
            if isinstance(outcome, Receipt) and is_heard:
                self.acknowledged.append((event, outcome))

    @rule(value=garbage, partition=st.integers(0, 1))
    def append_garbage(self, value: bytes | None, partition: int) -> None:
        """A foreign producer writes what is no event."""
        self.log.append(TOPIC, b"key", value, partition=partition)

    @rule(number=which, limit=st.integers(1, 4), steps=st.integers(1, 6))
    @precondition(lambda self: self.members)
    def work(self, number: int, limit: int, steps: int) -> None:
        """A consumer goes on: reads with empty hands, stores and parks what it read, commits what is durable."""
        member = self.members[number % len(self.members)]
        for _ in range(steps):
            if member not in self.members:
                return
            if member.stage is Stage.IDLE:
                self.deliver(member, limit)
            elif member.stage is Stage.DELIVERED:
                self.persist(member)
            else:
                self.commit(member)

    @rule(number=which, limit=st.integers(1, 4))
    @precondition(lambda self: self.members)
    def rewind(self, number: int, limit: int) -> None:
        """A consumer lets what it read go, and goes on."""
        member = self.members[number % len(self.members)]
        if member.stage is Stage.IDLE:
            self.deliver(member, limit)
        if member.stage is not Stage.IDLE:
            member.source.rewind(member.batch)
            member.stage = Stage.IDLE
            self.work(number, limit, steps=3)

    @rule(number=which)
    def fail(self, number: int) -> None:
        """Something goes down."""
        (self.store, self.letters, self.publisher)[number % 3].outage = Unavailable("down")

    @rule()
    def heal(self) -> None:
        """Everything is up again."""
        self.store.outage = self.letters.outage = self.publisher.outage = None

    @invariant()
    def positions_never_pass_what_is_not_durable(self) -> None:
        """Every record below a group's position stands in the table or among the letters, and it only moves on."""
        committed = self.log.groups[TOPIC, GROUP].committed
        kept = self.kept()
        for partition, records in enumerate(self.log.topics[TOPIC]):
            assert committed[partition] >= self.positions[partition], "a position went back"
            assert all(record in kept for record in records[: committed[partition]])
        self.positions = Counter(committed)

    @invariant()
    def nothing_is_stored_that_nobody_sent(self) -> None:
        """Each row is one of the events published under its id; each letter has a record's very bytes."""
        sent = {(event.id, event.user_id, event.event_type, event.payload) for event in self.sent}
        for row in self.store.rows.values():
            assert (row.id, row.user_id, row.event_type, (row.payload or "").encode()) in sent
        for partition, offset, letter in self.parked():
            original = self.log.topics[TOPIC][partition][offset]
            assert (letter.key, letter.value) == (original.key, original.value)

    @invariant()
    def only_what_kills_is_quarantined(self) -> None:
        """Whatever else dies or sleeps; and it kills three consumers at most with it alone in hand."""
        for partition, offset, letter in self.parked():
            if dict(letter.headers)["dlq.error.class"] == b"LethalRecord":
                event = wire.decode(self.log.topics[TOPIC][partition][offset])
                assert isinstance(event, UserEvent)
                assert event.user_id == KILLER
        assert all(deaths <= 3 for deaths in self.deaths_alone.values())

    @invariant()
    def nothing_is_suspected_of_which_nothing_was_in_flight(self) -> None:
        """However often idle consumers die."""
        for member in self.members:
            for partition, until in member.custody.suspected.items():
                assert self.attempts[partition, until - SPAN] >= 2

    @invariant()
    def ledger_adds_up(self) -> None:
        """Every processed batch is accounted for, and no id was stored twice."""
        assert all(
            count == tally.stored + tally.duplicate + tally.conflict + tally.dead for count, tally in self.tallies
        )
        assert sum(tally.stored for _, tally in self.tallies) <= len(self.store.rows)

    def teardown(self) -> None:
        """Let everything heal: all that was acknowledged ends in the table or among the letters, and no lag is left."""
        self.heal()
        for member in self.members:
            member.source.crash()
        self.members = []
        self.join()
        while sum(self.run(self.members[0].source.lag()).values()):
            self.work(0, limit=4, steps=3)
            if not self.members:
                self.join()
        self.positions_never_pass_what_is_not_durable()
        while self.stalled:
            self.come_back()
        self.positions_never_pass_what_is_not_durable()
        self.nothing_is_stored_that_nobody_sent()
        self.ledger_adds_up()
        kept = self.kept()
        for event, receipt in self.acknowledged:
            assert receipt.offset is not None
            record = self.log.topics[TOPIC][receipt.partition][receipt.offset]
            assert wire.decode(record) == event
            assert record in kept
        self.loop.close()

    def deliver(self, member: Member, limit: int) -> None:
        """Read a batch, if there is any; a record that may kill is taken alone."""
        batch = self.run(member.source.poll(limit, 0))
        if batch.records:
            self.run(member.custody.attempt(batch.partitions))
            for partition in batch.partitions:
                self.attempts[partition, self.log.groups[TOPIC, GROUP].committed[partition]] += 1
            if member.custody.is_suspect(batch.records[0]):
                member.source.rewind(Batch(batch.records[1:], batch.assignment))
                batch = Batch(batch.records[:1], batch.assignment)
            member.batch, member.stage = batch, Stage.DELIVERED

    def persist(self, member: Member) -> None:
        """Store and park, perhaps not for the first time; an outage leaves the batch where it is."""
        try:
            tally = self.run(self.carry_out(member)).tally
        except Unavailable:
            return
        except Superseded:
            member.stage = Stage.IDLE
        except Killed:
            member.source.crash()
            if member in self.members:
                self.members.remove(member)
        else:
            self.tallies.append((len(member.batch.records), tally))
            member.stage = Stage.DURABLE

    async def carry_out(self, member: Member) -> Outcome:
        """Store and park what a member has in hand."""
        records = member.batch.records
        if not member.custody.is_suspect(records[0]):
            return await self.try_all(member)
        in_hand = member.custody.in_hand(records[0])
        self.never_put_down.append(in_hand)
        if not await in_hand.__aenter__():
            outcome = await self.process.condemn(member.batch, Attempt())
        else:
            try:
                outcome = await self.try_all(member)
            except Killed:
                self.deaths_alone[records[0].partition, records[0].offset] += 1
                raise
            except Unavailable as unavailable:
                await in_hand.__aexit__(Unavailable, unavailable, None)
                raise
        await in_hand.__aexit__(None, None, None)
        return outcome

    async def try_all(self, member: Member) -> Outcome:
        """Die of the first try at what kills."""
        events = map(wire.decode, member.batch.records)
        if any(isinstance(event, UserEvent) and event.user_id == KILLER for event in events):
            raise Killed
        return await self.process(member.batch)

    def commit(self, member: Member) -> None:
        """Commit, unless the batch is no longer this consumer's own."""
        with suppress(Superseded):
            self.run(member.source.commit(member.batch))
        member.stage = Stage.IDLE

    def parked(self) -> list[tuple[int, int, LogRecord]]:
        """List the letters with the partition and offset that each names as its origin."""
        letters = []
        for letter in self.log.records(LETTERS):
            headers = dict(letter.headers)
            letters.append((int(headers["dlq.partition"] or b""), int(headers["dlq.offset"] or b""), letter))
        return letters

    def kept(self) -> "Kept":
        """Take stock of what is durable."""
        return Kept(self.store, {(partition, offset) for partition, offset, _ in self.parked()})


@dataclass(frozen=True)
class Kept:
    """What is durable: rows, and the places of the letters' records."""

    store: MemoryEventStore
    letters: set[tuple[int, int]]

    def __contains__(self, record: LogRecord) -> bool:
        """Tell whether `record` was parked, or stands in the table with the same content."""
        if (record.partition, record.offset) in self.letters:
            return True
        event = wire.decode(record)
        row = None if isinstance(event, Failure) else self.store.rows.get(event.id)
        return (
            row is not None
            and not isinstance(event, Failure)
            and (row.user_id, row.event_type) == (event.user_id, event.event_type)
            and json.loads(row.payload or "") == json.loads(event.payload)
        )


Delivering.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestDelivering = Delivering.TestCase
