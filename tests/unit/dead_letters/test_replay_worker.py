"""The worker that carries out jobs, over the adapters in memory."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.memory import MemoryReplayPublisher
from application.dead_letters.jobs import ItemState, JobCommand, JobState, ReplayItem
from application.dead_letters.letters import LetterFilter, LetterState
from application.dead_letters.orders import NewEntry
from application.ports import Receipt
from domain.errors import Rejected, Unavailable
from tests.support.consumer_world import until
from tests.support.letters import REPLAY
from tests.support.replay_world import LEASE, ReplayWorld, events_of

CONTROL = NewEntry("api", "pause job", {}, "")


class GatedPublisher(MemoryReplayPublisher):
    """Publishes; the first call does not return while the gate is closed."""

    def __init__(self, world: ReplayWorld) -> None:
        super().__init__(world.log, "events")
        self.gate = asyncio.Event()
        self.sizes: list[int] = []

    async def publish(self, items: Sequence[ReplayItem]) -> Sequence[Receipt | Rejected | Unavailable]:
        outcomes = await super().publish(items)
        self.sizes.append(len(items))
        if len(self.sizes) == 1:
            await self.gate.wait()
        return outcomes


@pytest.fixture
def world() -> ReplayWorld:
    """One of each test's own."""
    return ReplayWorld()


async def test_mended_letters_are_all_stored_once(world: ReplayWorld, caplog: pytest.LogCaptureFixture) -> None:
    """And the job tells how it went."""
    events = await world.fail(*events_of("ann", 30), *events_of("bob", 30))
    world.mend()
    job = await world.order()
    with caplog.at_level(logging.INFO):
        async with world.serving(), world.working():
            finished = await world.comes_to(job, JobState.FINISHED)
    assert await world.counts(job) == {ItemState.STORED: 60}
    assert world.states() == {LetterState.STORED: 60}
    assert world.store.inserted == {event.id: 1 for event in events}
    assert finished.rate is not None
    assert finished.why is None
    ended = next(record for record in caplog.records if record.message == "dead-letter job ended")
    assert "dead-letter job started" in caplog.messages
    assert (ended.__dict__["letters"], ended.__dict__["counts"]) == (60, {"stored": 60})


async def test_letters_that_fail_again_are_dead_again(world: ReplayWorld) -> None:
    """Each once more in the DLQ, and the job says why."""
    await world.fail(*events_of("ann", 3), *events_of("bob", 3))
    world.mend("ann")
    job = await world.order()
    async with world.serving(), world.working():
        await world.comes_to(job, JobState.FINISHED)
    assert await world.counts(job) == {ItemState.STORED: 3, ItemState.DEAD: 3}
    assert world.states() == {LetterState.STORED: 3, LetterState.DEAD: 3}
    failures = (await world.job(job)).failures
    assert len(failures) == 3
    assert all("refuse" in failure.reason for failure in failures)
    assert len(world.log.records("events-dlq")) == 9


async def test_canary_that_fails_halts_the_job_and_a_resume_goes_on(world: ReplayWorld) -> None:
    """It says which letter failed, and why; the others were not published."""
    await world.fail(*events_of("bob", 1))
    (first,) = world.letters.rows
    await world.fail(*events_of("ann", 20))
    world.mend("ann")
    job = await world.order(replace(REPLAY, canary=5))
    async with world.serving(), world.working():
        halted = await world.comes_to(job, JobState.HALTED)
        assert halted.why is not None
        assert halted.why.startswith(f"canary of 5: {first} failed again: ")
        await until(lambda: world.states()[LetterState.STORED] == 4)
        assert world.replayed() == 5
        assert world.states() == {LetterState.REPLAYING: 16, LetterState.STORED: 4, LetterState.DEAD: 1}
        await world.jobs.control(job.id, JobCommand.RESUME, CONTROL)
        await world.comes_to(job, JobState.FINISHED)
    assert await world.counts(job) == {ItemState.STORED: 20, ItemState.DEAD: 1}


@pytest.mark.parametrize("canary", [1, 7, 20, 1_000])
async def test_canary_that_succeeds_lets_the_others_follow(world: ReplayWorld, canary: int) -> None:
    """Once all of it is stored."""
    await world.fail(*events_of("ann", 20))
    world.mend()
    job = await world.order(replace(REPLAY, canary=canary))
    async with world.working():
        await until(lambda: world.replayed() == min(canary, 20))
        # Nobody serves, so nothing is known of the canary.
        await asyncio.sleep(0.05)
        assert world.replayed() == min(canary, 20)
        async with world.serving():
            await world.comes_to(job, JobState.FINISHED)
    assert await world.counts(job) == {ItemState.STORED: 20}


async def test_canary_that_passed_is_not_judged_again_by_the_next_worker(world: ReplayWorld) -> None:
    """Whatever failed behind it."""
    await world.fail(*events_of("ann", 5))
    await world.fail(*events_of("bob", 20))
    world.mend("ann")
    job = await world.order(replace(REPLAY, canary=3, rate_per_second=100.0))
    async with world.serving():
        async with world.working():
            await until(lambda: world.states()[LetterState.DEAD] > 0)
        async with world.working():
            await world.comes_to(job, JobState.FINISHED)
    assert await world.counts(job) == {ItemState.STORED: 5, ItemState.DEAD: 20}


async def test_rate_bounds_what_is_published(world: ReplayWorld) -> None:
    """In chunks of a fifth of a second."""
    await world.fail(*events_of("ann", 30))
    world.mend()
    job = await world.order(replace(REPLAY, rate_per_second=50.0))
    publisher = GatedPublisher(world)
    publisher.gate.set()
    loop = asyncio.get_running_loop()
    async with world.serving(), world.working(replace(world.tools, publisher=publisher)):
        began = loop.time()
        await world.comes_to(job, JobState.FINISHED)
    assert publisher.sizes == [10, 10, 10]
    assert loop.time() - began >= 0.4


async def test_worker_killed_between_publish_and_note_is_taken_over(world: ReplayWorld) -> None:
    """What it published is published again, and absorbed."""
    events = await world.fail(*events_of("ann", 20))
    world.mend()
    job = await world.order()
    publisher = GatedPublisher(world)
    async with world.serving():
        async with world.working(replace(world.tools, publisher=publisher)) as worker:
            await until(lambda: publisher.sizes == [20])
            worker.cancel()
        assert await world.counts(job) == {ItemState.SENDING: 20}
        world.skew += timedelta(seconds=LEASE + 1)
        async with world.working():
            await world.comes_to(job, JobState.FINISHED)
    assert world.replayed() == 40
    assert await world.counts(job) == {ItemState.STORED: 20}
    assert world.store.inserted == {event.id: 1 for event in events}


async def test_worker_that_lost_its_lease_lets_the_job_go(world: ReplayWorld, caplog: pytest.LogCaptureFixture) -> None:
    """What it has published meanwhile changes nothing."""
    events = await world.fail(*events_of("ann", 5))
    world.mend()
    job = await world.order()
    publisher = GatedPublisher(world)
    async with world.serving(), world.working(replace(world.tools, publisher=publisher)):
        await until(lambda: publisher.sizes == [5])
        world.skew += timedelta(seconds=LEASE + 1)
        async with world.working():
            await world.comes_to(job, JobState.FINISHED)
        publisher.gate.set()
        await until(lambda: "dead-letter job lost to another worker" in caplog.messages)
    assert await world.counts(job) == {ItemState.STORED: 5}
    assert world.store.inserted == {event.id: 1 for event in events}


async def test_stopped_worker_releases_its_job(world: ReplayWorld) -> None:
    """Another one may take it at once."""
    await world.fail(*events_of("ann", 20))
    world.mend()
    job = await world.order(replace(REPLAY, rate_per_second=5.0))
    async with world.serving():
        async with world.working():
            await until(lambda: world.replayed() > 0)
        assert world.jobs.rows[job.id].worker is None
        async with world.working(replace(world.tools, clock=lambda: 0.0)):
            await until(lambda: world.jobs.rows[job.id].worker is not None)


async def test_workers_share_the_jobs_out(world: ReplayWorld) -> None:
    """Each letter is published once."""
    await world.fail(*events_of("ann", 30))
    world.mend()
    ids = list(world.letters.rows)
    jobs = [await world.order(wanted=LetterFilter(ids=ids[place::3])) for place in range(3)]
    async with world.serving(), world.working(), world.working():
        for job in jobs:
            await world.comes_to(job, JobState.FINISHED)
    assert world.replayed() == 30


async def test_paused_job_publishes_nothing_and_learns_what_became_of_the_rest(world: ReplayWorld) -> None:
    """A resume goes on."""
    await world.fail(*events_of("ann", 20))
    world.mend()
    job = await world.order(replace(REPLAY, rate_per_second=5.0))
    async with world.working():
        await until(lambda: world.replayed() == 1)
        await world.jobs.control(job.id, JobCommand.PAUSE, CONTROL)
        async with world.serving():
            await until(lambda: world.states()[LetterState.STORED] == world.replayed())
            published = world.replayed()
            await until(lambda: world.jobs.rows[job.id].worker is None)
            assert world.replayed() == published
            world.jobs.rows[job.id].order = REPLAY
            await world.jobs.control(job.id, JobCommand.RESUME, CONTROL)
            await world.comes_to(job, JobState.FINISHED)
    assert await world.counts(job) == {ItemState.STORED: 20}


async def test_cancelled_job_ends_once_the_published_letters_have_their_outcomes(world: ReplayWorld) -> None:
    """The others are dead, and free for another job."""
    await world.fail(*events_of("ann", 20))
    world.mend()
    job = await world.order(replace(REPLAY, rate_per_second=5.0))
    async with world.working():
        await until(lambda: world.replayed() == 1)
        await world.jobs.control(job.id, JobCommand.CANCEL, CONTROL)
        async with world.serving():
            await until(lambda: world.jobs.rows[job.id].ended_at is not None)
    published = world.replayed()
    assert await world.counts(job) == {ItemState.STORED: published, ItemState.CANCELLED: 20 - published}
    assert world.states() == {LetterState.STORED: published, LetterState.DEAD: 20 - published}


async def test_letters_taken_by_a_killed_worker_of_a_cancelled_job_get_outcomes(world: ReplayWorld) -> None:
    """They may have been published."""
    await world.fail(*events_of("ann", 3))
    world.mend()
    job = await world.order()
    publisher = GatedPublisher(world)
    async with world.serving():
        async with world.working(replace(world.tools, publisher=publisher)) as worker:
            await until(lambda: publisher.sizes == [3])
            worker.cancel()
        await world.jobs.control(job.id, JobCommand.CANCEL, CONTROL)
        world.skew += timedelta(seconds=LEASE + 1)
        async with world.working():
            await until(lambda: world.jobs.rows[job.id].ended_at is not None)
    assert (await world.job(job)).job.state is JobState.CANCELLED
    assert await world.counts(job) == {ItemState.STORED: 3}
