"""The worker that carries out jobs, while something is away or refuses."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapters.memory import MemoryLogReader, MemoryReplayPublisher
from adapters.records import codec
from application.dead_letters.jobs import ItemState, JobState, ReplayItem
from application.dead_letters.letters import LetterFilter, LetterState
from application.ports import Receipt
from domain.dead_letter import FailureKind
from domain.errors import Rejected, Unavailable, WrongDeployment
from tests.support.consumer_world import until
from tests.support.events import an_event
from tests.support.letters import DISCARD, REPLAY, RESTORE
from tests.support.replay_world import MendableStore, ReplayWorld, events_of


class ForgetfulPublisher(MemoryReplayPublisher):
    """Cannot tell where a record stands; of each call the last outcome is unknown, at first."""

    forgets = 3

    async def publish(self, items: Sequence[ReplayItem]) -> Sequence[Receipt | Rejected | Unavailable]:
        outcomes = [_without_offset(each) for each in await super().publish(items)]
        if self.forgets:
            self.forgets -= 1
            outcomes[-1] = Unavailable("no acknowledgement in time")
        return outcomes


def _without_offset(outcome: Receipt | Rejected | Unavailable) -> Receipt | Rejected | Unavailable:
    return outcome._replace(offset=None) if isinstance(outcome, Receipt) else outcome


@pytest.fixture
def world() -> ReplayWorld:
    """One of each test's own."""
    return ReplayWorld()


@pytest.mark.parametrize("which", ["publisher", "log", "store"])
async def test_outage_is_told_and_waited_for(world: ReplayWorld, which: str) -> None:
    """Then the job goes on."""
    await world.fail(*events_of("ann", 5))
    world.mend()
    publisher, log, store = (
        MemoryReplayPublisher(world.log, "events"),
        MemoryLogReader(world.log, "events"),
        MendableStore(),
    )
    store.rows = world.store.rows
    away = {"publisher": publisher, "log": log, "store": store}[which]
    away.outage = Unavailable("it is away")
    job = await world.order()
    async with world.serving(), world.working(replace(world.tools, publisher=publisher, log=log, store=store)):
        await until(lambda: world.jobs.rows[job.id].why == "it is away")
        away.outage = None
        finished = await world.comes_to(job, JobState.FINISHED)
    assert finished.why is None
    assert await world.counts(job) == {ItemState.STORED: 5}


async def test_jobs_that_wait_for_outcomes_say_so_and_keep_no_other_from_its_turn(world: ReplayWorld) -> None:
    """However many there are; once outcomes come they say nothing, and end."""
    events = await world.fail(*events_of("ann", 9))
    world.mend()
    jobs = [await world.order(wanted=LetterFilter(event_id=event.id)) for event in events]
    async with world.working(replace(world.tools, patience=0.05)):
        await until(lambda: world.replayed() == 9)
        await until(lambda: all("group is at" in (world.jobs.rows[job.id].why or "") for job in jobs))
        async with world.serving():
            finished = [await world.comes_to(job, JobState.FINISHED) for job in jobs]
    assert [job.why for job in finished] == [None] * 9
    assert world.states() == {LetterState.STORED: 9}


async def test_outcome_that_the_index_has_not_noted_is_waited_for(world: ReplayWorld) -> None:
    """Its record is passed and nothing is stored: it is decided once its failure is noted, never before."""
    await world.fail(*events_of("ann", 1))
    job = await world.order()
    async with world.working(replace(world.tools, patience=0.05)):
        await until(lambda: world.replayed() == 1)
        await world.consume()
        await until(lambda: "not indexed yet" in (world.jobs.rows[job.id].why or ""))
        assert await world.counts(job) == {ItemState.REPLAYED: 1}
        await world.index_letters()
        assert (await world.comes_to(job, JobState.FINISHED)).why is None
    assert await world.counts(job) == {ItemState.DEAD: 1}


async def test_outage_of_the_jobs_themselves_is_waited_for(
    world: ReplayWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """It can only be logged."""
    await world.fail(*events_of("ann", 5))
    world.mend()
    job = await world.order()
    world.jobs.outage = Unavailable("the database is away")
    async with world.serving(), world.working():
        await until(lambda: "claiming dead-letter jobs: failing, trying again" in caplog.messages)
        world.jobs.outage = None
        await until(lambda: world.replayed() > 0)
        world.jobs.outage = Unavailable("the database is away again")
        await until(lambda: any(message.startswith("dead-letter job, ") for message in caplog.messages))
        world.jobs.outage = None
        await world.comes_to(job, JobState.FINISHED)
    assert await world.counts(job) == {ItemState.STORED: 5}


async def test_wrong_deployment_is_logged_once_and_does_not_delay_a_stop(
    world: ReplayWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """A person has to act; it is tried again each minute."""
    await world.fail(*events_of("ann", 5))
    job = await world.order()
    world.reader.outage = WrongDeployment("there is no topic events")
    async with world.working():
        await until(lambda: world.jobs.rows[job.id].why == "there is no topic events")
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.message for record in errors] == ["dead-letter job, collecting outcomes: failing, trying again"]
    assert world.jobs.rows[job.id].worker is None


async def test_letters_without_acknowledgement_or_offset_are_published_until_known(world: ReplayWorld) -> None:
    """Each event is stored once all the same."""
    events = await world.fail(*events_of("ann", 10))
    world.mend()
    job = await world.order()
    async with (
        world.serving(),
        world.working(replace(world.tools, publisher=ForgetfulPublisher(world.log, "events"))),
    ):
        await world.comes_to(job, JobState.FINISHED)
    assert world.replayed() == 13
    assert await world.counts(job) == {ItemState.STORED: 10}
    assert world.store.inserted == {event.id: 1 for event in events}


async def test_letter_that_the_log_refuses_is_dead_at_once(world: ReplayWorld) -> None:
    """The others go on."""
    await world.fail(*events_of("ann", 2), an_event("bob", b'{"a":"%s"}' % (b"x" * 5_000)))
    world.mend()
    job = await world.order()
    publisher = MemoryReplayPublisher(world.log, "events", max_record_bytes=1_000)
    async with world.serving(), world.working(replace(world.tools, publisher=publisher)):
        await world.comes_to(job, JobState.FINISHED)
    assert await world.counts(job) == {ItemState.STORED: 2, ItemState.DEAD: 1}
    (failure,) = (await world.job(job)).failures
    assert failure.reason == "the record is larger than 1000 bytes"


async def test_conflicting_letter_is_stored_under_a_new_event_id(world: ReplayWorld) -> None:
    """The event that holds its id stays as it is."""
    event = an_event("ann")
    await world.fail()
    for payload in (b'{"n":1}', b'{"n":2}'):
        world.log.append("events", b"ann", codec.encode(event._replace(payload=payload)))
    await world.consume()
    await world.index_letters()
    assert {row.last.kind for row in world.letters.rows.values()} == {FailureKind.CONFLICT}
    assert (await world.order()).letters == 0
    job = await world.order(replace(REPLAY, new_event_id=True))
    async with world.serving(), world.working():
        await world.comes_to(job, JobState.FINISHED)
    assert await world.counts(job) == {ItemState.STORED: 1}
    assert sorted(row.payload or "" for row in world.store.rows.values()) == ['{"n":1}', '{"n":2}']
    assert world.store.rows[event.id].payload == '{"n":1}'


async def test_discard_and_restore_are_carried_out(world: ReplayWorld) -> None:
    """Nothing is published."""
    await world.fail(*events_of("ann", 5))
    async with world.working():
        await world.comes_to(await world.order(DISCARD), JobState.FINISHED)
        assert world.states() == {LetterState.DISCARDED: 5}
        await world.comes_to(await world.order(RESTORE), JobState.FINISHED)
    assert world.states() == {LetterState.DEAD: 5}
    assert world.replayed() == 0
