"""An outage costs time and nothing else: batches are retried in place, each partition by itself."""

import logging
from datetime import timedelta

import pytest

from application.consume.pace import Backoff, Pace
from domain.dead_letter import FailureKind
from domain.errors import Unavailable, WrongDeployment
from tests.support.consumer_world import ConsumerWorld, until
from tests.support.events import NOON

BUDGET = Pace(poll_wait=0.01, backoff=Backoff(0.001, 0.005), retry_budget=60)


async def test_outage_of_the_store_is_waited_out(world: ConsumerWorld) -> None:
    """Polling goes on, so that the group keeps the member; in the end every event is stored in its order."""
    events = world.append(5)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: len(world.store.calls) >= 3)
        retry = world.consumer.partitions.workers[0].status.retry
        assert retry is not None
        assert (retry.cause, retry.first_failed_at) == ("database: down", NOON)
        assert retry.number > 2
        assert world.consumer.waits_for == "database: down"
        polls = world.source.polls
        await until(lambda: world.source.polls > polls + 2)
        assert world.committed() == {}
        world.store.outage = None
        await until(lambda: world.committed() == {0: 5})
        await until(lambda: world.consumer.waits_for is None)
        assert world.consumer.partitions.workers[0].status.retry is None
    assert list(world.store.rows) == [event.id for event in events]
    assert world.letters.sent == []


async def test_records_behind_a_failed_batch_wait_for_it(world: ConsumerWorld) -> None:
    """None of its partition is stored before it."""
    events = world.append(250)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: len(world.store.calls) >= 4)
        assert {each for call in world.store.calls for each in call} == {event.id for event in events[:100]}
        world.store.outage = None
        await until(lambda: world.committed() == {0: 250})
    assert list(world.store.rows) == [event.id for event in events]


async def test_paused_partition_has_a_line_at_its_beginning_and_end(
    world: ConsumerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """One each, however often the batch is tried."""
    caplog.set_level(logging.INFO)
    world.append(1)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: len(world.store.calls) >= 4)
        world.store.outage = None
        await until(lambda: world.committed() == {0: 1})
    told = [(record.getMessage(), getattr(record, "partition", None)) for record in caplog.records]
    assert told == [("partition paused: dependency unavailable", 0), ("partition resumed", 0), ("drained", None)]


async def test_outage_of_the_dead_letter_queue_is_waited_out(world: ConsumerWorld) -> None:
    """A record that is no event is not left behind."""
    world.append_garbage(1, partition=1)
    world.letters.outage = Unavailable("no broker")
    async with world.running():
        await until(lambda: world.consumer.waits_for == "no broker")
        assert world.committed() == {}
        world.letters.outage = None
        await until(lambda: world.committed() == {1: 1})
    (letter,) = world.letters.sent
    assert letter.attempts > 1
    assert letter.first_failed_at == NOON


async def test_trouble_of_one_partition_does_not_touch_others(world: ConsumerWorld) -> None:
    """Records of the others are stored and committed while one waits for the dead-letter queue."""
    world.append_garbage(1, partition=1)
    world.append(3)
    world.letters.outage = Unavailable("no broker")
    async with world.running():
        await until(lambda: world.committed() == {0: 3})
        world.append(2)
        world.append(2, partition=2)
        await until(lambda: world.committed() == {0: 5, 2: 2})
        assert world.consumer.waits_for == "no broker"
        assert set(world.consumer.waiting) == {1}
        world.letters.outage = None
        await until(lambda: world.committed() == {0: 5, 1: 1, 2: 2})


async def test_outage_of_the_log_is_reported_until_it_ends(
    world: ConsumerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty answer is an answer; beginning and end have a line each."""
    caplog.set_level(logging.INFO)
    world.source.outage = Unavailable("kafka: down")
    async with world.running():
        await until(lambda: world.consumer.waits_for == "kafka: down")
        assert world.consumer.poll_trouble is not None
        polls = world.source.polls
        await until(lambda: world.source.polls > polls + 2)
        world.source.outage = None
        await until(lambda: world.consumer.waits_for is None)
        world.append(1)
        await until(lambda: world.committed() == {0: 1})
    told = [line.getMessage() for line in caplog.records]
    assert told == ["cannot read the log at present", "reading the log again", "drained"]


async def test_failed_commit_is_repeated_alone(world: ConsumerWorld) -> None:
    """What is stored is not stored again, and the position never goes back."""
    world.append(250)
    world.source.commit_outage = Unavailable("kafka: no coordinator")
    async with world.running():
        await until(lambda: len(world.source.commits) >= 3)
        await until(lambda: len(world.store.rows) == 200)
        assert world.consumer.waits_for == "kafka: no coordinator"
        assert set(world.consumer.waiting) == {0}
        world.source.commit_outage = None
        await until(lambda: world.committed() == {0: 250})
        await until(lambda: world.consumer.waits_for is None)
    assert len(world.store.calls) == 3
    ends = [offsets[0] for offsets in world.source.commits]
    assert ends == sorted(ends)
    assert world.consumer.pulse.deeds == 3 + 250


async def test_spent_retry_budget_dead_letters_the_batch() -> None:
    """As `exhausted`, and not a moment before; the partition moves on."""
    world = ConsumerWorld(BUDGET)
    world.append(2)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: len(world.store.calls) >= 3)
        world.now += timedelta(seconds=59.9)
        tried = len(world.store.calls)
        await until(lambda: len(world.store.calls) >= tried + 2)
        assert world.letters.sent == []
        world.now += timedelta(seconds=0.1)
        await until(lambda: world.committed() == {0: 2})
        await until(lambda: world.consumer.waits_for is None)
    assert [letter.failure.kind for letter in world.letters.sent] == [FailureKind.EXHAUSTED] * 2
    assert {letter.failure.reason for letter in world.letters.sent} == {"database: down"}
    assert {letter.first_failed_at for letter in world.letters.sent} == {NOON}
    assert world.store.rows == {}


async def test_spent_retry_budget_waits_for_the_dead_letter_queue() -> None:
    """Giving up must be durable as well."""
    world = ConsumerWorld(BUDGET)
    world.append(1)
    world.store.outage, world.letters.outage = Unavailable("database: down"), Unavailable("no broker")
    async with world.running():
        await until(lambda: world.consumer.waits_for == "database: down")
        world.now += timedelta(seconds=60)
        await until(lambda: world.consumer.waits_for == "no broker")
        assert world.committed() == {}
        world.letters.outage = None
        await until(lambda: world.committed() == {0: 1})


async def test_incompatible_deployment_ends_the_run_uncommitted(world: ConsumerWorld) -> None:
    """A person has to act."""
    world.append(1)
    world.append(1, partition=1)
    world.store.outage = WrongDeployment("no table events")
    with pytest.raises(WrongDeployment):
        async with world.running():
            await until(lambda: bool(world.store.calls))
    assert world.committed() == {}
