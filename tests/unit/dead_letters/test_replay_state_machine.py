"""Any interleaving of people, workers, crashes, consumer and indexer keeps what jobs promise."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adapters.records import replays
from application.dead_letters.jobs import ItemState, JobCommand, JobState, LeaseLost, NotPossible, ReplayItem
from application.dead_letters.letters import LetterFilter, LetterState
from application.dead_letters.orders import Action, NewEntry, Order
from application.dead_letters.replays.outcomes import stored_of
from application.ports import Receipt
from domain.errors import Rejected, Unavailable
from tests.support.events import an_event, decode
from tests.support.letters import DISCARD, REPLAY, RESTORE
from tests.support.replay_world import GROUP, LEASE, ReplayWorld

T = TypeVar("T")
USERS = ["ann", "bob", "cid"]
CONTROL = NewEntry("api", "control job", {}, "")
UNFINISHED = {ItemState.WAITING, ItemState.SENDING, ItemState.REPLAYED}
orders = st.sampled_from([REPLAY, replace(REPLAY, max_replays=2), DISCARD, RESTORE])
which = st.integers(0, 9)
read = replays.reader(decode)


@dataclass
class Hand:
    """A worker with a job, and how far it is with it; one that stalled goes on as though nothing had happened."""

    job_id: UUID
    worker: UUID
    action: Action
    items: Sequence[ReplayItem] = ()
    published: dict[str, Receipt | Rejected] = field(default_factory=dict)
    awaited: Sequence[ReplayItem] = ()
    stored: Sequence[str] = ()


class Replaying(RuleBasedStateMachine):
    """The parts of a worker's steps are rules of their own, so that anything comes between them."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = ReplayWorld()
        self.hands: list[Hand] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Take one step to its end."""
        return self.loop.run_until_complete(work)

    @initialize(users=st.lists(st.sampled_from(USERS), min_size=2, max_size=8))
    def start(self, users: list[str]) -> None:
        """Some letters are dead."""
        self.run(self.world.fail(*(an_event(user) for user in users)))

    @rule(user=st.sampled_from(USERS))
    def mend(self, user: str) -> None:
        """The store takes the events of a user from now on."""
        self.world.mend(user)

    @rule(user=st.sampled_from(USERS))
    def break_again(self, user: str) -> None:
        """It refuses them again."""
        self.world.store.refused.add(user)

    @rule()
    def consume(self) -> None:
        """The consumer stores or dead-letters what the log has."""
        self.run(self.world.consume())

    @rule()
    def index(self) -> None:
        """The index learns of it."""
        self.run(self.world.index_letters())

    @rule(order=orders, some=st.sets(which))
    def create(self, order: Order, some: set[int]) -> None:
        """A person orders something for all letters, or for some."""
        ids = [each for place, each in enumerate(self.world.letters.rows) if place in some]
        self.run(self.world.order(order, LetterFilter(ids=ids or None)))

    @rule(number=which, command=st.sampled_from(JobCommand))
    @precondition(lambda self: self.world.jobs.rows)
    def control(self, number: int, command: JobCommand) -> None:
        """A person pauses, resumes or cancels a job."""
        rows = list(self.world.jobs.rows)
        with suppress(NotPossible):
            self.run(self.world.jobs.control(rows[number % len(rows)], command, CONTROL))

    @rule()
    def claim(self) -> None:
        """A worker looks for a job."""
        worker = uuid4()
        if (job := self.run(self.world.jobs.claim(worker))) is not None:
            self.hands.append(Hand(job.id, worker, job.order.action))

    @rule()
    def leases_run_out(self) -> None:
        """All workers have stalled, or are dead."""
        self.world.skew += timedelta(seconds=LEASE)

    @rule(number=which)
    @precondition(lambda self: self.hands)
    def die(self, number: int) -> None:
        """A worker is killed, wherever it was."""
        self.hands.pop(number % len(self.hands))

    @rule(number=which)
    @precondition(lambda self: self.hands)
    def renew(self, number: int) -> None:
        """A worker keeps its lease."""
        hand = self.hands[number % len(self.hands)]
        self.survives(hand, self.world.jobs.renew(hand.job_id, hand.worker))

    @rule(number=which, limit=st.integers(1, 4))
    @precondition(lambda self: self.hands)
    def take(self, number: int, limit: int) -> None:
        """A worker takes letters, or changes them."""
        hand = self.hands[number % len(self.hands)]
        self.survives(hand, self.taken(hand, limit))

    @rule(number=which, is_refused=st.booleans())
    @precondition(lambda self: self.hands)
    def publish(self, number: int, *, is_refused: bool) -> None:
        """A worker publishes what it has taken, whether or not it has lost its job meanwhile."""
        self.run(self.sent(self.hands[number % len(self.hands)], is_refused=is_refused))

    @rule(number=which)
    @precondition(lambda self: self.hands)
    def note(self, number: int) -> None:
        """A worker notes what it has published."""
        hand = self.hands[number % len(self.hands)]
        self.survives(hand, self.world.jobs.published(hand.job_id, hand.worker, hand.published))

    @rule(number=which)
    @precondition(lambda self: self.hands)
    def ask(self, number: int) -> None:
        """A worker asks what became of the letters that the group has passed."""
        hand = self.hands[number % len(self.hands)]
        self.survives(hand, self.asked(hand))

    @rule(number=which)
    @precondition(lambda self: self.hands)
    def settle(self, number: int) -> None:
        """A worker notes what it has learnt."""
        hand = self.hands[number % len(self.hands)]
        self.survives(hand, self.world.jobs.stored(hand.job_id, hand.worker, hand.stored))

    @rule(number=which)
    @precondition(lambda self: self.hands)
    def halt(self, number: int) -> None:
        """A worker halts its job."""
        hand = self.hands.pop(number % len(self.hands))
        self.survives(hand, self.world.jobs.halt(hand.job_id, hand.worker, "the canary failed"))

    @rule(number=which)
    @precondition(lambda self: self.hands)
    def finish(self, number: int) -> None:
        """A worker sees whether its job has ended."""
        hand = self.hands[number % len(self.hands)]
        self.survives(hand, self.world.jobs.finish(hand.job_id, hand.worker))

    @invariant()
    def counts_sum_up(self) -> None:
        """In the job, and over its groups."""
        for job in self.run(self.world.jobs.newest(1_000)):
            assert sum(job.counts.values()) == job.letters
            if job.state is JobState.FINISHED or job.ended_at is not None:
                assert not any(job.counts.get(state) for state in UNFINISHED)

    @invariant()
    def letters_are_in_one_unfinished_replay(self) -> None:
        """At most."""
        taken = Counter(
            item.letter_id
            for row in self.world.jobs.rows.values()
            if row.order.action is Action.REPLAY
            for item in row.items
            if item.state in UNFINISHED
        )
        assert all(count == 1 for count in taken.values())
        for letter_id, row in self.world.letters.rows.items():
            if row.state in {LetterState.REPLAYING, LetterState.REPLAYED}:
                assert taken[letter_id] == 1

    @invariant()
    def nothing_is_stored_twice_or_without_being_stored(self) -> None:
        """What counts as stored is in the table, unless a later failure is on its way."""
        assert all(count <= 1 for count in self.world.store.inserted.values())
        for row in self.world.letters.rows.values():
            if row.state is LetterState.STORED:
                assert row.first.event_id in self.world.store.rows

    def teardown(self) -> None:
        """Let all workers die, and all jobs go on: each letter comes to an end."""
        for job_id in self.world.jobs.rows:
            with suppress(NotPossible):
                self.run(self.world.jobs.control(job_id, JobCommand.RESUME, CONTROL))
        self.world.skew += timedelta(seconds=LEASE)
        self.run(self.work_off())
        self.counts_sum_up()
        self.letters_are_in_one_unfinished_replay()
        self.nothing_is_stored_twice_or_without_being_stored()
        assert all(row.ended_at is not None for row in self.world.jobs.rows.values())
        assert set(self.world.states()) <= {LetterState.DEAD, LetterState.STORED, LetterState.DISCARDED}
        self.loop.close()

    async def work_off(self) -> None:
        """Have one worker do all that is left."""
        while (job := await self.world.jobs.claim(worker := uuid4())) is not None:
            hand = Hand(job.id, worker, job.order.action)
            while not await self.world.jobs.finish(job.id, worker):
                await self.taken(hand, 10)
                await self.sent(hand, is_refused=False)
                await self.world.jobs.published(hand.job_id, hand.worker, hand.published)
                await self.world.consume()
                await self.world.index_letters()
                await self.asked(hand)
                await self.world.jobs.stored(hand.job_id, hand.worker, hand.stored)

    async def taken(self, hand: Hand, limit: int) -> None:
        """Take letters."""
        if hand.action is Action.REPLAY:
            hand.items = await self.world.jobs.next_items(hand.job_id, hand.worker, limit)
        else:
            await self.world.jobs.change_some(hand.job_id, hand.worker, limit)

    async def sent(self, hand: Hand, *, is_refused: bool) -> None:
        """Publish them; the log may refuse the first one."""
        outcomes = await self.world.publisher.publish(hand.items[is_refused:])
        hand.published = {
            item.letter_id: outcome
            for item, outcome in zip(hand.items[is_refused:], outcomes, strict=True)
            if not isinstance(outcome, Unavailable)
        }
        if is_refused and hand.items:
            hand.published[hand.items[0].letter_id] = Rejected("too large")

    async def asked(self, hand: Hand) -> None:
        """Find out which letters are stored."""
        committed = await self.world.reader.committed(GROUP)
        hand.awaited = await self.world.jobs.awaiting(hand.job_id, hand.worker, committed, 10)
        hand.stored = await stored_of(hand.awaited, self.world.store, read)

    def survives(self, hand: Hand, step: Coroutine[Any, Any, object]) -> None:
        """Let a worker take a step; without its lease it lets the job go."""
        try:
            self.run(step)
        except LeaseLost:
            self.hands = [other for other in self.hands if other is not hand]


Replaying.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestReplaying = Replaying.TestCase
